"""Sharing a client between threads or tasks, but not between event loops; closing it. test_cancellation.py has more."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from shipengine_tracking import AsyncTrackingClient, ClientStateError, Package
from shipengine_tracking.testing import FakeShipEngine, Response
from support import KEY, PACKAGE, BackgroundClient, Caller, PausedShipEngine, client_sockets


def test_threads_or_tasks_share_a_client(fake: FakeShipEngine, caller: Caller) -> None:
    packages = [{"tracking_number": str(number), "carrier_code": "ups"} for number in range(160)]
    with BackgroundClient(caller.kind, fake, max_connections=20) as client:
        calls = [client.start(package) for package in packages]
        assert [call.exception(60) for call in calls] == [None] * 160
    assert {subscription.tracking_number for subscription in fake.subscriptions} == set(map(str, range(160)))
    assert len(fake.requests) == 160


def test_async_client_belongs_to_one_event_loop(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(204, headers={"Connection": "close"}, then="close"))  # so that no connection remains
    client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
    asyncio.run(client.start(**PACKAGE))
    for use in (client.start(**PACKAGE), client.aclose()):
        with pytest.raises(ClientStateError, match="event loop"):
            asyncio.run(use)
    assert len(fake.requests) == 1


def test_async_client_needs_an_event_loop() -> None:
    call = AsyncTrackingClient(KEY).start(**PACKAGE)
    with pytest.raises(ClientStateError, match="event loop"):
        call.send(None)


def test_closed_client_makes_no_calls_and_cannot_be_entered(fake: FakeShipEngine, caller: Caller) -> None:
    with caller.client(fake) as client:
        enter = client.__enter__ if caller.kind == "sync" else client.__aenter__
        client.start(**PACKAGE)
        client.close()
        client.close()
        with pytest.raises(ClientStateError, match="closed"):
            client.start(**PACKAGE)
        with pytest.raises(ClientStateError, match="closed"):
            client.start_many([Package(**PACKAGE)])
        with pytest.raises(ClientStateError, match="closed"):
            enter()
    assert len(fake.requests) == 1


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
