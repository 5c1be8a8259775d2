"""What keeps an account from being served: its rate limit, and random trouble on the way. Pure; random by seed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from math import ceil
from random import Random

from attrs import define, field

from .answers import Answer, error


@define
class RateLimit:
    """A window of calls, as the account has one: `limit` calls in `window` seconds.

    ShipEngine allows 200 in 60 seconds in production, 20 in the sandbox. `headers` puts `RateLimit-*` on every answer,
    `retry_after` puts `Retry-After` on a 429. A `sliding` window holds in any span of its length, not only in those
    that follow one another.
    """

    limit: int = 200
    window: float = 60.0
    sliding: bool = False
    headers: bool = True
    retry_after: bool = True
    _began: float | None = field(default=None, init=False)
    _counted: deque[float] = field(factory=deque[float], init=False)

    def count(self, now: float) -> tuple[bool, dict[str, str]]:
        """Count a call at a time in seconds; return whether it may pass, and the headers of its answer."""
        if self._began is None:
            self._began = now
        oldest = now - self.window if self.sliding else now - (now - self._began) % self.window
        while self._counted and (self._counted[0] <= oldest if self.sliding else self._counted[0] < oldest):
            self._counted.popleft()
        passes = len(self._counted) < self.limit
        if passes:
            self._counted.append(now)
        ends = (self._counted[0] if self.sliding else oldest) + self.window
        seconds = str(max(1, ceil(ends - now)))
        headers = {"Retry-After": seconds} if self.retry_after and not passes else {}
        if self.headers:
            headers["RateLimit-Limit"] = str(self.limit)
            headers["RateLimit-Remaining"] = str(self.limit - len(self._counted))
            headers["RateLimit-Reset"] = seconds
        return passes, headers


@define
class Weather:
    """Random trouble: each name with the share of answers that it befalls, the same for the same seed.

    `reset`: the connection is reset; `cut`: the answer breaks off; `slow`: it comes `delay` seconds late; a status such
    as `503`: that answer. But for `slow` the request comes to nothing.
    """

    shares: Mapping[str, float]
    seed: int = 0
    delay: float = 0.05
    _random: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        for name in self.shares:
            if name not in ("reset", "cut", "slow") and not re.fullmatch("[2-9][0-9]{2}", name):
                raise ValueError(f"no weather is called {name!r}: take reset, cut, slow or a status such as 503")
        self._random = Random(self.seed)

    def strikes(self) -> str | None:
        """Return the trouble of the next answer."""
        dice = self._random.random()
        for name, share in self.shares.items():
            dice -= share
            if dice < 0:
                return name
        return None

    def answer(self, trouble: str, headers: Mapping[str, str]) -> Answer:
        """Return what is sent for a trouble other than `slow`."""
        if trouble == "reset":
            return Answer(b"", "reset")
        if trouble == "cut":
            return Answer(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n{", "close")
        if trouble == "429":
            return too_many({"Retry-After": "0", **headers})
        status = int(trouble)
        if status > 500:  # from a proxy in front
            page = "<html><body>Bad weather</body></html>"
            return Answer.of(status, page, {"Content-Type": "text/html", **headers})
        return error(status, "unspecified", "Bad weather.", error_type="system", headers=headers)


def too_many(headers: Mapping[str, str]) -> Answer:
    """Return the answer to a call beyond the limit."""
    return error(429, "rate_limit_exceeded", "Too many calls.", error_type="system", headers=headers)
