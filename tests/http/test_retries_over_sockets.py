"""Retries and the rate limit that all calls of a client share, over real sockets."""

from __future__ import annotations

from typing import Any

import pytest

from shipengine_tracking import (
    APITimeoutError,
    RateLimitError,
    ServerError,
    TrackingClient,
)
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, RateLimit, Response
from support import PACKAGE, BackgroundClient, Caller, PausedShipEngine, client_sockets, takes, wait_until

BUSY = Response.of(503)
RESET = Response(b"", "reset")


@pytest.fixture
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses between attempts short."""
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)


def limited(retry_after: float) -> Response:
    return Response.of(429, headers={"Retry-After": str(retry_after)})


@pytest.mark.usefixtures("short_backoff")
def test_call_is_retried_until_it_succeeds(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(BUSY, RESET, limited(0))
    assert caller.call_fake(fake, max_retries=3) is None
    assert len(fake.requests) == 4
    assert len({request.target for request in fake.requests}) == 1
    assert len(fake.subscriptions) == 1


@pytest.mark.usefixtures("short_backoff")
@pytest.mark.parametrize(
    ("responses", "status"),
    [
        pytest.param([BUSY, BUSY, BUSY, Response.of(502)], 502, id="502"),
        pytest.param([BUSY, BUSY, BUSY, RESET], None, id="lost connection"),
        *(pytest.param([Response.of(status)], status, id=str(status)) for status in (302, 400, 401, 403, 409, 501)),
    ],
)
def test_last_failure_is_raised(
    responses: list[Response], status: int | None, fake: FakeShipEngine, caller: Caller
) -> None:
    fake.enqueue(*responses)
    error = caller.call_fake(fake, max_retries=3)
    assert error.status_code == status
    assert error.attempts == len(fake.requests) == len(responses)
    assert error.__context__ is None


@pytest.mark.usefixtures("short_backoff")
def test_client_retries_three_times_by_default(fake: FakeShipEngine) -> None:
    fake.enqueue(*[BUSY] * 4)
    with TrackingClient(fake.api_key, base_url=fake.url) as client, pytest.raises(ServerError):
        client.start(**PACKAGE)
    assert len(fake.requests) == 4


def test_429_blocks_the_next_call_too(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(limited(60))
    settings: dict[str, Any] = {"api_key": fake.api_key, "base_url": fake.url, "max_wait": 30}
    first, second = caller.call_all(PACKAGE, PACKAGE, **settings, max_retries=3)
    assert (type(first), type(second)) == (RateLimitError, RateLimitError)
    assert (first.attempts, second.attempts, len(fake.requests)) == (1, 0, 1)
    assert 30 < second.retry_after <= 60
    assert str(second.__cause__) == str(first)
    assert second.__cause__.__traceback__ is None  # it would show the variables of another call


@pytest.mark.usefixtures("short_backoff")
def test_retry_that_is_not_sent_raises_the_error_of_the_lost_attempt(fake: FakeShipEngine, caller: Caller) -> None:
    """ShipEngine has processed the first attempt, but its response is late."""
    with PausedShipEngine() as paused:
        error = caller.call_fake(paused, max_retries=3, requests_per_minute=1, max_wait=2.0, timeout=0.3)
        assert type(error) is APITimeoutError
        assert error.attempts == 1
        wait_until(lambda: paused.subscriptions)
        assert "requests_per_minute" in error.__notes__[0]
    fake.enqueue(limited(0))
    error = caller.call_fake(fake, max_retries=3, requests_per_minute=1, max_wait=2.0)
    assert type(error) is RateLimitError
    assert "requests_per_minute" in str(error)
    assert 30 < (error.retry_after or 0) <= 60
    assert error.attempts == len(fake.requests) == 1


def test_429_blocks_all_calls_of_a_client_together(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(limited(1))
    with BackgroundClient(caller.kind, fake, max_retries=0) as client, takes(1.0):
        assert isinstance(client.start().exception(30), RateLimitError)
        assert client.start_all(9) == [None] * 9
    assert len(fake.subscriptions) == 9


def test_calls_in_flight_are_bounded_by_max_connections(caller: Caller) -> None:
    with PausedShipEngine() as fake, BackgroundClient(caller.kind, fake, max_connections=3) as client:
        calls = [client.start() for _ in range(30)]
        wait_until(lambda: len(fake.requests) == 3)
        assert client_sockets(fake) == 3
        fake.resume.set()
        assert [call.exception(30) for call in calls] == [None] * 30
        assert (len(fake.subscriptions), fake.connections) == (30, 3)


@pytest.mark.parametrize(
    ("limit", "accepted", "requests"),
    [
        pytest.param({"limit": 3}, 3, 3, id="all headers"),
        pytest.param({"limit": 3, "headers": False}, 3, 4, id="Retry-After only"),
        pytest.param({"limit": 1, "retry_after": False}, 1, 1, id="RateLimit headers only"),
    ],
)
def test_client_stays_within_the_limit_that_the_server_announces(
    caller: Caller, limit: dict[str, Any], accepted: int, requests: int
) -> None:
    with FakeShipEngine(rate_limit=RateLimit(**limit)) as fake:
        results = caller.call_all(*[PACKAGE] * 5, api_key=fake.api_key, base_url=fake.url, max_wait=0)
        assert results[:accepted] == [None] * accepted
        for error in results[accepted:]:
            assert type(error) is RateLimitError
            assert 0 < (error.retry_after or 0) <= 61  # the server rounds up
        assert results[-1].attempts == 0
        assert len(fake.requests) == requests
