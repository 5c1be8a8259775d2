"""The rules of the exceptions, with plain values."""

from __future__ import annotations

import copy
import pickle

import pytest

import shipengine_tracking
from shipengine_tracking import (
    AccountError,
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    CarrierError,
    ClientStateError,
    ErrorCode,
    InvalidArgumentError,
    InvalidPayloadError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ShipEngineError,
)
from shipengine_tracking.exceptions import CODES, exception_class

BODY = b'{"request_id": "7", "errors": [{"error_code": "trial_expired", "message": "Over.", "field_value": [1]}]}'


def test_the_tree() -> None:
    tree: dict[type[ShipEngineError], tuple[type[Exception], ...]] = {
        InvalidArgumentError: (ShipEngineError, ValueError),
        ClientStateError: (ShipEngineError, RuntimeError),
        APIConnectionError: (ShipEngineError,),
        APITimeoutError: (APIConnectionError, TimeoutError),
        APIError: (ShipEngineError,),
        NotFoundError: (InvalidRequestError,),
        **dict.fromkeys(
            (
                AuthenticationError,
                PermissionDeniedError,
                AccountError,
                CarrierError,
                InvalidRequestError,
                RateLimitError,
                ServerError,
            ),
            (APIError,),
        ),
    }
    for kind, bases in tree.items():
        assert kind.__bases__ == bases
        assert getattr(shipengine_tracking, kind.__name__) is kind


def test_the_table_holds_every_code_once() -> None:
    assert set(CODES) == {code.value for code in ErrorCode}
    assert {kind for kind in CODES.values() if kind} == {AccountError, CarrierError}


def test_the_class_of_every_status() -> None:
    by_status = {401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError, 429: RateLimitError}
    for status in range(100, 1000):
        otherwise = InvalidRequestError if status // 100 == 4 else ServerError if status // 100 == 5 else APIError
        expected = by_status.get(status, otherwise)
        assert exception_class(status, []) is expected
        code_decides = status // 100 == 4 and status not in (401, 429)
        for code, kind in CODES.items():
            assert exception_class(status, ["of_tomorrow", code]) is (kind if kind and code_decides else expected)


def test_the_first_listed_code_decides() -> None:
    assert exception_class(400, ["forbidden", "trial_expired", "carrier_conflict"]) is AccountError
    assert exception_class(400, ["carrier_conflict", "trial_expired"]) is CarrierError


def test_what_an_answer_tells() -> None:
    body = b"""{"request_id": "7", "errors": [{
        "error_source": "carrier", "error_type": "validation", "error_code": "carrier_conflict", "message": "No.",
        "field_name": "carrier_code", "carrier_code": "ups", "carrier_id": "se-1"}]}"""
    for truncated in (False, True):
        error = APIError.from_answer(400, {"X-Some": "1", "Retry-After": "7"}, body, truncated)
        assert (error.status_code, dict(error.headers)) == (400, {"x-some": "1", "retry-after": "7"})
        assert (error.body, error.body_truncated) == (body, truncated)
        assert (error.request_id, error.retry_after) == ("7", 7.0)
        assert (error.source, error.type, error.code) == ("carrier", "validation", "carrier_conflict")
        assert (error.message, error.field_name) == ("No.", "carrier_code")
        assert (error.carrier_code, error.carrier_id) == ("ups", "se-1")


def test_pickle_and_copy_keep_all_that_is_known() -> None:
    error = APIError.from_answer(404, {"Retry-After": "7", "X-ShipEngine-RequestId": "8"}, BODY, body_truncated=True)
    error.attempts = 3
    error.add_note("of mine")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is AccountError
        assert vars(other).keys() == vars(error).keys()
        for name, value in vars(error).items():
            assert name == "headers" or getattr(other, name) == value
        assert dict(other.headers) == dict(error.headers)
        assert str(other) == str(error) == "404 trial_expired: Over. [request id 7]"


def test_pickle_keeps_a_wait_that_was_read_by_the_clock() -> None:
    error = RateLimitError(429, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"})
    assert error.retry_after is not None
    assert pickle.loads(pickle.dumps(error)).retry_after == error.retry_after


@pytest.mark.parametrize("kind", [APIConnectionError, APITimeoutError])
def test_pickle_of_a_broken_answer(kind: type[APIConnectionError]) -> None:
    error = kind("broke off", status_code=500, headers={"Request-Id": "7"})
    error.attempts = 2
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(other) is kind
        assert (str(other), other.status_code, other.request_id, other.attempts) == ("broke off", 500, "7", 2)


@pytest.mark.parametrize("kind", [InvalidArgumentError, ClientStateError])
def test_pickle_of_the_others(kind: type[ShipEngineError]) -> None:
    other = pickle.loads(pickle.dumps(kind("text")))
    assert type(other) is kind
    assert str(other) == "text"
    assert other.attempts == 0


def test_an_exception_is_easily_made_for_a_test_of_ones_own() -> None:
    error = RateLimitError(429)
    assert str(error) == "429 Too Many Requests"
    assert (error.errors, error.code, error.body, error.retry_after, error.attempts) == ((), None, b"", None, 1)
    assert error.body_truncated is False
    assert InvalidPayloadError("text").body == b""


def test_headers_are_found_in_any_case() -> None:
    headers = APIError(500, {"X-Some": "1"}).headers
    assert headers["x-sOME"] == "1"
    assert "X-SOME" in headers
    assert headers.get("absent") is None
    assert len(headers) == 1
    assert repr(headers) == "Headers({'x-some': '1'})"


def test_what_is_exported_is_what_is_named() -> None:
    public = {name for name in vars(shipengine_tracking) if not name.startswith("_")}
    modules = {name for name in public if type(getattr(shipengine_tracking, name)).__name__ == "module"}
    assert set(shipengine_tracking.__all__) == public - modules | {"__version__"}
    assert sorted(shipengine_tracking.__all__) == list(shipengine_tracking.__all__)
