"""All kinds of responses over real sockets, including `Retry-After`, and what both clients make of them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from leaks import find_leaks
from shipengine_tracking import (
    AccountError,
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    CarrierError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from shipengine_tracking.testing import FakeShipEngine, Response
from support import PACKAGE, Caller

ID = "aa3d8e8e-462b-4476-9618-72db7f7b7009"
HEADER_ID = "0f6d2c1e-5a3b-4c8d-9e7f-1a2b3c4d5e6f"
KEY = "TEST_k+/\"'\\key_that_must_not_leak"
HTML = "<html><body><h1>Bad gateway</h1></body></html>"


def item(code: object = "invalid_field_value", message: object = "It is wrong.", **members: Any) -> dict[str, Any]:
    """Return an item of `errors`; `...` leaves a member out."""
    fixed = {"error_source": "shipengine", "error_type": "validation", "error_code": code, "message": message}
    return {name: value for name, value in (fixed | members).items() if value is not ...}


def body(*items: Any) -> dict[str, Any]:
    return {"request_id": ID, "errors": list(items)}


WITH_ID = {"x-shipengine-requestid": HEADER_ID}
ONE = json.dumps(body(item()))
ACCOUNT = item("trial_expired")
CARRIER = item("carrier_not_connected", carrier_code="dhl_express", carrier_id="se-1")
WRONG: dict[str, Any] = {"code": "invalid_field_value", "message": "It is wrong.", "request_id": ID}
NO_BODY: dict[str, Any] = {"errors": (), "code": None, "message": None, "request_id": HEADER_ID}
UNREADABLE: dict[str, Any] = {"errors": (), "code": None}
OTHER_TYPES = {"carrier_id": 28529731, "carrier_code": ["ups"], "field_name": {"a": 1}}
ODD_TEXT = "two\nlines \x1b[31m\u202e \ud800"
ECHO = json.dumps(body(item(message=f"no {KEY}")))
ECHO_IN_ESCAPES = ECHO.replace(json.dumps(KEY)[1:-1], "".join(f"\\u{ord(char):04X}" for char in KEY))
GZIP = gzip.compress(ONE.encode(), mtime=0)


def row(name: str, kind: type, status: int, content: Any = b"", headers: Any = WITH_ID, **attributes: Any) -> Any:
    """Return the case of a response, and of what its exception must have."""
    return pytest.param(Response.of(status, content, headers), kind, attributes, id=name)


def invalid(name: str, content: Any, headers: Any = WITH_ID, **attributes: Any) -> Any:
    """Return the case of a 400 with any content."""
    return row(name, InvalidRequestError, 400, content, headers, **attributes)


def rejected(name: str, *items: Any, **attributes: Any) -> Any:
    """Return the case of a 400 with error items, of which one has the code and message of `item()`."""
    return invalid(name, body(*items), **WRONG | attributes)


def limited(name: str, seconds: float | None, retry_after: str, **headers: str) -> Any:
    """Return the case of a 429."""
    content, code = body(item("rate_limit_exceeded")), "rate_limit_exceeded"
    headers = {"Retry-After": retry_after, **headers}
    return row(f"429, Retry-After {name}", RateLimitError, 429, content, headers, retry_after=seconds, code=code)


ERROR_RESPONSES = [
    row("200 with a body", APIError, 200, {"ok": True}, **NO_BODY, body=b'{\r\n  "ok": true\r\n}'),
    row("201", APIError, 201, **NO_BODY),
    row("206", APIError, 206, HTML, **NO_BODY),
    row("302 to another host", APIError, 302, HTML, {**WITH_ID, "Location": "http://127.0.0.2:9"}, **NO_BODY),
    *(
        row(f"302, invalid Location {at}", APIError, 302, HTML, {"Location": location}, body=HTML.encode())
        for at, location in enumerate(("//[", "http://h:p", "http://\xe9", "", "?" + "x" * 70_000))
    ),
    row("304", APIError, 304, b"", {"Content-Length": "9"}, body=b""),
    # --- bodies of ShipEngine, and what the wire makes of its schema
    rejected("one error", item()),
    rejected("three errors", item(), item("field_conflict"), item("invalid_status")),
    rejected("unknown code", item("of_tomorrow"), code="of_tomorrow"),
    rejected("unknown type and source", item(error_type="new", error_source="moon"), type="new", source="moon"),
    rejected("field_name null", item(field_name=None), field_name=None),
    *(
        rejected(f"field_value {value!r}", item(field_name="carrier_id", field_value=value), field_name="carrier_id")
        for value in ("se-1", ["a", 1], {"a": None})
    ),
    rejected("carrier_id unknown", item(carrier_id="unknown", carrier_name="DHL"), carrier_id="unknown"),
    rejected("optional members of other types", item(**OTHER_TYPES), **dict.fromkeys(OTHER_TYPES)),
    rejected("no message", item(message=...), message=None),
    rejected("a number as message", item(message=7), message=None),
    rejected("a number as error_code", item(404), code=None),
    rejected("items that are not objects", "text", 7, None, item()),
    rejected("a message with control characters", item(message=ODD_TEXT), message=ODD_TEXT),
    rejected("a message of 5,000 characters", item(message="x" * 5_000), message="x" * 5_000),
    *(
        invalid(f"errors {value!r}", {"request_id": ID, "errors": value}, **UNREADABLE)
        for value in (None, dict[str, Any](), list[Any](), "text", 7)
    ),
    *(invalid(f"400 with the body {value!r}", value, **NO_BODY) for value in ("[]", "7", "null", "NaN", "[{}]", "")),
    invalid("400 with a number as request_id", {"request_id": 7, "errors": []}, **NO_BODY),
    invalid("a message only", {"message": "No."}, **NO_BODY | {"message": "No."}),
    invalid("an error object with a message", {"error": {"message": "No."}}, **NO_BODY | {"message": "No."}),
    invalid("a message of another type", {"message": 7, "error": "No."}, **NO_BODY),
    invalid("two messages", {"message": "No.", "error": {"message": "Never."}}, **NO_BODY | {"message": "No."}),
    invalid("an error beside a message", {"errors": [{}], "message": "No."}, code=None, message=None),
    # --- statuses
    row("401 without request_id", AuthenticationError, 401, {"errors": [item()]}, request_id=HEADER_ID),
    row("401 with the other header", AuthenticationError, 401, b"", {"Request-Id": "7"}, request_id="7"),
    row("401 without any ID", AuthenticationError, 401, b"", {}, request_id=None),
    row("403", PermissionDeniedError, 403, body(item()), **WRONG),
    row("404", NotFoundError, 404, body(item()), **WRONG),
    *(row(f"{status}", InvalidRequestError, status, body(item()), **WRONG) for status in (405, 408, 409, 422, 499)),
    row("500 JSON", ServerError, 500, body(item()), **WRONG),
    row("500 empty", ServerError, 500, **NO_BODY, body=b"", body_truncated=False),
    row("502 HTML", ServerError, 502, HTML, {**WITH_ID, "Content-Type": "text/html"}, **NO_BODY, body=HTML.encode()),
    row("503", ServerError, 503, "", {"Retry-After": "7"}, retry_after=7.0),
    row("520", ServerError, 520, HTML, {}, request_id=None),
    row("999", APIError, 999, HTML, body=HTML.encode()),
    *(
        row(f"{status} with a code of the account", kind, status, body(item("new"), ACCOUNT), code="new")
        for kind, statuses in {AccountError: (400, 403, 404), AuthenticationError: [401], RateLimitError: [429]}.items()
        for status in statuses
    ),
    row("404 with a code of the carrier", CarrierError, 404, body(CARRIER, ACCOUNT), carrier_code="dhl_express"),
    row("500 with a code of the carrier", ServerError, 500, body(CARRIER), carrier_id="se-1"),
    # --- Retry-After
    limited("in seconds", 12.0, "12"),
    limited("0", 0.0, "0"),
    limited("of 10 digits", 9_999_999_999.0, "9" * 10),
    limited("of 11 digits", None, "9" * 11),
    *(limited(f"of {value!r}", None, value) for value in ("-5", "1.5", "3, 5", "9" * 400)),
    limited("as a date", 30.0, "Wed, 21 Oct 2026 07:28:30 GMT", Date="Wed, 21 Oct 2026 07:28:00 GMT"),
    limited("of now", 0.0, "Wed, 21 Oct 2026 07:28:00 GMT", Date="Wed, 21 Oct 2026 07:28:00 GMT"),
    limited("in the past", None, "Wed, 21 Oct 2026 07:27:59 GMT", Date="Wed, 21 Oct 2026 07:28:00 GMT"),
    limited("as a date that does not exist", None, "Wed, 31 Feb 2026 07:27:00 GMT"),
    limited("as a date in another format", None, "Wed, 21 Oct 2126 07:28:30 +0000"),
    row("429, Retry-After missing", RateLimitError, 429, retry_after=None),
    limited("garbage", None, "may 5"),
    limited("in Arabic digits", None, "٣".encode().decode("latin-1")),
    # --- encodings and framing
    invalid("latin-1", ONE.replace("It", "Gr\xf6\xdfe").encode("latin-1"), message="Größe is wrong."),
    invalid("a BOM", b"\xef\xbb\xbf" + ONE.encode(), **WRONG),
    invalid("cut JSON of the announced length", ONE[:-9], **UNREADABLE, body=ONE[:-9].encode()),
    invalid("100,000 brackets", b"[" * 100_000, **UNREADABLE, body=b"[" * 100_000),
    invalid("a member of 6,000 digits", ONE.replace("[{", f'[{{"field_value": {"9" * 6_000}, '), **WRONG),
    invalid("text/plain", ONE, {"Content-Type": "text/plain"}, **WRONG),
    invalid("an unknown Content-Encoding", ONE, {"Content-Encoding": "rot13"}, **WRONG),
    invalid("a wrong Content-Encoding", ONE, {"Content-Encoding": "gzip"}, **WRONG),
    invalid("a body in gzip", GZIP, {"Content-Encoding": "gzip"}, body=GZIP),
    invalid("chunked", f"{len(ONE):x}\r\n{ONE}\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}, **WRONG),
    # --- echoes of the key
    row("a message and a header with the key", AuthenticationError, 401, ECHO, {"X-Echo": KEY}, message="no [API key]"),
    row("a message with the key in escapes", AuthenticationError, 401, ECHO_IN_ESCAPES, message="no [API key]"),
    row("a request ID that echoes the key", InvalidRequestError, 400, b"", {"Request-Id": KEY}, request_id="[API key]"),
]


@pytest.mark.parametrize(("response", "kind", "attributes"), ERROR_RESPONSES)
def test_error_response_becomes_its_exception(
    response: Response, kind: type[APIError], attributes: dict[str, Any], caller: Caller
) -> None:
    with FakeShipEngine(api_key=KEY) as fake:
        fake.enqueue(response)
        error = caller.call_fake(fake)
        assert len(fake.requests) == 1
    assert type(error) is kind
    assert {name: getattr(error, name) for name in attributes} == attributes
    assert error.status_code == int(response.data.split()[1])
    assert error.attempts == 1
    assert error.__cause__ is None
    assert str(error).startswith(str(error.status_code))
    assert str(error).isprintable()
    assert len(str(error)) < 500
    assert not find_leaks(error, KEY)


HEAD = f" X\r\nx-shipengine-requestid: {HEADER_ID}\r\n"
SHORT = "Content-Length: 9\r\n\r\nhalf"


def broken(name: str, text: str, then: Any = "close", status_code: int | None = None) -> Any:
    """Return the case of a response that is not complete or not HTTP, and of the status that arrived."""
    return pytest.param(Response(text.encode("latin-1"), then), status_code, id=name)


BROKEN_RESPONSES = [
    broken("reset before the response", "", "reset"),
    broken("closed before the response", ""),
    broken("closed in the status line", "HTTP/1.1 204 No Con"),
    broken("reset in the body", "HTTP/1.1 500" + HEAD + SHORT, "reset", 500),
    broken("a body shorter than announced", "HTTP/1.1 401" + HEAD + SHORT, "close", 401),
    broken("a success that is cut", "HTTP/1.1 200" + HEAD + SHORT, "close", 200),
    broken("a cut body, the key in a header", f"HTTP/1.1 400{HEAD}X-Echo: {KEY}\r\n{SHORT}", "close", 400),
    broken("a short chunk", f"HTTP/1.1 502{HEAD}Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", "close", 502),
    broken("timeout before the response", "", "hang"),
    broken("timeout in the body", "HTTP/1.1 400" + HEAD + SHORT, "hang", 400),
    broken("another protocol", "220 mail.example ESMTP\r\n"),
    broken("noise", "".join(map(chr, range(256))) * 4),
    broken("a long status line", "HTTP/1.1 nonsense \x1b[31m" + "x" * 60_000 + "\r\n\r\n"),
    broken("a malformed header", f"HTTP/1.1 400 X\r\nAPI-Key : {KEY}\r\n\r\n"),
    broken("a first line that echoes the key", f"API-Key: {KEY}\r\n\r\n"),
    broken("101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
]


@pytest.mark.parametrize(("response", "status_code"), BROKEN_RESPONSES)
def test_broken_response_is_a_connection_error(response: Response, status_code: int | None, caller: Caller) -> None:
    with FakeShipEngine(api_key=KEY) as fake:
        fake.enqueue(response)
        error = caller.call_fake(fake, timeout=1.0 if response.then == "hang" else 30.0)
    assert type(error) is (APITimeoutError if response.then == "hang" else APIConnectionError)
    assert isinstance(error, TimeoutError) == (response.then == "hang")
    assert error.status_code == status_code
    assert error.request_id == (HEADER_ID if status_code else None)
    assert error.attempts == 1
    assert error.__cause__ is not None
    assert str(error).isprintable()
    assert len(str(error)) < 500
    assert not find_leaks(error, KEY)


CONTINUE = Response(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
IN_GZIP = Response.of(204, headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("response", [CONTINUE, IN_GZIP], ids=["100, then 204", "204 in gzip"])
def test_204_is_a_success(response: Response, fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(response)
    assert caller.call_fake(fake) is None


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n5\r\nstray\r\n0\r\n\r\n", id="a chunked body"),
        pytest.param(b"Content-Length: 27\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", id="a success"),
    ],
)
@pytest.mark.parametrize(("status", "first"), [(b"204 No Content", type(None)), (b"304 Not Modified", APIError)])
def test_body_of_a_204_or_304_is_not_the_next_response(
    status: bytes, first: type, announced: bytes, fake: FakeShipEngine, caller: Caller
) -> None:
    fake.enqueue(Response(b"HTTP/1.1 " + status + b"\r\n" + announced), Response.of(403))
    results = caller.call_all(*[PACKAGE] * 3, api_key=fake.api_key, base_url=fake.url)
    assert [type(result) for result in results] == [first, PermissionDeniedError, type(None)]
    assert fake.connections == 2  # the first one is closed, the second one is used again
