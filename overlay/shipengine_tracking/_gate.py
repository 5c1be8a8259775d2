"""The gate that all calls of a client share. A state and a clock in, decisions out: no lock, no sleep, no thread here.

A 429, or a window whose calls are used up, shuts it for everybody until the announced moment. Then it is half open: one
call goes first, and its answer lets the others through. Where answers carry `RateLimit-Remaining`, only as many calls
are in flight as there are left. It also bounds the calls in flight, and paces them if `per_minute` is set.

ShipEngine counts the whole account, so several processes coordinate through its headers alone.
Source: ShipEngine's documentation of rate limits, which advises to hold all requests back together.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from attrs import define, field

from .exceptions import APIError, APITimeoutError, RateLimitError

# ShipEngine's window is a minute. No header shuts the gate for longer than this at a time, and a window that ends later
# is none: a header that is wrong would otherwise block its client for good.
LONGEST_CLOSURE = 90.0
# Whole seconds are rounded, so two answers may tell one moment a second apart.
ROUNDING = 1.0
# Between two looks at the gate; a call whose turn comes is woken.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.001, 30.0

# What keeps a call: when to ask again, whether nothing can let it through before, and the limit in words, if it is one.
_Blocked = tuple[float, bool, str]
_LIMIT = "the account's calls are used up"
_HALF_OPEN: _Blocked = (inf, False, _LIMIT)
_BEHIND: _Blocked = (inf, False, "")  # other calls only, in flight or before it

_WHOLE = re.compile(r"[0-9]{1,10}")


@define(eq=False)
class Waiter:
    """A call at the gate, or past it."""

    make_event: Callable[[], Any]  # of a ReentrantEvent or an asyncio.Event, made only for those who wait
    patience: float  # seconds it may wait for the account's limit
    slot_patience: float  # seconds it may wait for others to end
    is_again: bool = False  # whether the call was sent before
    is_of_run: bool = False  # then no wait counts but one that the server announces beyond its patience
    event: Any = None
    since: float = inf
    full_since: float | None = None
    sent: float | None = None  # when it was let through; None again when it has left

    def waited(self, now: float) -> float:
        """Return the seconds since it came."""
        return now - self.since


@define
class Gate:
    """The state. Every method takes the time, in seconds of any clock that does not go back."""

    max_in_flight: int
    per_minute: int | None = None
    minute: float = 60.0

    in_flight: int = 0
    queue: deque[Waiter] = field(factory=deque[Waiter])
    permits_back: deque[float] = field(factory=deque[float])  # when the permits of answered calls come back
    is_shut: bool = False
    shut_until: float = 0.0
    announced: float = 0.0  # the same before it was cut to LONGEST_CLOSURE
    closed_by: RateLimitError | None = None
    probe: Waiter | None = None
    window_end: float = -inf
    remaining: int = 0  # calls left in that window, as last heard

    def enter(self, waiter: Waiter, now: float) -> float:
        """Let a call through, returning 0; else return the seconds after which, or when woken, to ask again.

        Raises:
            RateLimitError: The account's limit would keep it waiting for longer than its patience.
            APITimeoutError: No other call ended within its patience.
        """
        if waiter.since == inf:
            waiter.since = now
            self.queue.append(waiter)
        blocked = self._blocked(now)
        if blocked is None and self.queue[0] is waiter:
            waiter.sent = now
            self.queue.popleft()
            self.in_flight += 1
            if self.is_shut:
                self.probe = waiter
            self._wake_next()
            return 0.0
        if waiter.event is None:
            waiter.event = waiter.make_event()
        return self._wait_or_refuse(waiter, blocked or (_HALF_OPEN if self.is_shut else _BEHIND), now)

    def _wait_or_refuse(self, waiter: Waiter, blocked: _Blocked, now: float) -> float:
        again, is_certain, limit = blocked
        if limit:
            waiter.full_since = None
        elif waiter.full_since is None:
            waiter.full_since = now
        left = inf if waiter.is_of_run else waiter.patience - waiter.waited(now)
        if waiter.full_since is not None and not waiter.is_of_run:
            left = min(left, waiter.slot_patience - (now - waiter.full_since))
            if left <= 0:
                self.give_up(waiter)
                raise APITimeoutError(
                    f"no connection became free within {waiter.waited(now):.3g} s; nothing was sent (max_connections "
                    f"is {self.max_in_flight}; how long to wait for one is the shorter of timeout and max_wait)"
                )
        needed = again - now if is_certain and not waiter.is_of_run else 0.0
        if self.is_shut and now < self.shut_until:
            needed = self.announced - now
        if left <= 0 or needed > min(left, waiter.patience):
            self.give_up(waiter)
            raise _held_back(waiter, limit or _LIMIT, needed or None, self.closed_by)
        return max(min(left, again - now, LONGEST_PAUSE), SHORTEST_PAUSE)

    def give_up(self, waiter: Waiter) -> None:
        """Take out a call that no longer waits."""
        if waiter in self.queue:
            self.queue.remove(waiter)
            self._wake_next()

    def leave(self, waiter: Waiter, now: float, ended: Mapping[str, str] | BaseException) -> None:
        """Note how a call ended: with the headers of a 204, or with an exception. A second time does nothing."""
        if waiter.sent is None:
            return self.give_up(waiter)
        sent, waiter.sent = waiter.sent, None
        self.in_flight -= 1
        if self.per_minute is not None:
            self.permits_back.append(now + self.minute)
        limited = ended if isinstance(ended, RateLimitError) else None
        if waiter is self.probe:
            self.probe = None
            if limited is None and isinstance(ended, Mapping | APIError) and now >= self.shut_until:
                self.is_shut, self.closed_by = False, None
        headers = ended if isinstance(ended, Mapping) else getattr(ended, "headers", {})
        reset, remaining = _whole(headers, "ratelimit-reset"), _whole(headers, "ratelimit-remaining")
        if reset is None or reset > LONGEST_CLOSURE:
            reset = remaining = None
        if reset is not None and remaining is not None:
            self._note_window(sent, now, reset, remaining)
        elif self.remaining:
            self.remaining -= 1  # it may have counted
        if limited is not None:
            self._shut(now, limited.retry_after if limited.retry_after is not None else reset or 0, limited)
        elif self.remaining == 0 and now < self.window_end:
            self._shut(now, self.window_end - now, None)
        return self._wake_next()

    def wake_all(self) -> None:
        """Have every waiting call ask again."""
        for waiter in self.queue:
            if waiter.event is not None:
                waiter.event.set()

    def _wake_next(self) -> None:
        if self.queue and self.queue[0].event is not None:
            self.queue[0].event.set()

    def _blocked(self, now: float) -> _Blocked | None:
        """Return None if a call may go."""
        if self.in_flight >= self.max_in_flight:
            return _BEHIND
        if self.is_shut and now < self.shut_until:
            return self.shut_until, True, _LIMIT
        if self.is_shut and self.probe is not None:
            return _HALF_OPEN
        if not self.is_shut and now < self.window_end and self.remaining <= self.in_flight:
            return self.window_end, self.in_flight == 0, _LIMIT
        while self.permits_back and self.permits_back[0] <= now:
            self.permits_back.popleft()
        if self.per_minute is not None and self.in_flight + len(self.permits_back) >= self.per_minute:
            paced = f"requests_per_minute={self.per_minute} lets no more calls through"
            return (self.permits_back[0], True, paced) if self.permits_back else (inf, False, paced)
        return None

    def _note_window(self, sent: float, now: float, reset: int, remaining: int) -> None:
        # The server told it at some time between `sent` and `now`.
        if sent + reset > self.window_end + ROUNDING:
            self.window_end, self.remaining = now + reset, remaining
        elif now < self.window_end and now + reset >= self.window_end - ROUNDING:
            # Of two tellings of one moment the earlier was rounded less, or was on its way for less long.
            self.window_end, self.remaining = min(now + reset, self.window_end), min(remaining, self.remaining)

    def _shut(self, now: float, seconds: float, error: RateLimitError | None) -> None:
        until, announced = now + min(seconds, LONGEST_CLOSURE), now + seconds
        if self.is_shut and now < self.shut_until and abs(until - self.shut_until) <= ROUNDING:
            until = min(until, self.shut_until)
        elif self.is_shut:
            until, announced = max(until, self.shut_until), max(announced, self.announced)
        self.is_shut, self.shut_until, self.announced = True, until, announced
        self.closed_by = error or self.closed_by
        for waiter in self.queue:  # the others need not know before their turn
            if waiter.event is not None and waiter.patience - waiter.waited(now) < self.announced - now:
                waiter.event.set()


def _held_back(waiter: Waiter, limit: str, seconds: float | None, cause: RateLimitError | None) -> RateLimitError:
    # The error of a call that was not sent, because an earlier answer asks all calls to wait.
    error = RateLimitError(429, cause.headers if cause else {}, cause.body if cause else b"")
    error.retry_after, error.attempts = seconds, 0
    wait = "" if seconds is None else f" for another {seconds:.0f} s"
    error.args = (f"not sent{' again' if waiter.is_again else ''}: {limit}{wait}",)
    error.__cause__ = cause
    return error


def _whole(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if _WHOLE.fullmatch(value) else None
