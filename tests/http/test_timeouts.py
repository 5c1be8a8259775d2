"""Timeouts and deadlines of one attempt, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from leaks import found
from shipengine_tracking import APITimeoutError
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, Response
from support import KEY, Caller, takes

HEAD = b"HTTP/1.1 500 Internal Server Error\r\nRequest-Id: 7\r\nContent-Length: 9999\r\n\r\n"
SUCCESS = b"HTTP/1.1 204 No Content\r\n\r\n"


@contextmanager
def slow_server(data: bytes, slow: bytes) -> Iterator[str]:
    """Run a server that sends some data at once and the rest byte by byte, to its first request only."""
    closed = threading.Event()

    def serve() -> None:
        parts = [(data, slow), (SUCCESS, b"")]
        with suppress(OSError):
            for first, rest in parts:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    connection.sendall(first)
                    for byte in rest:
                        connection.sendall(bytes([byte]))
                        if closed.wait(0.02):
                            return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        closed.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_body_that_arrives_slowly_ends_at_the_deadline(caller: Caller) -> None:
    with slow_server(HEAD, b"x" * 9999) as url, takes(0.3):
        error = caller.call(api_key=KEY, base_url=url, deadline=0.3)
    assert type(error) is APITimeoutError
    assert (error.status_code, error.request_id) == (500, "7")
    assert "0.3 s" in str(error)
    assert not found(error, KEY)


def test_headers_that_arrive_slowly_end_at_the_deadline_of_an_async_call() -> None:
    with slow_server(b"", HEAD * 9) as url, takes(0.3):
        error = Caller("async").call(api_key=KEY, base_url=url, deadline=0.3)
    assert type(error) is APITimeoutError
    assert error.status_code is None


@pytest.mark.parametrize(
    "response", [pytest.param(Response(b"", "hang"), id="headers"), pytest.param(Response(HEAD, "hang"), id="body")]
)
@pytest.mark.parametrize(("deadline", "timeout"), [(0.3, 30), (30, 0.3)])
def test_response_that_never_arrives_ends_with_a_timeout(
    fake: FakeShipEngine, caller: Caller, response: Response, deadline: float, timeout: float
) -> None:
    fake.enqueue(response)
    with takes(0.3):
        error = caller.call_fake(fake, deadline=deadline, timeout=timeout)
    assert type(error) is APITimeoutError
    assert error.__cause__ is not None
    assert not found(error, fake.api_key)


def test_deadline_applies_to_each_attempt(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)
    with slow_server(HEAD, b"x" * 9999) as url, takes(0.3):
        assert caller.call(api_key=KEY, base_url=url, deadline=0.3, max_retries=1) is None
