"""The fake's own deliveries, received over real sockets."""

from __future__ import annotations

import json
import logging
import ssl
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import trustme
from attrs import define, field
from openapi_schema_validator import OAS31Validator

from conftest import PACKAGE
from document import DOCUMENT
from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import Answer, FakeShipEngine, Subscription, deliveries
from shipengine_tracking.webhooks import StatusCode, TrackingEvent, Verifier, parse


@define
class Webhook:
    """A receiver that keeps what it gets, and answers with what it is told."""

    server: ThreadingHTTPServer
    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(factory=list[tuple[dict[str, str], bytes]])
    statuses: list[int] = field(factory=list[int])
    on_first: Callable[[], None] = lambda: None


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not hook.received:
                hook.on_first()
            hook.received.append((dict(self.headers.items()), body))
            self.send_response(hook.statuses.pop(0) if hook.statuses else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(server)
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


WORDS = {
    "UN": "Unknown",
    "AC": "Accepted",
    "IT": "In Transit",
    "DE": "Delivered",
    "EX": "Exception",
    "AT": "Delivery Attempt",
    "NY": "Not Yet In System",
    "SP": "Delivered To Collection Location",
}
THEN = datetime(2026, 3, 14, 3, 26, 53, 120_000, tzinfo=timezone(timedelta(hours=-6)))


@pytest.mark.usefixtures("chicago")
@pytest.mark.parametrize(
    ("sent", "came_back"), [("stamps_com", "usps"), ("a b", "a b"), (None, None)], ids=["renamed", "odd", "none"]
)
@pytest.mark.parametrize("code", [*WORDS, "de", "ZZ"])
def test_an_update_to_the_letter(code: str, sent: str | None, came_back: str | None) -> None:
    carrier = came_back and came_back.replace(" ", "%20")
    url = f"http://fake/v1/tracking?carrier_code={carrier}&tracking_number=1%2F%20Z"
    assert deliveries.update("1/ Z", sent, code, "http://fake", THEN) == {
        "resource_url": url if carrier else None,
        "resource_type": "API_TRACK",
        "data": {
            "tracking_number": "1/ Z",
            "tracking_url": None,
            "status_code": code,
            "status_detail_code": None,
            "status_description": WORDS.get(code.upper()),
            "carrier_code": came_back,
            "carrier_id": None,
            "ship_date": "2026-03-14T00:00:00",
            "estimated_delivery_date": None,
            "actual_delivery_date": "2026-03-14T09:26:53.1200000Z" if code.upper() == "DE" else None,
            "exception_description": None,
            "events": [
                {
                    "occurred_at": "2026-03-14T09:26:53Z",
                    "carrier_occurred_at": "2026-03-14T09:26:53",
                    "description": WORDS.get(code.upper()),
                    "city_locality": "AUSTIN",
                    "state_province": "TX",
                    "postal_code": "78701",
                    "country_code": "US",
                    "company_name": "",
                    "signer": "",
                    "event_code": code,
                    "status_code": code,
                    "status_description": WORDS.get(code.upper()),
                    "latitude": None,
                    "longitude": None,
                }
            ],
        },
    }


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def keys(fake: FakeShipEngine) -> Any:
    return httpx.get(f"{fake.url}/jwks", trust_env=False).json()


@pytest.mark.usefixtures("chicago")
def test_a_delivery(fake: FakeShipEngine, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")  # which a receiver on loopback is not asked through
    fake.subscriptions.append(Subscription("1Z", "ups"))
    delivery = fake.deliver("1Z", status_code="DE", to=webhook.url, colour="red")
    assert delivery.statuses == [204]
    assert delivery.is_accepted
    assert fake.deliveries == [delivery]
    ((headers, body),) = webhook.received
    assert headers["Content-Type"] == "application/json"
    event = Verifier(keys(fake)).verify(headers, body)
    assert event.resource_url == f"{fake.url}/v1/tracking?carrier_code=ups&tracking_number=1Z"
    assert event.data.events
    happened = event.data.events[0].occurred_at
    assert isinstance(happened, datetime)
    assert abs(happened.timestamp() - time.time()) < 10
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
    curve, rsa = first["keys"]
    assert [*curve] == ["kty", "kid", "crv", "x", "y", "use"]
    assert (curve["kty"], curve["crv"], curve["use"]) == ("EC", "P-256", "sig")
    assert (rsa["kty"], rsa["e"], rsa["use"]) == ("RSA", "AQAB", "sig")
    assert len(rsa["n"]) == 342  # 2048 bits, and nothing to fill them up
    assert len({str(uuid.UUID(key["kid"])) for key in first["keys"]} & {curve["kid"], rsa["kid"]}) == 2
    fake.rotate_key()
    assert [key in keys(fake)["keys"] for key in first["keys"]] == [True, True]
    fake.rotate_key(keep=False)
    assert len(keys(fake)["keys"]) == 2
    assert httpx.post(f"{fake.url}/jwks").status_code == 401
    ids = [httpx.get(f"{fake.url}/jwks").headers[name] for name in ("x-shipengine-requestid", "request-id")]
    assert len({str(uuid.UUID(one)) for one in ids} & {*ids}) == 2  # one each, of two answers


def test_a_number_in_a_key_is_base64url() -> None:
    assert [deliveries._word(number) for number in (65_537, 65_559, 255)] == ["AQAB", "AQAX", "_w"]


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


def test_a_package_goes_on_to_where_it_was_to_go(webhook: Webhook) -> None:
    with FakeShipEngine(webhook_url=webhook.url) as fake:
        webhook.on_first = lambda: setattr(fake, "webhook_url", None)
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            client.start(**PACKAGE)
        until(lambda: len(webhook.received) == 2)
        assert {one.url for one in fake.deliveries} == {webhook.url}


def test_the_end_ends_a_journey(webhook: Webhook) -> None:
    with FakeShipEngine(webhook_url=webhook.url) as fake:
        end = threading.Thread(target=fake.end)

        def end_it() -> None:
            end.start()
            fake.ended.wait(5)

        webhook.on_first = end_it
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            client.start(**PACKAGE)
        until(lambda: len(webhook.received) == 1)
        end.join()
    assert [one.statuses for one in fake.deliveries] == [[204]]


def test_nothing_is_delivered_for_a_refused_package(webhook: Webhook) -> None:
    with FakeShipEngine(webhook_url=webhook.url) as fake:
        fake.script(Answer.of(500))
        httpx.post(f"{fake.url}/v1/tracking/start?tracking_number=1Z&carrier_code=ups")
    assert fake.deliveries == []


def test_whose_package_it_is(fake: FakeShipEngine, webhook: Webhook) -> None:
    fake.webhook_url = webhook.url
    fake.subscriptions += [
        Subscription("1Z", "ups"),
        Subscription("1Z", None, "se-28529731"),
        Subscription("2Z", None, "se-1"),
        Subscription("3Z", "fedex"),
    ]
    data = [json.loads(fake.deliver(number).body)["data"] for number in ("1Z", "2Z", "3Z", "4Z")]
    assert [one["carrier_code"] for one in data] == ["dhl_express", None, "fedex", None]
    assert {one["status_code"] for one in data} == {"IT"}


def test_a_receiver_has_only_so_long(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "TIMEOUT", 0.1)
    with FakeShipEngine() as silent:
        silent.script(Answer(b"", "hang"))
        began = time.monotonic()
        assert fake.deliver("1Z", to=silent.url).statuses == ["ReadTimeout"]
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("name", ["a..b", "a" * 64])
def test_a_receiver_that_no_name_can_have(name: str, fake: FakeShipEngine) -> None:
    (status,) = fake.deliver("1Z", to=f"http://{name}/").statuses
    assert status in ("UnicodeError", "ConnectError", "InvalidURL")


def test_each_try_is_in_the_log(fake: FakeShipEngine, webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shipengine_tracking.testing")
    fake.deliver("1Z", to=webhook.url)
    fake.deliver("1Z", to="nowhere")
    assert [record.getMessage() for record in caplog.records] == [
        f"{webhook.url} <- an update: 204",
        "nowhere <- an update: UnsupportedProtocol",
    ]


def test_the_end_waits_for_all_receivers_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "LONGEST_GOODBYE", 0.3)
    postman, end = deliveries.Postman(deliveries.Signer(), 60.0), threading.Event()

    def wait() -> None:
        end.wait()

    for _ in range(6):
        postman.later(wait)
    began = time.monotonic()
    postman.end()
    assert 0.3 <= time.monotonic() - began < 0.9
    end.set()
    postman.end()


def test_a_receiver_whose_certificate_nobody_trusts(fake: FakeShipEngine, webhook: Webhook) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    webhook.server.socket = context.wrap_socket(webhook.server.socket, server_side=True)
    assert fake.deliver("1Z", to=webhook.url.replace("http:", "https:")).statuses == ["ConnectError"]
    assert webhook.received == []


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
    assert answer.json()["errors"] == [
        {
            "error_source": "shipengine",
            "error_type": "system",
            "error_code": "unspecified",
            "message": "checking signatures needs the package cryptography: "
            "pip install 'shipengine-tracking[webhooks]'",
        }
    ]


def test_nobody_listens(fake: FakeShipEngine) -> None:
    assert fake.deliver("1Z", to="http://127.0.0.1:1/").statuses == ["ConnectError"]
    assert fake.deliver("1Z", to="nonsense").statuses == ["UnsupportedProtocol"]
    with pytest.raises(ValueError, match=r"^there is no URL to deliver to: pass to=… or set webhook_url$"):
        fake.deliver("1Z")


def test_the_end_ends_the_waiting() -> None:
    with FakeShipEngine() as fake:
        fake.deliver("1Z", to="http://127.0.0.1:1/")
        assert all(one.daemon for one in threading.enumerate() if one is not threading.main_thread())
        began = time.monotonic()
    assert time.monotonic() - began < 5
