"""Which failures are tried again, and when. Decisions only: sleep and random are arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import define
from tenacity import AsyncRetrying, RetryCallState, Retrying

from ._answers import one_line
from .exceptions import APIConnectionError, APIError, InvalidArgumentError, RateLimitError, ShipEngineError

log = logging.getLogger("shipengine_tracking")
log.addHandler(logging.NullHandler())  # it is for the program to say where logs go

# 408 and 429 ask for it; the others are a server's, a proxy's (502 to 504) or Cloudflare's (520 to 526) bad moment.
RETRIED = frozenset({408, 429, 500, 502, 503, 504, *range(520, 527)})
# What a log may say whole.
SHOWN = frozenset({"carrier_code", "carrier_id"})
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0

_Engine = TypeVar("_Engine", Retrying, AsyncRetrying)


class Stopped(Exception):  # noqa: N818 no error, and never seen by a caller
    """The run that a call belongs to is over: nothing more is sent for it."""


@define(eq=False)
class Run:
    """The calls of one `start_many`. They end together, and to wait for the account's limit is no failure of theirs."""

    over: Any  # a ReentrantEvent or an asyncio.Event
    retrying: Any = None  # tenacity's engine, whose pauses end when the run does
    on_end: Callable[[], None] | None = None

    def end(self) -> None:
        """Have nothing more sent for it. A second time does nothing."""
        if not self.over.is_set():
            self.over.set()
            if self.on_end is not None:
                self.on_end()


@define
class Call:
    """One call over all its attempts."""

    operation: Callable[..., Any]
    query: Mapping[str, str]
    run: Run | None = None
    attempts: int = 0  # requests sent
    refused: int = 0  # of them, those of a run that met the account's limit: they use up no retries
    waited: float = 0.0  # seconds spent at the gate and between attempts; of a run, not for the account's limit
    failed: ShipEngineError | None = None  # how the first attempt ended, until the engine has seen it
    last: ShipEngineError | None = None  # how the attempt before has ended
    sent: bool = False  # whether the present attempt has got past the gate

    def check_run(self) -> None:
        """Refuse to go on after the end of the run."""
        if self.run is not None and self.run.over.is_set():
            raise Stopped

    def raise_first_failure(self) -> None:
        """Hand the first failure to the engine, once: it takes 30 to 80 µs, so that a success goes without."""
        failed, self.failed = self.failed, None
        if failed is not None:
            raise failed

    def passed_after(self, seconds: float) -> None:
        """Note that the gate has let an attempt through."""
        if self.run is None:
            self.waited += seconds
        self.attempts += 1
        self.sent = True

    def log_attempt(self, ended: Mapping[str, str] | BaseException, seconds: float) -> None:
        """Write the one line of an attempt."""
        if self.sent and log.isEnabledFor(logging.DEBUG):
            answer = self.why(ended) if isinstance(ended, BaseException) else "204"
            log.debug("%s: attempt %d: %s in %.3f s", self, self.attempts, answer, seconds)

    def why(self, error: BaseException | None) -> str:
        """Return a failure in a few words for a log; its own tracking number is masked where it stands as given."""
        number = self.query.get("tracking_number", "")
        return reason(error).replace(number, masked(number)) if len(number) > 4 else reason(error)

    def ended_by(self, error: ShipEngineError) -> ShipEngineError:
        """Return an error as the caller meets it: with the count, without the frames in between."""
        last, limited = self.last, isinstance(error, RateLimitError)
        if last is not None and not self.sent and not (limited and isinstance(last, RateLimitError)):
            # What keeps a retry from being sent says nothing of the attempt before, by which a package may be tracked.
            last.add_note(f"The retry: {error}")
            error = last
        if not isinstance(error, InvalidArgumentError):
            error.attempts = self.attempts
        return error.with_traceback(None)

    def __str__(self) -> str:
        """Name the call in a log. Tracking numbers are personal data in some places: what is not SHOWN is masked."""
        operation = self.operation.__module__.rpartition(".")[2]
        shown = {name: value if name in SHOWN else masked(value) for name, value in self.query.items()}
        return " ".join([operation, *(f"{name}={value!r}" for name, value in shown.items())])


def masked(number: str) -> str:
    """Return a tracking number with all but its last four characters masked; one so short that it shows all masked."""
    return "…" + (number[-4:] if len(number) > 4 else "")


def is_retryable(error: BaseException | None) -> bool:
    """Return whether the failure of a request that was sent may pass by itself."""
    if isinstance(error, APIError):
        return error.status_code in RETRIED
    return isinstance(error, APIConnectionError)


def pause(attempt: int, error: BaseException | None, random: Callable[[], float]) -> float:
    """Return the seconds to wait after an attempt, counted from 1: full jitter, never sooner than the server asks."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 10))
    asked = error.retry_after if isinstance(error, APIError) else None
    return max(longest * random(), asked or 0.0)


def engine(
    kind: Callable[..., _Engine],
    *,
    max_retries: int,
    max_wait: float,
    sleep: Callable[[float], Any],
    random: Callable[[], float],
) -> _Engine:
    """Return tenacity's engine with our policy: call it with a function and its Call."""

    def retry(state: RetryCallState) -> bool:
        call: Call = state.args[0]
        is_over = call.run is not None and call.run.over.is_set()
        return call.sent and not is_over and is_retryable(_error(state))

    def wait(state: RetryCallState) -> float:
        return pause(state.attempt_number, _error(state), random)

    def stop(state: RetryCallState) -> bool:
        call: Call = state.args[0]
        error = _error(state)
        if call.run is not None and isinstance(error, RateLimitError):
            return error.retry_after is not None and error.retry_after > max_wait
        tried = state.attempt_number - call.refused
        return tried > max_retries or call.waited + state.upcoming_sleep > max_wait

    def before_sleep(state: RetryCallState) -> None:
        call, error = state.args[0], _error(state)
        call.last = error
        if call.run is not None and isinstance(error, RateLimitError):
            call.refused += 1
            step = "again"
        else:
            call.waited += state.upcoming_sleep
            step = f"retry {state.attempt_number - call.refused} of {max_retries}"
        log.warning("%s: %s in %.2f s after %s", call, step, state.upcoming_sleep, call.why(error))

    return kind(retry=retry, wait=wait, stop=stop, before_sleep=before_sleep, sleep=sleep, reraise=True)


def reason(error: BaseException | None) -> str:
    """Return a failure in a few words for a log: no sentence of the wire, which could hold a tracking number."""
    words = type(error).__name__
    if isinstance(error, APIError):
        words += f" {error.status_code} {one_line(error.code or '', 80)}".rstrip()
    elif error is not None and error.__cause__ is not None:
        words += f" ({type(error.__cause__).__name__})"
    request_id = getattr(error, "request_id", None)
    return f"{words} [request id {one_line(request_id, 80)}]" if request_id else words


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
