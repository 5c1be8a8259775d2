"""`stop`: a 404 after a lost response means that the lost request was processed."""

from __future__ import annotations

import httpx
import pytest

from shipengine_tracking import APIConnectionError, NotFoundError, TrackingInformation
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, Response, error
from support import KEY, Caller

NOT_FOUND = error(404, "not_found", "Not tracked.")
LOST = [
    pytest.param(Response(b"", "reset"), id="reset"),
    pytest.param(Response(b"", "close"), id="close"),
    pytest.param(Response(b"HTTP/1.1 204 No Con", "close"), id="cut"),
    pytest.param(Response(b"", "hang"), id="timeout"),
    pytest.param(Response.of(502), id="502"),
    pytest.param(Response.of(504), id="504"),
]


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)


def test_stop_ends_the_subscription(fake: FakeShipEngine, caller: Caller) -> None:
    caller.call_fake(fake)
    assert caller.call_fake(fake, operation="stop") is None
    assert fake.subscriptions == []


def test_stop_without_a_subscription_is_not_found(fake: FakeShipEngine, caller: Caller) -> None:
    assert type(caller.call_fake(fake, operation="stop")) is NotFoundError


@pytest.mark.parametrize("lost", LOST)
def test_404_after_a_lost_response_is_success(lost: Response, fake: FakeShipEngine, caller: Caller) -> None:
    timeout = 1.0 if lost.then == "hang" else 30.0
    fake.enqueue(lost, NOT_FOUND)
    assert caller.call_fake(fake, operation="stop", max_retries=1, timeout=timeout) is None
    assert len(fake.requests) == 2


@pytest.mark.parametrize("status", [429, 500, 503, 520])
def test_404_after_an_error_response_is_not_found(status: int, fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(Response.of(status), NOT_FOUND)
    assert type(caller.call_fake(fake, operation="stop", max_retries=1)) is NotFoundError


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout])
def test_404_after_a_failure_to_connect_is_not_found(kind: type[httpx.TransportError], caller: Caller) -> None:
    failures = [kind("no connection")]

    def respond(_: httpx.Request) -> httpx.Response:
        if failures:
            raise failures.pop()
        return httpx.Response(404)

    transport = httpx.MockTransport(respond)
    assert type(caller.call(operation="stop", api_key=KEY, transport=transport, max_retries=1)) is NotFoundError


@pytest.mark.parametrize("operation", ["start", "get"])
def test_404_after_a_lost_response_is_not_found_for_other_operations(
    operation: str, fake: FakeShipEngine, caller: Caller
) -> None:
    fake.enqueue(Response(b"", "reset"), NOT_FOUND)
    assert type(caller.call_fake(fake, operation=operation, max_retries=1)) is NotFoundError


def test_lost_response_without_a_retry_is_a_connection_error(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(Response(b"", "reset"))
    assert isinstance(caller.call_fake(fake, operation="stop"), APIConnectionError)


def test_get_is_retried(fake: FakeShipEngine, caller: Caller) -> None:
    caller.call_fake(fake)
    fake.enqueue(Response.of(503), Response(b"", "reset"))
    assert type(caller.call_fake(fake, operation="get", max_retries=2)) is TrackingInformation
