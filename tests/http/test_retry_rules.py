"""The rules of retries and waits, without I/O: the clock is injected, and no time passes."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import suppress
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
    NotFoundError,
    RateLimitError,
    ShipEngineError,
)
from shipengine_tracking._config import ClientConfig
from shipengine_tracking._http import flow
from shipengine_tracking._http.flow import (
    Call,
    Cancelled,
    Operation,
    backoff,
    is_response_lost,
    is_retryable,
    was_not_processed,
)
from shipengine_tracking._http.rate_limit import RateLimiter, Waiter
from shipengine_tracking_generated.api.tracking import start_tracking, stop_tracking
from shipengine_tracking_generated.types import Response
from support import KEY, NUMBER, PACKAGE

RETRYABLE = {408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526}
START = Operation[None](start_tracking)
STOP = Operation[None](stop_tracking, is_removal=True)
SUCCESS = Response[Any](HTTPStatus.NO_CONTENT, b"", httpx.Headers(), parsed=None)
USED_UP = httpx.Headers({"RateLimit-Remaining": "0", "RateLimit-Reset": "60"})
WINDOW = Response[Any](HTTPStatus.NO_CONTENT, b"", USED_UP, parsed=None)


def failure(status: int, retry_after: float | None = None, body: bytes = b"") -> APIError:
    error = APIError.from_response(status, httpx.Headers({"Request-Id": "7"}), body)
    error.retry_after = retry_after
    return error


def result_of(case: Any) -> Any:
    """Return the result of an attempt: a status, a status with Retry-After, or None for a lost connection."""
    if case is None:
        return APIConnectionError("no response")
    status, retry_after = case if isinstance(case, tuple) else (case, None)
    return SUCCESS if status == 204 else failure(status, retry_after)


class Driver:
    """Drives a flow without I/O: sends the given results, and lets time pass instead of sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.is_frozen = False  # as under freezegun
        self.sleeps: list[float] = []
        self.limiter = RateLimiter(100, None, SimpleQueue)
        self.on_sleep: Callable[[], object] = lambda: None
        self.check: Callable[[], None] = lambda: None
        self.call: Any = None

    def start(self, *, operation: Operation[Any] = START, in_run: bool = False, **settings: Any) -> Any:
        defaults = {"base_url": None, "timeout": 30.0, "deadline": 60.0, "max_retries": 3, "max_wait": 90.0}
        defaults |= {"max_connections": 100, "requests_per_minute": None, "on_behalf_of": None, "transport": None}
        config = ClientConfig(auth=KEY, **defaults | settings)
        self.call = Call(operation, PACKAGE, config, self.limiter, lambda: self.check(), in_run)
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
            except (ShipEngineError, Cancelled) as error:
                sent = error
                break
            if step is None:
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
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setattr(flow, "clock", lambda: driver.now)
    monkeypatch.setattr(random, "random", lambda: 0.5)
    return driver


# --- which failures are retried, and when


def test_only_temporary_failures_are_retryable() -> None:
    assert {status for status in range(100, 1000) if is_retryable(failure(status))} == RETRYABLE
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
        pytest.param([502], {"max_retries": 0}, [], id="no retries"),
        pytest.param([400], {}, [], id="400"),
        pytest.param([302], {}, [], id="302"),
        pytest.param([501], {}, [], id="501"),
        pytest.param([(429, 0.0), 204], {}, [0.25], id="Retry-After 0"),
        pytest.param([(503, 0.1), 204], {}, [0.25], id="short Retry-After"),
        pytest.param([(503, 7.0), 204], {}, [7.0], id="long Retry-After"),
        pytest.param([(429, 90.0), 204], {}, [90.0], id="Retry-After of max_wait"),
        pytest.param([(429, 91.0)], {}, [], id="Retry-After beyond max_wait"),
        pytest.param([(429, 1.0)], {"max_wait": 0.0}, [], id="max_wait 0"),
        pytest.param([(429, 50.0), (429, 40.0), (429, 0.5)], {"max_retries": 9}, [50.0, 40.0], id="max_wait used up"),
        pytest.param([429, 204], RUN, [0.25], id="429 in a run"),
        pytest.param([(429, 10.0), 204], RUN, [10.0], id="Retry-After of max_wait in a run"),
        pytest.param([(429, 10.1)], RUN, [], id="Retry-After beyond max_wait in a run"),
        pytest.param([*[429] * 7, 204], RUN, [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0], id="many 429s in a run"),
        pytest.param([503, (429, 4.0), 503], {**RUN, "max_retries": 1}, [0.25, 4.0], id="other retries in a run"),
    ],
)
def test_call_is_sent_until_it_succeeds_or_may_not_be_retried(
    driver: Driver, results: list[Any], settings: dict[str, Any], sleeps: list[float]
) -> None:
    todo = [result_of(result) for result in results]
    assert driver.run(*todo, **settings) is (None if todo[-1] is SUCCESS else todo[-1])
    assert driver.sleeps == sleeps
    assert driver.call.attempts == len(results)
    assert getattr(todo[-1], "attempts", len(results)) == len(results)


