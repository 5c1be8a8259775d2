"""Network faults and rate limits that the fake server does not offer: for tests and `make soak`."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from random import Random
from typing import Any

from attrs import define, evolve, field

from shipengine_tracking.testing import FakeShipEngine, RateLimit, Request, Response, error

BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n{"
FAULTS = {
    "429": error(429, "rate_limit_exceeded", "Too many calls.", error_type="system", headers={"Retry-After": "0"}),
    "503": Response.of(503, "<html><body>Unavailable</body></html>", {"Content-Type": "text/html"}),
    "reset": Response(b"", "reset"),
    "cut": Response(BROKEN, "close"),
}


class RandomFaults(FakeShipEngine):
    """A fake server with random faults, the same for the same seed.

    `shares` has the share of each fault, by its name in FAULTS. A request with a fault is not processed, except that
    "slow" processes the request and responds `delay` seconds late.
    """

    def __init__(self, shares: Mapping[str, float], seed: int = 0, delay: float = 0.05, **options: Any):
        super().__init__(**options)
        self._names, self._weights = [*shares, None], [*shares.values(), 1 - sum(shares.values())]
        self._random, self._delay = Random(seed), delay

    def next_fault(self) -> str | None:
        """Return the fault of the next response."""
        return self._random.choices(self._names, self._weights)[0]

    def respond(self, request: Request) -> Response:
        """Record a request and return the response to it."""
        fault = self.next_fault()
        if fault == "slow":
            return evolve(super().respond(request), delay=self._delay)
        if fault is not None:
            self.enqueue(FAULTS[fault])
        return super().respond(request)


@define
class SlidingRateLimit(RateLimit):
    """A rate limit of `limit` calls in any span of `window` seconds, not only in consecutive windows."""

    _counted: deque[float] = field(factory=deque[float], init=False)

    def count(self, now: float) -> tuple[bool, dict[str, str]]:
        """Count a call at a time in seconds; return whether it is allowed, and the headers of its response."""
        while self._counted and self._counted[0] <= now - self.window:
            self._counted.popleft()
        self._left = self.limit - len(self._counted)
        self._ends = (self._counted[0] if self._counted else now) + self.window
        is_allowed, headers = super().count(now)
        if is_allowed:
            self._counted.append(now)
        return is_allowed, headers
