"""The exceptions themselves: the tree, the table of codes, pickling, and how tests of users make them."""

from __future__ import annotations

import copy
import pickle

import httpx
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
    InvalidSignatureError,
    KeysUnavailableError,
    NotFoundError,
    OtherEventError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ShipEngineError,
    StaleTimestampError,
    WebhookError,
)
from shipengine_tracking.exceptions import CODES, exception_class

BODY = b'{"request_id": "7", "errors": [{"error_code": "trial_expired", "message": "Over.", "field_value": [1]}]}'
TREE: dict[type[ShipEngineError], tuple[type[Exception], ...]] = {
    InvalidArgumentError: (ShipEngineError, ValueError),
    ClientStateError: (ShipEngineError, RuntimeError),
    APIConnectionError: (ShipEngineError,),
    APITimeoutError: (APIConnectionError, TimeoutError),
    APIError: (ShipEngineError,),
    AuthenticationError: (APIError,),
    PermissionDeniedError: (APIError,),
    AccountError: (APIError,),
    CarrierError: (APIError,),
    InvalidRequestError: (APIError,),
    NotFoundError: (InvalidRequestError,),
    RateLimitError: (APIError,),
    ServerError: (APIError,),
    WebhookError: (ShipEngineError,),
    InvalidSignatureError: (WebhookError,),
    StaleTimestampError: (WebhookError,),
    InvalidPayloadError: (WebhookError,),
    OtherEventError: (WebhookError,),
    KeysUnavailableError: (WebhookError,),
}


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_exception_is_public_and_has_its_bases(kind: type[ShipEngineError]) -> None:
    assert kind.__bases__ == TREE[kind]
    assert getattr(shipengine_tracking, kind.__name__) is kind


def test_codes_that_decide_are_codes_of_the_spec() -> None:
    assert CODES.keys() < {code.value for code in ErrorCode}
    assert set(CODES.values()) == {AccountError, CarrierError}


def test_class_follows_from_status_and_code() -> None:
    by_status = {401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError, 429: RateLimitError}
    for status in range(100, 1000):
        default = InvalidRequestError if status // 100 == 4 else ServerError if status // 100 == 5 else APIError
        expected = by_status.get(status, default)
        assert exception_class(status, []) is expected
        code_decides = status // 100 == 4 and status not in (401, 429)
        for code in ErrorCode:
            kind = CODES.get(code, expected) if code_decides else expected
            assert exception_class(status, ["of_tomorrow", code]) is kind


def test_first_listed_code_decides() -> None:
    assert exception_class(400, ["forbidden", "trial_expired", "carrier_conflict"]) is AccountError
    assert exception_class(400, ["carrier_conflict", "trial_expired"]) is CarrierError


@pytest.mark.parametrize("truncated", [False, True])
def test_attributes_of_an_error_response(truncated: bool) -> None:
    body = b"""{"request_id": "7", "errors": [{
        "error_source": "carrier", "error_type": "validation", "error_code": "carrier_conflict", "message": "No.",
        "field_name": "carrier_code", "carrier_code": "ups", "carrier_id": "se-1"}]}"""
    headers = httpx.Headers({"X-Some": "1", "Retry-After": "7"})
    error = APIError.from_response(400, headers, body, truncated)
    assert (error.status_code, error.headers) == (400, headers)
    assert (error.body, error.body_truncated) == (body, truncated)
    assert (error.request_id, error.retry_after) == ("7", 7.0)
    assert (error.source, error.type, error.code) == ("carrier", "validation", ErrorCode.CARRIER_CONFLICT)
    assert (error.message, error.field_name) == ("No.", "carrier_code")
    assert (error.carrier_code, error.carrier_id) == ("ups", "se-1")
    assert error.has("carrier_conflict")
    assert not error.has("trial_expired")
    for value in ("400", "carrier_conflict", "No.", "7"):
        assert value in str(error)


def test_pickle_and_copy_keep_everything() -> None:
    headers = httpx.Headers({"Retry-After": "7", "X-ShipEngine-RequestId": "8"})
    error = APIError.from_response(404, headers, BODY, body_truncated=True)
    error.attempts = 3
    error.add_note("of mine")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is AccountError
        assert vars(other) == vars(error)
        assert str(other) == str(error)


def test_pickle_keeps_the_wait_that_was_read_at_first() -> None:
    error = RateLimitError(429, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"})
    assert error.retry_after
    assert pickle.loads(pickle.dumps(error)).retry_after == error.retry_after


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(APIConnectionError("x", status_code=500, headers={"Request-Id": "7"}), id="connection"),
        pytest.param(APITimeoutError("x", status_code=500, headers={"Request-Id": "7"}), id="timeout"),
        pytest.param(InvalidArgumentError("x"), id="argument"),
        pytest.param(ClientStateError("x"), id="state"),
        pytest.param(InvalidSignatureError("x", 404), id="signature"),
        pytest.param(InvalidPayloadError("x", b"body"), id="payload"),
        pytest.param(OtherEventError("x", {"a": 1}), id="other event"),
    ],
)
def test_pickle_of_the_other_exceptions(error: ShipEngineError) -> None:
    error.attempts = 2
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert (str(other), vars(other)) == (str(error), vars(error))


def test_exception_is_made_with_a_status_only() -> None:
    error = RateLimitError(429)
    assert (error.errors, error.code, error.body, error.retry_after, error.attempts) == ((), None, b"", None, 1)
    assert error.body_truncated is False
    assert InvalidPayloadError("text").body == b""
    assert OtherEventError("text").document == {}


def test_headers_are_case_insensitive_and_may_be_any_text() -> None:
    headers = APIError(500, {"X-Some": "é"}).headers
    assert headers["x-sOME"] == "é"
    assert headers.get("absent") is None


def test_exported_names_are_sorted_and_complete() -> None:
    public = {name for name in vars(shipengine_tracking) if not name.startswith("_")}
    modules = {name for name in public if type(getattr(shipengine_tracking, name)).__name__ == "module"}
    assert set(shipengine_tracking.__all__) == public - modules | {"__version__"}
    assert sorted(shipengine_tracking.__all__) == list(shipengine_tracking.__all__)
