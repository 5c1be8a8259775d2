"""Closing the client during a run of `start_many`, and after its last outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from runs import SOURCES, StalledSource, accept, closing_when, collect, numbers, packages, requested

from shipengine_tracking import AuthenticationError, ClientStateError, Package, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Response
from support import Caller, PausedShipEngine, takes, wait_until

REPETITIONS = 80


@pytest.mark.parametrize(
    "rest", [pytest.param([], id="after the last outcome"), pytest.param(packages(7), id="with packages left")]
)
@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_closing_is_an_error_only_if_a_package_has_no_outcome(
    kind: str, source: Callable[[list[Any]], Any], rest: list[Any]
) -> None:
    for repetition in range(REPETITIONS):
        count, concurrency = 1 + repetition // 2 % 8, (1, 3)[repetition % 2]
        given, serve = [*packages(count), *rest], Mock(side_effect=accept)
        with Caller(kind).client(api_key="TEST_key", transport=httpx.MockTransport(serve)) as client:
            stream = client.start_many(source(given), concurrency=concurrency)
            outcomes = [next(stream) for _ in range(count)]
            client.close()
            others, error = collect(stream)
        outcomes += others
        assert sum(outcome.ok for outcome in outcomes) == serve.call_count  # a call that was sent has an outcome
        assert type(error) is (type(None) if len(outcomes) == len(given) else ClientStateError)


def test_closing_reports_the_calls_in_flight_and_sends_nothing_more(caller: Caller) -> None:
    """All packages of the first run were read, and some of them were not sent. The other run has not begun."""
    with PausedShipEngine(unpaused=["000000"]) as fake, caller.client(fake) as client:
        stream, unused = client.start_many(packages(7), concurrency=4), client.start_many(packages(7))
        first = next(stream)
        client.close()
        fake.resume.set()
        outcomes, error = collect(stream)
        assert isinstance(error, ClientStateError)
        with pytest.raises(ClientStateError):
            next(unused)
        assert len(fake.requests) <= 1 + 4
        assert sorted(requested(fake)) == numbers([first, *outcomes])


def test_closing_ends_a_call_that_waits_for_the_rate_limit(fake: FakeShipEngine, caller: Caller) -> None:
    """No call is in flight and no package is left: only the waiting call shows that the run is not complete."""
    fake.enqueue(Response.of(429, headers={"Retry-After": "60"}))
    with caller.client(fake) as client, closing_when(client, lambda: fake.requests), takes(0):
        assert isinstance(collect(client.start_many(packages(1)))[1], ClientStateError)
    assert len(fake.requests) == 1


def test_closing_does_not_wait_for_a_slow_asynchronous_source(fake: FakeShipEngine) -> None:
    source = StalledSource()
    with (
        Caller("async").client(fake) as client,
        closing_when(client, lambda: source.wanted > 2 and fake.requests),
        takes(0),
    ):
        outcomes, error = collect(client.start_many(source))
    assert isinstance(error, ClientStateError)
    assert len(outcomes) == len(fake.requests)


@pytest.mark.parametrize("end", ["rejected", "closed"])
def test_run_that_ends_while_a_source_blocks_sends_nothing_more(end: str, fake: FakeShipEngine) -> None:
    def source() -> Iterator[Package]:
        yield packages(1)[0]
        wait_until(lambda: fake.requests)
        if end == "closed":
            client.close()
        yield from packages(50)  # a thread that is free to start one of them has ended the run

    fake.enqueue(Response.of(401 if end == "rejected" else 204, delay=0.2))
    with TrackingClient(fake.api_key, base_url=fake.url) as client, takes(0):
        outcomes, error = collect(client.start_many(source(), concurrency=1))
    assert isinstance(error, AuthenticationError if end == "rejected" else ClientStateError)
    assert len(fake.requests) == 1
    assert [outcome.ok for outcome in outcomes] == [True] * (end == "closed")
