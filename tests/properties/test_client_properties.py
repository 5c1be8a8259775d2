"""Properties of the clients: they send what the spec says, and every response is a value or one of our exceptions.

`make test` tries about 2,000 cases in all, always the same; `make test-slow` 10,000; `make fuzz` 200,000 random ones.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import JSON, KEY, NOISE, TEXTS, check, from_schema, matches, share, validate_request, wire
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
from shipengine_tracking.testing import Subscription
from support import Caller

assert settings.default is not None
pytestmark = pytest.mark.timeout(max(120, settings.default.max_examples // 10))  # a machine may be busy

BOTH = [Caller("sync"), Caller("async")]
START, STOP, GET = ("POST", "/v1/tracking/start"), ("POST", "/v1/tracking/stop"), ("GET", "/v1/tracking")
OPERATIONS = {"start": START, "stop": STOP, "get": GET}
ANY_OPERATION = st.sampled_from(sorted(OPERATIONS))


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
     "\ud800", "ä\u0308\U0001f4e6", "a\r\nb", "\0", "x" * 40_000, "ä" * 12_000]
)  # fmt: skip
PRINTABLE = TEXTS.map(lambda text: "".join(filter(str.isprintable, text)).strip() or "1Z")
OTHERS: list[Any] = [None, 7, True, float("nan"), b"1Z", ["1Z"], {}]
ANYTHING = TEXTS | PRINTABLE | ODD_TEXTS | st.sampled_from(OTHERS)
IDS = st.none() | st.from_regex(r"se-[a-z0-9]{1,9}", fullmatch=True)
VALID = st.fixed_dictionaries({"tracking_number": PRINTABLE, "carrier_code": PRINTABLE, "carrier_id": IDS})
ODD = st.fixed_dictionaries(dict.fromkeys(["tracking_number", "carrier_code", "carrier_id"], ANYTHING))


@given(operation=ANY_OPERATION, package=VALID | ODD)
@share(8)
def test_client_sends_exactly_what_it_was_given_or_nothing(operation: str, package: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []
    method, path = OPERATIONS[operation]

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={}) if operation == "get" else httpx.Response(204)

    transport = httpx.MockTransport(respond)
    results = [caller.call(package, operation=operation, api_key=KEY, transport=transport) for caller in BOTH]
    if not sent:
        assert [type(result) for result in results] == [InvalidArgumentError] * 2
        check(results[0])
        return
    assert [type(result) for result in results] == [TrackingInformation if operation == "get" else type(None)] * 2
    assert len(sent) == 2
    for request in sent:
        sent_path, _, query = request.url.raw_path.decode("ascii").partition("?")
        pairs = parse_qsl(query, strict_parsing=True, errors="strict")
        assert sorted(pairs) == sorted((name, value) for name, value in package.items() if value is not None)
        assert (request.method, sent_path, request.url.fragment) == (method, path, "")
        assert (request.read(), request.headers.get("Content-Length")) == (b"", "0" if method == "POST" else None)
        assert not {"content-type", "transfer-encoding"} & request.headers.keys()
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
    st.lists(JSON | from_schema("Error"), max_size=1),
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


# --- the state of a package -----------------------------------------------------------------------------------------

MEMBERS = st.sampled_from(sorted(DOCUMENT["components"]["schemas"]["TrackingInformation"]["properties"]))
EVENT_MEMBERS = st.sampled_from(sorted(DOCUMENT["components"]["schemas"]["TrackingInformationEvent"]["properties"]))
EVENTS = st.lists(st.dictionaries(EVENT_MEMBERS, JSON, max_size=4), max_size=2)
STATES = from_schema("TrackingInformation") | st.dictionaries(MEMBERS | TEXTS, JSON | EVENTS, max_size=4)
ODD_VALUES = [b"1e999", b"-1e999", b"NaN", b"Infinity", b"1" * 5000, b"1.0", b"1e2", b'"\\ud800"', b"[" * 20_000]
ODD_STATES = st.builds(b'{"%b": %b}'.__mod__, st.tuples(MEMBERS.map(str.encode), st.sampled_from(ODD_VALUES)))
CUT_STATES = st.builds(lambda body, length: body[:length], STATES.map(wire), st.integers(0, 200))


@given(body=STATES.map(wire) | ODD_STATES | CUT_STATES | NOISE)
@share(16)
def test_get_returns_a_model_with_declared_types_or_an_api_error_for_any_body(body: bytes) -> None:
    result = call(Reply(200, [], body), "get")
    if isinstance(result, TrackingInformation):
        assert matches(result, TrackingInformation)
        assert TrackingInformation.from_json(wire(result.to_dict())) == result
    else:
        assert type(result) is APIError
        assert (result.status_code, result.body) == (200, body.replace(KEY.encode(), b"[API key]"))
        check(result)
