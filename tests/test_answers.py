"""Every answer the wire can give, to both clients, over real sockets: the table of what each must become."""

from __future__ import annotations

import email.utils
import gzip
import json
import re
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trustme
from attrs import field, frozen

from conftest import PACKAGE, Caller
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
    ShipEngineError,
    _seam,
)
from shipengine_tracking.testing import Answer, FakeShipEngine, error

ID = "aa3d8e8e-462b-4476-9618-72db7f7b7009"
HEADER_ID = "0f6d2c1e-5a3b-4c8d-9e7f-1a2b3c4d5e6f"
KEY = "TEST_k+/\"'\\key_that_nobody_may_see"


def item(code: str = "invalid_field_value", message: str = "It is wrong.", **members: Any) -> dict[str, Any]:
    return {
        "error_source": "shipengine",
        "error_type": "validation",
        "error_code": code,
        "message": message,
        **members,
    }


def body(*items: Any) -> dict[str, Any]:
    return {"request_id": ID, "errors": list(items)}


@frozen
class Row:
    name: str
    answer: Answer
    kind: type[ShipEngineError] | None
    text: str = ""
    codes: tuple[str, ...] = ()
    request_id: str | None = None
    also: dict[str, Any] = field(factory=dict[str, Any])  # attributes it must have
    status: int | None = None


def of(status: int, content: Any = b"", headers: dict[str, str] | None = None, **more: Any) -> Answer:
    return Answer.of(status, content, {"x-shipengine-requestid": HEADER_ID, **(headers or {})}, **more)


def broken(*items: Any, name: str, text: str, codes: tuple[str, ...], **also: Any) -> Row:
    return Row(name, of(400, body(*items)), InvalidRequestError, text, codes, ID, also, 400)


def limited(name: str, retry_after: str | None, seconds: float | None, **headers: str) -> Row:
    given = {} if retry_after is None else {"Retry-After": retry_after}
    return Row(
        f"429 with Retry-After {name}",
        of(429, body(item("rate_limit_exceeded", "Slow down.")), given | headers),
        RateLimitError,
        f"429 rate_limit_exceeded: Slow down. [request id {ID}]",
        ("rate_limit_exceeded",),
        ID,
        {"retry_after": seconds},
        429,
    )


def without(member: str) -> dict[str, Any]:
    return {name: value for name, value in item().items() if name != member}


WRONG = f"400 invalid_field_value: It is wrong. [request id {ID}]"
ACCOUNTS = item("trial_expired", "Your trial is over.")
CARRIERS = item("carrier_not_connected", "Not connected.", carrier_code="dhl_express", carrier_id="se-1")
HTML = "<html><body><h1>Bad gateway</h1></body></html>"
RAW = f"x-shipengine-requestid: {HEADER_ID}\r\n".encode()
ONE = json.dumps(body(item()))

