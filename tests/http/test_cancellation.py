"""Cancelling calls, Ctrl-C, and closing a client while calls wait."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import Mock

import h11
import pytest

from shipengine_tracking import (
    AsyncTrackingClient,
    ClientStateError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
    TrackingClient,
)
from shipengine_tracking._http import client as http_client
from shipengine_tracking._http.connection import Connection
from shipengine_tracking.testing import FakeShipEngine, Response
from support import PACKAGE, BackgroundClient, Caller, PausedShipEngine, client_sockets, takes, wait_until

HEAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 9999\r\n\r\n"
INTERRUPTED = [
    pytest.param(Response(b"", "hang"), id="before the headers"),
    pytest.param(Response(HEAD, "hang"), id="during the body"),
    pytest.param(Response.of(503, headers={"Retry-After": "60"}), id="between attempts"),
    pytest.param(Response.of(429, headers={"Retry-After": "1"}), id="after a 429"),
]
# With one connection, a call that left anything behind would block the next one.
SETTINGS: dict[str, Any] = {"max_connections": 1, "timeout": 30, "deadline": 30}


@contextmanager
def full_server() -> Iterator[str]:
    """Yield the address of a server whose queue of connections is full, so that connecting never ends."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        clients = [socket.socket() for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for client in clients:
            client.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    await asyncio.to_thread(wait_until, condition)


async def cancel(call: asyncio.Task[None]) -> None:
    call.cancel()
    with takes(0), pytest.raises(asyncio.CancelledError):
        await call


def is_waiting(caplog: pytest.LogCaptureFixture, fake: FakeShipEngine, response: Response) -> bool:
    """Return whether the first call has progressed as far as the response allows."""
    return bool(caplog.records) if response.then == "keep" else bool(fake.requests)


@pytest.mark.parametrize("response", INTERRUPTED)
def test_cancelled_call_leaves_nothing_behind(
    fake: FakeShipEngine, caplog: pytest.LogCaptureFixture, response: Response
) -> None:
    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url, **SETTINGS) as client:
            fake.enqueue(response)
            call = asyncio.create_task(client.start(**PACKAGE))
            await until(lambda: is_waiting(caplog, fake, response))
            await cancel(call)
            await client.start(**PACKAGE)
        assert len(asyncio.all_tasks()) == 1

    caplog.set_level(logging.WARNING, "shipengine_tracking")
    asyncio.run(main())
    assert len(fake.requests) == 2
    assert client_sockets(fake) == 0


def test_cancelled_connecting_leaves_nothing_behind() -> None:
    async def main(url: str) -> None:
        async with AsyncTrackingClient("TEST_key", base_url=url, **SETTINGS) as client:
            for _ in range(2):
                with takes(0.2), pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.start(**PACKAGE), 0.2)

    with full_server() as url:
        asyncio.run(main(url))


@pytest.mark.parametrize("turns", range(4))
def test_cancelled_calls_do_not_block_the_queue(turns: int) -> None:
    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url, **SETTINGS) as client:
            calls = [asyncio.create_task(client.start(**PACKAGE)) for _ in range(5)]
            await until(lambda: fake.requests)
            await cancel(calls[1])  # waits
            fake.resume.set()
            await cancel(calls[0])  # is in flight
            for _ in range(turns):
                await asyncio.sleep(0)
            await cancel(calls[2])  # its turn has come
            await asyncio.gather(*calls[3:])

    with PausedShipEngine() as fake:
        asyncio.run(main())
        assert 3 <= len(fake.requests) <= 4


