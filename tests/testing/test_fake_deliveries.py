"""The fake server's deliveries to receivers, their retries, and the journeys of started packages."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from receiver import Receiver, start

from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Response, updates
from shipengine_tracking.webhooks import StatusCode
from support import wait_until

PACKAGE = {"tracking_number": "1Z", "carrier_code": "ups"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_delivery_arrives_signed(fake: FakeShipEngine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")  # which deliveries do not use
    start(fake)
    delivery = fake.deliver("1Z", "DE", to=receiver.url, colour="red")
    assert (delivery.statuses, delivery.is_accepted, fake.deliveries) == ([204], True, [delivery])
    (request,) = receiver.requests
    assert (request.headers["Content-Type"], request.body) == ("application/json", delivery.body)
    assert all(request.headers[name] == value for name, value in delivery.headers.items())
    (event,) = receiver.events(fake)
    assert event.data.status_code is StatusCode.DE
    assert (event.data.carrier_code, event.data.additional_properties) == ("ups", {"colour": "red"})


def test_delivery_goes_to_webhook_url_and_to_the_webhook_registered_for_track(
    fake: FakeShipEngine, receiver: Receiver
) -> None:
    with pytest.raises(ValueError, match="webhook_url"):
        fake.deliver("1Z")
    with Receiver() as registered, TrackingClient(fake.api_key, base_url=fake.url) as client:
        client.create_webhook(receiver.url, event="batch")
        client.create_webhook(registered.url, headers={"X-Secret": "a", "Content-Type": "b"})
        assert fake.deliver("1Z").url == registered.url
        fake.webhook_url = receiver.url
        assert fake.deliver("1Z").url == receiver.url
        assert (len(receiver.events(fake)), len(registered.events(fake))) == (1, 2)
        headers = registered.requests[0].headers
    assert (headers["X-Secret"], headers["Content-Type"]) == ("a", "application/json")


@pytest.mark.parametrize(
    ("url", "results"),
    [
        pytest.param("http://127.0.0.1:1/", {"ConnectError"}, id="closed-port"),
        pytest.param("nonsense", {"UnsupportedProtocol"}, id="not-a-url"),
        pytest.param("http://a:b/", {"InvalidURL"}, id="invalid-url"),
        # The result depends on the version of Python.
        pytest.param("http://a..b/", {"UnicodeError", "UnicodeEncodeError", "ConnectError"}, id="empty-label"),
    ],
)
def test_delivery_that_cannot_be_sent_is_recorded(fake: FakeShipEngine, url: str, results: set[str]) -> None:
    delivery = fake.deliver("1Z", to=url)
    assert not delivery.is_accepted
    assert delivery.statuses[0] in results


def test_delivery_waits_a_limited_time_for_the_receiver(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "TIMEOUT", 0.1)
    with FakeShipEngine() as silent:
        silent.enqueue(Response(b"", "hang"))
        assert fake.deliver("1Z", to=silent.url).statuses == ["ReadTimeout"]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [pytest.param([500], [500, 204], id="accepted"), pytest.param([500, 503, 401], [500, 503, 401], id="rejected")],
)
def test_delivery_is_tried_three_times_and_signed_each_time(
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    statuses: list[int],
    expected: list[int],
) -> None:
    caplog.set_level(logging.INFO, updates.__name__)
    real, ticks = time.time, itertools.count()
    monkeypatch.setattr("time.time", lambda: real() + next(ticks))
    receiver.statuses = statuses
    with FakeShipEngine(webhook_pause=0.05) as fake:
        began = time.monotonic()
        delivery = fake.deliver("1Z", to=receiver.url)
        wait_until(lambda: len(delivery.statuses) == len(expected))
        assert time.monotonic() - began >= 0.05 * (len(expected) - 1)
        assert len(receiver.events(fake)) == len(expected)
    assert delivery.statuses == expected  # after `close`, no thread is left that could retry
    assert delivery.is_accepted == (expected[-1] == 204)
    assert {request.body for request in receiver.requests} == {delivery.body}
    assert len({request.headers["x-shipengine-timestamp"] for request in receiver.requests}) == len(expected)
    messages = [record.getMessage() for record in caplog.records if record.name == updates.__name__]
    assert messages == [f"{receiver.url} <- an update: {status}" for status in expected]


def test_close_ends_retries(fake: FakeShipEngine) -> None:
    delivery = fake.deliver("1Z", to="http://127.0.0.1:1/")
    began = time.monotonic()
    fake.close()
    assert time.monotonic() - began < 20
    assert len(delivery.statuses) == 1


def test_close_does_not_wait_long_for_silent_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "TIMEOUT", 60.0)
    with FakeShipEngine() as silent:
        silent.enqueue(*[Response(b"", "hang")] * 5)
        with FakeShipEngine(webhook_url=silent.url) as fake:
            for _ in range(5):
                start(fake)
            wait_until(lambda: len(silent.requests) == 5)
            began = time.monotonic()
        assert 2 <= time.monotonic() - began < 30


# --- journeys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        pytest.param({}, ["IT", "DE"], id="default"),
        pytest.param({"journey": ["AC", "EX", "IT", "ZZ"]}, ["AC", "EX", "IT", "ZZ"], id="codes"),
        pytest.param({"repeat": True}, ["IT", "IT", "DE", "DE"], id="repeat"),
        pytest.param({"journey": ["IT"], "shuffle": True}, ["IT"], id="shuffle-of-one"),
    ],
)
def test_started_package_begins_its_journey(receiver: Receiver, options: dict[str, Any], codes: list[str]) -> None:
    with FakeShipEngine(webhook_url=receiver.url, **options) as fake:
        receiver.on_delivery = lambda: setattr(fake, "webhook_url", None)  # the journey keeps its receiver
        start(fake)
        wait_until(lambda: len(receiver.requests) == len(codes))
        assert receiver.codes(fake) == codes
        assert len({request.body for request in receiver.requests}) == len(set(codes))
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            assert client.get(**PACKAGE) == receiver.events(fake)[-1].data
    assert [delivery.statuses for delivery in fake.deliveries] == [[204]] * len(codes)


@pytest.mark.parametrize("repeat", [False, True])
def test_shuffled_journey_delivers_the_same_updates_out_of_order(receiver: Receiver, repeat: bool) -> None:
    journey = ["AC", "IT", "DE"]
    with FakeShipEngine(webhook_url=receiver.url, journey=journey, shuffle=True, repeat=repeat) as fake:
        in_order = [code for code in journey for _ in range(1 + repeat)]
        start(fake)
        wait_until(lambda: len(receiver.requests) == len(in_order))
        events = receiver.events(fake)
        codes = receiver.codes(fake)
    assert codes != in_order
    assert sorted(map(str, codes)) == sorted(in_order)
    newest = max(events, key=lambda event: event.last_moved or datetime.min.replace(tzinfo=UTC))
    assert newest.data.status_code is StatusCode.DE


def test_journey_pauses_until_close_ends_it(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url, journey_pause=60) as fake:
        start(fake)
        wait_until(lambda: fake.deliveries and fake.deliveries[0].is_accepted)
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            assert client.get(**PACKAGE).status_code is StatusCode.IT
        began = time.monotonic()
    assert time.monotonic() - began < 20
    assert [delivery.statuses for delivery in fake.deliveries] == [[204]]


def test_stop_ends_the_journey(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url) as fake, TrackingClient(fake.api_key, base_url=fake.url) as client:
        receiver.on_delivery = lambda: client.stop(**PACKAGE) if fake.subscriptions else None
        client.start(**PACKAGE)
        wait_until(lambda: receiver.requests)
    assert len(receiver.requests) == len(fake.deliveries) == 1


def test_rejected_start_begins_no_journey(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url) as fake:
        fake.enqueue(Response.of(500))
        for _ in range(2):  # the second one has no key
            httpx.post(f"{fake.url}/v1/tracking/start", params=PACKAGE)
    assert (fake.subscriptions, fake.deliveries) == ([], [])
