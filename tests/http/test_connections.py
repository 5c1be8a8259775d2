"""The connections of a client: idle ones, those of a forked process, and a transport of the caller."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from shipengine_tracking import CarrierError, TrackingClient
from shipengine_tracking._http import pool, rate_limit
from shipengine_tracking.testing import FakeShipEngine
from support import PACKAGE, BackgroundClient, Caller, PausedShipEngine, client_sockets, wait_until

# Python 3.12 warns of every fork in a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


class Clock:
    """The clock of the pool."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pool, "time", clock)
    return clock


def test_idle_connections_are_closed_after_a_burst(caller: Caller, clock: Clock) -> None:
    with PausedShipEngine() as fake, BackgroundClient(caller.kind, fake) as client:
        calls = [client.start() for _ in range(40)]
        wait_until(lambda: len(fake.requests) == 40)
        fake.resume.set()
        assert [call.exception(30) for call in calls] == [None] * 40
        assert fake.connections == client_sockets(fake) == 40
        clock.now += 29.0
        client.start().result(30)
        assert client_sockets(fake) == 40
        clock.now += 2.0
        client.start().result(30)
        assert client_sockets(fake) == 1
        assert client.start_all(3) == [None] * 3
    assert client_sockets(fake) == 0


class Transport(httpx.MockTransport):
    """A transport that responds when `resume` is set and counts how often it was closed."""

    def __init__(self) -> None:
        super().__init__(lambda _: httpx.Response(204))
        self.resume = threading.Event()
        self.requests: list[httpx.Request] = []
        self.closed = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.resume.wait(60)
        return super().handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await asyncio.to_thread(self.handle_request, request)

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def test_transport_of_the_caller_is_closed_once_and_with_the_client(
    fake: FakeShipEngine, caller: Caller, clock: Clock
) -> None:
    transport = Transport()
    with BackgroundClient(caller.kind, fake, transport=transport) as client:
        calls = [client.start() for _ in range(3)]
        wait_until(lambda: len(transport.requests) == 3)
        transport.resume.set()
        assert [call.exception(30) for call in calls] == [None] * 3
        clock.now += 31.0
        client.start().result(30)
        transport.resume.clear()
        last = client.start()
        wait_until(lambda: len(transport.requests) == 5)
        assert transport.closed == 0
        client.close()
        transport.resume.set()
        assert last.exception(30) is None
    assert transport.closed == 1


# --- forks


def fork_and_call(client: TrackingClient, package: dict[str, str] = PACKAGE, count: int = 1) -> int:
    """Make calls in a forked process, which ends afterwards; return its ID."""
    if child := os.fork():
        return child
    signal.alarm(30)
    with suppress(BaseException):
        for _ in range(count):
            with suppress(CarrierError):
                client.start(**package)
        assert list(client.start_many([])) == []
        client.close()
        os._exit(0)
    os._exit(1)


def test_forked_process_has_connections_of_its_own(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        client.start(**PACKAGE)
        child = fork_and_call(client, {"tracking_number": "1Z", "carrier_code": "seko"}, 20)
        for _ in range(20):
            client.start(**PACKAGE)
        assert os.waitpid(child, 0)[1] == 0
    assert (len(fake.subscriptions), len(fake.requests), fake.connections) == (21, 41, 2)


@pytest.mark.parametrize("place", ["limiter", "pool"])
def test_forked_process_does_not_wait_for_calls_and_locks_of_its_parent(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    is_blocked, resume = threading.Event(), threading.Event()

    def block_once(function: Callable[..., Any], *arguments: Any) -> Any:
        if not is_blocked.is_set():
            is_blocked.set()
            resume.wait(60)
        return function(*arguments)

    with PausedShipEngine() as fake, BackgroundClient("sync", fake, max_connections=1) as client:
        first = client.start()
        wait_until(lambda: fake.requests)
        if place == "limiter":  # it makes delays while it holds its lock
            monkeypatch.setattr(rate_limit, "Delay", partial(block_once, rate_limit.Delay))
        else:  # the pool takes the time while it holds its lock
            monkeypatch.setattr(pool, "time", SimpleNamespace(monotonic=partial(block_once, time.monotonic)))
        calls = [first, client.start()]
        fake.resume.set()
        assert is_blocked.wait(30)
        assert os.waitpid(fork_and_call(client.client), 0)[1] == 0
        resume.set()
        assert [call.exception(30) for call in calls] == [None] * 2
