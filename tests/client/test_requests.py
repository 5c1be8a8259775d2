"""What the client sends and where: headers, cookies, proxies, certificates; and network errors."""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest
import trustme

from leaks import find_leaks
from shipengine_tracking import APIConnectionError, APITimeoutError, ShipEngineError, __version__
from shipengine_tracking.testing import FakeShipEngine, Response
from support import KEY, PACKAGE, Caller


def test_call_is_one_request_with_its_headers(caller: Caller, fake: FakeShipEngine) -> None:
    assert caller.call_fake(fake, on_behalf_of="se-123456") is None
    (request,) = fake.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/tracking/start", b"")
    assert sorted(request.query) == sorted(PACKAGE.items())
    assert request.headers["API-Key"] == fake.api_key
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["On-Behalf-Of"] == "se-123456"
    assert request.headers["User-Agent"].startswith(f"shipengine-tracking/{__version__} ")


def test_cookies_are_not_kept_and_on_behalf_of_is_optional(caller: Caller, fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(204, headers={"Set-Cookie": "AWSALB=1; Path=/"}))
    assert caller.call_all(PACKAGE, PACKAGE, api_key=fake.api_key, base_url=fake.url) == [None, None]
    assert not {"cookie", "on-behalf-of"} & {name.lower() for name in fake.requests[1].headers}


def test_proxy_of_the_environment_gets_no_key_outside_tls(
    caller: Caller, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, fake.url)
    error = caller.call(api_key=KEY, base_url="https://host.invalid")
    assert isinstance(error, APIConnectionError)
    assert isinstance(error.__cause__, httpx.ProxyError)  # the fake server does not open tunnels
    assert not [request for request in fake.requests if "API-Key" in request.headers]
    connections = fake.connections
    with FakeShipEngine() as other:
        assert caller.call_fake(other) is None
        assert len(other.requests) == 1
    assert fake.connections == connections


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:99999", "http://a..b"])
def test_invalid_proxy_raises_our_exception(caller: Caller, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert isinstance(caller.call(api_key=KEY, base_url="https://host.invalid"), ShipEngineError)


# --- the network


def test_server_that_cannot_be_reached_is_a_connection_error(caller: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "https://host.invalid"):
        error = caller.call(api_key=KEY, base_url=url)
        assert type(error) is APIConnectionError
        assert (error.status_code, dict(error.headers), error.request_id) == (None, {}, None)
        assert isinstance(error.__cause__, httpx.ConnectError)
        assert not find_leaks(error, KEY)
    assert "host.invalid" in str(error)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        pytest.param(httpx.ReadError("lost"), APIConnectionError, id="httpx"),
        pytest.param(TimeoutError("late"), APITimeoutError, id="TimeoutError"),
        pytest.param(OSError("dead"), APIConnectionError, id="OSError"),
        pytest.param(ssl.SSLError("bad record"), APIConnectionError, id="SSLError"),
        pytest.param(ExceptionGroup("two", [OSError(KEY)]), APIConnectionError, id="ExceptionGroup"),
    ],
)
def test_network_error_of_a_transport_is_translated(
    raised: Exception, kind: type[APIConnectionError], caller: Caller
) -> None:
    error = caller.call(api_key=KEY, transport=httpx.MockTransport(Mock(side_effect=raised)))
    assert type(error) is kind
    assert error.__cause__ is raised
    assert not find_leaks(error, KEY)


def test_exception_of_the_callers_transport_is_raised_unchanged(caller: Caller) -> None:
    mistake = RuntimeError("a mistake")
    assert caller.call(api_key=KEY, transport=httpx.MockTransport(Mock(side_effect=mistake))) is mistake


@pytest.mark.parametrize("trusted", [False, True])
def test_untrusted_certificate_is_rejected(
    trusted: bool, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[bytes] = []

    def serve() -> None:
        with suppress(OSError), context.wrap_socket(server.accept()[0], server_side=True) as connection:
            received.append(connection.recv(65_536))
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if trusted:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        pool.submit(serve)
        result = caller.call(api_key=KEY, base_url=f"https://127.0.0.1:{server.getsockname()[1]}")
    assert len(received) == trusted
    assert trusted or not find_leaks(result, KEY)
    assert type(result) is (type(None) if trusted else APIConnectionError)
