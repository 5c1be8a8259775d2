"""One call with all its attempts, as a generator without I/O, like `httpx.Auth.auth_flow`.

`Call.flow()` yields what to do next: None to send the request, or the seconds to sleep. A driver, blocking or asyncio,
does it and sends back what happened: the generated `Response` or one of our exceptions, or whether a wake-up ended the
sleep. The flow returns or raises the result of the call.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Mapping
from math import ceil, inf
from types import ModuleType
from typing import Any, Generic, TypeVar

import httpx
from attrs import define, field, frozen

from .._config import ClientConfig
from .._responses import printable_line
from ..exceptions import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ClientStateError,
    InvalidArgumentError,
    NotFoundError,
    RateLimitError,
    ShipEngineError,
)
from .rate_limit import Delay, RateLimiter, Waiter

T = TypeVar("T")

log = logging.getLogger("shipengine_tracking")
log.addHandler(logging.NullHandler())  # applications configure logging, libraries do not
clock = time.monotonic

# 408 and 429 ask for a retry; the others are temporary failures of a server, a proxy or Cloudflare (520 to 526).
# CONTRIBUTING.md says where else they are listed.
RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504, *range(520, 527)})
# A proxy, or Cloudflare (520, 524), forwarded the request, but received no valid response.
LOST_RESPONSE_STATUSES = frozenset({502, 504, 520, 524})
# The request was not sent, because there was no connection. The proxy errors of httpx are about connecting, too.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
FIRST_BACKOFF, MAX_BACKOFF = 0.5, 8.0  # seconds
# Parameters that the log shows in full. All others are masked, because tracking numbers can be personal data.
UNMASKED_PARAMS = frozenset({"carrier_code", "carrier_id", "webhook_id"})


class RunEnded(Exception):  # noqa: N818 it is not an error, and callers do not see it
    """The bulk run that the call belongs to has ended, so the call is not sent."""

    attempts = 0


@frozen
class Operation(Generic[T]):
    """An operation of the API that returns a `T`: its generated module, and what the generated code does not know."""

    module: ModuleType
    load: Callable[[bytes], T] | None = None  # returns the model of a success, or raises ValueError
    is_removal: bool = False  # then a 404 after a lost response means that the lost request was processed
    is_idempotent: bool = True  # otherwise only a request that was certainly not processed is retried


@define(eq=False)
class Call:
    """One call with all its attempts."""

    operation: Operation[Any]
    params: Mapping[str, Any]  # the arguments of the generated function
    config: ClientConfig
    limiter: RateLimiter
    check: Callable[[], None]  # raises if the client is closed or the run has ended
    in_run: bool = False  # then waiting for the rate limit does not count as a retry, nor towards `max_wait`
    waiter: Waiter = field(factory=Waiter)
    attempts: int = 0
    retries: int = 0
    waited: float = 0.0  # seconds that count towards `max_wait`
    clock_lag: float = 0.0  # seconds slept while the clock stood still, as under freezegun

    def flow(self) -> Generator[float | None, Any, Any]:
        """Yield the steps of the call; return the model of the response, or raise."""
        previous: ShipEngineError | None = None
        is_lost = False
        try:
            while True:
                try:
                    yield from self._acquire()
                except (ShipEngineError, RunEnded) as error:
                    raise self._unsent_error(error, previous)  # noqa: B904 it has its own cause
                self.attempts += 1
                result = yield None
                now = self._now()
                if log.isEnabledFor(logging.DEBUG):
                    seconds = now - (self.waiter.sent_at or now)
                    log.debug("%s: attempt %d: %s in %.3f s", self, self.attempts, self._describe(result), seconds)
                self.limiter.release(self.waiter, now, result)
                if not isinstance(result, ShipEngineError):
                    return result.parsed
                if is_lost and self.operation.is_removal and isinstance(result, NotFoundError):
                    return None
                is_lost = is_lost or is_response_lost(result)
                result.attempts = 0 if isinstance(result, InvalidArgumentError) else self.attempts
                previous = result
                yield from self._back_off(result)
        finally:
            if self.waiter.is_queued or self.waiter.sent_at is not None:  # the call was interrupted
                self.limiter.release(self.waiter, self._now())

    def _now(self) -> float:
        return clock() + self.clock_lag

    def _sleep(self, seconds: float) -> Generator[float, bool, float]:
        """Sleep for this many seconds, or until a wake-up; return the seconds slept."""
        before = clock()
        was_woken = yield seconds
        slept = clock() - before
        if was_woken:
            return max(0.0, slept)
        self.clock_lag += max(0.0, seconds - slept)
        return seconds

    def _acquire(self) -> Generator[float, bool, None]:
        """Wait until the limiter lets the call through."""
        self.check()
        started = busy_since = now = self._now()
        longest = self.config.max_wait - self.waited
        self.waiter.deadline = now + longest
        while (delay := self.limiter.acquire(self.waiter, now)) is not None:
            left = inf if self.in_run else longest - (now - started)
            if delay.reason == "max_connections" and not self.in_run:
                left = min(left, (self.config.timeout.pool or inf) - (now - busy_since))
            limit = self.config.max_wait if self.in_run and delay.reason == "rate limit" else left
            if left <= 0 or delay.min_wait > limit:
                raise self._wait_error(delay, now - started)
            self.check()  # closing the client after this line wakes the call, because its queue exists by now
            yield from self._sleep(min(delay.seconds, left))
            self.check()
            now = self._now()
            if delay.reason != "max_connections":
                busy_since = now
        if not self.in_run:
            self.waited += now - started

    def _wait_error(self, delay: Delay, waited: float) -> ShipEngineError:
        if delay.reason == "max_connections":
            return APITimeoutError(
                f"all max_connections={self.config.max_connections} connections stayed busy for {waited:.3g} s: "
                "raise max_connections or timeout"
            )
        is_pace = delay.reason == "requests_per_minute"
        cause = None if is_pace else self.limiter.last_rejection
        error = RateLimitError(429, cause.headers if cause else None, cause.body if cause else b"")
        error.retry_after = delay.min_wait or None
        reason = "the limit of requests_per_minute" if is_pace else "the account's rate limit"
        remedy = f"wait {ceil(delay.min_wait)} s" if delay.min_wait else "try again later"
        error.args = (f"{reason} is reached: {remedy}",)
        error.__cause__ = cause
        return error

    def _unsent_error(self, error: ShipEngineError | RunEnded, previous: ShipEngineError | None) -> Exception:
        """Return the error of a call whose next attempt is not sent.

        An earlier attempt may have been processed, so its error matters more, unless it was a 429.
        """
        if previous is None or (isinstance(previous, RateLimitError) and not isinstance(error, ClientStateError)):
            error.attempts = self.attempts
            return error
        previous.add_note(f"Not retried: {error}")
        return previous

    def _back_off(self, error: ShipEngineError) -> Generator[float, bool, None]:
        """Sleep until the next attempt, or raise the error if it was the last."""
        pause = self._pause(error)
        if pause is None:
            raise error
        log.warning("%s: retry in %.2f s after %s", self, pause, self._describe(error))
        self.waiter.wakeup_queue = self.waiter.wakeup_queue or self.limiter.new_wakeup_queue()
        while pause > 0:
            try:
                self.check()
            except (ShipEngineError, RunEnded):
                return  # `_acquire` reports it
            pause -= yield from self._sleep(pause)

    def _pause(self, error: ShipEngineError) -> float | None:
        """Return the seconds until the next attempt, or None if this was the last."""
        if not is_retryable(error) or not (self.operation.is_idempotent or was_not_processed(error)):
            return None
        retry_after = getattr(error, "retry_after", None) or 0.0
        if self.in_run and isinstance(error, RateLimitError):
            return max(backoff(self.attempts), retry_after) if retry_after <= self.config.max_wait else None
        self.retries += 1
        pause = max(backoff(self.retries), retry_after)
        self.waited += pause
        return None if self.retries > self.config.max_retries or self.waited > self.config.max_wait else pause

    def _describe(self, result: Any) -> str:
        """Return a result for the log, without texts from the server, which may quote a tracking number."""
        if not isinstance(result, ShipEngineError):
            return f"{int(result.status_code)}"
        words = [type(result).__name__, getattr(result, "status_code", None), getattr(result, "code", None)]
        if result.__cause__ is not None:
            words.append(f"({type(result.__cause__).__name__})")
        line = " ".join(printable_line(str(word), 80) for word in words if word)
        if request_id := getattr(result, "request_id", None):
            line += f" [request id {printable_line(request_id, 80)}]"
        number = str(self.params.get("tracking_number", ""))
        return line.replace(number, mask(number)) if len(number) > 4 else line

    def __str__(self) -> str:
        texts = {name: value for name, value in self.params.items() if isinstance(value, str)}  # not a request body
        shown = (f"{name}={v if name in UNMASKED_PARAMS else mask(v)!r}" for name, v in texts.items())
        return " ".join([self.operation.module.__name__.rpartition(".")[2], *shown])


def is_retryable(error: ShipEngineError) -> bool:
    """Return whether the failure may be temporary."""
    if isinstance(error, APIError):
        return error.status_code in RETRYABLE_STATUSES
    return isinstance(error, APIConnectionError)


def is_response_lost(error: ShipEngineError) -> bool:
    """Return whether ShipEngine's own response did not arrive, so that it may have processed the request.

    `LOST_RESPONSE_STATUSES` come from a proxy that did not get ShipEngine's response.
    """
    if isinstance(error, APIError):
        return error.status_code in LOST_RESPONSE_STATUSES
    return isinstance(error, APIConnectionError) and not was_not_processed(error)


def was_not_processed(error: ShipEngineError) -> bool:
    """Return whether the server certainly did not process the request."""
    if isinstance(error, APIError):
        return error.status_code == 429 or (error.status_code == 503 and error.retry_after is not None)
    return isinstance(error.__cause__, NOT_SENT)


def backoff(retry: int) -> float:
    """Return a random pause in seconds before a retry (the first is 1): exponential backoff with full jitter."""
    return random.random() * min(MAX_BACKOFF, FIRST_BACKOFF * 2.0 ** min(retry - 1, 10))  # noqa: S311 not a secret


def mask(value: str) -> str:
    """Return an ellipsis and the last four characters of a value; only the ellipsis for a short value."""
    return "…" + (value[-4:] if len(value) > 4 else "")
