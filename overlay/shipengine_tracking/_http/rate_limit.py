"""The rate limit that all calls of a client share: a state machine without I/O. The caller passes the time.

After a 429, or when a window has no calls left, all calls wait until the announced moment. Then the limiter is
half-open: one call, the probe, is sent first, and its response lets the others through. If responses have
`RateLimit-Remaining`, no more calls are in flight than remain. `requests_per_minute` paces the calls, and
`max_connections` limits how many are in flight.

ShipEngine counts the calls of a whole account, so several processes coordinate only through the headers. Source:
ShipEngine's guide to rate limits, which advises delaying all requests together.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from math import inf
from typing import Any, Literal

from attrs import define, field, frozen

from ..exceptions import APIError, RateLimitError, ShipEngineError

# ShipEngine's window is a minute long. A wrong header must not block the client forever.
MAX_BLOCK = 90.0
# How long a call sleeps if no time is known. It is woken when its turn comes.
MAX_SLEEP = 30.0
MINUTE = 60.0
# Reset values are whole seconds, so two responses can place the same moment a second apart.
RESET_ROUNDING = 1.0


@define(eq=False)
class Waiter:
    """The state of one call in the limiter: queued, in flight or neither."""

    wakeup_queue: Any = None  # a queue that ends the sleep of the call; made when the call has to wait
    deadline: float = inf  # when its `max_wait` is over; a longer block wakes it, so that it can give up at once
    is_queued: bool = False
    sent_at: float | None = None  # set while a request is in flight


@frozen
class Delay:
    """Why a call has to wait, and for how long."""

    seconds: float  # until it should ask again, unless it is woken earlier
    reason: Literal["rate limit", "requests_per_minute", "max_connections"]
    min_wait: float = 0.0  # seconds that it will certainly wait


@define(eq=False)
class RateLimiter:
    """Decides when a request may be sent. Call `acquire` until it returns None, send, then call `release`."""

    max_in_flight: int
    per_minute: int | None
    new_wakeup_queue: Callable[[], Any]

    in_flight: set[Waiter] = field(factory=set[Waiter])
    queue: deque[Waiter] = field(factory=deque[Waiter])
    permits: deque[float] = field(factory=deque[float])  # when each used permit of `per_minute` is available again
    is_half_open: bool = False  # nothing is sent until `blocked_until`, and then one probe
    blocked_until: float = -inf
    announced_end: float = -inf  # when the wait that the server asked for ends; MAX_BLOCK limits only `blocked_until`
    last_rejection: RateLimitError | None = None
    probe: Waiter | None = None
    window_end: float = -inf
    remaining: int = 0  # calls left in that window
    first_remaining: int = 0  # calls left when this client first saw the window
    window_responses: int = 0  # how many this client has received since then
    account_factor: float = 1.0  # an estimate: calls that all processes of the account make for each one of this client
    _lock: threading.Lock = field(factory=threading.Lock)

    def acquire(self, waiter: Waiter, now: float) -> Delay | None:
        """Let a call through and return None, or queue it and return how long it should wait."""
        with self._lock:
            delay = self._delay(now)
            is_first = not self.queue or self.queue[0] is waiter
            if delay is None and is_first:
                # Ctrl-C can interrupt between any two lines: `release` undoes what was done until then.
                waiter.sent_at = now
                self.in_flight.add(waiter)
                if self.is_half_open:
                    self.probe = waiter
                if waiter.is_queued:
                    self.queue.popleft()
                    waiter.is_queued = False
                if self.queue:
                    _wake(self.queue[0])
                return None
            if not waiter.is_queued:
                waiter.wakeup_queue, waiter.is_queued = waiter.wakeup_queue or self.new_wakeup_queue(), True
                self.queue.append(waiter)
            delay = delay or Delay(MAX_SLEEP, "rate limit" if self.is_half_open else "max_connections")
            # The others are woken when they become first. Timed sleeps would wake them all at the same moment.
            return delay if is_first else Delay(MAX_SLEEP, delay.reason, delay.min_wait)

    def release(self, waiter: Waiter, now: float, result: object = None) -> None:
        """Record the response or exception of a request, or that the call has given up. Calling it twice is fine."""
        with self._lock:
            if waiter.is_queued:
                with suppress(ValueError):  # an interrupted `acquire` may not have added it, or has removed it
                    self.queue.remove(waiter)
            if waiter.sent_at is not None:
                self.in_flight.discard(waiter)
                if self.per_minute is not None:
                    self.permits.append(now + MINUTE)
                self._update(waiter, waiter.sent_at, now, result)
            if self.queue:
                _wake(self.queue[0])
            waiter.is_queued, waiter.sent_at = False, None  # set last: an interrupted `release` is repeated

    def _delay(self, now: float) -> Delay | None:
        newest_permit = self.permits[-1] if self.permits else -inf
        if max(self.blocked_until, self.window_end, newest_permit) > now + MAX_BLOCK:
            # The clock was set back, which freezegun does when it stops.
            self.blocked_until = self.announced_end = self.window_end = -inf
            self.permits.clear()
        in_flight = len(self.in_flight)
        if in_flight >= self.max_in_flight:
            return Delay(MAX_SLEEP, "max_connections")
        if self.is_half_open and now < self.blocked_until:
            return Delay(self.blocked_until - now, "rate limit", self.announced_end - now)
        if self.is_half_open and self.probe is not None:
            return Delay(MAX_SLEEP, "rate limit")
        # Calls that other processes are expected to make before the calls in flight have responses. The 2 allows for
        # those that they have made since `remaining` was read. If none is in flight, one is sent in any case: an unused
        # call can cost a whole window.
        others = (in_flight + 2) * (self.account_factor - 1) if in_flight else 0
        if not self.is_half_open and now < self.window_end and self.remaining <= in_flight + others:
            left = self.window_end - now
            return Delay(left, "rate limit", 0.0 if in_flight else left)
        if self.per_minute is not None:
            while self.permits and self.permits[0] <= now:
                self.permits.popleft()
            if in_flight + len(self.permits) >= self.per_minute:
                wait = self.permits[0] - now if self.permits else 0.0
                return Delay(wait or MAX_SLEEP, "requests_per_minute", wait)
        return None

    def _update(self, waiter: Waiter, sent_at: float, now: float, result: object) -> None:
        rejection = result if isinstance(result, RateLimitError) else None
        is_response = result is not None and (isinstance(result, APIError) or not isinstance(result, ShipEngineError))
        if waiter is self.probe:
            self.probe = None
            if is_response and rejection is None and now >= self.blocked_until:
                self.is_half_open, self.last_rejection = False, None
        headers: Mapping[str, str] = getattr(result, "headers", {})
        reset, remaining = _read_window(headers) if "ratelimit-reset" in headers else (None, None)
        if reset is not None and remaining is not None:
            self._update_window(sent_at, now, reset, remaining)
        elif self.remaining:
            self.remaining -= 1  # the server may have counted the request
        if rejection is not None:
            self._block(now, rejection.retry_after if rejection.retry_after is not None else reset or 0.0, rejection)
        elif self.remaining == 0 and now < self.window_end:
            self._block(now, self.window_end - now, None)

    def _update_window(self, sent_at: float, now: float, reset: int, remaining: int) -> None:
        # The server wrote the headers at some time between `sent_at` and `now`.
        if sent_at + reset > self.window_end + RESET_ROUNDING:
            self.window_end, self.window_responses = now + reset, 0
            self.remaining = self.first_remaining = remaining
        elif now < self.window_end and now + reset >= self.window_end - RESET_ROUNDING:
            self.window_end, self.window_responses = min(now + reset, self.window_end), self.window_responses + 1
            self.remaining = min(remaining, self.remaining)
            self.account_factor = max(1.0, (self.first_remaining - self.remaining) / self.window_responses)

    def _block(self, now: float, seconds: float, cause: RateLimitError | None) -> None:
        until, announced = now + min(seconds, MAX_BLOCK), now + seconds
        if self.is_half_open and now < self.blocked_until and abs(until - self.blocked_until) <= RESET_ROUNDING:
            until = min(until, self.blocked_until)
        elif self.is_half_open:
            until, announced = max(until, self.blocked_until), max(announced, self.announced_end)
        if announced > self.announced_end + RESET_ROUNDING:
            for waiter in self.queue:
                if waiter.deadline < announced:
                    _wake(waiter)
        self.is_half_open, self.blocked_until, self.announced_end = True, until, announced
        # A copy, because the traceback of the original holds the frames of a caller, which other calls must not show.
        self.last_rejection = copy(cause) or self.last_rejection


def _wake(waiter: Waiter) -> None:
    if waiter.wakeup_queue.empty():  # otherwise the wake-ups would accumulate
        waiter.wakeup_queue.put_nowait(None)


def _read_window(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return the seconds until the window ends, and the calls left in it; None for a value that is not valid."""
    values = headers["ratelimit-reset"], headers.get("ratelimit-remaining", "")
    reset, remaining = (int(value) if re.fullmatch("[0-9]{1,10}", value) else None for value in values)
    return (reset, remaining) if reset is not None and reset <= MAX_BLOCK else (None, None)
