"""The state of a client: closing, sharing, event loops, and that it never shows the key."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shipengine_tracking import (
    APIConnectionError,
    AsyncTrackingClient,
    ClientStateError,
    Package,
    ShipEngineError,
    TrackingClient,
)
from shipengine_tracking.testing import FakeShipEngine, Response
from support import KEY, PACKAGE, BackgroundClient, Caller, PausedShipEngine, client_sockets, wait_until

# --- closing


def test_closed_client_makes_no_calls(fake: FakeShipEngine) -> None:
    client = TrackingClient(fake.api_key, base_url=fake.url)
    with client:
        client.start(**PACKAGE)
    client.close()
    for use in (client.start, client.stop, client.get):
        with pytest.raises(ClientStateError, match="closed"):
            use(**PACKAGE)
    with pytest.raises(ClientStateError, match="closed"):
        client.start_many([Package(**PACKAGE)])
    with pytest.raises(ClientStateError, match="closed"), client:
        pass
    assert len(fake.requests) == 1


def test_closed_async_client_makes_no_calls(fake: FakeShipEngine) -> None:
    async def main() -> None:
        client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
        async with client:
            await client.start(**PACKAGE)
        await client.aclose()
        for use in (client.start, client.stop, client.get):
            with pytest.raises(ClientStateError, match="closed"):
                await use(**PACKAGE)
        with pytest.raises(ClientStateError, match="closed"):
            client.start_many([Package(**PACKAGE)])
        with pytest.raises(ClientStateError, match="closed"):
            async with client:
                pass

    asyncio.run(main())
    assert len(fake.requests) == 1


def test_client_closed_by_another_thread_during_a_call(fake: FakeShipEngine) -> None:
    fake.enqueue(Response(b"", "hang"))
    results: list[ShipEngineError | None] = []
    client = TrackingClient(fake.api_key, base_url=fake.url, max_retries=0)

    def call() -> None:
        try:
            client.start(**PACKAGE)
            results.append(None)
        except ShipEngineError as error:
            results.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(lambda: fake.requests)
    client.close()
    fake.close()
    thread.join()
    assert isinstance(results[0], APIConnectionError)


class ClosableTransport(httpx.MockTransport):
    def __init__(self, handler: Callable[[httpx.Request], httpx.Response]):
        super().__init__(handler)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def test_transport_of_the_caller_is_closed_once_with_the_client(caller: Caller) -> None:
    closed_during_calls: list[int] = []

    def respond(_: httpx.Request) -> httpx.Response:
        closed_during_calls.append(transport.closed)
        if len(closed_during_calls) == 2:
            raise httpx.ReadError("lost")
        return httpx.Response(204)

    transport = ClosableTransport(respond)
    caller.call_all(PACKAGE, PACKAGE, PACKAGE, api_key=KEY, transport=transport)
    assert closed_during_calls == [0, 0, 0]
    assert transport.closed == 1


def test_unused_client_closes_the_transport_of_the_caller(caller: Caller) -> None:
    transport = ClosableTransport(lambda _: httpx.Response(204))
    assert caller.call_all(api_key=KEY, transport=transport) == []
    assert transport.closed == 1


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

    with PausedShipEngine() as fake, BackgroundClient(caller.kind, fake) as client:
        calls = [client.start() for _ in range(3)]
        wait_until(lambda: len(fake.requests) == 3)
        fake.resume.set()
        assert [call.exception(60) for call in calls] == [None] * 3
        with monkeypatch.context() as failing:
            failing.setattr(httpx.HTTPTransport, "close", close_and_fail)
            failing.setattr(httpx.AsyncHTTPTransport, "aclose", close_async_and_fail)
            with pytest.raises(OSError, match="3"):
                client.close()
        assert len(closed) == 3
        assert client_sockets(fake) == 0
        client.close()
        assert isinstance(client.start().exception(60), ClientStateError)


# --- sharing


def test_async_client_belongs_to_one_event_loop(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(204, headers={"Connection": "close"}, then="close"))  # so that no connection remains
    client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
    asyncio.run(client.start(**PACKAGE))
    for use in (client.start(**PACKAGE), client.get(**PACKAGE), client.aclose()):
        with pytest.raises(ClientStateError, match="event loop"):
            asyncio.run(use)
    assert len(fake.requests) == 1


def test_async_client_needs_an_event_loop() -> None:
    call = AsyncTrackingClient(KEY).start(**PACKAGE)
    with pytest.raises(ClientStateError, match="event loop"):
        call.send(None)


def test_threads_share_a_client(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:

        def work(worker: int) -> None:
            for number in range(20):
                client.start(tracking_number=f"{worker}-{number}", carrier_code="ups")

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {s.tracking_number for s in fake.subscriptions} == {f"{w}-{n}" for w in range(8) for n in range(20)}
    assert len(fake.requests) == 160
    assert fake.connections <= 8


def test_tasks_share_a_client(fake: FakeShipEngine) -> None:
    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url, max_connections=20) as client:
            await asyncio.gather(*(client.start(tracking_number=str(n), carrier_code="ups") for n in range(160)))

    asyncio.run(main())
    assert {s.tracking_number for s in fake.subscriptions} == {str(n) for n in range(160)}
    assert len(fake.requests) == 160
    assert fake.connections <= 20


@pytest.mark.parametrize(
    ("response", "connections"),
    [
        pytest.param(Response.of(204), 1, id="204"),
        pytest.param(Response.of(404, "not found"), 1, id="404"),
        pytest.param(Response.of(500, b"x" * 2_000_000), 2, id="a body over the limit"),
        pytest.param(Response(b"", "reset"), 2, id="reset"),
        pytest.param(Response(b"?", "close"), 2, id="another protocol"),
    ],
)
def test_connection_is_used_again_after_a_complete_response(
    response: Response, connections: int, caller: Caller, fake: FakeShipEngine
) -> None:
    fake.enqueue(Response.of(204), response)
    results = caller.call_all(*[PACKAGE] * 5, api_key=fake.api_key, base_url=fake.url)
    assert [results[0], *results[2:]] == [None] * 4
    assert fake.connections == connections


# --- the key


def test_client_does_not_show_the_key(caller: Caller) -> None:
    client = caller.client_class(KEY, transport=httpx.MockTransport(lambda _: httpx.Response(204)))
    todo: list[Any] = [client]
    seen: list[Any] = []
    while todo:
        value = todo.pop()
        if not any(value is other for other in seen):
            seen.append(value)
            assert KEY not in repr(value)
            assert KEY not in str(value)
            if not isinstance(value, httpx.Auth):
                todo += vars(value).values() if hasattr(value, "__dict__") else ()
                todo += value.values() if isinstance(value, dict) else ()
    assert len(seen) > 10


@pytest.mark.parametrize("use", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_client_cannot_be_pickled(use: Callable[[Any], Any], caller: Caller) -> None:
    with pytest.raises(TypeError, match="API key"):
        use(caller.client_class(KEY))
