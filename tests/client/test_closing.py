"""Closing a client: its later calls and its connections. test_cancellation.py has the calls in flight."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from shipengine_tracking import AsyncTrackingClient, ClientStateError, Package, TrackingClient
from shipengine_tracking.testing import FakeShipEngine
from support import KEY, PACKAGE, BackgroundClient, Caller, PausedShipEngine, client_sockets


def test_closed_client_makes_no_calls(fake: FakeShipEngine, caller: Caller) -> None:
    with caller.client(fake) as client:
        client.start(**PACKAGE)
        client.close()
        client.close()
        for use in (client.start, client.stop, client.get):
            with pytest.raises(ClientStateError, match="closed"):
                use(**PACKAGE)
        with pytest.raises(ClientStateError, match="closed"):
            client.start_many([Package(**PACKAGE)])
    assert len(fake.requests) == 1


def test_closed_client_cannot_be_entered() -> None:
    async def enter(client: AsyncTrackingClient) -> None:
        async with client:
            pass

    with TrackingClient(KEY) as client, asyncio.Runner() as runner:
        async_client = AsyncTrackingClient(KEY)
        runner.run(enter(async_client))
        with pytest.raises(ClientStateError, match="closed"):
            runner.run(enter(async_client))
        client.close()
        with pytest.raises(ClientStateError, match="closed"), client:
            pass


def test_closing_closes_every_connection_if_one_fails(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    close, close_async = httpx.HTTPTransport.close, httpx.AsyncHTTPTransport.aclose

    def close_and_fail(transport: httpx.HTTPTransport) -> None:
        close(transport)
        closed.append(transport)
        raise OSError(len(closed))

    async def close_async_and_fail(transport: httpx.AsyncHTTPTransport) -> None:
        await close_async(transport)
        closed.append(transport)
        raise OSError(len(closed))

    with PausedShipEngine(resume_after=3) as fake, BackgroundClient(caller.kind, fake) as client:
        assert client.start_all(3) == [None] * 3
        with monkeypatch.context() as failing:
            failing.setattr(httpx.HTTPTransport, "close", close_and_fail)
            failing.setattr(httpx.AsyncHTTPTransport, "aclose", close_async_and_fail)
            with pytest.raises(OSError, match="3"):
                client.close()
        assert len(closed) == 3
        assert client_sockets(fake) == 0
        client.close()
        assert isinstance(client.start().exception(60), ClientStateError)
