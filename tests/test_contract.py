"""The contract, both ways: what is sent is what the spec says, and whatever comes back is success or our exception.

`make test` tries 2,000 cases in all, always the same; `make test-slow` 10,000; `make fuzz` 200,000, others each time.
"""

from __future__ import annotations

import http.client
import inspect
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlencode

import httpx
import pytest
import schemathesis
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_core.exceptions import OpenAPIError
from openapi_schema_validator import OAS31Validator
from schemathesis.specs.openapi.checks import positive_data_acceptance

from conftest import Caller
from contract import (
    HOST,
    JSON,
    KEY,
    PATH,
    TEXTS,
    check,
    is_of,
    of_schema,
    share,
    validate_answer,
    validate_request,
    wire,
)
from document import DOCUMENT
from shipengine_tracking import (
    APIConnectionError,
    APIError,
    AsyncTrackingClient,
    InvalidArgumentError,
    InvalidPayloadError,
    Package,
    ShipEngineError,
    TrackingClient,
    WebhookError,
)
from shipengine_tracking.exceptions import exception_class
from shipengine_tracking.testing import Answer, FakeShipEngine, RateLimit, Subscription, Weather, error
from shipengine_tracking.testing.deliveries import Signer
from shipengine_tracking.webhooks import TrackingEvent, Verifier, parse, parse_date

