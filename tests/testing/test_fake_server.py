"""The fake server over sockets: start, stop and get, responses that a test asks for, malformed requests, closing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from shipengine_tracking.testing import FakeShipEngine, Request, Response, Subscription
from support import wait_until

START, STOP, GET = "/v1/tracking/start", "/v1/tracking/stop", "/v1/tracking"
PACKAGE = {"tracking_number": "1Z", "carrier_code": "ups"}


@pytest.fixture
def raw(fake: FakeShipEngine) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fake.url, headers={"API-Key": fake.api_key}, timeout=60) as client:
        yield client


def connect(fake: FakeShipEngine) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2])), timeout=30)


# --- start, stop and get --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "package",
    [
        *(pytest.param(("1 Z", code, None), id=code) for code in ("usps", "stamps_com", "ups", "fedex", "dhl_express")),
        pytest.param(("1Z", None, "se-28529731"), id="connected-id"),
        pytest.param(("1Z", "usps", "se-28529731"), id="code-and-connected-id"),
    ],
)
def test_start_accepts_open_and_connected_carriers(
    fake: FakeShipEngine, raw: httpx.Client, package: tuple[str, str | None, str | None]
) -> None:
    subscription = Subscription(*package)
    query = {name: value for name, value in subscription._asdict().items() if value}
    response = raw.post(START, params=query)
    assert (response.status_code, response.content, fake.subscriptions) == (204, b"", [subscription])
    assert uuid.UUID(response.headers["x-shipengine-requestid"]) == uuid.UUID(response.headers["request-id"])
    assert (fake.requests[0].headers["Api-key"], fake.requests[0].query) == (fake.api_key, list(query.items()))
    assert fake.api_key not in repr(fake.requests)


def test_stop_removes_all_subscriptions_of_a_package(fake: FakeShipEngine, raw: httpx.Client) -> None:
    by_id = {"tracking_number": "1Z", "carrier_id": "se-28529731"}
    for package in (PACKAGE, by_id, PACKAGE | {"tracking_number": "2Z"}):
        raw.post(START, params=package)
    assert fake.subscriptions == [("1Z", "ups", None), ("1Z", None, "se-28529731"), ("2Z", "ups", None)]
    assert [raw.post(STOP, params=PACKAGE).status_code for _ in range(2)] == [204, 404]
    assert fake.subscriptions == [("2Z", "ups", None)]
    assert raw.get(GET, params=PACKAGE).status_code == 200


def test_get_before_the_first_update_is_not_yet_in_system(raw: httpx.Client) -> None:
    raw.post(START, params={"tracking_number": "1Z", "carrier_code": "stamps_com"})
    state = raw.get(GET, params=PACKAGE).json()
    assert (state["tracking_number"], state["status_code"], state["events"]) == ("1Z", "NY", [])
    assert state["carrier_code"] == "usps"  # as ShipEngine does with stamps_com


def test_parameters_in_the_body_do_not_count(fake: FakeShipEngine, raw: httpx.Client) -> None:
    assert raw.post(START, data=PACKAGE).status_code == 400
    assert fake.requests[0].body == b"tracking_number=1Z&carrier_code=ups"


def test_chunked_body_is_read(fake: FakeShipEngine, raw: httpx.Client) -> None:
    for chunks in ([], [b"a" * 20, b"b"]):
        assert raw.post(START, params=PACKAGE, content=iter(chunks)).status_code == 204
        assert fake.requests[-1].body == b"".join(chunks)
        assert "transfer-encoding" in fake.requests[-1].headers


def test_head_response_has_no_body(raw: httpx.Client) -> None:
    for headers in ({}, {"API-Key": "wrong"}):
        assert raw.head(START, headers=headers).content == b""
    assert raw.post(START, params=PACKAGE).status_code == 204


# --- responses that a test asks for ---------------------------------------------------------------------------------


def test_enqueued_responses_come_first_and_in_order(fake: FakeShipEngine, raw: httpx.Client) -> None:
    fake.enqueue(Response.of(503), Response.of(418, "text", {"X-A": "b"}))
    fake.enqueue(Response.of(204, delay=0.05))
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
        pytest.param(Response(b"", "close"), httpx.RemoteProtocolError, id="close"),
        pytest.param(Response(HALF, "close"), httpx.RemoteProtocolError, id="close-after-half"),
        pytest.param(Response(HALF, "hang"), httpx.ReadTimeout, id="hang-after-half"),
        pytest.param(Response.of(204, delay=30), httpx.ReadTimeout, id="delay"),
        pytest.param(Response(b"garbage", "close"), httpx.RemoteProtocolError, id="garbage"),
    ],
)
def test_enqueued_fault_reaches_the_client(
    fake: FakeShipEngine, raw: httpx.Client, response: Response, error: type[Exception]
) -> None:
    fake.enqueue(response)
    with pytest.raises(error):
        raw.post(START, params=PACKAGE, timeout=httpx.Timeout(60, read=0.5 if error is httpx.ReadTimeout else 60))
    assert raw.post(START, params=PACKAGE).status_code == 204


# --- malformed requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param("POST / WHAT/1", "400 Bad Request", id="version"),
        pytest.param("POST / HTTP/2.0", "400 Bad Request", id="version-2"),
        pytest.param("\x16\x03\x01 what", "400 Bad Request", id="not-http"),
        pytest.param("BREW / HTTP/1.1", "405 Method Not Allowed", id="method"),
        pytest.param(f"POST /?{'1' * 66_000} HTTP/1.1", "414 ", id="long-target"),
        pytest.param("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz", "400 Bad Request", id="chunk"),
        pytest.param("POST / HTTP/1.1" + "\r\na: b" * 101, "431 Request Header Fields Too Large", id="many-headers"),
        *(
            pytest.param(f"POST / HTTP/1.1\r\nContent-Length: {length}", "400 Bad Request", id=f"length-{name}")
            for name, length in {"word": "two", "negative": "-1", "superscript": "\xb2", "long": "9" * 9}.items()
        ),
    ],
)
def test_malformed_request_gets_an_error_of_the_api(fake: FakeShipEngine, sent: str, status: str) -> None:
    with connect(fake) as connection:
        connection.sendall(sent.encode("latin-1") + b"\r\n\r\n")
        head, _, body = b"".join(iter(partial(connection.recv, 65_536), b"")).partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers, document = dict(line.split(": ") for line in lines), json.loads(body)
    assert status_line.startswith(f"HTTP/1.1 {status}")
    assert (headers["Connection"], headers["Content-Length"]) == ("close", str(len(body)))
    assert (document["request_id"], document["errors"][0]["error_code"]) == (headers["request-id"], "unspecified")
    assert fake.requests == []


def test_exception_in_the_fake_is_printed(
    fake: FakeShipEngine, raw: httpx.Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(FakeShipEngine, "respond")
    with pytest.raises(httpx.RemoteProtocolError):
        raw.post(START, params=PACKAGE)
    fake.close()
    assert "AttributeError" in capfd.readouterr().err


# --- closing --------------------------------------------------------------------------------------------------------


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
    with pytest.raises(httpx.ConnectError):
        httpx.post(fake.url + START)


def test_close_from_one_of_its_own_threads_returns() -> None:
    class ClosingShipEngine(FakeShipEngine):
        def respond(self, request: Request) -> Response:
            self.close()
            return super().respond(request)

    with ClosingShipEngine() as fake, pytest.raises(httpx.TransportError):
        httpx.post(fake.url + START)
    with pytest.raises(httpx.ConnectError):
        httpx.post(fake.url + START)


# --- cryptography ---------------------------------------------------------------------------------------------------

WITHOUT_CRYPTOGRAPHY = """
import sys
sys.modules["cryptography"] = None
from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import FakeShipEngine

with FakeShipEngine() as fake, TrackingClient(fake.api_key, base_url=fake.url) as client:
    client.start(tracking_number="1Z", carrier_code="ups")
    print(client.get(tracking_number="1Z", carrier_code="ups").status_code.value)
    fake.update("1Z")
"""


def test_fake_needs_cryptography_only_for_signing() -> None:
    command = [sys.executable, "-c", WITHOUT_CRYPTOGRAPHY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "NY\n"
    assert "[webhooks]" in done.stderr.splitlines()[-1]