def test_unsendable_request_has_no_attempts(driver: Driver) -> None:
    error = InvalidArgumentError("the request cannot be sent")
    assert driver.run(error) is error
    assert (driver.sleeps, error.attempts) == ([], 0)


# --- waiting for the limiter


@pytest.mark.parametrize(
    ("blocked_for", "elapsed", "is_frozen", "results", "settings", "sleeps"),
    [
        pytest.param(40.0, 0.0, False, [(429, 40.0), (429, 40.0)], {}, [40.0, 40.0], id="max_wait counts it"),
        pytest.param(50.0, 0.0, False, [204], {"timeout": httpx.Timeout(30, pool=5.0)}, [50.0], id="pool timeout"),
        pytest.param(100.0, 90.0, False, [204], {"max_wait": 5.0}, [], id="longest block has ended"),
        pytest.param(40.0, 0.0, True, [(503, 40.0), (503, 40.0)], {}, [40.0, 40.0], id="freezegun"),
        pytest.param(10.5, 0.0, False, [204], {"in_run": True, "max_wait": 10.5}, [10.5], id="run"),
    ],
)
def test_call_waits_until_a_429_of_another_call_lets_it_through(
    driver: Driver,
    blocked_for: float,
    elapsed: float,
    is_frozen: bool,
    results: list[Any],
    settings: dict[str, Any],
    sleeps: list[float],
) -> None:
    driver.limiter = RateLimiter(1, None, SimpleQueue)
    driver.occupy(failure(429, blocked_for))
    driver.now += elapsed
    driver.is_frozen = is_frozen
    todo = [result_of(result) for result in results]
    assert driver.run(*todo, **settings) is (None if todo[-1] is SUCCESS else todo[-1])
    assert driver.sleeps == sleeps


def test_call_blocked_by_a_429_gives_up_at_once_if_it_cannot_wait(driver: Driver) -> None:
    cause = RateLimitError(429, {"Retry-After": "60", "Request-Id": "7"}, b"{}")
    driver.occupy(cause)
    driver.now += 10
    error = driver.run(max_wait=49.0)
    assert type(error) is RateLimitError
    assert error is not cause
    assert (driver.sleeps, error.retry_after, error.attempts, str(error.__cause__)) == ([], 50.0, 0, str(cause))
    assert (error.status_code, error.request_id, error.body) == (429, "7", b"{}")
    assert "wait 50 s" in str(error)
    assert driver.run(SUCCESS, max_wait=50.0) is None