ROWS = [
    Row("204", of(204), None),
    Row("200 with a body", of(200, {"ok": True}), APIError, f"200 OK [request id {HEADER_ID}]", (), HEADER_ID),
    Row("201", of(201), APIError, f"201 Created [request id {HEADER_ID}]", (), HEADER_ID),
    Row(
        "302 to another host",
        of(302, HTML, {"Location": "http://127.0.0.2:9/v1/tracking/start"}),
        APIError,
        f"302 Found [request id {HEADER_ID}]",
        (),
        HEADER_ID,
    ),
    Row("400 with one error", of(400, body(item())), InvalidRequestError, WRONG, ("invalid_field_value",), ID),
    Row(
        "400 with three errors",
        of(400, body(item(), item("field_conflict"), item("invalid_status"))),
        InvalidRequestError,
        f"400 invalid_field_value: It is wrong. (and 2 more) [request id {ID}]",
        ("invalid_field_value", "field_conflict", "invalid_status"),
        ID,
    ),
    Row(
        "400 with an unknown code, type and source",
        of(400, body(item("of_tomorrow") | {"error_type": "new", "error_source": "moon"})),
        InvalidRequestError,
        f"400 of_tomorrow: It is wrong. [request id {ID}]",
        ("of_tomorrow",),
        ID,
        {"code": "of_tomorrow", "type": "new", "source": "moon"},
    ),
    broken(
        item(field_name=None),
        name="400 with field_name null",
        text=WRONG,
        codes=("invalid_field_value",),
        field_name=None,
    ),
    *(
        broken(
            item(field_name="carrier_id", field_value=value),
            name=f"400 with field_value {value!r}",
            text=WRONG,
            codes=("invalid_field_value",),
            field_name="carrier_id",
        )
        for value in ("se-1", ["a", 1], {"a": None})
    ),
    broken(
        item(carrier_id="unknown", carrier_name="DHL"),
        name="400 with carrier_id unknown",
        text=WRONG,
        codes=("invalid_field_value",),
        carrier_id="unknown",
    ),
    broken(
        item(carrier_id=28529731, carrier_code=["ups"], field_name={"a": 1}),
        name="400 with members of other types",
        text=WRONG,
        codes=("invalid_field_value",),
        carrier_id=None,
        carrier_code=None,
        field_name=None,
    ),
    broken(
        without("message"),
        name="400 with an item lacking message",
        text=f"400 invalid_field_value [request id {ID}]",
        codes=("invalid_field_value",),
        message=None,
    ),
    broken(
        without("error_code"),
        name="400 with an item lacking error_code",
        text=f"400 Bad Request: It is wrong. [request id {ID}]",
        codes=("",),
        code=None,
    ),
    broken(
        item(404),  # type: ignore[arg-type]
        name="400 with a number for a code",
        text=f"400 Bad Request: It is wrong. [request id {ID}]",
        codes=("",),
        code=None,
    ),
    broken(
        "text", 7, None, item(), name="400 with items that are no object", text=WRONG, codes=("invalid_field_value",)
    ),
    *(
        Row(
            f"400 with errors {value!r}",
            of(400, {"request_id": ID, "errors": value}),
            InvalidRequestError,
            f"400 Bad Request [request id {ID}]",
            (),
            ID,
            {"code": None, "message": None},
        )
        for value in (None, dict[str, Any](), list[Any](), "text", 7)
    ),
    *(
        Row(
            f"400 with the body {value}",
            of(400, value),
            InvalidRequestError,
            f"400 Bad Request [request id {HEADER_ID}]",
            (),
            HEADER_ID,
        )
        for value in ("[]", "7", "null", '"text"', "NaN", "[{}]", "")
    ),
    Row(
        "400 with a request_id that is no string",
        of(400, {"request_id": 7, "errors": []}),
        InvalidRequestError,
        f"400 Bad Request [request id {HEADER_ID}]",
        (),
        HEADER_ID,
    ),
    Row(
        "401 without request_id",
        of(401, {"errors": [item("unauthorized", "Who are you?")]}),
        AuthenticationError,
        f"401 unauthorized: Who are you? [request id {HEADER_ID}]",
        ("unauthorized",),
        HEADER_ID,
    ),
    Row(
        "401 with the other header's id",
        Answer.of(401, b"", {"Request-Id": HEADER_ID}),
        AuthenticationError,
        f"401 Unauthorized [request id {HEADER_ID}]",
        (),
        HEADER_ID,
    ),
    Row("401 with no id at all", Answer.of(401), AuthenticationError, "401 Unauthorized", (), None),
    Row(
        "403",
        of(403, body(item("forbidden", "No."))),
        PermissionDeniedError,
        f"403 forbidden: No. [request id {ID}]",
        ("forbidden",),
        ID,
    ),
    Row(
        "404",
        of(404, body(item("invalid_identifier", "No."))),
        NotFoundError,
        f"404 invalid_identifier: No. [request id {ID}]",
        ("invalid_identifier",),
        ID,
    ),
    *(
        Row(
            str(status),
            of(status, body(item())),
            InvalidRequestError,
            WRONG.replace("400", str(status)),
            ("invalid_field_value",),
            ID,
        )
        for status in (405, 408, 409, 422, 499)
    ),
    limited("in seconds", "12", 12.0),
    limited("0", "0", 0.0),
    limited("of a day", "86400", 86_400.0),
    limited("as an HTTP date", "Wed, 21 Oct 2026 07:28:30 GMT", 30.0, Date="Wed, 21 Oct 2026 07:28:00 GMT"),
    limited("as a date gone by", "Wed, 21 Oct 2026 07:27:00 GMT", None, Date="Wed, 21 Oct 2026 07:28:00 GMT"),
    limited("as no date of any calendar", "Wed, 31 Feb 2026 07:27:00 GMT", None),
    limited("as a date in another form", "2026-10-21T07:28:30Z", None),
    limited("absent", None, None),
    limited("negative", "-5", None),
    limited("garbage", "may 5", None),
    limited("of a fraction", "1.5", None),
    limited("of 400 digits", "9" * 400, None),
    limited("twice", "3, 5", None),
    limited("in other digits", "٣".encode().decode("latin-1"), None),
    *(
        Row(
            f"{status} with {name}'s code",
            of(status, body(item("of_tomorrow"), given)),
            kind,
            f"{status} of_tomorrow: It is wrong. (and 1 more) [request id {ID}]",
            ("of_tomorrow", given["error_code"]),
            ID,
        )
        for status, name, given, kind in (
            (429, "an account", ACCOUNTS, RateLimitError),
            (429, "a carrier", CARRIERS, RateLimitError),
            (500, "an account", ACCOUNTS, ServerError),
            (500, "a carrier", CARRIERS, ServerError),
            (401, "an account", ACCOUNTS, AuthenticationError),
            (404, "an account", ACCOUNTS, AccountError),
            (404, "a carrier", CARRIERS, CarrierError),
            (403, "an account", ACCOUNTS, AccountError),
            (400, "a carrier", CARRIERS, CarrierError),
        )
    ),
    Row(
        "404 with an account's and a carrier's code: the first decides",
        of(404, body(ACCOUNTS, CARRIERS)),
        AccountError,
        f"404 trial_expired: Your trial is over. (and 1 more) [request id {ID}]",
        ("trial_expired", "carrier_not_connected"),
        ID,
    ),
    Row(
        "404 with a carrier's and an account's code: the first decides",
        of(404, body(CARRIERS, ACCOUNTS)),
        CarrierError,
        f"404 carrier_not_connected: Not connected. (and 1 more) [request id {ID}]",
        ("carrier_not_connected", "trial_expired"),
        ID,
        {"carrier_code": "dhl_express", "carrier_id": "se-1"},
    ),
    Row(
        "500 JSON",
        of(500, body(item("unspecified", "Oops."))),
        ServerError,
        f"500 unspecified: Oops. [request id {ID}]",
        ("unspecified",),
        ID,
    ),
    Row("500 empty", Answer.of(500), ServerError, "500 Internal Server Error", (), None, {"body": b""}),
    Row(
        "502 HTML",
        of(502, HTML, {"Content-Type": "text/html"}),
        ServerError,
        f"502 Bad Gateway [request id {HEADER_ID}]",
        (),
        HEADER_ID,
        {"body": HTML.encode()},
    ),
    Row(
        "503",
        of(503, "", {"Retry-After": "7"}),
        ServerError,
        f"503 Service Unavailable [request id {HEADER_ID}]",
        (),
        HEADER_ID,
        {"retry_after": 7.0},
    ),
    Row("520", Answer.of(520, HTML), ServerError, "520", (), None),
    Row("600", Answer.of(600), APIError, "600", (), None),
    Row("999", Answer.of(999, HTML), APIError, "999", (), None),
    Row(
        "latin-1",
        of(400, json.dumps(body(item(message="Größe")), ensure_ascii=False).encode("latin-1")),
        InvalidRequestError,
        f"400 invalid_field_value: Größe [request id {ID}]",
        ("invalid_field_value",),
        ID,
    ),
    Row(
        "with a BOM", of(400, b"\xef\xbb\xbf" + ONE.encode()), InvalidRequestError, WRONG, ("invalid_field_value",), ID
    ),
    Row(
        "JSON cut short, the length matching",
        of(400, ONE[:-9]),
        InvalidRequestError,
        f"400 Bad Request [request id {HEADER_ID}]",
        (),
        HEADER_ID,
        {"body": ONE[:-9].encode()},
    ),
    Row(
        "100,000 times [",
        of(400, b"[" * 100_000),
        InvalidRequestError,
        f"400 Bad Request [request id {HEADER_ID}]",
        (),
        HEADER_ID,
        {"body": b"[" * 100_000},
    ),
    Row(
        "a number of 6,000 digits",
        of(400, "9" * 6_000),
        InvalidRequestError,
        f"400 Bad Request [request id {HEADER_ID}]",
        (),
        HEADER_ID,
    ),
    Row(
        "a member of 6,000 digits",
        of(400, ONE.replace('"validation"', '"validation", "field_value": ' + "9" * 6_000)),
        InvalidRequestError,
        WRONG,
        ("invalid_field_value",),
        ID,
    ),
    Row(
        "a wrong Content-Encoding",
        of(400, ONE, {"Content-Encoding": "gzip"}),
        InvalidRequestError,
        WRONG,
        ("invalid_field_value",),
        ID,
        {"body": ONE.encode()},
    ),
    Row(
        "an encoding nobody asked for",
        of(400, gzip.compress(ONE.encode()), {"Content-Encoding": "gzip"}),
        InvalidRequestError,
        WRONG,
        ("invalid_field_value",),
        ID,
        {"body": ONE.encode()},
    ),
    Row(
        "an encoding nobody knows",
        of(400, ONE, {"Content-Encoding": "rot13"}),
        InvalidRequestError,
        WRONG,
        ("invalid_field_value",),
        ID,
    ),
    Row(
        "text/plain with JSON in it",
        of(400, ONE, {"Content-Type": "text/plain"}),
        InvalidRequestError,
        WRONG,
        ("invalid_field_value",),
        ID,
    ),
    Row(
        "chunked",
        of(400, f"{len(ONE):x}\r\n{ONE}\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}),
        InvalidRequestError,
        WRONG,
        ("invalid_field_value",),
        ID,
    ),
    Row(
        "a message that echoes the key",
        of(401, body(item("unauthorized", f"{KEY} is unknown")), {"X-Echo": f"key={KEY}"}),
        AuthenticationError,
        f"401 unauthorized: [API key] is unknown [request id {ID}]",
        ("unauthorized",),
        ID,
        {"message": "[API key] is unknown"},
    ),
    Row(
        "a message that echoes the key, escaped",
        of(
            401,
            json.dumps(body(item("unauthorized", "X is unknown"))).replace(
                "X", "".join(f"\\u{ord(char):04X}" for char in KEY)
            ),
        ),
        AuthenticationError,
        f"401 unauthorized: [API key] is unknown [request id {ID}]",
        ("unauthorized",),
        ID,
    ),
    Row(
        "a request id that echoes the key",
        Answer.of(400, b"", {"Request-Id": KEY}),
        InvalidRequestError,
        "400 Bad Request [request id [API key]]",
        (),
        "[API key]",
    ),
    broken(
        item(message="two\nlines \x1b[31mred\u202e \ud800"),
        name="a message with line breaks and escapes",
        text=f"400 invalid_field_value: two\\nlines \\x1b[31mred\\u202e \\ud800 [request id {ID}]",
        codes=("invalid_field_value",),
        message="two\nlines \x1b[31mred\u202e \ud800",
    ),
    broken(
        item(message="x" * 5_000),
        name="a message of 5,000 characters",
        text=f"400 invalid_field_value: {'x' * 199}… [request id {ID}]",
        codes=("invalid_field_value",),
        message="x" * 5_000,
    ),
    Row("reset before the answer", Answer(b"", "reset"), APIConnectionError),
    Row("closed before the answer", Answer(b"", "close"), APIConnectionError),
    Row("closed amid the head", Answer(b"HTTP/1.1 204 No Con", "close"), APIConnectionError),
    Row(
        "reset amid the answer",
        Answer(b"HTTP/1.1 500 X\r\n" + RAW + b"Content-Length: 9\r\n\r\nhalf", "reset"),
        APIConnectionError,
        request_id=HEADER_ID,
        status=500,
    ),
    Row(
        "a body shorter than announced",
        Answer(b"HTTP/1.1 401 X\r\n" + RAW + b"Content-Length: 9\r\n\r\nhalf", "close"),
        APIConnectionError,
        request_id=HEADER_ID,
        status=401,
    ),
    Row(
        "a chunk shorter than announced",
        Answer(b"HTTP/1.1 502 X\r\n" + RAW + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", "close"),
        APIConnectionError,
        request_id=HEADER_ID,
        status=502,
    ),
    Row("time-out before the head", Answer(b"", "hang"), APITimeoutError),
    Row(
        "time-out amid the body",
        Answer(b"HTTP/1.1 400 X\r\n" + RAW + b"Content-Length: 9\r\n\r\nhalf", "hang"),
        APITimeoutError,
        request_id=HEADER_ID,
        status=400,
    ),
    Row("not HTTP at all", Answer(b"220 mail.example ESMTP\r\n", "close"), APIConnectionError),
    Row("noise", Answer(bytes(range(256)) * 4, "close"), APIConnectionError),
    Row(
        "a header that echoes the key, malformed",
        Answer(f"HTTP/1.1 400 X\r\nAPI-Key : {KEY}\r\n\r\n".encode(), "close"),
        APIConnectionError,
    ),
    Row("a first line that echoes the key", Answer(f"API-Key: {KEY}\r\n\r\n".encode(), "close"), APIConnectionError),
    Row(
        "101",
        Answer(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "close"),
        APIConnectionError,
    ),
    Row("100 and then 204", Answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), None),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_answer(row: Row, caller: Caller) -> None:
    with FakeShipEngine(api_key=KEY) as fake:
        fake.script(row.answer)
        ended = caller.ask(fake, timeout=0.5 if row.answer.then == "hang" else 30.0)
        assert len(fake.requests) == 1
    if row.kind is None:
        assert ended is None
        return
    assert type(ended) is row.kind
    assert isinstance(ended, APIError | APIConnectionError)
    assert ended.attempts == 1
    assert ended.request_id == row.request_id
    assert "\n" not in str(ended)
    assert not found(ended, KEY)
    if isinstance(ended, APIError):
        assert ended.status_code == (row.status or int(row.answer.data.split()[1]))
        assert str(ended) == row.text
        assert tuple(error.error_code for error in ended.errors) == row.codes
        assert ended.__cause__ is None
    else:
        assert ended.status_code == row.status
        assert (ended.headers.get("X-ShipEngine-RequestId") is not None) == (row.request_id is not None)
        assert ended.__cause__ is not None
    for name, value in row.also.items():
        assert getattr(ended, name) == value


@pytest.mark.parametrize(
    "stray",
    [
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nstray",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nstray\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 27\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ],
    ids=[
        "a stray body",
        "a stray chunked body",
        "a body that looks like a refusal",
        "a body that looks like a success",
    ],
)
def test_second_answer_is_its_own(stray: bytes, fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(Answer(stray), of(403, body(item("forbidden", "No."))))
    first, second, third = caller.calls(PACKAGE, PACKAGE, PACKAGE, api_key=fake.api_key, base_url=fake.url)
    assert first is None
    assert type(second) is PermissionDeniedError
    assert third is None
    assert len(fake.requests) == 3


def test_strays_behind_a_refusal(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(Answer(Answer.of(400, "no").data + b"HTTP/1.1 204 No Content\r\n\r\n"), of(403))
    first, second, third = caller.calls(PACKAGE, PACKAGE, PACKAGE, api_key=fake.api_key, base_url=fake.url)
    assert (type(first), type(second), third) == (InvalidRequestError, PermissionDeniedError, None)


def test_a_204_with_an_encoding_is_a_success(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(*(of(204, headers={"Content-Encoding": coding}) for coding in ("gzip", "br", "zstd", "nonsense")))
    assert caller.calls(*[PACKAGE] * 4, api_key=fake.api_key, base_url=fake.url) == [None] * 4


def test_ten_megabytes(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(of(500, b"x" * 10_000_000))
    tracemalloc.start()
    ended = caller.ask(fake)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert type(ended) is ServerError
    assert ended.body == b"x" * 1_000_000
    assert ended.body_truncated
    assert peak < 6_000_000
    assert caller.ask(fake) is None


def test_a_body_of_more_errors_than_anybody_reads(fake: FakeShipEngine, caller: Caller) -> None:
    item = {"error_code": "trial_expired", "message": "Over."}
    body = b'{"errors": [%s]}' % b",".join([b"{}"] * 99 + [json.dumps(item).encode()] + [b"{}"] * 300_000)
    fake.script(of(403, body))
    began = time.process_time()
    ended = caller.ask(fake)
    assert time.process_time() - began < 3
    assert type(ended) is AccountError
    assert len(ended.errors) == 100
    assert ended.errors[99].message == "Over."
    assert ended.body == body


def test_a_small_body_that_would_grow_a_thousandfold(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(of(500, gzip.compress(b"x" * 50_000_000), {"Content-Encoding": "gzip"}))
    tracemalloc.start()
    ended = caller.ask(fake)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert type(ended) is ServerError
    assert ended.body == b"x" * 1_000_000
    assert ended.body_truncated
    assert peak < 8_000_000


PLAIN = b'{"request_id": "7"}'


@pytest.mark.parametrize(
    ("encoding", "raw", "cut", "read"),
    [
        ("gzip", gzip.compress(PLAIN), False, (PLAIN, False)),
        ("X-GZIP", gzip.compress(PLAIN), True, (PLAIN, True)),
        ("deflate", zlib.compress(PLAIN), False, (PLAIN, False)),
        ("br", gzip.compress(PLAIN), False, (gzip.compress(PLAIN), False)),
        ("gzip", PLAIN, False, (PLAIN, False)),
        ("gzip", b"", False, (b"", False)),
        ("gzip", gzip.compress(PLAIN)[:5], False, (gzip.compress(PLAIN)[:5], False)),
        ("gzip", gzip.compress(b"x" * 2_000_000), False, (b"x" * 2_000_000, False)),
        ("gzip", gzip.compress(b"x" * 2_000_001), False, (b"x" * 2_000_000, True)),
    ],
    ids=range(9),
)
def test_what_an_encoded_body_is_read_as(encoding: str, raw: bytes, cut: bool, read: tuple[bytes, bool]) -> None:
    assert _seam._decoded({"content-encoding": encoding}, raw, cut) == read
    assert _seam._decoded({}, raw, cut) == (raw, cut)


@pytest.mark.parametrize(
    ("status", "headers", "may_follow"),
    [
        (204, {}, False),
        (204, {"Content-Length": "0"}, False),
        (204, {"Content-Length": "1"}, True),
        (204, {"Transfer-Encoding": "chunked"}, True),
        (404, {"Content-Length": "1"}, False),
    ],
)
def test_when_strays_may_follow(status: int, headers: dict[str, str], may_follow: bool) -> None:
    response = httpx.Response(status, headers=headers, extensions={"network_stream": object()})
    assert _seam.strays_may_follow(response) == may_follow
    assert not _seam.strays_may_follow(httpx.Response(status, headers=headers))  # of no network


def test_strays_that_h11_knows_of() -> None:
    for data, may_follow in ((b"", False), (b"HTTP/1.1 204", True)):
        response = httpx.Response(204, extensions={"network_stream": object()})
        node: Any = response
        for name in ("stream", "_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
            setattr(node, name, SimpleNamespace())
            node = getattr(node, name)
        node.trailing_data = (data, False)
        assert _seam.strays_may_follow(response) == may_follow


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (httpx.ReadError(""), "no answer from api.shipengine.com (ReadError)"),
        (httpx.ReadError("lost: "), "no answer from api.shipengine.com (ReadError: lost)"),
        (httpx.ReadError("XX"), "no answer from api.shipengine.com (ReadError: XX)"),
        (httpx.ReadError("x" * 400), f"no answer from api.shipengine.com (ReadError: {'x' * 288}…)"),
        (httpx.LocalProtocolError("no"), "the request cannot be sent as it is (LocalProtocolError: no)"),
    ],
    ids=range(5),
)
def test_what_is_said_of_a_failure(failure: Exception, said: str, caller: Caller) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise failure

    assert str(caller.call(api_key=KEY, transport=httpx.MockTransport(fail))) == said


def test_what_is_no_failure_of_the_network_is_the_transports_own(caller: Caller) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise mistake

    mistake = RuntimeError("a mistake")
    assert caller.call(api_key=KEY, transport=httpx.MockTransport(fail)) is mistake


def test_an_answer_without_a_body_is_whole(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(Answer.of(500))
    ended = caller.ask(fake)
    assert isinstance(ended, ServerError)
    assert (ended.body, ended.body_truncated) == (b"", False)


@pytest.mark.parametrize(("length", "is_cut"), [(1_000_000, False), (1_000_001, True)])
def test_a_body_of_just_what_is_kept(length: int, is_cut: bool, fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(of(500, b"x" * length))
    ended = caller.ask(fake)
    assert isinstance(ended, ServerError)
    assert (len(ended.body), ended.body_truncated) == (1_000_000, is_cut)


def test_key_at_the_edge_of_what_is_kept(caller: Caller) -> None:
    with FakeShipEngine(api_key=KEY) as fake:
        fake.script(of(500, b"x" * (1_000_000 - 5) + KEY.encode() + b"x" * 1_000_000))
        ended = caller.ask(fake)
    assert type(ended) is ServerError
    assert ended.body_truncated
    assert KEY[:5].encode() not in ended.body


def test_an_answer_that_is_nothing_but_the_key(caller: Caller) -> None:
    key = "TEST_" + "q" * 60
    with FakeShipEngine(api_key=key) as fake:
        fake.script(of(500, key * 40_000))
        ended = caller.ask(fake)
    assert type(ended) is ServerError
    assert ended.body_truncated
    assert b"qqq" not in ended.body
    assert b"TEST" not in ended.body


def test_retry_after_as_a_date_without_the_answers_own(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(of(429, b"", {"Retry-After": email.utils.formatdate(4_102_444_800, usegmt=True)}))
    ended = caller.ask(fake)
    assert type(ended) is RateLimitError
    assert ended.retry_after
    assert ended.retry_after > 1e6


def test_connection_refused(caller: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = caller.call(api_key=KEY, base_url=f"http://127.0.0.1:{port}")
    assert type(ended) is APIConnectionError
    assert (ended.status_code, dict(ended.headers), ended.request_id) == (None, {}, None)
    assert re.fullmatch(r"no answer from 127\.0\.0\.1 \(ConnectError: .+\)", str(ended))
    assert ended.__cause__ is not None
    assert not found(ended, KEY)


def test_name_that_does_not_resolve(caller: Caller) -> None:
    ended = caller.call(api_key=KEY, base_url="https://nobody.invalid")
    assert type(ended) is APIConnectionError
    assert "nobody.invalid" in str(ended)
    assert not found(ended, KEY)


def test_time_out_is_a_time_out_for_everybody(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(Answer(b"", "hang"))
    assert isinstance(caller.ask(fake, timeout=0.1), TimeoutError)


def test_time_out_of_a_transport_of_ones_own(caller: Caller) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise TimeoutError("the line is dead")

    ended = caller.call(api_key=KEY, transport=httpx.MockTransport(answer))
    assert type(ended) is APITimeoutError
    assert str(ended) == "no answer from api.shipengine.com (TimeoutError: the line is dead)"


CA = trustme.CA()


@pytest.fixture
def tls() -> Iterator[int]:
    """Serve TLS, and nonsense behind the handshake, with a certificate that nobody trusts; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("127.0.0.1").configure_cert(context)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            try:
                talk = context.wrap_socket(connection, server_side=True)
                talk.recv(65_536)
                with socket.socket(fileno=talk.detach()) as bare:
                    bare.sendall(b"\x17\x03\x03\x00\x20" + b"Z" * 32)
                    bare.recv(1)
            except OSError:
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_certificate_that_is_not_trusted(tls: int, caller: Caller) -> None:
    ended = caller.call(api_key=KEY, base_url=f"https://127.0.0.1:{tls}")
    assert type(ended) is APIConnectionError
    assert "certificate" in str(ended).lower()
    assert not found(ended, KEY)


def test_nonsense_behind_the_handshake(
    tls: int, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    ended = caller.call(api_key=KEY, base_url=f"https://127.0.0.1:{tls}")
    assert type(ended) is APIConnectionError
    assert "SSL" in str(ended)
    assert not found(ended, KEY)


def test_a_status_line_without_end(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(Answer(b"HTTP/1.1 nonsense \x1b[31m" + b"x" * 60_000 + b"\r\n\r\n", "close"))
    ended = caller.ask(fake)
    assert type(ended) is APIConnectionError
    assert len(str(ended)) < 500
    assert "\x1b" not in str(ended)


def test_plain_http_where_tls_is_spoken(fake: FakeShipEngine, caller: Caller) -> None:
    ended = caller.call(api_key=KEY, base_url=fake.url.replace("http:", "https:"))
    assert type(ended) is APIConnectionError


def test_the_fakes_own_errors_look_like_the_vendors(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(error(400, "carrier_not_connected", "No.", carrier_code="dhl_express"))
    ended = caller.ask(fake)
    assert type(ended) is CarrierError
    assert ended.has("carrier_not_connected")
    assert not ended.has("trial_expired")
