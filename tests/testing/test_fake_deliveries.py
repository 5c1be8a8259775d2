"""The fake server's deliveries to receivers, their retries, and the journeys of started packages."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from receiver import Receiver, start

from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import FakeShipEngine
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


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://a:b/", "http://a..b/"], ids=["port", "url", "host"])
def test_delivery_that_cannot_be_sent_is_recorded(fake: FakeShipEngine, url: str) -> None:
    delivery = fake.deliver("1Z", to=url)
    fake.close()  # which ends the retries
    assert not delivery.is_accepted
    assert [type(status) for status in delivery.statuses] == [str]


def test_delivery_verifies_certificates_and_ignores_proxies(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpx, "Client", client := Mock(side_effect=httpx.ConnectError("not in this test")))
    assert fake.deliver("1Z", to="https://127.0.0.1:1/").statuses == ["ConnectError"]
    assert client.call_args.kwargs == {"trust_env": False, "timeout": 10.0, "verify": True}


def test_delivery_is_tried_three_times_and_signed_each_time(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ticks = time.time, itertools.count()
    monkeypatch.setattr("time.time", lambda: real() + next(ticks))
    receiver.statuses = [500, 503, 401] * 3
    with FakeShipEngine(webhook_pause=0.05) as fake:
        for _ in range(2):
            began = time.monotonic()
            fake.deliver("1Z", to=receiver.url)
            wait_until(lambda: len(fake.deliveries[-1].statuses) == 3)
            assert time.monotonic() - began >= 0.1
        assert len(receiver.events(fake)) == 6
    assert [delivery.statuses for delivery in fake.deliveries] == [[500, 503, 401]] * 2
    assert len({request.headers["x-shipengine-timestamp"] for request in receiver.requests}) == 6


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        pytest.param({}, ["IT", "DE"], id="default"),
        pytest.param({"journey": ["AC", "EX", "IT"]}, ["AC", "EX", "IT"], id="codes"),
        pytest.param({"repeat": True, "shuffle": True}, ["DE", "DE", "IT", "IT"], id="repeat-and-shuffle"),
    ],
)
def test_started_package_begins_its_journey(receiver: Receiver, options: dict[str, Any], codes: list[str]) -> None:
    with FakeShipEngine(webhook_url=receiver.url, **options) as fake:
        start(fake)
        wait_until(lambda: len(fake.deliveries) == len(codes) and fake.deliveries[-1].is_accepted)
        assert [event.data.status_code for event in receiver.events(fake)] == codes
        assert len({request.body for request in receiver.requests}) == len(set(codes))


def test_journey_pauses_until_close_ends_it(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url, journey_pause=60) as fake:
        start(fake)
        wait_until(lambda: fake.deliveries and fake.deliveries[0].is_accepted)
    assert len(fake.deliveries) == 1


def test_stop_ends_the_journey(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url) as fake, TrackingClient(fake.api_key, base_url=fake.url) as client:
        receiver.on_delivery = lambda: client.stop(**PACKAGE)
        client.start(**PACKAGE)
        wait_until(lambda: receiver.requests)
    assert len(receiver.requests) == len(fake.deliveries) == 1
