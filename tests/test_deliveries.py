"""The fake's own deliveries, received over real sockets."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from attrs import define, field
from openapi_schema_validator import OAS31Validator

from conftest import PACKAGE
from document import DOCUMENT
from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import Answer, FakeShipEngine, deliveries
from shipengine_tracking.webhooks import StatusCode, TrackingEvent, Verifier, parse


@define
class Webhook:
    """A receiver that keeps what it gets, and answers with what it is told."""

    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(factory=list[tuple[dict[str, str], bytes]])
    statuses: list[int] = field(factory=list[int])


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.received.append((dict(self.headers.items()), body))
            self.send_response(hook.statuses.pop(0) if hook.statuses else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def keys(fake: FakeShipEngine) -> Any:
    return httpx.get(f"{fake.url}/jwks").json()


def test_a_delivery(fake: FakeShipEngine, webhook: Webhook) -> None:
    delivery = fake.deliver("1Z", status_code="DE", to=webhook.url, carrier_code="ups", colour="red")
    assert delivery.statuses == [204]
    assert delivery.is_accepted
    assert fake.deliveries == [delivery]
    ((headers, body),) = webhook.received
    event = Verifier(keys(fake)).verify(headers, body)
    assert (event.data.tracking_number, event.data.carrier_code) == ("1Z", "ups")
    assert event.data.status_code is StatusCode.DE
    assert event.data.additional_properties == {"colour": "red"}


@pytest.mark.parametrize("status_code", [*StatusCode, "ZZ"])
def test_what_is_delivered_is_the_contracts(status_code: str, fake: FakeShipEngine, webhook: Webhook) -> None:
    fake.deliver("1Z", status_code=status_code, to=webhook.url)
    document = json.loads(webhook.received[0][1])
    schema = {"$ref": "#/components/schemas/TrackingEvent", "components": DOCUMENT["components"]}
    OAS31Validator(schema).validate(document)
    assert isinstance(parse(webhook.received[0][1]), TrackingEvent)


def test_the_keys_are_for_anybody_and_one_is_of_another_kind(fake: FakeShipEngine) -> None:
    first = keys(fake)
    assert sorted(key["kty"] for key in first["keys"]) == ["EC", "RSA"]
    fake.rotate_key()
    assert [key in keys(fake)["keys"] for key in first["keys"]] == [True, True]
    fake.rotate_key(keep=False)
    assert len(keys(fake)["keys"]) == 2
    assert httpx.post(f"{fake.url}/jwks").status_code == 401


def test_a_subscribed_package_travels(webhook: Webhook) -> None:
    with FakeShipEngine(webhook_url=webhook.url) as fake:
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            client.start(**PACKAGE)
        until(lambda: len(fake.deliveries) == 2 and all(one.is_accepted for one in fake.deliveries))
        judge = Verifier(keys(fake))
        events = [judge.verify(*received) for received in webhook.received]
        assert [event.data.status_code for event in events] == [StatusCode.IT, StatusCode.DE]
        assert {event.data.tracking_number for event in events} == {PACKAGE["tracking_number"]}
        assert {event.data.carrier_code for event in events} == {"usps"}  # as ShipEngine does with stamps_com


def test_nothing_is_delivered_for_a_refused_package(webhook: Webhook) -> None:
    with FakeShipEngine(webhook_url=webhook.url) as fake:
        fake.script(Answer.of(500))
        httpx.post(f"{fake.url}/v1/tracking/start?tracking_number=1Z&carrier_code=ups")
    assert fake.deliveries == []


def test_three_tries(webhook: Webhook) -> None:
    webhook.statuses = [500, 503, 401, 204]
    with FakeShipEngine(webhook_pause=0.05) as fake:
        began = time.monotonic()
        delivery = fake.deliver("1Z", to=webhook.url)
        assert delivery.statuses == [500]
        until(lambda: len(delivery.statuses) == 3)
        assert time.monotonic() - began >= 0.1
        time.sleep(0.15)
    assert delivery.statuses == [500, 503, 401]
    assert not delivery.is_accepted
    assert len({body for _, body in webhook.received}) == 1


def test_a_second_try_is_signed_anew(webhook: Webhook) -> None:
    webhook.statuses = [500]
    with FakeShipEngine(webhook_pause=1.1) as fake:
        delivery = fake.deliver("1Z", to=webhook.url)
        until(lambda: len(delivery.statuses) == 2)
        first, second = (headers["x-shipengine-timestamp"] for headers, _ in webhook.received)
        assert first < second
        for received in webhook.received:
            Verifier(keys(fake)).verify(*received)
    assert delivery.is_accepted


def test_without_cryptography_there_are_no_keys(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    deliveries._first_pair.cache_clear()
    answer = httpx.get(f"{fake.url}/jwks")
    assert answer.status_code == 500
    assert "pip install 'shipengine-tracking[webhooks]'" in answer.json()["errors"][0]["message"]


def test_nobody_listens(fake: FakeShipEngine) -> None:
    assert fake.deliver("1Z", to="http://127.0.0.1:1/").statuses == ["ConnectError"]
    assert fake.deliver("1Z", to="nonsense").statuses == ["UnsupportedProtocol"]
    with pytest.raises(ValueError, match="to="):
        fake.deliver("1Z")


def test_the_end_ends_the_waiting() -> None:
    with FakeShipEngine() as fake:
        fake.deliver("1Z", to="http://127.0.0.1:1/")
        began = time.monotonic()
    assert time.monotonic() - began < 5