def is_calling() -> bool:
    """Return whether the main thread is inside a call."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    return any(one.f_code.co_filename == http_client.__file__ for one, _ in traceback.walk_stack(frame))


def call_until_ctrl_c(client: TrackingClient, condition: Callable[[], object]) -> None:
    """Make a call and send SIGINT to the main thread once a condition is true."""

    def interrupt() -> None:
        wait_until(lambda: is_calling() and condition())
        os.kill(os.getpid(), signal.SIGINT)

    def call() -> None:
        thread.start()
        client.start(**PACKAGE)
        thread.join()  # the signal may be late

    thread = threading.Thread(target=interrupt)
    with takes(0), pytest.raises(KeyboardInterrupt):
        call()
    thread.join()


@pytest.mark.parametrize("response", INTERRUPTED)
def test_ctrl_c_leaves_nothing_behind(
    fake: FakeShipEngine, caplog: pytest.LogCaptureFixture, response: Response
) -> None:
    caplog.set_level(logging.WARNING, "shipengine_tracking")
    with TrackingClient(fake.api_key, base_url=fake.url, **SETTINGS) as client:
        fake.enqueue(response)
        call_until_ctrl_c(client, lambda: is_waiting(caplog, fake, response))
        client.start(**PACKAGE)
    assert len(fake.requests) == 2
    assert client_sockets(fake) == 0


def test_ctrl_c_while_waiting_for_the_rate_limit_ends_the_call(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url, max_retries=0, **SETTINGS) as client:
        fake.enqueue(Response.of(429, headers={"Retry-After": "60"}))
        with pytest.raises(RateLimitError):
            client.start(**PACKAGE)
        call_until_ctrl_c(client, lambda: True)
    assert len(fake.requests) == 1


# --- closing a client


@pytest.mark.parametrize(
    ("status", "waiting", "expected"),
    [pytest.param(429, 4, RateLimitError, id="rate limit"), pytest.param(503, 0, ServerError, id="pause")],
)
def test_closing_wakes_calls_that_wait_to_be_sent(
    status: int,
    waiting: int,
    expected: type[Any],
    fake: FakeShipEngine,
    caller: Caller,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "shipengine_tracking")
    fake.enqueue(Response.of(status, headers={"Retry-After": "60"}))
    with BackgroundClient(caller.kind, fake) as client:
        first = client.start()
        wait_until(lambda: caplog.records)
        calls = [client.start() for _ in range(waiting)]
        with takes(0):
            client.close()
            assert [type(call.exception(30)) for call in calls] == [ClientStateError] * waiting
            error: Any = first.exception(30)
        assert isinstance(error, expected)
        assert error.attempts == len(fake.requests) == 1
        assert "closed" in error.__notes__[0]


def test_closing_wakes_calls_that_wait_for_a_connection(caller: Caller) -> None:
    with PausedShipEngine() as fake, BackgroundClient(caller.kind, fake, **SETTINGS) as client:
        first = client.start()
        wait_until(lambda: fake.requests)
        calls = [client.start() for _ in range(4)]
        with takes(0):
            client.close()
            assert {type(call.exception(30)) for call in calls} == {ClientStateError}
        fake.resume.set()
        assert first.exception(30) is None
        assert len(fake.requests) == 1


@pytest.mark.parametrize("response", [None, Response.of(400)], ids=["success", "error"])
def test_connection_in_flight_is_closed_when_its_call_ends(caller: Caller, response: Response | None) -> None:
    with PausedShipEngine() as fake, BackgroundClient(caller.kind, fake) as client:
        if response:
            fake.enqueue(response)
        call = client.start()
        wait_until(lambda: fake.requests)
        client.close()
        assert client_sockets(fake) == 1
        fake.resume.set()
        with suppress(InvalidRequestError):
            call.result(30)
        assert client_sockets(fake) == 0


def test_interruption_does_not_wait_until_the_connection_is_closed(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption can leave a lock of httpcore held, so that closing never ends."""
    is_closing, may_close = threading.Event(), threading.Event()

    def close(_: Connection) -> None:
        is_closing.set()
        may_close.wait(60)

    with TrackingClient(fake.api_key, base_url=fake.url) as client, monkeypatch.context() as patches:
        patches.setattr(h11.Connection, "send", Mock(side_effect=KeyboardInterrupt))
        patches.setattr(Connection, "close", close)
        with takes(0), pytest.raises(KeyboardInterrupt):
            client.start(**PACKAGE)
        assert is_closing.wait(30)
        may_close.set()
