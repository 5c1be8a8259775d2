"""Every response the wire can carry, to both clients over real sockets, and what each becomes."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from leaks import found
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


def item(code: object = "invalid_field_value", message: str = "It is wrong.", **members: Any) -> dict[str, Any]:
    return {
        "error_source": "shipengine",
        "error_type": "validation",
        "error_code": code,
        "message": message,
        **members,
    }


def without(member: str) -> dict[str, Any]:
    return {name: value for name, value in item().items() if name != member}


def body(*items: Any) -> dict[str, Any]:
    return {"request_id": ID, "errors": list(items)}


def of(status: int, content: Any = b"", headers: dict[str, str] | None = None, **more: Any) -> Response:
    return Response.of(status, content, {"x-shipengine-requestid": HEADER_ID, **(headers or {})}, **more)


ONE = json.dumps(body(item()))
ACCOUNT = item("trial_expired")
CARRIER = item("carrier_not_connected", carrier_code="dhl_express", carrier_id="se-1")
WRONG: dict[str, Any] = {"code": "invalid_field_value", "message": "It is wrong.", "request_id": ID}
NO_BODY: dict[str, Any] = {"errors": (), "code": None, "message": None, "request_id": HEADER_ID}


def row(name: str, response: Response, kind: type[APIError], **attributes: Any) -> Any:
    return pytest.param(response, kind, attributes, id=name)


def bad(name: str, *items: Any, **attributes: Any) -> Any:
    return row(name, of(400, body(*items)), InvalidRequestError, **{**WRONG, **attributes})


def limited(name: str, retry_after: str | None, seconds: float | None, **headers: str) -> Any:
    given = {} if retry_after is None else {"Retry-After": retry_after}
    response = of(429, body(item("rate_limit_exceeded")), given | headers)
    return row(f"429, Retry-After {name}", response, RateLimitError, retry_after=seconds, code="rate_limit_exceeded")


ERROR_RESPONSES = [
    row("200 with a body", of(200, {"ok": True}), APIError, **NO_BODY, body=b'{\r\n  "ok": true\r\n}'),
    row("201", of(201), APIError, **NO_BODY),
    row("206", of(206, HTML), APIError, **NO_BODY),
    row(
        "302 to another host", of(302, HTML, {"Location": "http://127.0.0.2:9/v1/tracking/start"}), APIError, **NO_BODY
    ),
    *(
        row(f"302, invalid Location {at}", of(302, HTML, {"Location": location}), APIError, body=HTML.encode())
        for at, location in enumerate(("//[", "http://h:p", "http://\xe9", "", "?" + "x" * 70_000))
    ),
    row("304", Response.of(304, headers={"Content-Length": "9"}), APIError, body=b""),
    # --- bodies of ShipEngine, and what the wire makes of its schema
    bad("one error", item()),
    bad("three errors", item(), item("field_conflict"), item("invalid_status")),
    bad("unknown code", item("of_tomorrow"), code="of_tomorrow"),
    bad("unknown type and source", item(error_type="new", error_source="moon"), type="new", source="moon"),
    bad("field_name null", item(field_name=None), field_name=None),
    *(
        bad(f"field_value {value!r}", item(field_name="carrier_id", field_value=value), field_name="carrier_id")
        for value in ("se-1", ["a", 1], {"a": None})
    ),
    bad("carrier_id unknown", item(carrier_id="unknown", carrier_name="DHL"), carrier_id="unknown"),
    bad(
        "optional members of other types",
        item(carrier_id=28529731, carrier_code=["ups"], field_name={"a": 1}),
        carrier_id=None,
        carrier_code=None,
        field_name=None,
    ),
    bad("no message", without("message"), message=None),
    bad("no error_code", without("error_code"), code=None),
    bad("a number as error_code", item(404), code=None),
    bad("items that are not objects", "text", 7, None, item()),
    bad(
        "a message with control characters",
        item(message="two\nlines \x1b[31m\u202e \ud800"),
        message="two\nlines \x1b[31m\u202e \ud800",
    ),
    bad("a message of 5,000 characters", item(message="x" * 5_000), message="x" * 5_000),
    *(
        row(
            f"errors {value!r}", of(400, {"request_id": ID, "errors": value}), InvalidRequestError, code=None, errors=()
        )
        for value in (None, dict[str, Any](), list[Any](), "text", 7)
    ),
    *(
        row(f"400 with the body {value!r}", of(400, value), InvalidRequestError, **NO_BODY)
        for value in ("[]", "7", "null", '"text"', "NaN", "[{}]", "")
    ),
    row("400 with a number as request_id", of(400, {"request_id": 7, "errors": []}), InvalidRequestError, **NO_BODY),
    row(
        "an error with a message only", of(400, {"message": "No."}), InvalidRequestError, **NO_BODY | {"message": "No."}
    ),
    row(
        "an error object with a message",
        of(502, {"error": {"message": "No."}}),
        ServerError,
        **NO_BODY | {"message": "No."},
    ),
    row("a message of another type", of(400, {"message": 7, "error": "No."}), InvalidRequestError, **NO_BODY),
    # --- statuses
    row("401 without request_id", of(401, {"errors": [item()]}), AuthenticationError, request_id=HEADER_ID),
    row("401 with the other header", Response.of(401, b"", {"Request-Id": "7"}), AuthenticationError, request_id="7"),
    row("401 without any ID", Response.of(401), AuthenticationError, request_id=None),
    row("403", of(403, body(item())), PermissionDeniedError, **WRONG),
    row("404", of(404, body(item())), NotFoundError, **WRONG),
    *(row(str(status), of(status, body(item())), InvalidRequestError, **WRONG) for status in (405, 408, 409, 422, 499)),
    row("500 JSON", of(500, body(item())), ServerError, **WRONG),
    row("500 empty", of(500), ServerError, **NO_BODY, body=b"", body_truncated=False),
    row("502 HTML", of(502, HTML, {"Content-Type": "text/html"}), ServerError, **NO_BODY, body=HTML.encode()),
    row("503", of(503, "", {"Retry-After": "7"}), ServerError, retry_after=7.0),
    row("520", Response.of(520, HTML), ServerError, request_id=None),
    row("600", Response.of(600), APIError),
    row("999", Response.of(999, HTML), APIError, body=HTML.encode()),
    *(
        row(f"{status} with a code of {name}", of(status, body(item("of_tomorrow"), given)), kind, code="of_tomorrow")
        for status, name, given, kind in (
            (429, "the account", ACCOUNT, RateLimitError),
            (429, "the carrier", CARRIER, RateLimitError),
            (500, "the account", ACCOUNT, ServerError),
            (500, "the carrier", CARRIER, ServerError),
            (401, "the account", ACCOUNT, AuthenticationError),
            (404, "the account", ACCOUNT, AccountError),
            (404, "the carrier", CARRIER, CarrierError),
            (403, "the account", ACCOUNT, AccountError),
            (400, "the carrier", CARRIER, CarrierError),
        )
    ),
    row("404, first code of the account", of(404, body(ACCOUNT, CARRIER)), AccountError, code="trial_expired"),
    row("404, first code of the carrier", of(404, body(CARRIER, ACCOUNT)), CarrierError, carrier_code="dhl_express"),
    # --- Retry-After
    limited("in seconds", "12", 12.0),
    limited("0", "0", 0.0),
    limited("of a day", "86400", 86_400.0),
    limited("as a date", "Wed, 21 Oct 2026 07:28:30 GMT", 30.0, Date="Wed, 21 Oct 2026 07:28:00 GMT"),
    limited("as a date in the past", "Wed, 21 Oct 2026 07:27:00 GMT", None, Date="Wed, 21 Oct 2026 07:28:00 GMT"),
    limited("as a date that does not exist", "Wed, 31 Feb 2026 07:27:00 GMT", None),
    limited("as a date in another format", "2026-10-21T07:28:30Z", None),
    limited("missing", None, None),
    limited("negative", "-5", None),
    limited("garbage", "may 5", None),
    limited("of a fraction", "1.5", None),
    limited("of 400 digits", "9" * 400, None),
    limited("twice", "3, 5", None),
    limited("in Arabic digits", "٣".encode().decode("latin-1"), None),
    # --- encodings and framing
    row(
        "latin-1",
        of(400, ONE.replace("It", "Gr\xf6\xdfe").encode("latin-1")),
        InvalidRequestError,
        message="Größe is wrong.",
    ),
    row("a BOM", of(400, b"\xef\xbb\xbf" + ONE.encode()), InvalidRequestError, **WRONG),
    row("text/plain", of(400, ONE, {"Content-Type": "text/plain"}), InvalidRequestError, **WRONG),
    row("cut JSON of the announced length", of(400, ONE[:-9]), InvalidRequestError, body=ONE[:-9].encode(), code=None),
    row("100,000 brackets", of(400, b"[" * 100_000), InvalidRequestError, body=b"[" * 100_000, code=None),
    row("a number of 6,000 digits", of(400, "9" * 6_000), InvalidRequestError, code=None),
    row(
        "a member of 6,000 digits",
        of(400, ONE.replace('"validation"', f'"validation", "field_value": {"9" * 6_000}')),
        InvalidRequestError,
        **WRONG,
    ),
    row("a wrong Content-Encoding", of(400, ONE, {"Content-Encoding": "gzip"}), InvalidRequestError, **WRONG),
    row("an unknown Content-Encoding", of(400, ONE, {"Content-Encoding": "rot13"}), InvalidRequestError, **WRONG),
    row(
        "a body in gzip",
        of(400, gzip.compress(ONE.encode(), mtime=0), {"Content-Encoding": "gzip"}),
        InvalidRequestError,
        body=gzip.compress(ONE.encode(), mtime=0),
    ),
    row(
        "chunked",
        of(400, f"{len(ONE):x}\r\n{ONE}\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}),
        InvalidRequestError,
        **WRONG,
    ),
    # --- echoes of the key
    row(
        "a message and a header that echo the key",
        of(401, body(item(message=f"{KEY} is unknown")), {"X-Echo": f"key={KEY}"}),
        AuthenticationError,
        message="[API key] is unknown",
    ),
    row(
        "a message that echoes the key in escapes",
        of(401, json.dumps(body(item(message="X!"))).replace("X!", "".join(f"\\u{ord(c):04X}" for c in KEY) + "!")),
        AuthenticationError,
        message="[API key]!",
    ),
    row(
        "a request ID that echoes the key",
        Response.of(400, b"", {"Request-Id": KEY}),
        InvalidRequestError,
        request_id="[API key]",
    ),
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
    assert not found(error, KEY)


def test_all_errors_of_a_response_are_kept(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(of(400, body(item(field_value=[1]), "text", item("field_conflict"), item("invalid_status"))))
    error = caller.call_fake(fake)
    assert [one.error_code for one in error.errors] == ["invalid_field_value", "field_conflict", "invalid_status"]
    assert error.errors[0].field_value == [1]
    assert error.has("invalid_status")
    assert not error.has("trial_expired")


HEAD = f"x-shipengine-requestid: {HEADER_ID}\r\n".encode()
SHORT = b"Content-Length: 9\r\n\r\nhalf"
BROKEN_RESPONSES = [
    pytest.param(Response(b"", "reset"), None, id="reset before the response"),
    pytest.param(Response(b"", "close"), None, id="closed before the response"),
    pytest.param(Response(b"HTTP/1.1 204 No Con", "close"), None, id="closed in the status line"),
    pytest.param(Response(b"HTTP/1.1 500 X\r\n" + HEAD + SHORT, "reset"), 500, id="reset in the body"),
    pytest.param(Response(b"HTTP/1.1 401 X\r\n" + HEAD + SHORT, "close"), 401, id="a body shorter than announced"),
    pytest.param(Response(b"HTTP/1.1 200 X\r\n" + HEAD + SHORT, "close"), 200, id="a success that is cut"),
    pytest.param(
        Response(b"HTTP/1.1 400 X\r\nX-Echo: %b\r\n" % KEY.encode() + HEAD + SHORT, "close"),
        400,
        id="a cut body after a header that echoes the key",
    ),
    pytest.param(
        Response(b"HTTP/1.1 502 X\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", "close"),
        502,
        id="a chunk shorter than announced",
    ),
    pytest.param(Response(b"", "hang"), None, id="timeout before the response"),
    pytest.param(Response(b"HTTP/1.1 400 X\r\n" + HEAD + SHORT, "hang"), 400, id="timeout in the body"),
    pytest.param(Response(b"220 mail.example ESMTP\r\n", "close"), None, id="another protocol"),
    pytest.param(Response(bytes(range(256)) * 4, "close"), None, id="noise"),
    pytest.param(
        Response(b"HTTP/1.1 nonsense \x1b[31m" + b"x" * 60_000 + b"\r\n\r\n", "close"), None, id="a long status line"
    ),
    pytest.param(
        Response(f"HTTP/1.1 400 X\r\nAPI-Key : {KEY}\r\n\r\n".encode(), "close"), None, id="a malformed header"
    ),
    pytest.param(Response(f"API-Key: {KEY}\r\n\r\n".encode(), "close"), None, id="a first line that echoes the key"),
    pytest.param(
        Response(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "close"), None, id="101"
    ),
]


@pytest.mark.parametrize(("response", "status_code"), BROKEN_RESPONSES)
def test_broken_response_is_a_connection_error(response: Response, status_code: int | None, caller: Caller) -> None:
    with FakeShipEngine(api_key=KEY) as fake:
        fake.enqueue(response)
        error = caller.call_fake(fake, timeout=0.5 if response.then == "hang" else 30.0)
    assert type(error) is (APITimeoutError if response.then == "hang" else APIConnectionError)
    assert isinstance(error, TimeoutError) == (response.then == "hang")
    assert error.status_code == status_code
    assert error.request_id == (HEADER_ID if status_code else None)
    assert error.attempts == 1
    assert error.__cause__ is not None
    assert str(error).isprintable()
    assert len(str(error)) < 500
    assert not found(error, KEY)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(of(204), id="204"),
        pytest.param(Response(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), id="100, then 204"),
        *(
            pytest.param(of(204, headers={"Content-Encoding": coding}), id=f"204 in {coding}")
            for coding in ("gzip", "br", "zstd", "nonsense")
        ),
    ],
)
def test_204_is_a_success(response: Response, fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(response)
    assert caller.call_fake(fake) is None


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param(b"Content-Length: 5\r\n\r\nstray", id="a body"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n5\r\nstray\r\n0\r\n\r\n", id="a chunked body"),
        pytest.param(
            b"Content-Length: 44\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", id="an error response"
        ),
        pytest.param(b"Content-Length: 27\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", id="a success"),
    ],
)
def test_body_of_a_204_is_not_the_next_response(announced: bytes, fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(Response(b"HTTP/1.1 204 No Content\r\n" + announced), of(403))
    results = caller.call_all(PACKAGE, PACKAGE, PACKAGE, api_key=fake.api_key, base_url=fake.url)
    assert [type(result) for result in results] == [type(None), PermissionDeniedError, type(None)]
    assert len(fake.requests) == 3
