"""The rules of retries and waits, without I/O: the clock is injected, and no time passes."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from http import HTTPStatus
from queue import SimpleQueue
from typing import Any

import httpx
import pytest

from shipengine_tracking import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ClientStateError,
    InvalidArgumentError,
    RateLimitError,
    ShipEngineError,
)
from shipengine_tracking._config import ClientConfig
from shipengine_tracking._http import flow
from shipengine_tracking._http.flow import (
    Call,
    Operation,
    RunEnded,
    backoff,
    is_response_lost,
    is_retryable,
    mask,
    was_not_processed,
)
from shipengine_tracking._http.rate_limit import RateLimiter, Waiter
from shipengine_tracking_generated.api.tracking import start_tracking, stop_tracking
from shipengine_tracking_generated.types import Response
from support import KEY, NUMBER, PACKAGE

START = Operation[None](start_tracking)
STOP = Operation[None](stop_tracking, is_removal=True)
SUCCESS = Response[Any](HTTPStatus.NO_CONTENT, b"", httpx.Headers(), parsed=None)


def failure(status: int, retry_after: float | None = None, body: bytes = b"{}") -> APIError:
    error = APIError.from_response(status, httpx.Headers({"Request-Id": "7"}), body)
    error.retry_after = retry_after
    return error


def result_of(case: Any) -> Any:
    """Return the result of an attempt: a status, a status with Retry-After, or None for a lost connection."""
    if case is None:
        return APIConnectionError("no response")
    status, retry_after = case if isinstance(case, tuple) else (case, None)
    return SUCCESS if status == 204 else failure(status, retry_after)


class FlowDriver:
    """Drives a flow without I/O: sends the given results, and lets time pass instead of sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.is_frozen = False  # as under freezegun
        self.sleeps: list[float] = []
        self.limiter = RateLimiter(100, None, SimpleQueue)
        self.on_sleep: Callable[[], object] = lambda: None
        self.end: Exception | None = None  # why nothing more may be sent
        self.latency = 0.0
        self.call: Any = None

    def check(self) -> None:
        if self.end is not None:
            raise self.end

    def start(self, *, operation: Operation[Any] = START, in_run: bool = False, **settings: Any) -> Any:
        defaults = {"base_url": None, "timeout": 30.0, "deadline": 60.0, "max_retries": 3, "max_wait": 90.0}
        defaults |= {"max_connections": 100, "requests_per_minute": None, "on_behalf_of": None, "transport": None}
        config = ClientConfig(auth=KEY, **defaults | settings)
        self.call = Call(operation, PACKAGE, config, self.limiter, self.check, in_run)
        return self.call.flow()

    def run(self, *results: object, **settings: Any) -> Any:
        """Return the result or the exception of a call whose attempts have these results."""
        todo, steps, sent = list(results), self.start(**settings), None
        while True:
            try:
                step = steps.send(sent)
            except StopIteration as stop:
                sent = stop.value
                break
            except (ShipEngineError, RunEnded) as error:
                sent = error
                break
            if step is None:
                self.now += self.latency
                sent = todo.pop(0)
            else:
                self.sleeps.append(step)
                self.now += 0 if self.is_frozen else step
                self.on_sleep()
                sent = False
        assert not todo, "the call has sent fewer requests"
        return sent

    def occupy(self, result: object = None) -> Waiter:
        """Let another call through; it ends with a result, or stays in flight."""
        waiter = Waiter()
        assert self.limiter.acquire(waiter, self.now) is None
        if result is not None:
            self.limiter.release(waiter, self.now, result)
        return waiter


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FlowDriver:
    driver = FlowDriver()
    monkeypatch.setattr(flow, "clock", lambda: driver.now)
    monkeypatch.setattr(random, "random", lambda: 0.5)
    return driver


# --- which failures are retried, and when


