"""The fake server over sockets: start, stop and get, responses that a test asks for, malformed requests, closing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from shipengine_tracking.testing import FakeShipEngine, Response, Subscription
from support import wait_until

START, STOP = "/v1/tracking/start", "/v1/tracking/stop"
PACKAGE = {"tracking_number": "1Z", "carrier_code": "ups"}


@pytest.fixture
def raw(fake: FakeShipEngine) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fake.url, headers={"API-Key": fake.api_key}, timeout=60) as client:
        yield client


def connect(fake: FakeShipEngine) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2])), timeout=30)


def test_start_accepts_open_and_connected_carriers(fake: FakeShipEngine, raw: httpx.Client) -> None:
    carriers = [{"carrier_code": code} for code in ("usps", "stamps_com", "ups", "fedex", "dhl_express")]
    carriers += [{"carrier_id": "se-28529731"}, {"carrier_code": "usps", "carrier_id": "se-28529731"}]
    for carrier in carriers:
        response = raw.post(START, params={"tracking_number": "1 Z", **carrier})
        assert (response.status_code, response.content) == (204, b"")
        assert len({response.headers["x-shipengine-requestid"], response.headers["request-id"]}) == 1
    assert fake.subscriptions == [Subscription("1 Z", **carrier) for carrier in carriers]
    request = fake.requests[0]
    query = [("tracking_number", "1 Z"), ("carrier_code", "usps")]
    assert (request.path, request.query, request.headers["Api-key"]) == (START, query, fake.api_key)
    assert fake.api_key not in repr(request)


def test_stop_removes_all_subscriptions_of_a_package(fake: FakeShipEngine, raw: httpx.Client) -> None:
    for package in (PACKAGE, PACKAGE | {"carrier_code": "usps"}, PACKAGE | {"tracking_number": "2Z"}):
        raw.post(START, params=package)
    assert [raw.post(STOP, params=PACKAGE).status_code for _ in range(2)] == [204, 404]
    assert fake.subscriptions == [("2Z", "ups", None)]


def test_chunked_body_is_read(fake: FakeShipEngine, raw: httpx.Client) -> None:
    for chunks in ([], [b"a" * 20, b"b"]):
        assert raw.post(START, params=PACKAGE, content=iter(chunks)).status_code == 204
        assert (fake.requests[-1].body, fake.connections) == (b"".join(chunks), 1)


def test_enqueued_responses_come_first_and_in_order(fake: FakeShipEngine, raw: httpx.Client) -> None:
    fake.enqueue(Response.of(503), Response.of(418, "text", {"X-A": "b"}), Response.of(204, delay=0.05))
    responses = [raw.post(START, params=PACKAGE) for _ in range(4)]
    assert [response.status_code for response in responses] == [503, 418, 204, 204]
    assert (responses[1].text, responses[1].headers["x-a"]) == ("text", "b")
    assert responses[2].elapsed.total_seconds() >= 0.05
    assert (len(fake.requests), len(fake.subscriptions), fake.connections) == (4, 1, 1)


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(Response(b"", "reset"), httpx.ReadError, id="reset"),
        pytest.param(Response(HALF, "close"), httpx.RemoteProtocolError, id="close"),
        pytest.param(Response(HALF, "hang"), httpx.ReadTimeout, id="hang"),
    ],
)
def test_enqueued_fault_reaches_the_client(
    fake: FakeShipEngine, raw: httpx.Client, response: Response, error: type[Exception]
) -> None:
    fake.enqueue(response)
    with pytest.raises(error):
        raw.post(START, params=PACKAGE, timeout=httpx.Timeout(60, read=0.5 if error is httpx.ReadTimeout else 60))
    assert raw.post(START, params=PACKAGE).status_code == 204


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param("POST / WHAT/1", "400 Bad Request", id="version"),
        pytest.param(f"POST /?{'1' * 66_000} HTTP/1.1", "414 ", id="target"),
        pytest.param("POST / HTTP/1.1\r\nContent-Length: -1", "400 Bad Request", id="length"),
        pytest.param("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz", "400 Bad Request", id="chunk"),
    ],
)
def test_malformed_request_gets_an_error_of_the_api(fake: FakeShipEngine, sent: str, status: str) -> None:
    with connect(fake) as connection:
        connection.sendall(sent.encode() + b"\r\n\r\n")
        head, _, body = b"".join(iter(partial(connection.recv, 65_536), b"")).partition(b"\r\n\r\n")
    (item,) = json.loads(body)["errors"]
    assert head.startswith(f"HTTP/1.1 {status}".encode())
    assert b"\r\nConnection: close\r\n" in head
    assert (item["error_code"], type(item["message"])) == ("unspecified", str)
    assert fake.requests == []


def test_exception_in_the_fake_is_printed(
    fake: FakeShipEngine, raw: httpx.Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(FakeShipEngine, "respond")
    with pytest.raises(httpx.RemoteProtocolError):
        raw.post(START, params=PACKAGE)
    fake.close()
    assert "AttributeError" in capfd.readouterr().err


def test_close_ends_all_threads_and_connections() -> None:
    before = threading.active_count()
    fake = FakeShipEngine()
    fake.enqueue(Response(b"", "hang"), Response.of(204, delay=60))
    with connect(fake) as first, connect(fake) as second, connect(fake):
        for connection in (first, second):
            connection.sendall(b"POST / HTTP/1.1\r\n\r\n")
        wait_until(lambda: len(fake.requests) == 2 and fake.connections == 3)
        assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
        began = time.monotonic()
        fake.close()
        fake.close()
        assert time.monotonic() - began < 20
        wait_until(lambda: threading.active_count() <= before)
    with pytest.raises(ConnectionRefusedError):
        connect(fake)


def test_fake_needs_cryptography_only_for_signing() -> None:
    code = "import sys; sys.modules['cryptography'] = None; from shipengine_tracking.testing import FakeShipEngine; "
    command = [sys.executable, "-c", code + "fake = FakeShipEngine(); print('ready'); fake.update('1Z')"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "ready\n"
    assert "[webhooks]" in done.stderr.splitlines()[-1]
