"""The fake server over sockets: it responds like the API, and fails as it is told to."""

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
from pathlib import Path

import httpx
import pytest

from shipengine_tracking.testing import FakeShipEngine, RateLimit, Response, Subscription
from support import wait_until

START, STOP, GET = "/v1/tracking/start", "/v1/tracking/stop", "/v1/tracking"
PACKAGE = {"tracking_number": "1Z", "carrier_code": "ups"}


@pytest.fixture
def raw(fake: FakeShipEngine) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fake.url, headers={"API-Key": fake.api_key}) as client:
        yield client


def connect(fake: FakeShipEngine) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2])), timeout=30)


def statuses(*responses: httpx.Response) -> list[int]:
    return [response.status_code for response in responses]


def test_fake_has_defaults() -> None:
    with FakeShipEngine() as fake:
        assert (fake.api_key, fake.journey) == ("TEST_of_the_fake_server", ("IT", "DE"))
        assert (fake.requests, fake.subscriptions, fake.deliveries, fake.connections) == ([], [], [], 0)


# --- start, stop and get --------------------------------------------------------------------------------------------


def test_start_responds_without_a_body(fake: FakeShipEngine, raw: httpx.Client) -> None:
    response = raw.post(START, params={"tracking_number": "1 Z", "carrier_code": "dhl_express"})
    assert (response.status_code, response.content) == (204, b"")
    assert not {"content-type", "content-length"} & response.headers.keys()
    assert uuid.UUID(response.headers["x-shipengine-requestid"]) == uuid.UUID(response.headers["request-id"])
    assert fake.subscriptions == [Subscription("1 Z", "dhl_express")]


def test_start_twice_makes_two_subscriptions_and_stop_removes_both(fake: FakeShipEngine, raw: httpx.Client) -> None:
    by_id = {"tracking_number": "1Z", "carrier_id": "se-28529731"}
    other = {"tracking_number": "2Z", "carrier_code": "ups"}
    assert statuses(*(raw.post(START, params=package) for package in (PACKAGE, by_id, other))) == [204] * 3
    assert fake.subscriptions == [
        Subscription("1Z", "ups"),
        Subscription("1Z", None, "se-28529731"),
        Subscription("2Z", "ups"),
    ]
    assert statuses(raw.post(STOP, params=PACKAGE), raw.post(STOP, params=PACKAGE)) == [204, 404]
    assert fake.subscriptions == [Subscription("2Z", "ups")]


@pytest.mark.parametrize(("method", "path"), [("POST", STOP), ("GET", GET)])
def test_unknown_package_is_not_found(raw: httpx.Client, method: str, path: str) -> None:
    response = raw.request(method, path, params=PACKAGE)
    assert response.status_code == 404
    assert response.json()["errors"][0]["error_code"] == "not_found"


def test_get_before_the_first_update_is_not_yet_in_system(raw: httpx.Client) -> None:
    raw.post(START, params={"tracking_number": "1Z", "carrier_code": "stamps_com"})
    state = raw.get(GET, params=PACKAGE).json()
    assert (state["tracking_number"], state["status_code"], state["events"]) == ("1Z", "NY", [])
    assert state["carrier_code"] == "usps"  # as ShipEngine does with stamps_com


def test_get_after_stop_still_responds(raw: httpx.Client) -> None:
    raw.post(START, params=PACKAGE)
    raw.post(STOP, params=PACKAGE)
    assert raw.get(GET, params=PACKAGE).status_code == 200


@pytest.mark.parametrize("key", [None, "", "another"])
def test_missing_or_wrong_key_is_unauthorized(fake: FakeShipEngine, key: str | None) -> None:
    response = httpx.post(fake.url + START, params=PACKAGE, headers={} if key is None else {"API-Key": key})
    assert response.status_code == 401
    assert response.json()["request_id"] == response.headers["x-shipengine-requestid"]
    assert response.json()["errors"][0]["error_code"] == "unauthorized"
    assert fake.subscriptions == []
    assert [dict(request.query) for request in fake.requests] == [PACKAGE]