def test_only_temporary_failures_are_retryable() -> None:
    statuses = [status for status in range(100, 1000) if is_retryable(failure(status))]
    assert statuses == [408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526]
    assert is_retryable(APIConnectionError("broken off", status_code=400))
    assert is_retryable(APITimeoutError("late"))
    assert not is_retryable(InvalidArgumentError("wrong"))
    assert not is_retryable(ClientStateError("closed"))


@pytest.mark.parametrize("cause", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError])
def test_request_without_a_connection_was_not_processed(cause: type[httpx.RequestError]) -> None:
    error = APIConnectionError("no response")
    assert (is_response_lost(error), was_not_processed(error)) == (True, False)
    error.__cause__ = cause("no connection")
    assert (is_response_lost(error), was_not_processed(error)) == (False, True)


@pytest.mark.parametrize(("retry", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (999, 8.0)])
def test_backoff_doubles_up_to_eight_seconds_with_full_jitter(
    monkeypatch: pytest.MonkeyPatch, retry: int, longest: float
) -> None:
    for share in (0.0, 0.25, 0.999):
        monkeypatch.setattr(random, "random", lambda share=share: share)
        assert backoff(retry) == longest * share


RUN = {"in_run": True, "max_retries": 0, "max_wait": 10.0}


@pytest.mark.parametrize(
    ("results", "settings", "sleeps"),
    [
        pytest.param([503, None, (429, 4.0), 204], {}, [0.25, 0.5, 4.0], id="retried until success"),
        pytest.param([500, 503, 504, 502], {}, [0.25, 0.5, 1.0], id="no retries left"),
        pytest.param([400], {}, [], id="400"),
        pytest.param([(503, 0.1), 204], {}, [0.25], id="short Retry-After"),
        pytest.param([(503, 7.0), 204], {}, [7.0], id="long Retry-After"),
        pytest.param([(429, 90.0), 204], {}, [90.0], id="Retry-After of max_wait"),
        pytest.param([(429, 91.0)], {}, [], id="Retry-After beyond max_wait"),
        pytest.param([(429, 50.0), (429, 40.0), (429, 0.5)], {"max_retries": 9}, [50.0, 40.0], id="max_wait used up"),
        pytest.param([(429, 10.0), 204], RUN, [10.0], id="Retry-After of max_wait in a run"),
        pytest.param([(429, 10.1)], RUN, [], id="Retry-After beyond max_wait in a run"),
        pytest.param([503, (429, 4.0), 503], {**RUN, "max_retries": 1}, [0.25, 4.0], id="other retries in a run"),
        pytest.param([*[429] * 7, 204], RUN, [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0], id="many 429s in a run"),
    ],
)
def test_call_is_sent_until_it_succeeds_or_may_not_be_retried(
    driver: FlowDriver, results: list[Any], settings: dict[str, Any], sleeps: list[float]
) -> None:
    todo = [result_of(result) for result in results]
    assert driver.run(*todo, **settings) is (None if todo[-1] is SUCCESS else todo[-1])
    assert driver.sleeps == sleeps
    assert driver.call.attempts == len(results)
    assert getattr(todo[-1], "attempts", len(results)) == len(results)


def test_unsendable_request_has_no_attempts(driver: FlowDriver) -> None:
    error = InvalidArgumentError("the request cannot be sent")
    assert driver.run(error) is error
    assert (driver.sleeps, error.attempts) == ([], 0)


# --- waiting for the limiter


def test_waiting_for_a_429_of_another_call_counts_towards_max_wait_but_not_pool_timeout(driver: FlowDriver) -> None:
    settings = {"max_wait": 90.0, "timeout": httpx.Timeout(30, pool=5.0)}
    driver.occupy(failure(429, 90.0))
    assert driver.run(SUCCESS, **settings) is None
    driver.occupy(failure(429, 40.0))
    last = failure(429, 40.0)
    assert driver.run(failure(429, 40.0), last, **settings) is last
    assert driver.sleeps == [90.0, 40.0, 40.0]


def test_pause_before_a_retry_counts_towards_max_wait(driver: FlowDriver) -> None:
    first = failure(503, 50.0)
    driver.on_sleep = lambda: driver.occupy(failure(429, 41.0))
    assert driver.run(first, max_wait=90.0) is first
    assert driver.sleeps == [50.0]