@pytest.mark.parametrize(
    ("per_minute", "others", "settings", "sleeps", "retry_after", "message"),
    [
        pytest.param(None, [WINDOW], {"max_wait": 59.0}, [], 60.0, "limit is reached: wait 60 s", id="used-up window"),
        pytest.param(None, [(429, 0.0), 0], {"max_wait": 20.0}, [20.0], None, "limit is reached: try", id="probe"),
        pytest.param(2, [204, 204], {"max_wait": 59.0}, [], 60.0, "requests_per_minute is reached: wait", id="pace"),
        pytest.param(None, [(429, 100.0)], {"max_wait": 99.0}, [], 100.0, "wait 100 s", id="longest block"),
        pytest.param(None, [(429, 10.5)], {"in_run": True, "max_wait": 10.0}, [], 10.5, "wait 11 s", id="run"),
    ],
)
def test_call_that_cannot_wait_for_its_turn_names_the_cause_and_the_remedy(
    driver: Driver,
    per_minute: int | None,
    others: list[Any],
    settings: dict[str, Any],
    sleeps: list[float],
    retry_after: float | None,
    message: str,
) -> None:
    driver.limiter = RateLimiter(100, per_minute, SimpleQueue)
    for other in others:
        driver.occupy(other if other is WINDOW else result_of(other) if other else None)
    error = driver.run(**settings)
    assert type(error) is RateLimitError
    assert (driver.sleeps, error.retry_after, error.attempts) == (sleeps, retry_after, 0)
    assert message in str(error)
    assert (error.__cause__ is not None) is isinstance(others[0], tuple)  # the 429


def test_call_that_waits_is_woken_by_a_block_longer_than_it_can_wait(driver: Driver) -> None:
    in_flight = driver.occupy()
    driver.occupy(failure(429, 5.0))
    driver.limiter.acquire(Waiter(), driver.now)  # the first in the queue is woken anyway
    steps = driver.start(max_wait=20.0)
    steps.send(None)
    driver.limiter.release(in_flight, driver.now, failure(429, 60.0))
    assert not driver.call.waiter.alarm.empty()
    with pytest.raises(RateLimitError):
        steps.send(True)


@pytest.mark.parametrize(
    ("timeout", "max_wait", "is_frozen", "waited"),
    [
        pytest.param(httpx.Timeout(30, pool=5.0), 90.0, False, [5.0], id="pool timeout"),
        pytest.param(httpx.Timeout(None), 45.0, False, [30.0, 15.0], id="max_wait"),
        pytest.param(httpx.Timeout(None), 0.0, False, [], id="no waiting"),
        pytest.param(httpx.Timeout(30, pool=0.2), 0.3, True, [0.2], id="pool timeout under freezegun"),
        pytest.param(httpx.Timeout(None), 0.3, True, [0.3], id="max_wait under freezegun"),
    ],
)
@pytest.mark.parametrize("now", [1000.0, 1_767_225_600.0])
def test_waiting_for_a_connection_ends_with_a_timeout(
    driver: Driver, timeout: httpx.Timeout, max_wait: float, is_frozen: bool, waited: list[float], now: float
) -> None:
    driver.now, driver.is_frozen = now, is_frozen
    driver.limiter = RateLimiter(1, None, SimpleQueue)
    driver.occupy()
    error = driver.run(timeout=timeout, max_wait=max_wait, max_connections=1)
    assert type(error) is APITimeoutError
    assert "max_connections=1" in str(error)
    assert error.attempts == 0
    assert sum(driver.sleeps) == pytest.approx(sum(waited), abs=1e-5)
    assert len(waited) <= len(driver.sleeps) <= len(waited) + 5 * is_frozen


# --- what becomes of an earlier attempt


@pytest.mark.parametrize("end", [ClientStateError("closed"), Cancelled()])
def test_call_that_may_not_be_sent_raises_the_reason(driver: Driver, end: ClientStateError | Cancelled) -> None:
    driver.check = raising(end)
    assert driver.run(in_run=isinstance(end, Cancelled)) is end
    assert end.attempts == 0


def test_end_between_the_first_check_and_the_sleep_is_not_missed(driver: Driver) -> None:
    """A client that is closed rings the alarms that exist at that moment."""
    end = ClientStateError("closed")

    def check() -> None:
        if driver.call.waiter.alarm is not None:
            raise end

    driver.check = check
    driver.occupy(failure(429, 40.0))
    assert driver.run() is end
    assert driver.sleeps == []


