"""The fake server: that it answers like the API, and fails as it is told."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus

import httpx
import pytest

from shipengine_tracking.testing import Answer, FakeShipEngine, RateLimit, Request, Subscription, Weather

PATH = "/v1/tracking/start"
PACKAGE = {"tracking_number": "1Z", "carrier_code": "ups"}


@pytest.fixture
def raw(fake: FakeShipEngine) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fake.url, headers={"API-Key": fake.api_key}) as client:
        yield client


# query, status, code, members of the error
ANSWERS: list[tuple[dict[str, str], int, str, dict[str, object]]] = [
    ({}, 400, "unspecified", {"error_type": "system"}),
    ({"tracking_number": ""}, 400, "unspecified", {"error_type": "system"}),
    ({"carrier_code": "ups"}, 400, "unspecified", {"error_type": "system"}),
    ({"tracking_number": "1Z"}, 400, "field_value_required", {}),
    ({"tracking_number": "1Z", "carrier_code": "seko"}, 400, "carrier_not_connected", {"carrier_code": "seko"}),
    (
        {"tracking_number": "1Z", "carrier_code": "seko", "carrier_id": "se-28529731"},
        400,
        "carrier_not_connected",
        {"carrier_code": "seko"},
    ),
    ({"tracking_number": "1Z", "carrier_id": "se-9"}, 404, "invalid_identifier", {"field_name": "carrier_id"}),
    ({"tracking_number": "1Z", "carrier_id": "ups"}, 400, "invalid_identifier", {"field_value": "ups"}),
    ({"tracking_number": "1Z", "carrier_id": "se-" + "1" * 23}, 400, "invalid_identifier", {}),
]


@pytest.mark.parametrize(("query", "status", "code", "members"), ANSWERS)
def test_refusals(
    fake: FakeShipEngine, raw: httpx.Client, query: dict[str, str], status: int, code: str, members: dict[str, object]
) -> None:
    answer = raw.post(PATH, params=query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    document = answer.json()
    assert document["request_id"] == answer.headers["x-shipengine-requestid"]
    (error,) = document["errors"]
    assert error["error_code"] == code
    assert {"error_source", "error_type", "message"} <= error.keys()
    assert {name: error[name] for name in members} == members
    assert fake.subscriptions == []
    assert [dict(request.query) for request in fake.requests] == [query]


@pytest.mark.parametrize("code", ["usps", "stamps_com", "ups", "fedex", "dhl_express"])
def test_carriers_that_can_be_tracked(fake: FakeShipEngine, raw: httpx.Client, code: str) -> None:
    answer = raw.post(PATH, params={"tracking_number": "1 Z", "carrier_code": code})
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers
    assert answer.headers["x-shipengine-requestid"]
    assert fake.subscriptions == [Subscription("1 Z", code)]


def test_a_connected_carrier_by_its_id(fake: FakeShipEngine, raw: httpx.Client) -> None:
    assert raw.post(PATH, params={"tracking_number": "1Z", "carrier_id": "se-28529731"}).status_code == 204
    assert fake.subscriptions == [Subscription("1Z", None, "se-28529731")]


@pytest.mark.parametrize("key", [None, "", "another"])
def test_key(fake: FakeShipEngine, key: str | None) -> None:
    answer = httpx.post(fake.url + PATH, params=PACKAGE, headers={} if key is None else {"API-Key": key})
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["error_code"] == "unauthorized"
    assert fake.subscriptions == []


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", PATH, 405), ("PUT", PATH, 405), ("POST", "/v1/tracking", 404)]
)
def test_another_method_or_path(raw: httpx.Client, method: str, path: str, status: int) -> None:
    assert raw.request(method, path, params=PACKAGE).status_code == status


def test_a_body_is_no_query(fake: FakeShipEngine, raw: httpx.Client) -> None:
    assert raw.post(PATH, data=PACKAGE).status_code == 400
    assert fake.requests[0].body == b"tracking_number=1Z&carrier_code=ups"
    assert raw.post(PATH, params=PACKAGE).status_code == 204


def test_scripted_answers_come_first_and_in_order(fake: FakeShipEngine, raw: httpx.Client) -> None:
    fake.script(Answer.of(503), Answer.of(418, "text", {"X-A": "b"}))
    fake.script(Answer.of(200, {"a": "é"}))
    got = [raw.post(PATH, params=PACKAGE) for _ in range(4)]
    assert [answer.status_code for answer in got] == [503, 418, 200, 204]
    assert (got[1].text, got[1].headers["x-a"]) == ("text", "b")
    assert got[2].json() == {"a": "é"}
    assert len(fake.requests) == 4
    assert len(fake.subscriptions) == 1
    assert fake.connections == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(b"", "reset"), httpx.ReadError),
        (Answer(b"", "close"), httpx.RemoteProtocolError),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "close"), httpx.RemoteProtocolError),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "hang"), httpx.ReadTimeout),
        (Answer(b"", "hang"), httpx.ReadTimeout),
        (Answer.of(204, delay=5), httpx.ReadTimeout),
        (Answer(b"garbage", "close"), httpx.RemoteProtocolError),
    ],
)
def test_faults(fake: FakeShipEngine, raw: httpx.Client, answer: Answer, error: type[Exception]) -> None:
    fake.script(answer)
    with pytest.raises(error):
        raw.post(PATH, params=PACKAGE, timeout=0.2)
    assert raw.post(PATH, params=PACKAGE).status_code == 204


def test_a_delay_passes(fake: FakeShipEngine, raw: httpx.Client) -> None:
    fake.script(Answer.of(204, delay=0.05))
    answer = raw.post(PATH, params=PACKAGE)
    assert answer.status_code == 204
    assert answer.elapsed.total_seconds() >= 0.05


def test_a_recorded_request_shows_no_key(fake: FakeShipEngine, raw: httpx.Client) -> None:
    raw.post(PATH, params=PACKAGE)
    assert fake.requests[0].headers["Api-key"] == fake.api_key
    assert fake.api_key not in repr(fake.requests)
    assert Request("GET", "/a?b=", {}).query == [("b", "")]


def test_the_end_leaves_nothing(raw: httpx.Client) -> None:
    before = threading.active_count()
    with FakeShipEngine() as fake:
        fake.script(Answer(b"", "hang"))
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(fake.url + PATH, timeout=0.1)
        with httpx.Client(base_url=fake.url) as client:
            client.post(PATH)
            assert threading.active_count() > before
            assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    fake.end()
    deadline = time.monotonic() + 5  # a thread that has closed its connection may be about to end
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.post(fake.url + PATH)


def test_what_it_is_if_nothing_is_said() -> None:
    fake = FakeShipEngine()
    assert (fake.api_key, fake.journey) == ("TEST_of_the_fake_server", ("IT", "DE"))
    fake.end()


def test_weather_that_is_slow_delays_and_no_other(fake: FakeShipEngine) -> None:
    key = {"API-Key": fake.api_key}
    for share, least, most in ((1.0, 0.3, 5), (0.0, 0, 0.3)):
        with FakeShipEngine(weather=Weather({"slow": share}, delay=0.3)) as slow:
            answer = httpx.post(slow.url + PATH, params=PACKAGE, headers=key)
            assert answer.status_code == 204
            assert least <= answer.elapsed.total_seconds() < most
            assert str(uuid.UUID(answer.headers["x-shipengine-requestid"])) == answer.headers["x-shipengine-requestid"]
    answer = httpx.post(fake.url + PATH, params=PACKAGE, headers=key)
    assert answer.elapsed.total_seconds() < 0.3


def test_what_it_drips(fake: FakeShipEngine, raw: httpx.Client) -> None:
    fake.script(Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", drip=b"abc", pace=0.05))
    began = time.monotonic()
    assert raw.post(PATH, params=PACKAGE).content == b"abc"
    assert 0.1 <= time.monotonic() - began < 5


@pytest.mark.parametrize("length", ["two", "-1", "1.5"])
def test_a_length_that_is_none_is_no_body(fake: FakeShipEngine, length: str) -> None:
    with socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")
    assert fake.requests[0].body == b""


def test_it_may_end_before_it_has_begun() -> None:
    FakeShipEngine().end()


def test_a_body_in_chunks_is_refused_and_nothing_follows(fake: FakeShipEngine, raw: httpx.Client) -> None:
    assert raw.post(PATH, params=PACKAGE, content=iter([b"a"])).status_code == 411
    assert raw.post(PATH, params=PACKAGE).status_code == 204
    assert fake.connections == 2


def test_a_head_has_no_body(raw: httpx.Client) -> None:
    assert raw.head(PATH).content == b""
    assert raw.post(PATH, params=PACKAGE).status_code == 204


def test_every_answer_carries_the_limit() -> None:
    with FakeShipEngine(rate_limit=RateLimit(9, 60.0), weather=Weather({"503": 0.5}, seed=1)) as fake:
        answers = [httpx.post(fake.url + PATH, headers={"API-Key": key}) for key in (fake.api_key, "x") * 6]
    assert {answer.status_code for answer in answers} == {400, 401, 429, 503}
    assert all(answer.headers["ratelimit-limit"] == "9" for answer in answers)


def test_a_target_that_is_no_url() -> None:
    request = Request("POST", "http://[/v1", {})
    assert (request.path, request.query) == ("http://[/v1", [])


NO_REQUESTS = [
    ("POST / WHAT/1", "400 Bad Request", "Bad request version ('WHAT/1')"),
    (f"POST /?{'1' * 66_000} HTTP/1.1", f"414 {HTTPStatus(414).phrase}", "This is no request."),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked", "411 Length Required", "Send a Content-Length."),
    ("POST / HTTP/1.1" + "\r\na: b" * 101, "431 Request Header Fields Too Large", "Too many headers"),
]


def all_that_is_answered(fake: FakeShipEngine, sent: str) -> tuple[list[str], bytes]:
    """Return the lines of the head and the body, once the server has closed the connection."""
    with socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(sent.encode() + b"\r\n\r\n")
        head, _, body = b"".join(iter(partial(connection.recv, 65_536), b"")).partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


@pytest.mark.parametrize(("sent", "status", "message"), NO_REQUESTS, ids=[status for _, status, _ in NO_REQUESTS])
def test_what_is_no_request(fake: FakeShipEngine, sent: str, status: str, message: str) -> None:
    (first, id_1, id_2, *others), body = all_that_is_answered(fake, sent)
    assert first == f"HTTP/1.1 {status}"
    document = json.loads(body)
    assert [id_1, id_2] == [f"{name}: {document['request_id']}" for name in ("x-shipengine-requestid", "request-id")]
    assert others == [
        "Connection: close",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
    ]
    assert document["errors"] == [
        {
            "error_source": "shipengine",
            "error_type": "validation",
            "error_code": "unspecified",
            "message": message,
        }
    ]
    assert fake.requests == []


def test_a_method_that_nobody_knows(fake: FakeShipEngine) -> None:
    (first, *others), body = all_that_is_answered(fake, "BREW / HTTP/1.1")
    assert first == "HTTP/1.1 501 Unsupported method ('BREW')"
    assert "Content-Type: text/html;charset=utf-8" in others
    assert b"Unsupported method ('BREW')" in body


def test_bytes_that_are_no_request(fake: FakeShipEngine, raw: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2]))) as connection:
        connection.sendall(b"\x16\x03\x01 what\r\n\r\n")
        assert b"400" in connection.recv(1000)
    assert raw.post(PATH, params=PACKAGE).status_code == 204
