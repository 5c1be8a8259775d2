"""Which failures are tried again, and when: the policy with plain values, no time passes."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from tenacity import AsyncRetrying, Retrying

from shipengine_tracking import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ClientStateError,
    InvalidArgumentError,
    ShipEngineError,
)
from shipengine_tracking.retry import Call, Run, Stopped, engine, is_retryable, masked, pause, reason

RETRIED = {408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526}


def failure(status: int, retry_after: float | None = None) -> APIError:
    error = APIError.from_answer(status, {"Request-Id": "7"}, b"", body_truncated=False)
    error.retry_after = retry_after
    return error


def test_which() -> None:
    assert {status for status in range(100, 1000) if is_retryable(failure(status))} == RETRIED
    assert is_retryable(APIConnectionError("x", status_code=400))
    assert is_retryable(APITimeoutError("x"))
    for other in (
        InvalidArgumentError("x"),
        ClientStateError("x"),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        None,
    ):
        assert not is_retryable(other)


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (999, 8.0)]
)
def test_pause(attempt: int, longest: float) -> None:
    for share in (0.0, 0.25, 0.999):
        assert pause(attempt, failure(503), lambda share=share: share) == longest * share  # type: ignore[misc]


@pytest.mark.parametrize(("asked", "expected"), [(None, 0.25), (0.0, 0.25), (0.1, 0.25), (7.0, 7.0), (1e9, 1e9)])
def test_never_sooner_than_the_server_asks(asked: float | None, expected: float) -> None:
    for status in (429, 503):
        assert pause(1, failure(status, asked), lambda: 0.5) == expected


class Attempts:
    """A function that fails as it is told."""

    def __init__(self, *failures: BaseException | None, held: float = 0.0, sent: bool = True):
        self.failures, self.held, self.sent = list(failures), held, sent
        self.slept: list[float] = []

    def __call__(self, call: Call) -> None:
        call.waited += self.held
        call.attempts += 1
        call.sent = self.sent
        if error := self.failures.pop(0):
            raise error

    def run(
        self, *, max_retries: int = 3, max_wait: float = 90.0, asynchronous: bool = False
    ) -> ShipEngineError | None:
        call = Call(print, {})
        settings: dict[str, Any] = {"max_retries": max_retries, "max_wait": max_wait, "random": lambda: 0.5}
        try:
            if asynchronous:
                asyncio.run(self.run_async(engine(AsyncRetrying, sleep=self.sleep, **settings), call))
            else:
                engine(Retrying, sleep=self.slept.append, **settings)(self, call)
        except ShipEngineError as error:
            return error
        return None

    async def run_async(self, retrying: AsyncRetrying, call: Call) -> None:
        async def attempt(call: Call) -> None:
            self(call)

        await retrying(attempt, call)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@both
def test_until_it_works(asynchronous: bool) -> None:
    attempts = Attempts(failure(503), APIConnectionError("x"), failure(429, 4.0), None)
    assert attempts.run(asynchronous=asynchronous) is None
    assert attempts.slept == [0.25, 0.5, 4.0]


@both
def test_the_last_exception_is_raised(asynchronous: bool) -> None:
    last = failure(502)
    attempts = Attempts(failure(500), failure(503), failure(504), last)
    assert attempts.run(asynchronous=asynchronous) is last
    assert attempts.slept == [0.25, 0.5, 1.0]


@both
def test_no_retries(asynchronous: bool) -> None:
    attempts = Attempts(failure(503))
    assert attempts.run(max_retries=0, asynchronous=asynchronous) is not None
    assert attempts.slept == []


@pytest.mark.parametrize("error", [failure(400), failure(302), failure(501), InvalidArgumentError("x")])
def test_what_is_not_tried_again(error: ShipEngineError) -> None:
    attempts = Attempts(error)
    assert attempts.run() is error


def test_what_failed_at_the_gate_is_not_tried_again() -> None:
    attempts = Attempts(failure(429), sent=False)
    assert attempts.run() is not None
    assert attempts.slept == []


def test_foreign_exceptions_pass() -> None:
    for error in (KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(error)):
            Attempts(error).run()


@both
def test_a_wait_beyond_the_budget_is_raised_at_once(asynchronous: bool) -> None:
    long = failure(429, 91.0)
    attempts = Attempts(long)
    assert attempts.run(asynchronous=asynchronous) is long
    assert attempts.slept == []


def test_the_budget_counts_all_waits() -> None:
    attempts = Attempts(failure(429, 50.0), failure(429, 40.0), failure(429, 0.5))
    assert attempts.run(max_retries=9) is not None
    assert attempts.slept == [50.0, 40.0]


def test_the_budget_counts_the_gate() -> None:
    attempts = Attempts(failure(429, 50.0), failure(429, 30.0), held=9.0)
    assert attempts.run(max_retries=9) is not None
    assert attempts.slept == [50.0]


@pytest.mark.parametrize(
    ("number", "shown"), [("9405511899223197428490", "…8490"), ("12345", "…2345"), ("1234", "…"), ("", "…"), ("1", "…")]
)
def test_masked(number: str, shown: str) -> None:
    assert masked(number) == shown


def chained(error: APIConnectionError, cause: Exception) -> APIConnectionError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (failure(503), "ServerError 503 [request id 7]"),
        (
            APIError.from_answer(429, {}, b'{"errors": [{"error_code": "a"}]}', body_truncated=False),
            "RateLimitError 429 a",
        ),
        (APIConnectionError("no answer for 9405511899223197428490"), "APIConnectionError"),
        (chained(APITimeoutError("x"), ValueError("9405511899223197428490")), "APITimeoutError (ValueError)"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (
            APIError.from_answer(500, {}, b'{"request_id": "r\\nx", "errors": [{"error_code": "\\u001b[2J"}]}', False),
            "ServerError 500 \\x1b[2J [request id r\\nx]",
        ),
    ],
)
def test_reason(error: BaseException, words: str) -> None:
    assert reason(error) == words


def test_nothing_of_this_takes_a_global(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> float:
        raise AssertionError

    for name in ("random.random", "time.sleep", "asyncio.sleep"):
        monkeypatch.setattr(name, forbidden)
    attempts = Attempts(failure(503), None)
    assert attempts.run() is None


def test_a_number_that_the_wire_repeats_is_masked() -> None:
    number = "9405511899223197428490"
    body = b'{"request_id": "%b", "errors": [{"error_code": "%b"}]}' % (number.encode(), number.encode())
    error = APIError.from_answer(500, {}, body, body_truncated=False)
    assert Call(print, {"tracking_number": number}).why(error) == "ServerError 500 …8490 [request id …8490]"
    assert Call(print, {"tracking_number": "9405"}).why(error).startswith("ServerError 500 94055")
    assert Call(print, {"tracking_number": "94055"}).why(error).startswith("ServerError 500 …4055118")
    assert Call(print, {}).why(error).startswith("ServerError 500 94055")


# --- a call and its run ---------------------------------------------------------------------------------------------

QUERY = {"tracking_number": "9405511899223197428490", "carrier_code": "ups"}
SHOWN = "builtins tracking_number='…8490' carrier_code='ups'"  # `print` stands for an operation


def test_a_log_shows_whole_only_what_it_may() -> None:
    call = Call(print, {**QUERY, "carrier_id": "se-28529731", "order": "Jane Doe 4711"})
    assert str(call) == f"{SHOWN} carrier_id='se-28529731' order='…4711'"


def test_a_long_code_or_id_is_cut_in_a_log() -> None:
    body = b'{"request_id": "%b", "errors": [{"error_code": "%b"}]}'
    for length, cut in ((80, "x" * 80), (81, "x" * 79 + "…")):
        error = APIError.from_answer(500, {}, body % (b"x" * length, b"x" * length), body_truncated=False)
        assert reason(error) == f"ServerError 500 {cut} [request id {cut}]"


def test_the_lines_of_the_attempts(caplog: pytest.LogCaptureFixture) -> None:
    call = Call(print, QUERY)
    with caplog.at_level(logging.DEBUG, "shipengine_tracking"):
        call.log_attempt({}, 0.1)  # not sent
        call.passed_after(2.0)
        call.log_attempt({}, 0.1234)
        call.passed_after(3.0)
        call.log_attempt(failure(503), 0.5)
    with caplog.at_level(logging.INFO, "shipengine_tracking"):
        call.log_attempt({}, 0.1)
    assert caplog.messages == [
        f"{SHOWN}: attempt 1: 204 in 0.123 s",
        f"{SHOWN}: attempt 2: ServerError 503 [request id 7] in 0.500 s",
    ]
    assert (call.waited, call.attempts, call.sent) == (5.0, 2, True)


def test_the_lines_of_the_retries(caplog: pytest.LogCaptureFixture) -> None:
    def attempt(call: Call) -> None:
        call.passed_after(0.0)
        if failures:
            raise failures.pop(0)

    for run, lines, waited in (
        (None, ["retry 1 of 4 in 0.25", "retry 2 of 4 in 4.00", "retry 3 of 4 in 5.00", "retry 4 of 4 in 2.00"], 11.25),
        (
            Run(threading.Event()),
            ["retry 1 of 4 in 0.25", "again in 4.00", "again in 5.00", "retry 2 of 4 in 2.00"],
            2.25,
        ),
    ):
        caplog.clear()
        failures = [failure(503), failure(429, 4.0), failure(429, 5.0), failure(503)]
        call, slept = Call(print, QUERY, run), list[float]()
        engine(Retrying, max_retries=4, max_wait=90.0, sleep=slept.append, random=lambda: 0.5)(attempt, call)
        kinds = ("ServerError 503", "RateLimitError 429", "RateLimitError 429", "ServerError 503")
        assert caplog.messages == [
            f"{SHOWN}: {line} s after {kind} [request id 7]" for line, kind in zip(lines, kinds, strict=True)
        ]
        assert {record.levelname for record in caplog.records} == {"WARNING"}
        assert slept == [0.25, 4.0, 5.0, 2.0]
        assert (call.waited, call.attempts) == (waited, 5)


@pytest.mark.parametrize(("asked", "sends"), [(None, 2), (10.0, 2), (10.1, 1)])
def test_a_run_sends_again_what_met_the_limit_unless_it_asks_for_too_much(asked: float | None, sends: int) -> None:
    def attempt(call: Call) -> None:
        call.passed_after(50.0)
        if call.attempts == 1:
            raise failure(429, asked)

    call = Call(print, {}, Run(threading.Event()))
    try:
        engine(Retrying, max_retries=0, max_wait=10.0, sleep=lambda _: None, random=lambda: 0.5)(attempt, call)
    except ShipEngineError:
        assert sends == 1
    assert call.attempts == sends
    assert call.waited == 0.0


def test_a_run_ends_once_and_nothing_is_tried_after_it() -> None:
    def attempt(call: Call) -> None:
        call.passed_after(0.0)
        run.end()
        raise failure(503)

    ends: list[bool] = []
    run = Run(threading.Event(), on_end=lambda: ends.append(run.over.is_set()))
    call = Call(print, {}, run)
    call.check_run()
    with pytest.raises(APIError):
        engine(Retrying, max_retries=3, max_wait=90.0, sleep=lambda _: None, random=lambda: 0.5)(attempt, call)
    run.end()
    assert (ends, call.attempts) == ([True], 1)
    with pytest.raises(Stopped):
        call.check_run()
    Call(print, {}).check_run()


def test_the_first_failure_is_raised_once() -> None:
    call = Call(print, {}, failed=failure(503))
    with pytest.raises(APIError):
        call.raise_first_failure()
    call.raise_first_failure()


def test_an_error_as_the_caller_meets_it() -> None:
    call = Call(print, {}, attempts=3)
    for error, attempts in ((failure(503), 3), (ClientStateError("x"), 3), (InvalidArgumentError("x"), 0)):
        with pytest.raises(ShipEngineError):
            raise error
        ended = call.ended_by(error)
        assert ended is error
        assert ended.attempts == attempts
        assert ended.__traceback__ is None