@pytest.mark.parametrize(
    ("per_minute", "others", "settings", "sleeps", "retry_after", "message"),
    [
        pytest.param(None, [(429, 60.0)], {"max_wait": 59.0}, [], 60.0, "limit is reached: wait 60 s", id="429"),
        pytest.param(None, [(429, 0.0), 0], {"max_wait": 20.0}, [20.0], None, "limit is reached: try", id="probe"),
        pytest.param(None, [(429, 10.5)], {"in_run": True, "max_wait": 10.0}, [], 10.5, "wait 11 s", id="run"),
        pytest.param(2, [204, 204], {"max_wait": 59.0}, [], 60.0, "requests_per_minute is reached: wait", id="pace"),
    ],
)
def test_call_that_cannot_wait_for_its_turn_names_the_cause_and_the_remedy(
    driver: FlowDriver,
    per_minute: int | None,
    others: list[Any],
    settings: dict[str, Any],
    sleeps: list[float],
    retry_after: float | None,
    message: str,
) -> None:
    driver.limiter = RateLimiter(100, per_minute, SimpleQueue)
    for other in others:
        driver.occupy(result_of(other) if other else None)
    error = driver.run(**settings)
    assert type(error) is RateLimitError
    assert (driver.sleeps, error.retry_after, error.attempts) == (sleeps, retry_after, 0)
    assert message in str(error)
    is_caused = isinstance(others[0], tuple)  # by a 429
    assert str(error.__cause__) == str(result_of(429) if is_caused else None)
    assert (error.status_code, error.request_id, error.body) == ((429, "7", b"{}") if is_caused else (429, None, b""))


def test_longer_block_wakes_only_the_calls_that_give_up_before_it_ends(driver: FlowDriver) -> None:
    in_flight = driver.occupy()
    driver.occupy(failure(429, 5.0))
    first, patient = Waiter(), Waiter(deadline=driver.now + 100.0)
    driver.limiter.acquire(first, driver.now)  # the first in the queue is woken anyway
    driver.limiter.acquire(patient, driver.now)
    steps = driver.start(max_wait=20.0)
    steps.send(None)
    driver.limiter.release(in_flight, driver.now, failure(429, 60.0))
    assert (driver.call.waiter.wakeup_queue.empty(), patient.wakeup_queue.empty()) == (False, True)
    with pytest.raises(RateLimitError):
        steps.send(True)


@pytest.mark.parametrize(
    ("timeout", "max_wait", "is_frozen", "waited"),
    [
        pytest.param(httpx.Timeout(30, pool=5.0), 90.0, False, 5.0, id="pool timeout"),
        pytest.param(httpx.Timeout(None), 45.0, False, 45.0, id="max_wait"),
        pytest.param(httpx.Timeout(None), 0.0, False, 0.0, id="no waiting"),
        pytest.param(httpx.Timeout(None), 0.3, True, 0.3, id="max_wait under freezegun"),
    ],
)
def test_waiting_for_a_connection_ends_with_a_timeout(
    driver: FlowDriver, timeout: httpx.Timeout, max_wait: float, is_frozen: bool, waited: float
) -> None:
    driver.now, driver.is_frozen = 1_767_225_600.0, is_frozen
    driver.limiter = RateLimiter(1, None, SimpleQueue)
    driver.occupy()
    error = driver.run(timeout=timeout, max_wait=max_wait, max_connections=1)
    assert type(error) is APITimeoutError
    assert "max_connections=1" in str(error)
    assert error.attempts == 0
    assert sum(driver.sleeps) == pytest.approx(waited, abs=1e-5)
    assert len(driver.sleeps) <= 6  # rounding errors of the clock