assert settings.default is not None
pytestmark = pytest.mark.timeout(max(120, settings.default.max_examples // 10))  # a machine may be busy

BOTH = [Caller("sync"), Caller("async")]


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, which may break off."""

    def __init__(self, pieces: list[bytes], failure: Exception | None):
        self._pieces = pieces
        self._failure = failure

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._failure:
            raise self._failure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


@frozen
class Reply:
    """What a transport does: fail at once where there is no status, else answer, and perhaps break off."""

    status: int | None
    headers: list[tuple[bytes, bytes]] = field(factory=list)
    pieces: list[bytes] = field(factory=list)
    failure: type[Exception] | None = None
    words: str = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        failure = self.failure(self.words) if self.failure else None
        if self.status is None:
            raise failure or httpx.ConnectError(self.words)
        return httpx.Response(self.status, headers=self.headers, stream=Stream(self.pieces, failure))


def outcome(reply: Reply, caller: Caller) -> Exception | None:
    return caller.call(api_key=KEY, transport=httpx.MockTransport(reply))


def outcome_of_both(reply: Reply) -> Exception | None:
    """Make the call with both clients, and return how it ended: alike."""
    first, second = (outcome(reply, caller) for caller in BOTH)
    assert type(first) is type(second)
    assert str(first) == str(second)
    return first


# What is asked

ODD_TEXTS = st.sampled_from(
    [
        "",
        " ",
        "\t\n",
        "\u3000",
        "a b&carrier_code=ups",
        "a+b",
        "%41",
        "#?=;/\\",
        "\ud800",
        "ä\u0308\U0001f4e6",
        "a\r\nb",
        "\0",
        "x" * 40_000,
        "ä" * 12_000,
        "\U0001f4e6" * 5_000,
    ]
)
ANYTHING = TEXTS | ODD_TEXTS | st.none() | st.integers() | st.floats() | st.binary(max_size=3) | st.lists(TEXTS)
IDS = st.from_regex(r"se(-[a-z0-9]+)+", fullmatch=True)


def can_be_sent(package: dict[str, Any]) -> bool:
    given = {name: value for name, value in package.items() if value is not None}
    if "tracking_number" not in given or len(given) < 2 or not all(isinstance(value, str) for value in given.values()):
        return False
    if not all(value.strip() and value.encode(errors="ignore").decode() == value for value in given.values()):
        return False
    schema = DOCUMENT["components"]["parameters"]["carrier_id"]["schema"]
    if "carrier_id" in given and not OAS31Validator(schema).is_valid(given["carrier_id"]):
        return False
    return len(f"{HOST}{PATH}?{urlencode(given, quote_via=quote, safe='')}") <= 65_536


@given(
    package=st.fixed_dictionaries(
        {
            "tracking_number": TEXTS | ODD_TEXTS | ANYTHING,
            "carrier_code": st.none() | TEXTS | ODD_TEXTS | ANYTHING,
            "carrier_id": st.none() | IDS | ANYTHING,
        }
    )
)
@share(8)
def test_what_is_sent_is_what_was_given(package: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(204)

    for caller in BOTH:
        ended = caller.call(package, api_key=KEY, transport=httpx.MockTransport(answer))
        if not can_be_sent(package):
            assert type(ended) is InvalidArgumentError
            assert ended.attempts == len(sent) == 0
            check(ended)
            continue
        assert ended is None
        request = sent.pop()
        assert not sent
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        names_and_values = [pair.split("=") for pair in query.split("&")]
        pairs = [(unquote(name, errors="strict"), unquote(value, errors="strict")) for name, value in names_and_values]
        assert sorted(pairs) == sorted((name, value) for name, value in package.items() if value is not None)
        assert (request.method, path, request.url.fragment) == ("POST", PATH, "")
        assert (request.read(), request.headers["Content-Length"]) == (b"", "0")
        assert not {"content-type", "transfer-encoding"} & request.headers.keys()
        assert request.headers["API-Key"] == KEY
        if caller.kind == "sync":  # the other's is the same by now
            validate_request(request.method, path, dict(pairs), request.headers)


# What is answered

ERROR_BODY = OAS31Validator({"$ref": "#/components/schemas/ErrorResponse", "components": DOCUMENT["components"]})


@given(body=of_schema("ErrorResponse"), status=st.integers(400, 599), header=st.sampled_from(["", "of-the-header"]))
@share(8)
def test_an_error_body_becomes_an_exception_with_all_its_fields(body: Any, status: int, header: str) -> None:
    assert ERROR_BODY.is_valid(body)
    headers = [(b"Content-Type", b"application/json; charset=utf-8"), (b"x-shipengine-requestid", header.encode())]
    ended = outcome_of_both(Reply(status, headers, [wire(body)]))
    assert isinstance(ended, APIError)
    assert type(ended) is exception_class(status, [item["error_code"] for item in body["errors"]])
    assert (ended.status_code, ended.body, ended.body_truncated) == (status, wire(body), False)
    assert ended.request_id == (body["request_id"] or header or None)
    assert [item.to_dict() for item in ended.errors] == body["errors"]
    first = body["errors"][0] if body["errors"] else {}
    for name in ("error_code", "error_type", "error_source", "message", "field_name", "carrier_code", "carrier_id"):
        assert getattr(ended, name.removeprefix("error_")) == (first.get(name) or None)
    check(ended)


NAMES = st.sampled_from(
    [
        b"Content-Type",
        b"Content-Length",
        b"Content-Encoding",
        b"Transfer-Encoding",
        b"Location",
        b"Set-Cookie",
        b"Retry-After",
        b"Date",
        b"RateLimit-Remaining",
        b"RateLimit-Reset",
        b"x-shipengine-requestid",
        b"request-id",
    ]
)
WORDS = st.sampled_from(
    [
        KEY.encode(),
        "".join(f"\\u{ord(char):04x}" for char in KEY).encode(),
        b"gzip",
        b"chunked",
        b"0",
        b"99999999999999999999",
        b"-1",
        b"http://[",
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 99 Nov 1994 99:49:37 GMT",
        b"text/html; charset=nonsense",
        b"two\r\nlines",
        b"\xff\xfe",
    ]
)
NOISE = st.binary(max_size=30)
BYTES = NOISE | WORDS
HEADERS = st.lists(st.tuples(NAMES | BYTES, BYTES), max_size=2)
BODIES = (
    st.lists(BYTES, max_size=2)
    | JSON.map(lambda document: [wire(document)])
    | st.builds(
        lambda errors, message: [wire({"request_id": message, "errors": [*errors, {"message": message}]})],
        st.lists(JSON | of_schema("Error"), max_size=1),
        TEXTS | st.just(f"Who is {KEY}?"),
    )
)
FAILURES: list[type[Exception]] = [
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.DecodingError,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.RemoteProtocolError,
    httpx.StreamError,
    httpx.UnsupportedProtocol,
    httpx.WriteError,
    ConnectionResetError,
    OSError,
    TimeoutError,
]
STATUSES = st.sampled_from([200, 204, 302, 400, 401, 403, 404, 408, 429, 500, 502, 526]) | st.integers(100, 999)
REPLIES = st.builds(Reply, STATUSES, HEADERS, BODIES)
BREAKS = st.builds(
    Reply,
    st.none() | STATUSES,
    HEADERS,
    BODIES,
    st.sampled_from(FAILURES),
    TEXTS | st.just(f"what is {KEY}\n?"),
)


@given(reply=REPLIES, caller=st.sampled_from(BOTH))
@share(45)
def test_any_answer_is_success_or_our_exception(reply: Reply, caller: Caller) -> None:
    ended = outcome(reply, caller)
    assert (ended is None) == (reply.status == 204)
    if ended is not None:
        assert isinstance(ended, APIError)
        assert (ended.status_code, ended.attempts) == (reply.status, 1)
        assert ended.retry_after is None or 0 <= ended.retry_after < float("inf")
        check(ended)


@given(reply=BREAKS)
@share(7)
def test_any_failure_of_the_network_is_our_exception(reply: Reply) -> None:
    ended = outcome_of_both(reply)
    assert ended is not None
    is_of_the_request = reply.failure in (httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol)
    assert isinstance(ended, InvalidArgumentError if is_of_the_request else APIConnectionError)
    check(ended)


@given(
    status=STATUSES,
    headers=st.lists(st.tuples(NAMES, BYTES), max_size=3),
    body=BYTES,
    edits=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 5), BYTES), max_size=3),
)
@share(6)
def test_any_bytes_on_the_wire_are_success_or_our_exception(
    serving: FakeShipEngine,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    edits: list[tuple[int, int, bytes]],
) -> None:
    lines = [b"HTTP/1.1 %d X" % status, *(name + b": " + value for name, value in headers), b"", body]
    data = b"\r\n".join(lines)
    for start, length, inserted in edits:
        data = data[:start] + inserted + data[start + length :]
    for caller, transport in zip(BOTH, (httpx.HTTPTransport, httpx.AsyncHTTPTransport), strict=True):
        serving.script(Answer(data, "close"))
        ended = caller.ask(serving, transport=transport(verify=TLS))
        if ended is None:
            assert b" 204" in data
        else:
            assert isinstance(ended, APIError | APIConnectionError)
            check(ended)


TLS = ssl.create_default_context()  # to make one for each call takes longer than the call


@pytest.fixture(scope="module")
def serving() -> Iterator[FakeShipEngine]:
    with FakeShipEngine({"se-28529731": "dhl_express"}, api_key=KEY) as fake:
        yield fake


# What is delivered

UPDATES = of_schema("TrackingEvent").map(lambda document: {**document, "resource_type": "API_TRACK"})
WILD_UPDATES = st.fixed_dictionaries(
    {"resource_type": st.just("API_TRACK") | JSON},
    optional={
        "resource_url": JSON,
        "data": JSON
        | st.dictionaries(
            st.sampled_from(sorted(DOCUMENT["components"]["schemas"]["TrackingInformation"]["properties"])),
            JSON | of_schema("TrackingInformation").map(lambda data: data.get("events")),
            max_size=4,
        ),
    },
)


@given(document=UPDATES)
@share(3)
def test_any_update_of_the_spec_is_read_with_true_types(document: dict[str, Any]) -> None:
    assert is_of(parse(wire(document)), TrackingEvent)


@given(body=WILD_UPDATES.map(wire) | JSON.map(wire) | NOISE)
@share(6)
def test_any_body_of_a_delivery_is_an_event_or_our_exception(body: bytes) -> None:
    try:
        assert is_of(parse(body), TrackingEvent)
    except InvalidPayloadError as ended:
        check(ended)
        kept = ended.body
        assert kept == body


NOW = "2026-03-14T09:26:53Z"
SIGNED = ["x-shipengine-rsa-sha256-key-id", "x-shipengine-rsa-sha256-signature", "x-shipengine-timestamp"]


@cache
def signer() -> Signer:
    return Signer()


@cache
def verifier() -> Verifier:
    return Verifier(signer().jwks(), clock=datetime.fromisoformat(NOW).timestamp)


VALUES: st.SearchStrategy[Any] = TEXTS | NOISE | JSON | st.sampled_from([NOW, NOW.replace("T", "\ud800"), "1773480413"])


@given(document=UPDATES, changes=st.dictionaries(st.sampled_from(SIGNED), VALUES, max_size=2))
@share(3)
def test_a_delivery_with_any_changes_is_verified_only_if_it_is_still_signed(
    document: dict[str, Any], changes: dict[str, Any]
) -> None:
    body = wire(document)
    genuine = signer().sign(body, NOW)
    headers = genuine | changes
    try:
        event = verifier().verify(headers, body)
    except WebhookError as ended:
        assert headers != genuine
        check(ended)
    else:
        assert headers == genuine
        assert is_of(event, TrackingEvent)


PAIRS = st.tuples(st.sampled_from(SIGNED) | TEXTS | st.binary(max_size=3), VALUES)


@given(headers=st.lists(PAIRS) | st.lists(PAIRS).map(dict) | JSON, body=NOISE | JSON)
@share(3)
def test_any_headers_and_body_are_refused_with_our_exception(headers: Any, body: Any) -> None:
    with pytest.raises((WebhookError, InvalidArgumentError)) as caught:
        verifier().verify(headers, body)
    assert isinstance(caught.value, ShipEngineError)
    check(caught.value)


DATES = st.lists(
    st.sampled_from(
        ["2026", "03", "14", "9", "26", "AM", "pm", "Z", "UTC", "EST", "+", "-", ":", "/", ".", ",", "T", " ", "Mar",
         "Mon", "10h", "m", "0", "9" * 11, "1" * 30, "+01:00", "-9999", "(", "of", "٣", "½", "\ud800", "1e5", "inf",
         "nan"]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@given(text=DATES | TEXTS)
@share(6)
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert is_of(parse_date(text), datetime | None)


@given(moment=st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.sampled_from([None, UTC])))
@share(3)
def test_any_date_is_read_as_it_was_written(moment: datetime) -> None:
    for text in (moment.isoformat(), str(moment)):
        assert parse_date(text) == moment


# What the fake answers

API = schemathesis.openapi.from_dict(DOCUMENT)


# Left out is the one check that the API itself would fail: it refuses requests that the schema allows. No parameter is
# marked as required, since the vendor's document marks none, yet a call without a tracking number is answered with
# 400; and whether a carrier is connected no schema can say.
#
# Its share must not come to 100 cases: that is Hypothesis's own default, and schemathesis then tries all the profile's.
@API.parametrize()
@share(2)
def test_schemathesis_finds_nothing(case: Any, serving: FakeShipEngine) -> None:
    case.call_and_validate(
        base_url=serving.url, headers={"API-Key": KEY}, excluded_checks=[positive_data_acceptance], timeout=10
    )


@frozen
class Asked:
    """A request to the fake, and the status and code of its answer."""

    name: str
    status: int
    code: str | None = None
    query: dict[str, str] = field(factory=dict)
    method: str = "POST"
    path: str = PATH
    key: str = KEY
    fake: dict[str, Any] = field(factory=dict)
    more: dict[str, Any] = field(factory=dict)


NUMBER = {"tracking_number": "1Z"}
UPS = {**NUMBER, "carrier_code": "ups"}
DHL = {**NUMBER, "carrier_id": "se-28529731"}
FULL = RateLimit(limit=0)
SILENT = RateLimit(limit=0, headers=False)

ASKED = [
    Asked("a carrier's code", 204, query=UPS),
    Asked("a carrier's id", 204, query=DHL),
    Asked("both", 204, query=DHL | {"carrier_code": "dhl_express"}),
    Asked("within the limit", 204, query=UPS, fake={"rate_limit": RateLimit()}),
    Asked("slow", 204, query=UPS, fake={"weather": Weather({"slow": 1.0}, delay=0.0)}),
    Asked("another key", 401, "unauthorized", UPS, key="x"),
    Asked("another path", 404, "not_found", path="/v1/tracking/begin"),
    *(
        Asked(method, 405, "unspecified", UPS, method=method)
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
    ),
    Asked("no tracking number", 400, "unspecified", {"carrier_code": "ups"}),
    Asked("an empty tracking number", 400, "unspecified", UPS | {"tracking_number": ""}),
    Asked("no carrier", 400, "field_value_required", NUMBER),
    Asked("an empty carrier", 400, "field_value_required", NUMBER | {"carrier_code": ""}),
    Asked("an empty carrier beside an id", 400, "field_value_required", DHL | {"carrier_code": ""}),
    Asked("a carrier that is not connected", 400, "carrier_not_connected", NUMBER | {"carrier_code": "seko"}),
    Asked("no id of a carrier", 400, "invalid_identifier", NUMBER | {"carrier_id": "SE-1"}),
    Asked("a long id of a carrier", 400, "invalid_identifier", NUMBER | {"carrier_id": "se-" + "1" * 23}),
    Asked("an unknown id of a carrier", 404, "invalid_identifier", NUMBER | {"carrier_id": "se-1"}),
    Asked("a body in chunks", 411, "unspecified", UPS, more={"content": iter([b"a"])}),
    Asked("many headers", 431, "unspecified", UPS, more={"headers": {f"x-{index}": "" for index in range(110)}}),
    Asked("beyond the limit", 429, "rate_limit_exceeded", UPS, fake={"rate_limit": FULL}),
    Asked("beyond the limit, silently", 429, "rate_limit_exceeded", UPS, fake={"rate_limit": SILENT}),
    Asked("429 by the weather", 429, "rate_limit_exceeded", UPS, fake={"weather": Weather({"429": 1.0})}),
    *(
        Asked(f"{status} by the weather", status, code, UPS, fake={"weather": Weather({str(status): 1.0})})
        for status, code in {409: "unspecified", 500: "unspecified", 502: None, 503: None, 526: None}.items()
    ),
]  # /jwks is no part of the spec


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_the_fakes_answer_is_one_of_the_spec(asked: Asked) -> None:
    with (
        FakeShipEngine({"se-28529731": "dhl_express"}, api_key=KEY, **asked.fake) as fake,
        httpx.Client(base_url=fake.url, headers={"API-Key": asked.key}) as client,
    ):
        answer = client.request(asked.method, asked.path, params=asked.query, **asked.more)
    validate_answer(answer.status_code, answer.headers, answer.content)
    assert answer.status_code == asked.status
    if asked.code is not None:
        assert [item["error_code"] for item in answer.json()["errors"]] == [asked.code]
    if asked.status == 204:
        assert not {"content-type", "content-length"} & answer.headers.keys()


@pytest.mark.parametrize(
    ("line", "status"), [("/ WHAT/1", 400), (f"{PATH}?{'1' * 66_000} HTTP/1.1", 414)], ids=["no HTTP", "a long address"]
)
def test_the_fakes_answer_to_what_is_no_request_is_one_of_the_spec(
    serving: FakeShipEngine, line: str, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", int(serving.url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(f"POST {line}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        validate_answer(status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
    assert answer.status == status


def test_the_judge_refuses_what_the_spec_does_not_say() -> None:
    wrong = error(400, "unspecified", "No.").data.partition(b"\r\n\r\n")[2].replace(b"request_id", b"id")
    with pytest.raises(OpenAPIError):
        validate_answer(400, {"content-type": "application/json"}, wrong)
    with pytest.raises(OpenAPIError):
        validate_answer(502, {"content-type": "application/json"}, b"{}")
    with pytest.raises(OpenAPIError):
        validate_answer(204, {"ratelimit-limit": "many"}, b"")
    with pytest.raises(OpenAPIError):
        validate_request("POST", PATH, {"carrier_id": "ups"}, {"API-Key": KEY})
    with pytest.raises(OpenAPIError):
        validate_request("POST", PATH, UPS, {})


def test_true_types_are_told_from_others() -> None:
    event = parse(wire({"resource_type": "API_TRACK", "data": {"carrier_id": 1, "events": [{"latitude": 1}]}}))
    assert is_of(event, TrackingEvent)
    event.data.carrier_id = True
    assert not is_of(event, TrackingEvent)
    event.data.carrier_id, event.data.events = None, [{}]  # type: ignore[list-item]
    assert not is_of(event, TrackingEvent)


# What the overlay has of it


def test_what_the_spec_lets_a_caller_say_the_overlay_does() -> None:
    declared = {one.rpartition("/")[2] for one in refs(DOCUMENT["paths"]["/v1/tracking/start"]["post"]["parameters"])}
    for place in (TrackingClient.start, AsyncTrackingClient.start, Package, Subscription):
        said = set(inspect.signature(place).parameters) - {"self"}
        assert said == declared, f"{place.__qualname__} has other parameters than the spec"


def refs(parameters: list[dict[str, str]]) -> list[str]:
    return [parameter["$ref"] for parameter in parameters]
