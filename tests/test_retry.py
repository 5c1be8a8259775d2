"""Which failures are tried again, and when: the policy with plain values, no time passes."""

from __future__ import annotations

import asyncio
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
from shipengine_tracking.retry import Call, engine, is_retryable, masked, pause, reason

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
    assert Call(print, {"tracking_number": "5"}).why(error).startswith("ServerError 500 94055")