def test_parameters_in_the_body_do_not_count(fake: FakeShipEngine, raw: httpx.Client) -> None:
    assert raw.post(START, data=PACKAGE).status_code == 400
    assert fake.requests[0].body == b"tracking_number=1Z&carrier_code=ups"
    assert raw.post(START, params=PACKAGE).status_code == 204


def test_recorded_request_does_not_show_the_key(fake: FakeShipEngine, raw: httpx.Client) -> None:
    raw.post(START, params=PACKAGE)
    assert fake.requests[0].headers["Api-key"] == fake.api_key
    assert fake.api_key not in repr(fake.requests)


def test_head_response_has_no_body(raw: httpx.Client) -> None:
    assert raw.head(START).content == b""
    assert raw.head(START, headers={"Transfer-Encoding": "chunked"}).content == b""
    assert raw.post(START, params=PACKAGE).status_code == 204


def test_every_response_has_the_rate_limit_headers() -> None:
    with FakeShipEngine(rate_limit=RateLimit(9, 60.0)) as fake:
        responses = [httpx.post(fake.url + START, headers={"API-Key": key}) for key in (fake.api_key, "x") * 6]
    assert statuses(*responses) == [400, 401] * 4 + [400, 429, 429, 429]
    assert {response.headers["ratelimit-limit"] for response in responses} == {"9"}
    assert ["retry-after" in response.headers for response in responses] == [False] * 9 + [True] * 3


# --- responses that a test asks for ---------------------------------------------------------------------------------


def test_enqueued_responses_come_first_and_in_order(fake: FakeShipEngine, raw: httpx.Client) -> None:
    fake.enqueue(Response.of(503), Response.of(418, "text", {"X-A": "b"}))
    fake.enqueue(Response.of(200, {"a": "é"}))
    responses = [raw.post(START, params=PACKAGE) for _ in range(4)]
    assert statuses(*responses) == [503, 418, 200, 204]
    assert (responses[1].text, responses[1].headers["x-a"]) == ("text", "b")
    assert responses[2].json() == {"a": "é"}
    assert (len(fake.requests), len(fake.subscriptions), fake.connections) == (4, 1, 1)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(Response(b"", "reset"), httpx.ReadError, id="reset"),
        pytest.param(Response(b"", "close"), httpx.RemoteProtocolError, id="close"),
        pytest.param(
            Response(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "close"),
            httpx.RemoteProtocolError,
            id="close-after-half",
        ),
        pytest.param(
            Response(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "hang"),
            httpx.ReadTimeout,
            id="hang-after-half",
        ),
        pytest.param(Response(b"", "hang"), httpx.ReadTimeout, id="hang"),
        pytest.param(Response.of(204, delay=30), httpx.ReadTimeout, id="delay"),
        pytest.param(Response(b"garbage", "close"), httpx.RemoteProtocolError, id="garbage"),
    ],
)
def test_enqueued_fault_reaches_the_client(
    fake: FakeShipEngine, raw: httpx.Client, response: Response, error: type[Exception]
) -> None:
    fake.enqueue(response)
    with pytest.raises(error):
        raw.post(START, params=PACKAGE, timeout=0.5)
    assert raw.post(START, params=PACKAGE).status_code == 204


def test_delayed_response_arrives_later(fake: FakeShipEngine, raw: httpx.Client) -> None:
    fake.enqueue(Response.of(204, delay=0.05))
    response = raw.post(START, params=PACKAGE)
    assert response.status_code == 204
    assert response.elapsed.total_seconds() >= 0.05