def test_run_waits_indefinitely_for_a_connection_or_a_permit(driver: FlowDriver) -> None:
    driver.limiter = RateLimiter(1, 1, SimpleQueue)
    other = driver.occupy()

    def free_the_connection() -> None:
        if len(driver.sleeps) == 40:
            driver.limiter.release(other, driver.now, SUCCESS)

    driver.on_sleep = free_the_connection
    assert driver.run(SUCCESS, in_run=True, max_wait=10.0, timeout=1.0) is None
    assert sum(driver.sleeps) == 40 * 30.0 + 60.0


def test_closing_between_the_check_and_the_sleep_ends_the_call(driver: FlowDriver) -> None:
    """A client that is closed wakes the calls whose queues exist at that moment."""
    end = ClientStateError("closed")

    def new_wakeup_queue() -> SimpleQueue[None]:
        driver.end = end
        return SimpleQueue()

    driver.limiter = RateLimiter(100, None, new_wakeup_queue)
    driver.occupy(failure(429, 40.0))
    assert driver.run() is end
    assert driver.sleeps == []


# --- what becomes of an earlier attempt


@pytest.mark.parametrize(
    ("first", "end", "is_first_raised"),
    [
        pytest.param(failure(503), ClientStateError("closed"), True, id="closed after a 503"),
        pytest.param(failure(429), ClientStateError("closed"), True, id="closed after a 429"),
        pytest.param(failure(429), RunEnded("ended"), False, id="run ended after a 429"),
        pytest.param(failure(503), None, True, id="requests_per_minute reached after a 503"),
        pytest.param(failure(429), None, False, id="requests_per_minute reached after a 429"),
    ],
)
def test_call_that_may_not_be_retried_raises_the_more_important_error(
    driver: FlowDriver, first: APIError, end: ClientStateError | RunEnded | None, is_first_raised: bool
) -> None:
    def end_the_pause() -> None:
        driver.end = end

    driver.limiter = RateLimiter(100, 1, SimpleQueue)
    driver.on_sleep = end_the_pause
    error = driver.run(first, in_run=isinstance(end, RunEnded), max_wait=20.0)
    assert error.attempts == len(driver.sleeps) == 1
    assert (error is first) is is_first_raised
    text = error.__notes__[0] if is_first_raised else str(error)
    assert (str(end) if end else "requests_per_minute") in text


def test_removal_remembers_a_lost_response_across_attempts(driver: FlowDriver) -> None:
    assert driver.run(failure(504), failure(503), failure(404), operation=STOP) is None


# --- logs


def test_log_has_a_line_for_each_attempt_and_each_retry(driver: FlowDriver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "shipengine_tracking")
    lost = APIConnectionError("no response")
    lost.__cause__ = httpx.ReadError("reset")
    driver.latency = 0.1234
    driver.run(failure(503, body=b'{"errors": [{"error_code": "unspecified"}]}'), lost, SUCCESS)
    call = "start_tracking tracking_number='…6152' carrier_code='stamps_com'"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", f"{call}: attempt 1: ServerError 503 unspecified [request id 7] in 0.123 s"),
        ("WARNING", f"{call}: retry in 0.25 s after ServerError 503 unspecified [request id 7]"),
        ("DEBUG", f"{call}: attempt 2: APIConnectionError (ReadError) in 0.123 s"),
        ("WARNING", f"{call}: retry in 0.50 s after APIConnectionError (ReadError)"),
        ("DEBUG", f"{call}: attempt 3: 204 in 0.123 s"),
    ]


def test_mask_keeps_the_last_four_characters_of_a_longer_value() -> None:
    assert [mask("12345"), mask("1234")] == ["…2345", "…"]


def test_log_shows_texts_of_the_server_safely(driver: FlowDriver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "shipengine_tracking")
    text = f"\x1b[2J{NUMBER}" + "x" * 80
    body = {"request_id": text, "errors": [{"error_code": text, "message": NUMBER}]}
    driver.run(failure(500, body=json.dumps(body).encode()), SUCCESS)
    for message in caplog.messages[:2]:
        assert message.count(r"\x1b[2J…6152xx") == 2
        assert message.isprintable()
        assert NUMBER not in message
        assert "x" * 80 not in message
