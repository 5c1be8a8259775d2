"""Clients in tests that stop the clock with freezegun, which also freezes `time.monotonic`."""

from __future__ import annotations

import time
from typing import Any

import pytest
from freezegun import freeze_time

from shipengine_tracking import Package, RateLimitError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Response
from support import PACKAGE, BackgroundClient, Caller


def frozen(kind: str = "sync") -> Any:
    return freeze_time("2026-01-01", real_asyncio=kind == "async")


def test_clients_made_before_inside_and_after_freezing_work_everywhere(caller: Caller, fake: FakeShipEngine) -> None:
    def call_with_a_wait(client: BackgroundClient) -> None:
        fake.enqueue(Response.of(503))
        assert client.start().exception(30) is None
        assert client.start_all(3) == [None] * 3

    with BackgroundClient(caller.kind, fake) as before:
        with frozen(caller.kind):
            call_with_a_wait(before)
            inside = BackgroundClient(caller.kind, fake)
            call_with_a_wait(inside)
        with inside, BackgroundClient(caller.kind, fake) as after:
            for client in (before, inside, after):
                call_with_a_wait(client)


def test_client_blocked_when_freezing_ends_works_afterwards(fake: FakeShipEngine) -> None:
    """The moments that the client has recorded are far in the future of the real clock."""
    fake.enqueue(Response.of(204, headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "60"}))
    with TrackingClient(fake.api_key, base_url=fake.url, max_wait=5.0, requests_per_minute=1) as client:
        with frozen():
            client.start(**PACKAGE)
            with pytest.raises(RateLimitError):
                client.start(**PACKAGE)
        client.start(**PACKAGE)
    assert len(fake.requests) == 2


def test_start_many_waits_for_the_rate_limit(fake: FakeShipEngine, caller: Caller) -> None:
    packages = [Package(tracking_number=f"1Z{number}", carrier_code="ups") for number in range(20)]
    fake.enqueue(Response.of(429, headers={"Retry-After": "1"}))
    with caller.client(fake) as client, frozen(caller.kind):
        began = time.clock_gettime(time.CLOCK_MONOTONIC)
        assert all(outcome.ok for outcome in client.start_many(packages))
        assert time.clock_gettime(time.CLOCK_MONOTONIC) - began >= 1.0
    assert len(fake.subscriptions) == 20
