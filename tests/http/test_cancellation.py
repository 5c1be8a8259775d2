"""Cancelling calls, Ctrl-C, and closing a client while calls wait."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from typing import Any
from unittest.mock import Mock

import h11
import pytest

from shipengine_tracking import AsyncTrackingClient, ClientStateError, RateLimitError, TrackingClient
from shipengine_tracking._http.connection import Connection
from shipengine_tracking.testing import FakeShipEngine, Response
from support import PACKAGE, BackgroundClient, Caller, PausedShipEngine, assert_takes, client_sockets, wait_until

HEAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 9999\r\n\r\n"
# With one connection, a call that left anything behind would block the next one.
SETTINGS: dict[str, Any] = {"max_connections": 1, "timeout": 30, "deadline": 30}


async def cancel(call: asyncio.Task[None]) -> None:
    call.cancel()
    with assert_takes(0), pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("turns", range(4))
def test_cancelled_calls_do_not_block_the_queue(turns: int) -> None:
    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url, **SETTINGS) as client:
            calls = [asyncio.create_task(client.start(**PACKAGE)) for _ in range(5)]
            await asyncio.to_thread(wait_until, lambda: fake.requests)
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


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response(b"", "hang"), id="before the headers"),
        pytest.param(Response(HEAD, "hang"), id="during the body"),
        pytest.param(Response.of(503, headers={"Retry-After": "60"}), id="between attempts"),
    ],
)
def test_ctrl_c_ends_a_call_and_leaves_nothing_behind(
    fake: FakeShipEngine, caller: Caller, caplog: pytest.LogCaptureFixture, response: Response
) -> None:
    def interrupt() -> None:
        wait_until(lambda: fake.requests if response.then == "hang" else caplog.records)
        os.kill(os.getpid(), signal.SIGINT)

    caplog.set_level(logging.WARNING, "shipengine_tracking")
    fake.enqueue(response)
    with caller.client(fake, max_retries=3, **SETTINGS) as client:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with assert_takes(0), pytest.raises(KeyboardInterrupt):
            client.start(**PACKAGE)
        thread.join()
        client.start(**PACKAGE)
    assert len(fake.requests) == 2
    assert client_sockets(fake) == 0


# --- closing a client


def test_closing_wakes_calls_that_wait_to_be_sent(
    fake: FakeShipEngine, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "shipengine_tracking")
    fake.enqueue(Response.of(429, headers={"Retry-After": "60"}))
    with BackgroundClient(caller.kind, fake) as client:
        first = client.start()
        wait_until(lambda: caplog.records)
        calls = [client.start() for _ in range(4)]
        with assert_takes(0):
            client.close()
            assert {type(call.exception(30)) for call in calls} == {ClientStateError}
            error: Any = first.exception(30)
        assert isinstance(error, RateLimitError)
        assert error.attempts == len(fake.requests) == 1
        assert "closed" in error.__notes__[0]


def test_call_in_flight_when_the_client_is_closed_ends_and_closes_its_connection(caller: Caller) -> None:
    with PausedShipEngine() as fake, BackgroundClient(caller.kind, fake) as client:
        call = client.start()
        wait_until(lambda: fake.requests)
        client.close()
        assert client_sockets(fake) == 1
        fake.resume.set()
        assert call.exception(30) is None
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
        with assert_takes(0), pytest.raises(KeyboardInterrupt):
            client.start(**PACKAGE)
        assert is_closing.wait(30)
        may_close.set()
