"""Clients in tests that stop the clock with freezegun, which also freezes `time.monotonic`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from freezegun import freeze_time

from shipengine_tracking import APITimeoutError, AsyncTrackingClient, Package, RateLimitError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Response
from support import PACKAGE, BackgroundClient, Caller, PausedShipEngine, wait_until


@contextmanager
def sleeps(seconds: float) -> Iterator[None]:
    """Assert that the block takes at least some seconds of real time."""
    began = time.clock_gettime(time.CLOCK_MONOTONIC)
    yield
    assert time.clock_gettime(time.CLOCK_MONOTONIC) - began >= seconds


def frozen(kind: str = "sync") -> Any:
    return freeze_time("2026-01-01", real_asyncio=kind == "async")


@pytest.mark.parametrize(
    ("blocked_by", "expected"),
    [
        pytest.param({"max_connections": 1}, APITimeoutError, id="connection"),
        pytest.param({"max_retries": 0}, RateLimitError, id="probe"),
    ],
)
def test_waiting_call_ends_after_max_wait_of_slept_time(blocked_by: dict[str, Any], expected: type[Any]) -> None:
    settings: dict[str, Any] = {"max_wait": 0.3, **blocked_by}
    with PausedShipEngine() as fake, frozen(), BackgroundClient("sync", fake, **settings) as client:
        if expected is RateLimitError:
            fake.enqueue(Response.of(429, headers={"Retry-After": "0"}))
            fake.resume.set()
            assert isinstance(client.start().exception(30), RateLimitError)
            fake.resume.clear()
        sent = len(fake.requests)
        first = client.start()
        wait_until(lambda: len(fake.requests) > sent)
        with sleeps(0.3):
            error: Any = client.start().exception(30)
        assert isinstance(error, expected)
        assert error.attempts == 0
        fake.resume.set()
        assert first.exception(30) is None
        assert client.start_all(3) == [None] * 3


def test_clients_made_before_inside_and_after_freezing_work_everywhere(caller: Caller, fake: FakeShipEngine) -> None:
    def call_with_a_wait(client: BackgroundClient) -> None:
        fake.enqueue(Response.of(503))
        assert client.start().exception(30) is None
        assert client.start_all(3) == [None] * 3

    with BackgroundClient(caller.kind, fake) as before:
        call_with_a_wait(before)
        with frozen(caller.kind):
            call_with_a_wait(before)
            inside = BackgroundClient(caller.kind, fake)
            call_with_a_wait(inside)
        with inside, BackgroundClient(caller.kind, fake) as after:
            for client in (before, inside, after):
                call_with_a_wait(client)


@pytest.mark.parametrize("settings", [{}, {"requests_per_minute": 5}], ids=["headers", "requests_per_minute"])
def test_client_blocked_when_freezing_ends_works_afterwards(settings: dict[str, Any], fake: FakeShipEngine) -> None:
    """The moments that the client has recorded are far in the future of the real clock."""
    headers = {"RateLimit-Remaining": "0", "RateLimit-Reset": "60"}
    with TrackingClient(fake.api_key, base_url=fake.url, max_wait=5.0, **settings) as client:
        with frozen():
            fake.enqueue(Response.of(204, headers=headers))
            client.start(**PACKAGE)
            with pytest.raises(RateLimitError):
                client.start(**PACKAGE)
        client.start(**PACKAGE)
    assert len(fake.requests) == 2


def test_start_many_waits_for_the_rate_limit(fake: FakeShipEngine, caller: Caller) -> None:
    packages = [Package(tracking_number=f"1Z{number}", carrier_code="ups") for number in range(20)]

    async def run_async() -> list[bool]:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            return [outcome.ok async for outcome in client.start_many(packages)]

    def run() -> list[bool]:
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            return [outcome.ok for outcome in client.start_many(packages)]

    fake.enqueue(Response.of(429, headers={"Retry-After": "1"}))
    with frozen(caller.kind), sleeps(1.0):
        assert (run() if caller.kind == "sync" else asyncio.run(run_async())) == [True] * 20
    assert len(fake.subscriptions) == 20