# --- malformed requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param("POST / WHAT/1", "400 Bad Request", id="version"),
        pytest.param("POST / HTTP/2.0", "400 Bad Request", id="version-2"),
        pytest.param("\x16\x03\x01 what", "400 Bad Request", id="not-http"),
        pytest.param("BREW / HTTP/1.1", "405 Method Not Allowed", id="method"),
        pytest.param(f"POST /?{'1' * 66_000} HTTP/1.1", "414 ", id="long-target"),
        pytest.param("POST / HTTP/1.1\r\nTransfer-Encoding: chunked", "411 Length Required", id="chunked"),
        pytest.param("POST / HTTP/1.1" + "\r\na: b" * 101, "431 Request Header Fields Too Large", id="many-headers"),
        *(
            pytest.param(f"POST / HTTP/1.1\r\nContent-Length: {length}", "400 Bad Request", id=f"length-{length}")
            for length in ("two", "-1", "1.5", "", "9" * 9)
        ),
        pytest.param("POST / HTTP/1.1\r\nContent-Length: \xb2", "400 Bad Request", id="length-superscript"),
        pytest.param("POST / HTTP/1.1\r\nContent-Length: " + "9" * 5000, "400 Bad Request", id="length-of-5000-digits"),
    ],
)
def test_malformed_request_gets_an_error_of_the_api(fake: FakeShipEngine, sent: str, status: str) -> None:
    with connect(fake) as connection:
        connection.sendall(sent.encode("latin-1") + b"\r\n\r\n")
        head, _, body = b"".join(iter(partial(connection.recv, 65_536), b"")).partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ") for line in lines)
    assert status_line.startswith(f"HTTP/1.1 {status}")
    assert (headers["Connection"], headers["Content-Length"]) == ("close", str(len(body)))
    document = json.loads(body)
    assert document["request_id"] == headers["request-id"]
    assert document["errors"][0]["error_code"] == "unspecified"
    assert fake.requests == []


def test_malformed_request_does_not_disturb_the_next(fake: FakeShipEngine, raw: httpx.Client) -> None:
    assert raw.post(START, params=PACKAGE, content=iter([b"a"])).status_code == 411
    assert raw.post(START, params=PACKAGE).status_code == 204
    assert fake.connections == 2


def test_error_in_the_fake_is_not_swallowed(
    fake: FakeShipEngine, raw: httpx.Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(fake, "respond", fail)
    with pytest.raises(httpx.RemoteProtocolError):
        raw.post(START, params=PACKAGE)
    fake.close()
    assert "a mistake" in capfd.readouterr().err


# --- closing --------------------------------------------------------------------------------------------------------


def test_close_leaves_no_threads_and_no_connections() -> None:
    before = threading.active_count()
    fake = FakeShipEngine()
    fake.enqueue(Response(b"", "hang"))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(fake.url + START, timeout=0.2)
    with httpx.Client(base_url=fake.url) as client:
        client.post(START)
        assert threading.active_count() > before
        assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
        fake.close()
    fake.close()
    wait_until(lambda: threading.active_count() <= before)
    with pytest.raises(httpx.ConnectError):
        httpx.post(fake.url + START)


def test_close_interrupts_a_delayed_response() -> None:
    with FakeShipEngine() as fake, connect(fake) as connection:
        fake.enqueue(Response.of(204, delay=60))
        connection.sendall(b"POST / HTTP/1.1\r\n\r\n")
        wait_until(lambda: fake.requests)
        began = time.monotonic()
    assert time.monotonic() - began < 20


def test_close_from_one_of_its_own_threads_ends(
    fake: FakeShipEngine, raw: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close(_: object) -> Response:
        fake.close()
        return Response.of(204)

    monkeypatch.setattr(fake, "respond", close)
    with pytest.raises(httpx.TransportError):
        raw.post(START, params=PACKAGE)
    with pytest.raises(httpx.ConnectError):
        httpx.post(fake.url + START)


# --- cryptography ---------------------------------------------------------------------------------------------------

WITHOUT_CRYPTOGRAPHY = """
import sys
sys.modules["cryptography"] = None
import httpx
from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import FakeShipEngine

with FakeShipEngine() as fake:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        client.start(tracking_number="1Z", carrier_code="ups")
        print(client.get(tracking_number="1Z", carrier_code="ups").status_code.value)
    response = httpx.get(fake.url + "/jwks")
    print(response.status_code, "[webhooks]" in response.json()["errors"][0]["message"])
    try:
        fake.update("1Z")
    except ImportError as error:
        print("[webhooks]" in str(error))
"""


def test_fake_needs_cryptography_only_for_signing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_CRYPTOGRAPHY)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (["NY", "500 True", "True"], "")
