"""Properties of the clients: they send what the spec says, and every response is a value or one of our exceptions.

`make test` tries about 2,000 cases in all, always the same; `make test-slow` 10,000; `make fuzz` 200,000 random ones.
"""

from __future__ import annotations

import inspect
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx
import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator

from contract import HOST, JSON, KEY, NOISE, TEXTS, check, is_of, of_schema, share, validate_request, wire
from document import DOCUMENT
from shipengine_tracking import (
    APIConnectionError,
    APIError,
    AsyncTrackingClient,
    InvalidArgumentError,
    Package,
    TrackingClient,
    TrackingInformation,
)
from shipengine_tracking.exceptions import exception_class
from shipengine_tracking.testing import FakeShipEngine, Response, Subscription
from support import Caller

assert settings.default is not None
pytestmark = pytest.mark.timeout(max(120, settings.default.max_examples // 10))  # a machine may be busy

BOTH = [Caller("sync"), Caller("async")]
START, STOP, GET = ("POST", "/v1/tracking/start"), ("POST", "/v1/tracking/stop"), ("GET", "/v1/tracking")
OPERATIONS = {"start": START, "stop": STOP, "get": GET}
ANY_OPERATION = st.sampled_from(sorted(OPERATIONS))
TLS = ssl.create_default_context()  # making one for each call takes longer than the call


@pytest.fixture(scope="module")
def serving() -> Iterator[FakeShipEngine]:
    with FakeShipEngine(api_key=KEY) as fake:
        yield fake


@frozen
class Reply(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A response whose body may break off with a failure. Without a status, the transport fails at once."""

    status: int | None
    headers: list[tuple[bytes, bytes]] = field(factory=list)
    body: bytes = b""
    failure: type[Exception] | None = None
    message: str = ""

    def __iter__(self) -> Iterator[bytes]:
        yield self.body
        if self.failure:
            raise self.failure(self.message)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def respond(self, request: httpx.Request) -> httpx.Response:
        if self.status is None:
            raise (self.failure or httpx.ConnectError)(self.message)
        return httpx.Response(self.status, headers=self.headers, stream=self)


def call(reply: Reply, operation: str) -> Any:
    """Make the call with both clients; return the result, which is the same for both."""
    transport = httpx.MockTransport(reply.respond)
    first, second = (caller.call(operation=operation, api_key=KEY, transport=transport) for caller in BOTH)
    assert type(first) is type(second)
    assert str(first) == str(second)
    return first


# --- requests -------------------------------------------------------------------------------------------------------

ODD_TEXTS = st.sampled_from(
    ["", " ", "\t\n", "\u3000", " 1Z", "1Z\n", "\ufeff1Z", "1.23E+21", "a b&carrier_code=ups", "a+b", "%41", "#?=;/\\",
     "\ud800", "ä\u0308\U0001f4e6", "a\r\nb", "\0", "x" * 40_000, "ä" * 12_000, "\U0001f4e6" * 5_000]
)  # fmt: skip
OTHERS: list[Any] = [None, 7, True, 1.5, float("nan"), b"1Z", ["1Z"], {}]
ANYTHING = TEXTS | ODD_TEXTS | st.sampled_from(OTHERS)
PRINTABLE = TEXTS.map(lambda text: "".join(filter(str.isprintable, text)).strip() or "1Z")
IDS = st.from_regex(r"se(-[a-z0-9]+)+", fullmatch=True)
CARRIER_ID = OAS31Validator(DOCUMENT["components"]["parameters"]["carrier_id"]["schema"])


def can_be_sent(package: dict[str, Any], path: str) -> bool:
    given = {name: value for name, value in package.items() if value is not None}
    if "tracking_number" not in given or len(given) < 2 or not all(isinstance(value, str) for value in given.values()):
        return False
    if not all(value and value == value.strip() and value.isprintable() for value in given.values()):
        return False
    if given["tracking_number"] == "1.23E+21" or not CARRIER_ID.is_valid(given.get("carrier_id", "se-1")):
        return False
    return len(f"{HOST}{path}?{urlencode(given, quote_via=quote, safe='')}") <= 65_536


PACKAGES = st.fixed_dictionaries(
    dict.fromkeys(["tracking_number", "carrier_code", "carrier_id"], ANYTHING)
) | st.fixed_dictionaries(
    {"tracking_number": PRINTABLE, "carrier_code": st.none() | PRINTABLE | ODD_TEXTS, "carrier_id": st.none() | IDS}
)


@given(operation=ANY_OPERATION, package=PACKAGES)
@share(8)
def test_client_sends_exactly_what_it_was_given(operation: str, package: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []
    method, path = OPERATIONS[operation]

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={}) if operation == "get" else httpx.Response(204)

    for caller in BOTH:
        transport = httpx.MockTransport(respond)
        result = caller.call(package, operation=operation, api_key=KEY, transport=transport)
        if not can_be_sent(package, path):
            assert type(result) is InvalidArgumentError
            assert sent == []
            check(result)
            continue
        assert result is None or isinstance(result, TrackingInformation)
        request = sent.pop()
        assert not sent
        sent_path, _, query = request.url.raw_path.decode("ascii").partition("?")
        pairs = parse_qsl(query, strict_parsing=True, errors="strict")
        assert sorted(pairs) == sorted((name, value) for name, value in package.items() if value is not None)
        assert (request.method, sent_path, request.url.fragment) == (method, path, "")
        assert (request.read(), request.headers.get("Content-Length")) == (b"", "0" if method == "POST" else None)
        assert not {"content-type", "transfer-encoding"} & request.headers.keys()
        assert request.headers["API-Key"] == KEY
        if caller.kind == "sync":  # the other request has just been compared with the same values
            validate_request(request.method, sent_path, dict(pairs), request.headers)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_methods_have_the_parameters_of_the_spec(operation: str) -> None:
    method, path = OPERATIONS[operation]
    references = [parameter["$ref"] for parameter in DOCUMENT["paths"][path][method.lower()]["parameters"]]
    expected = {reference.rpartition("/")[2] for reference in references}
    signatures = [inspect.signature(getattr(one, operation)) for one in (TrackingClient, AsyncTrackingClient)]
    assert [signature.parameters.keys() - {"self"} for signature in signatures] == [expected] * 2
    assert inspect.signature(Package).parameters.keys() - {"reference"} == set(Subscription._fields) == expected


# --- responses ------------------------------------------------------------------------------------------------------

ERROR_BODY = OAS31Validator({"$ref": "#/components/schemas/ErrorResponse", "components": DOCUMENT["components"]})


@given(
    operation=ANY_OPERATION,
    body=of_schema("ErrorResponse"),
    status=st.integers(400, 599),
    header=st.sampled_from(["", "of-the-header"]),
)
@share(8)
def test_error_body_becomes_an_exception_with_all_its_fields(
    operation: str, body: Any, status: int, header: str
) -> None:
    assert ERROR_BODY.is_valid(body)
    headers = [(b"Content-Type", b"application/json; charset=utf-8"), (b"x-shipengine-requestid", header.encode())]
    error = call(Reply(status, headers, wire(body)), operation)
    assert isinstance(error, APIError)
    assert type(error) is exception_class(status, [item["error_code"] for item in body["errors"]])
    assert (error.status_code, error.body, error.body_truncated) == (status, wire(body), False)
    assert error.request_id == (body["request_id"] or header or None)
    for item, sent in zip(error.errors, body["errors"], strict=True):
        optional = {name: sent.get(name) or None for name in ("field_name", "carrier_code", "carrier_id")}
        assert item.to_dict() == {"field_value": None, **sent, **optional}
    first = body["errors"][0] if body["errors"] else {}
    for name in ("error_code", "error_type", "error_source", "message", "field_name", "carrier_code", "carrier_id"):
        assert getattr(error, name.removeprefix("error_")) == (first.get(name) or None)
    check(error)


NAMES = st.sampled_from(
    b"Content-Type Content-Length Content-Encoding Transfer-Encoding Location Set-Cookie Retry-After Date "
    b"RateLimit-Remaining RateLimit-Reset x-shipengine-requestid request-id".split()
)
WORDS = st.sampled_from(
    [KEY.encode(), b"gzip", b"chunked", b"0", b"99999999999999999999", b"-1", b"http://[", b"two\r\nlines", b"\xff\xfe",
     b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 99 Nov 1994 99:49:37 GMT", b"text/html; charset=nonsense"]
)  # fmt: skip
BYTES = NOISE | WORDS
HEADERS = st.lists(st.tuples(NAMES | BYTES, BYTES), max_size=2)
ERROR_BODIES = st.builds(
    lambda errors, message: wire({"request_id": message, "errors": [*errors, {"message": message}]}),
    st.lists(JSON | of_schema("Error"), max_size=1),
    TEXTS | st.just(f"The key is {KEY}?"),
)
CANNOT_BE_SENT: list[type[Exception]] = [httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol]
FAILURES = [
    *CANNOT_BE_SENT, httpx.ConnectError, httpx.ConnectTimeout, httpx.DecodingError, httpx.PoolTimeout, httpx.ProxyError,
    httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.StreamError, httpx.WriteError,
    ConnectionResetError, OSError, TimeoutError,
]  # fmt: skip
STATUSES = st.sampled_from([200, 204, 302, 400, 401, 403, 404, 408, 429, 500, 502, 526]) | st.integers(100, 999)
REPLIES = st.builds(Reply, STATUSES, HEADERS, BYTES | JSON.map(wire) | ERROR_BODIES) | st.builds(
    Reply, st.none() | STATUSES, HEADERS, BYTES, st.sampled_from(FAILURES), TEXTS | st.just(f"The key is {KEY}\n?")
)


@given(reply=REPLIES, operation=ANY_OPERATION)
@share(35)
def test_any_response_or_failure_is_a_success_or_our_exception(reply: Reply, operation: str) -> None:
    result = call(reply, operation)
    if reply.failure:
        assert isinstance(result, InvalidArgumentError if reply.failure in CANNOT_BE_SENT else APIConnectionError)
        check(result)
    elif isinstance(result, TrackingInformation):
        assert (operation, reply.status) == ("get", 200)
        json.dumps(result.to_dict())
    elif result is None:
        assert reply.status == 204
        assert operation != "get"
    else:
        assert operation == "get" or reply.status != 204
        assert isinstance(result, APIError)
        assert (result.status_code, result.attempts) == (reply.status, 1)
        assert result.retry_after is None or 0 <= result.retry_after < float("inf")
        check(result)


def replace(data: bytes, start: int, length: int, inserted: bytes) -> bytes:
    return data[:start] + inserted + data[start + length :]


HEADS = st.builds(
    lambda status, headers: b"\r\n".join([b"HTTP/1.1 %d X" % status, *map(b": ".join, headers), b"", b""]),
    STATUSES,
    st.lists(st.tuples(NAMES, BYTES), max_size=3),
)
WIRE = st.builds(bytes.__add__, HEADS, BYTES)
EDITED = st.builds(replace, WIRE, st.integers(0, 150), st.integers(0, 5), BYTES)


@given(operation=ANY_OPERATION, data=WIRE | EDITED)
@share(6)
def test_any_bytes_on_the_wire_are_a_success_or_our_exception(
    serving: FakeShipEngine, operation: str, data: bytes
) -> None:
    for caller, transport in zip(BOTH, (httpx.HTTPTransport, httpx.AsyncHTTPTransport), strict=True):
        serving.enqueue(Response(data, "close"))
        result = caller.call_fake(serving, operation=operation, transport=transport(verify=TLS))
        if isinstance(result, TrackingInformation):
            assert b" 200" in data
        elif result is None:
            assert b" 204" in data
        else:
            assert isinstance(result, APIError | APIConnectionError)
            check(result)


# --- the state of a package -----------------------------------------------------------------------------------------

MEMBERS = sorted(DOCUMENT["components"]["schemas"]["TrackingInformation"]["properties"])
EVENT_MEMBERS = sorted(DOCUMENT["components"]["schemas"]["TrackingInformationEvent"]["properties"])
EVENTS = st.lists(st.dictionaries(st.sampled_from(EVENT_MEMBERS), JSON, max_size=4), max_size=2)
STATES = of_schema("TrackingInformation") | st.dictionaries(st.sampled_from(MEMBERS) | TEXTS, JSON | EVENTS, max_size=4)
VALUES = [b"1e999", b"-1e999", b"NaN", b"Infinity", b"1" * 5000, b"1.0", b"1e2", b'"\\ud800"', b"[" * 20_000]
ODD_STATES = st.builds(
    b'{"%b": %b}'.__mod__, st.tuples(st.sampled_from(MEMBERS).map(str.encode), st.sampled_from(VALUES))
)
EDITED_STATES = st.builds(replace, STATES.map(wire), st.integers(0, 200), st.integers(0, 5), BYTES)


@given(body=STATES.map(wire) | ODD_STATES | EDITED_STATES | NOISE)
@share(16)
def test_get_returns_a_model_with_declared_types_or_an_api_error_for_any_body(body: bytes) -> None:
    result = call(Reply(200, [], body), "get")
    if isinstance(result, TrackingInformation):
        assert is_of(result, TrackingInformation)
        assert TrackingInformation.from_json(wire(result.to_dict())) == result
    else:
        assert type(result) is APIError
        assert (result.status_code, result.body) == (200, body.replace(KEY.encode(), b"[API key]"))
        check(result)
