"""The exceptions themselves: the tree, the codes, what they read from a response, their text, and pickling."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import httpx
import pytest

import shipengine_tracking
from shipengine_tracking import (
    APIError,
    APITimeoutError,
    AuthenticationError,
    CarrierError,
    ErrorCode,
    InvalidPayloadError,
    InvalidRequestError,
    InvalidSignatureError,
    NotFoundError,
    OtherEventError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ShipEngineError,
)
from shipengine_tracking._responses import read_retry_after, summarize
from shipengine_tracking.exceptions import CLASS_BY_CODE, exception_class

TREE = """
    ShipEngineError: InvalidArgumentError ClientStateError APIConnectionError APIError WebhookError
    APIConnectionError: APITimeoutError
    APIError: AuthenticationError PermissionDeniedError AccountError CarrierError
    APIError: InvalidRequestError RateLimitError ServerError
    InvalidRequestError: NotFoundError
    WebhookError: InvalidSignatureError StaleTimestampError InvalidPayloadError OtherEventError KeysUnavailableError
    ValueError: InvalidArgumentError
    RuntimeError: ClientStateError
    TimeoutError: APITimeoutError
"""


def test_exceptions_are_public_and_form_a_tree() -> None:
    for line in TREE.strip().splitlines():
        base, names = line.split(":")
        for name in names.split():
            assert base.strip() in [kind.__name__ for kind in getattr(shipengine_tracking, name).__bases__]


# --- the class of a response


def test_status_and_code_decide_the_class() -> None:
    assert CLASS_BY_CODE.keys() < {code.value for code in ErrorCode}
    by_status = {401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError, 429: RateLimitError}
    by_class = {4: InvalidRequestError, 5: ServerError}
    for status in range(100, 1000):
        expected = by_status.get(status, by_class.get(status // 100, APIError))
        code_decides = status // 100 == 4 and status not in (401, 429)
        for code in ("of_tomorrow", "trial_expired", "carrier_conflict"):
            kind = CLASS_BY_CODE.get(code, expected) if code_decides else expected
            assert exception_class(status, ["also_of_tomorrow", code]) is kind
    assert exception_class(400, ["carrier_conflict", "trial_expired"]) is CarrierError  # the first listed one decides


# --- what an exception reads from a response

BODY = b"""{"request_id": "7", "errors": [
    {"error_source": "carrier", "error_type": "validation", "error_code": "carrier_conflict", "message": "No.",
     "field_name": "carrier_code", "carrier_code": "ups", "carrier_id": "se-1", "field_value": [1]},
    "text", {"error_code": "invalid_status"}]}"""


def test_error_has_the_content_of_its_response_and_keeps_it_when_pickled() -> None:
    headers = httpx.Headers({"X-Some": "é", "X-ShipEngine-RequestId": "8"}, "utf-8")
    error = APIError.from_response(404, headers, BODY, body_truncated=True)
    error.attempts, error.retry_after, error.args = 3, 9.0, (f"{error} Wait.",)
    error.add_note("of mine")
    for one in (error, pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(one) is CarrierError
        assert (one.status_code, one.body, one.body_truncated, one.attempts) == (404, BODY, True, 3)
        assert (one.request_id, one.retry_after, one.headers["x-sOME"]) == ("7", 9.0, "é")
        assert (one.source, one.type, one.code) == ("carrier", "validation", ErrorCode.CARRIER_CONFLICT)
        assert (one.message, one.field_name, one.carrier_code, one.carrier_id) == ("No.", "carrier_code", "ups", "se-1")
        assert [item.error_code for item in one.errors] == ["carrier_conflict", "invalid_status"]
        assert one.errors[0].field_value == [1]
        assert (one.has("invalid_status"), one.has("trial_expired")) == (True, False)
        assert str(one) == "404 carrier_conflict: No. (and 1 more) [request id 7] Wait."
        assert vars(one) == vars(error)


def test_exceptions_can_be_created_without_details() -> None:
    error = RateLimitError(429)
    assert (error.errors, error.code, error.body, error.retry_after, error.attempts) == ((), None, b"", None, 1)
    assert (error.body_truncated, error.headers.get("absent"), error.request_id) == (False, None, None)
    assert (InvalidPayloadError("x").body, OtherEventError("x").document) == (b"", {})


@pytest.mark.parametrize(
    "error",
    [
        APITimeoutError("x", status_code=500, headers={"Request-Id": "7"}),
        InvalidSignatureError("x", 404),
        InvalidPayloadError("x", b"body"),
        OtherEventError("x", {"a": 1}),
    ],
    ids=repr,
)
def test_pickle_and_copy_keep_all_other_exceptions(error: ShipEngineError) -> None:
    error.attempts = 2
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert (str(other), vars(other)) == (str(error), vars(error))


@pytest.mark.parametrize("date", [{}, {"date": "noon"}], ids=["missing", "not valid"])
def test_retry_after_is_relative_to_now_if_the_response_has_no_date(date: dict[str, str]) -> None:
    headers = {"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT", **date}
    assert read_retry_after(headers, 1_795_348_800.0 - 100) == 100.0


# --- the text of an exception


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((400, "a", "b", 1, None), "400 a: b"),
        ((400, None, "b", 2, "7"), "400 Bad Request: b (and 1 more) [request id 7]"),
        ((299, None, None, 0, ""), "299"),
        ((299, None, "é…\\\n\u202e", 1, ""), "299: é…\\\\n\\u202e"),
        ((299, None, "a" * 199 + "\n", 1, ""), f"299: {'a' * 199}…"),
        ((400, "a" * 80, "b" * 200, 1, "7" * 80), f"400 {'a' * 80}: {'b' * 200} [request id {'7' * 80}]"),
        ((400, "a" * 81, "b" * 201, 1, "7" * 81), f"400 {'a' * 79}…: {'b' * 199}… [request id {'7' * 79}…]"),
    ],
    ids=range(7),
)
def test_text_of_an_error_is_one_line_of_limited_length(given: Any, line: str) -> None:
    assert summarize(*given) == line