@pytest.mark.parametrize(
    ("first", "end", "is_first_raised"),
    [
        pytest.param(failure(503, 20.0), ClientStateError("closed"), True, id="closed after a 503"),
        pytest.param(failure(429, 20.0), ClientStateError("closed"), True, id="closed after a 429"),
        pytest.param(APIConnectionError("no response"), Cancelled(), True, id="run ended after a lost connection"),
        pytest.param(failure(429, 20.0), Cancelled(), False, id="run ended after a 429"),
    ],
)
def test_call_ended_during_a_pause_raises_the_more_important_error(
    driver: Driver, first: ShipEngineError, end: ClientStateError | Cancelled, is_first_raised: bool
) -> None:
    driver.on_sleep = lambda: setattr(driver, "check", raising(end))
    error = driver.run(first, in_run=isinstance(end, Cancelled))
    assert error is (first if is_first_raised else end)
    assert error.attempts == 1
    assert len(driver.sleeps) == 1
    assert hasattr(error, "__notes__") is is_first_raised


def raising(error: Exception) -> Callable[[], None]:
    def check() -> None:
        raise error

    return check


def test_removal_remembers_a_lost_response_over_several_attempts(driver: Driver) -> None:
    assert driver.run(failure(504), failure(503), failure(404), operation=STOP) is None
    assert type(driver.run(failure(503), failure(404), operation=STOP)) is NotFoundError


# --- bulk runs


def test_run_waits_for_a_connection_and_for_the_pace_without_limit(driver: Driver) -> None:
    driver.limiter = RateLimiter(1, 1, SimpleQueue)
    other = driver.occupy()

    def free_the_connection() -> None:
        if len(driver.sleeps) == 40:
            driver.limiter.release(other, driver.now, SUCCESS)

    driver.on_sleep = free_the_connection
    assert driver.run(SUCCESS, in_run=True, max_wait=10.0, timeout=1.0) is None
    assert sum(driver.sleeps) == 40 * 30.0 + 60.0


# --- logs


def test_log_has_the_seconds_of_an_attempt(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "shipengine_tracking")
    running = driver.start()
    running.send(None)
    driver.now += 0.1234
    with suppress(StopIteration):
        running.send(SUCCESS)
    assert "0.123 s" in caplog.text


@pytest.mark.parametrize(
    ("params", "shown", "hidden"),
    [
        pytest.param({"tracking_number": "9405511899223197428490"}, "'…8490'", "940551", id="long number"),
        pytest.param({"tracking_number": "12345"}, "'…2345'", "12345", id="five characters"),
        pytest.param({"tracking_number": "1234"}, "'…'", "1234", id="four characters"),
        pytest.param({"carrier_code": "ups", "carrier_id": "se-28529731"}, "'se-28529731'", "…", id="carrier"),
        pytest.param({"order": "Jane Doe 4711"}, "'…4711'", "Jane", id="other parameter"),
    ],
)
def test_log_masks_all_parameters_except_the_carrier(
    driver: Driver, params: dict[str, str], shown: str, hidden: str
) -> None:
    driver.start()
    line = str(Call(START, params, driver.call.config, driver.limiter, driver.check))
    assert shown in line
    assert hidden not in line


@pytest.mark.parametrize(
    ("code", "shown", "hidden"),
    [
        pytest.param(b"x" * 80, "x" * 80, "…]", id="80 characters"),
        pytest.param(b"x" * 81, "x" * 79 + "…", "x" * 80, id="81 characters"),
        pytest.param(b"\\u001b[2J", "\\x1b[2J", "\x1b", id="escape sequence"),
        pytest.param(b"r\\nx", "r\\nx", "r\nx", id="line break"),
        pytest.param(NUMBER.encode(), "…6152", NUMBER, id="tracking number"),
    ],
)
def test_log_shows_texts_of_the_server_safely(
    driver: Driver, caplog: pytest.LogCaptureFixture, code: bytes, shown: str, hidden: str
) -> None:
    caplog.set_level(logging.DEBUG, "shipengine_tracking")
    body = b'{"request_id": "%b", "errors": [{"error_code": "%b", "message": "%b"}]}' % (code, code, NUMBER.encode())
    driver.run(failure(500, body=body), SUCCESS)
    for message in caplog.messages[:2]:
        assert message.count(shown) >= 2
        assert hidden not in message
        assert NUMBER not in message
