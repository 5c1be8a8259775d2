"""Retries, their log, and the rate limit that all calls of a client share, over real sockets."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest

from shipengine_tracking import RateLimitError
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, RateLimit, Response, error
from support import NUMBER, PACKAGE, BackgroundClient, Caller, assert_takes

BUSY = Response.of(503)
RESET = Response(b"", "reset")
CALL = """
import sys
from shipengine_tracking import TrackingClient

with TrackingClient(sys.argv[1], base_url=sys.argv[2]) as client:
    client.start(tracking_number="1Z", carrier_code="ups")
"""


def limited(retry_after: int) -> Response:
    return Response.of(429, headers={"Retry-After": str(retry_after)})


def test_call_is_retried_until_it_succeeds_and_logged_without_secrets(
    fake: FakeShipEngine, caller: Caller, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)
    caplog.set_level(logging.DEBUG, "shipengine_tracking")
    fake.enqueue(error(503, "unspecified", f"{NUMBER} {fake.api_key}"), RESET, limited(0))
    assert caller.call_fake(fake, max_retries=3) is None
    assert len(fake.requests) == 4
    assert len({request.target for request in fake.requests}) == 1
    assert len(fake.subscriptions) == 1
    records = [record for record in caplog.records if record.name == "shipengine_tracking"]
    assert [record.levelname for record in records] == ["DEBUG", "WARNING"] * 3 + ["DEBUG"]
    for record in records:
        assert "start_tracking tracking_number='…6152' carrier_code='stamps_com'" in record.getMessage()
        assert NUMBER not in record.getMessage()
        assert fake.api_key not in record.getMessage()


def test_nothing_is_printed_by_default(fake: FakeShipEngine) -> None:
    fake.enqueue(BUSY)
    command = [sys.executable, "-c", CALL, fake.api_key, fake.url]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("", "")
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("responses", "status"),
    [
        pytest.param([BUSY, RESET, BUSY, Response.of(502)], 502, id="502 after three retries"),
        pytest.param([BUSY, BUSY, BUSY, RESET], None, id="lost connection after three retries"),
        pytest.param([Response.of(400)], 400, id="400"),
    ],
)
def test_last_failure_is_raised(
    responses: list[Response],
    status: int | None,
    fake: FakeShipEngine,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)
    fake.enqueue(*responses)
    with BackgroundClient(caller.kind, fake) as client:
        failure: Any = client.start().exception(30)
    assert failure.status_code == status
    assert failure.attempts == len(fake.requests) == len(responses)
    assert failure.__context__ is None


def test_429_blocks_the_next_call_too(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(limited(60))
    settings: dict[str, Any] = {"api_key": fake.api_key, "base_url": fake.url, "max_wait": 30}
    first, second = caller.call_all(PACKAGE, PACKAGE, **settings, max_retries=3)
    assert (type(first), type(second)) == (RateLimitError, RateLimitError)
    assert (first.attempts, second.attempts, len(fake.requests)) == (1, 0, 1)
    assert 30 < second.retry_after <= 60
    assert str(second.__cause__) == str(first)
    assert second.__cause__.__traceback__ is None  # it would show the variables of another call


def test_429_blocks_all_calls_of_a_client_together(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(limited(1))
    with BackgroundClient(caller.kind, fake, max_retries=0) as client, assert_takes(1.0):
        assert isinstance(client.start().exception(30), RateLimitError)
        assert client.start_all(9) == [None] * 9
    assert len(fake.subscriptions) == 9


def test_client_stays_within_the_limit_that_the_server_announces(caller: Caller) -> None:
    with FakeShipEngine(rate_limit=RateLimit(3)) as fake:
        results = caller.call_all(*[PACKAGE] * 5, api_key=fake.api_key, base_url=fake.url, max_wait=0)
        assert results[:3] == [None] * 3
        assert [(type(result), result.attempts) for result in results[3:]] == [(RateLimitError, 0)] * 2
        assert 0 < results[4].retry_after <= 61  # the server rounds up
        assert len(fake.requests) == 3
