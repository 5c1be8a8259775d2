"""The fake server's updates: their content, their signatures, and their delivery over sockets."""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import threading
import time
import uuid
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import trustme
from receiver import Receiver

from shipengine_tracking import NotFoundError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Request, Response, Subscription, updates
from shipengine_tracking.webhooks import InvalidSignatureError, StaleTimestampError, StatusCode, Verifier, parse
from support import wait_until

DESCRIPTIONS = {
    "UN": "Unknown", "AC": "Accepted", "IT": "In Transit", "DE": "Delivered", "EX": "Exception",
    "AT": "Delivery Attempt", "NY": "Not Yet In System", "SP": "Delivered To Collection Location",
}  # fmt: skip
PACKAGE = {"tracking_number": "1Z", "carrier_code": "ups"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def client(fake: FakeShipEngine) -> Iterator[TrackingClient]:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        yield client


def start(fake: FakeShipEngine, query: str = "tracking_number=1Z&carrier_code=ups") -> None:
    response = fake.respond(Request("POST", f"/v1/tracking/start?{query}", {"API-Key": fake.api_key}))
    assert response.data.startswith(b"HTTP/1.1 204 ")


def keys(fake: FakeShipEngine) -> Any:
    return httpx.get(f"{fake.url}/jwks", trust_env=False).json()


# --- content --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("chicago")
@pytest.mark.parametrize(
    ("query", "carrier"),
    [
        pytest.param("carrier_code=stamps_com", "usps", id="renamed"),
        pytest.param("carrier_code=a%20b", "a b", id="space"),
        pytest.param("carrier_id=se-1", "a b", id="by-id"),
        pytest.param(None, None, id="not-subscribed"),
    ],
)
@pytest.mark.parametrize("code", [*DESCRIPTIONS, "de", "ZZ"])
def test_update_has_the_form_of_the_api(code: str, query: str | None, carrier: str | None) -> None:
    with FakeShipEngine({"se-1": "a b"}) as fake:
        if query:
            start(fake, f"tracking_number=1%2F%20Z&{query}")
        document = json.loads(fake.update("1/ Z", code).body)
    description = DESCRIPTIONS.get(code.upper())
    occurred_at = document["data"]["events"][0]["occurred_at"]
    moment = datetime.strptime(occurred_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    local = (moment - timedelta(hours=6)).replace(tzinfo=None)
    actual_delivery_date = document["data"].pop("actual_delivery_date")
    event = {
        "occurred_at": occurred_at, "carrier_occurred_at": local.isoformat(), "description": description,
        "city_locality": "AUSTIN", "state_province": "TX", "postal_code": "78701", "country_code": "US",
        "company_name": "", "signer": "", "event_code": code, "status_code": code, "status_description": description,
        "latitude": None, "longitude": None,
    }  # fmt: skip
    state = {
        "tracking_number": "1/ Z", "tracking_url": None, "status_code": code, "status_detail_code": None,
        "status_description": description, "carrier_code": carrier, "carrier_id": None,
        "ship_date": f"{local:%Y-%m-%d}T00:00:00", "estimated_delivery_date": None, "exception_description": None,
        "events": [event],
    }  # fmt: skip
    url = carrier and f"{fake.url}/v1/tracking?carrier_code={quote(carrier)}&tracking_number=1%2F%20Z"
    assert document == {"resource_url": url, "resource_type": "API_TRACK", "data": state}
    if code.upper() == "DE":
        assert re.fullmatch(re.escape(occurred_at[:-1]) + r"\.[0-9]{7}Z", actual_delivery_date)
    else:
        assert actual_delivery_date is None


def test_updates_carry_all_events_newest_first_and_six_hours_apart(fake: FakeShipEngine) -> None:
    bodies = [fake.update("1Z", code).body for code in ("AC", "IT", "AT", "DE")]
    events = [parse(body).data.events or [] for body in bodies]
    assert [[event.status_code for event in one] for one in events] == [
        ["AC"],
        ["IT", "AC"],
        ["AT", "IT", "AC"],
        ["DE", "AT", "IT", "AC"],
    ]
    dates = [event.occurred_at for event in reversed(events[-1]) if isinstance(event.occurred_at, datetime)]
    assert timedelta(days=2) <= datetime.now(UTC) - dates[0] < timedelta(days=2, minutes=5)
    assert [date - dates[0] for date in dates] == [timedelta(hours=hours) for hours in (0, 6, 12, 18)]
    assert [parse(body).last_moved for body in bodies] == dates


def test_get_returns_the_state_of_the_last_update(fake: FakeShipEngine, client: TrackingClient) -> None:
    client.start(**PACKAGE)
    fake.update("1Z")
    body = fake.update("1Z", "AT").body
    state = client.get(**PACKAGE)
    assert state.to_dict() == parse(body).data.to_dict()
    assert [event.status_code for event in state.events or []] == ["AT", "IT"]


def test_overrides_show_in_the_update_and_in_get(
    fake: FakeShipEngine, client: TrackingClient, receiver: Receiver
) -> None:
    client.start(**PACKAGE)
    update = fake.update("1Z", carrier_code="ups_ground", colour="red", events=None)
    assert parse(update.body).data == client.get(**PACKAGE)
    state = client.get(**PACKAGE)
    assert (state.carrier_code, state.events, state.additional_properties) == ("ups_ground", None, {"colour": "red"})
    delivery = fake.deliver("1Z", "AT", to=receiver.url, carrier_id=7, tracking_url="")
    assert parse(delivery.body).data == client.get(**PACKAGE)
    state = client.get(**PACKAGE)
    assert (state.carrier_id, state.tracking_url, state.carrier_code) == (7, "", "ups")
    assert [event.status_code for event in state.events or []] == ["AT", "IT"]


def test_update_that_is_not_json_leaves_no_trace(fake: FakeShipEngine) -> None:
    with pytest.raises(TypeError):
        fake.update("1Z", "DE", colour=object())
    assert len(parse(fake.update("1Z").body).data.events or []) == 1


def test_update_of_an_unknown_package_does_not_make_get_respond(fake: FakeShipEngine, client: TrackingClient) -> None:
    fake.update("1Z")
    for operation in (client.get, client.stop):
        with pytest.raises(NotFoundError):
            operation(**PACKAGE)


@pytest.mark.parametrize("code", ["DE", "de", "EX", StatusCode.DE])
def test_delivery_or_exception_ends_the_subscription(fake: FakeShipEngine, client: TrackingClient, code: str) -> None:
    client.start(**PACKAGE)
    fake.update("1Z", code)
    with pytest.raises(NotFoundError):
        client.stop(**PACKAGE)
    assert fake.subscriptions == [Subscription("1Z", "ups")]
    assert client.get(**PACKAGE).status_code == code.upper()
    client.start(**PACKAGE)
    client.stop(**PACKAGE)
    assert fake.subscriptions == []


# --- signatures -----------------------------------------------------------------------------------------------------


def test_update_is_signed(fake: FakeShipEngine) -> None:
    headers, body = fake.update("1Z", "DE")
    assert headers["Content-Type"] == "application/json"
    assert Verifier(base_url=fake.url).verify(headers, body).data.status_code is StatusCode.DE


def test_sign_signs_any_body_at_any_time(fake: FakeShipEngine) -> None:
    verifier = Verifier(keys(fake))
    assert len(fake.sign(b"{}")) == 3
    assert verifier.verify(fake.sign(b"{}"), b"{}").data.status_code is None
    with pytest.raises(StaleTimestampError):
        verifier.verify(fake.sign(b"{}", "2026-03-14T09:26:53Z"), b"{}")
    with pytest.raises(InvalidSignatureError):
        verifier.verify(fake.sign(b"{}"), b"{ }")
    with pytest.raises(TypeError):
        fake.sign(7)  # type: ignore[arg-type]


def test_jwks_has_an_rsa_key_and_an_elliptic_curve_key(fake: FakeShipEngine) -> None:
    curve, rsa = keys(fake)["keys"]
    assert curve.keys() == {"kty", "kid", "crv", "x", "y", "use"}
    assert (curve["kty"], curve["crv"], curve["use"]) == ("EC", "P-256", "sig")
    assert (rsa["kty"], rsa["e"], rsa["use"]) == ("RSA", "AQAB", "sig")
    assert len(urlsafe_b64decode(rsa["n"] + "==")) == 256
    assert len({uuid.UUID(curve["kid"]), uuid.UUID(rsa["kid"])}) == 2


def test_jwks_needs_no_key_but_get(fake: FakeShipEngine) -> None:
    assert httpx.post(f"{fake.url}/jwks").status_code == 405
    first, second = (httpx.get(f"{fake.url}/jwks").headers for _ in range(2))
    assert first["x-shipengine-requestid"] == first["request-id"] != second["request-id"]


def test_rotate_key_signs_with_a_new_key(fake: FakeShipEngine) -> None:
    old = keys(fake)["keys"]
    before = fake.update("1Z")
    fake.rotate_key()
    assert [key in keys(fake)["keys"] for key in old] == [True, True]
    for update in (before, fake.update("1Z")):
        Verifier(keys(fake)).verify(*update)
    fake.rotate_key(keep=False)
    assert len(keys(fake)["keys"]) == 2
    Verifier(keys(fake)).verify(*fake.update("1Z"))
    with pytest.raises(InvalidSignatureError):
        Verifier(keys(fake)).verify(*before)


def test_threads_that_sign_first_share_the_key(fake: FakeShipEngine) -> None:
    with ThreadPoolExecutor(8) as pool:
        key_ids = {headers["x-shipengine-rsa-sha256-key-id"] for headers in pool.map(fake.sign, [b"{}"] * 8)}
    assert key_ids == {keys(fake)["keys"][1]["kid"]}


# --- deliveries -----------------------------------------------------------------------------------------------------


def test_delivery_arrives_signed(fake: FakeShipEngine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")  # which deliveries do not use
    start(fake)
    delivery = fake.deliver("1Z", "DE", to=receiver.url, colour="red")
    assert (delivery.statuses, delivery.is_accepted, fake.deliveries) == ([204], True, [delivery])
    (request,) = receiver.requests
    assert (request.headers["Content-Type"], request.body) == ("application/json", delivery.body)
    (event,) = receiver.events(fake.url)
    assert event.resource_url == f"{fake.url}/v1/tracking?carrier_code=ups&tracking_number=1Z"
    assert (event.data.tracking_number, event.data.carrier_code) == ("1Z", "ups")
    assert event.data.status_code is StatusCode.DE
    assert event.data.additional_properties == {"colour": "red"}


def test_deliver_without_a_url_is_an_error(fake: FakeShipEngine, receiver: Receiver) -> None:
    with pytest.raises(ValueError, match="webhook_url"):
        fake.deliver("1Z")
    fake.webhook_url = receiver.url
    assert fake.deliver("1Z").is_accepted


@pytest.mark.parametrize(
    ("url", "results"),
    [
        pytest.param("http://127.0.0.1:1/", {"ConnectError"}, id="closed-port"),
        pytest.param("nonsense", {"UnsupportedProtocol"}, id="not-a-url"),
        pytest.param("http://a:b/", {"InvalidURL"}, id="invalid-url"),
        pytest.param("http://a..b/", {"UnicodeError", "UnicodeEncodeError", "ConnectError"}, id="empty-label"),
        pytest.param(f"http://{'a' * 64}/", {"UnicodeError", "UnicodeEncodeError", "ConnectError"}, id="long-label"),
    ],
)
def test_delivery_that_cannot_be_sent_is_recorded(fake: FakeShipEngine, url: str, results: set[str]) -> None:
    delivery = fake.deliver("1Z", to=url)
    assert not delivery.is_accepted
    assert delivery.statuses[0] in results


def test_delivery_waits_only_so_long_for_the_receiver(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "TIMEOUT", 0.1)
    with FakeShipEngine() as silent:
        silent.enqueue(Response(b"", "hang"))
        assert fake.deliver("1Z", to=silent.url).statuses == ["ReadTimeout"]


def test_delivery_to_a_receiver_with_an_untrusted_certificate_fails(fake: FakeShipEngine) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError), server.accept()[0] as connection:
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=accept)
        thread.start()
        delivery = fake.deliver("1Z", to=f"https://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert delivery.statuses == ["ConnectError"]


def test_each_try_is_logged(fake: FakeShipEngine, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, updates.__name__)
    fake.deliver("1Z", to=receiver.url)
    fake.deliver("1Z", to="nowhere")
    first, second = (record.getMessage() for record in caplog.records if record.name == updates.__name__)
    assert receiver.url in first
    assert ("204" in first, "UnsupportedProtocol" in second) == (True, True)


def test_rejected_delivery_is_tried_three_times(receiver: Receiver) -> None:
    receiver.statuses = [500, 503, 401]
    with FakeShipEngine(webhook_pause=0.05) as fake:
        began = time.monotonic()
        delivery = fake.deliver("1Z", to=receiver.url)
        assert delivery.statuses[0] == 500
        wait_until(lambda: len(delivery.statuses) == 3)
        assert time.monotonic() - began >= 0.1
    assert delivery.statuses == [500, 503, 401]  # after `close`, no thread is left that could try again
    assert not delivery.is_accepted
    assert {request.body for request in receiver.requests} == {delivery.body}


def test_second_try_has_a_new_signature(receiver: Receiver) -> None:
    receiver.statuses = [500]
    with FakeShipEngine(webhook_pause=1.1) as fake:
        delivery = fake.deliver("1Z", to=receiver.url)
        wait_until(lambda: delivery.is_accepted)
        first, second = (request.headers["x-shipengine-timestamp"] for request in receiver.requests)
        assert first < second
        assert len(receiver.events(fake.url)) == 2
    assert delivery.statuses == [500, 204]


def test_close_ends_the_wait_for_the_next_try() -> None:
    with FakeShipEngine() as fake:
        delivery = fake.deliver("1Z", to="http://127.0.0.1:1/")
        assert all(one.daemon for one in threading.enumerate() if one is not threading.main_thread())
        began = time.monotonic()
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
        assert 2 <= time.monotonic() - began < 10


# --- journeys -------------------------------------------------------------------------------------------------------


def test_started_package_travels(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url) as fake, TrackingClient(fake.api_key, base_url=fake.url) as client:
        client.start(tracking_number="1Z", carrier_code="stamps_com")
        wait_until(lambda: len(receiver.requests) == 2)
        events = receiver.events(fake.url)
        assert [event.data.status_code for event in events] == [StatusCode.IT, StatusCode.DE]
        assert {(event.data.tracking_number, event.data.carrier_code) for event in events} == {("1Z", "usps")}
        assert client.get(tracking_number="1Z", carrier_code="usps") == events[-1].data
    assert [delivery.statuses for delivery in fake.deliveries] == [[204], [204]]


def test_journey_delivers_the_codes_that_it_is_given(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url, journey=["AC", "EX", "IT", "ZZ"]) as fake:
        start(fake)
        wait_until(lambda: len(receiver.requests) == 4)
        assert receiver.codes(fake.url) == ["AC", "EX", "IT", "ZZ"]


def test_journey_repeats_each_update(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url, repeat=True) as fake:
        start(fake)
        wait_until(lambda: len(receiver.requests) == 4)
        assert receiver.codes(fake.url) == ["IT", "IT", "DE", "DE"]
    bodies = [request.body for request in receiver.requests]
    assert (bodies[0], bodies[2]) == (bodies[1], bodies[3])


@pytest.mark.parametrize("repeat", [False, True])
def test_shuffled_journey_delivers_the_same_updates_out_of_order(receiver: Receiver, repeat: bool) -> None:
    journey, copies = ["AC", "IT", "DE"], 1 + repeat
    with FakeShipEngine(webhook_url=receiver.url, journey=journey, shuffle=True, repeat=repeat) as fake:
        start(fake)
        wait_until(lambda: len(receiver.requests) == 3 * copies)
        events = receiver.events(fake.url)
    codes = [str(event.data.status_code) for event in events]
    in_order = [str(StatusCode(code)) for code in journey for _ in range(copies)]
    assert codes != in_order
    assert sorted(codes) == sorted(in_order)
    newest = max(events, key=lambda event: event.last_moved or datetime.min.replace(tzinfo=UTC))
    assert newest.data.status_code is StatusCode.DE


def test_shuffled_journey_of_one_update_arrives(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url, journey=["IT"], shuffle=True) as fake:
        start(fake)
        wait_until(lambda: len(receiver.requests) == 1)


def test_journey_pauses_between_two_updates(receiver: Receiver) -> None:
    times: list[float] = []
    receiver.on_delivery = lambda: times.append(time.monotonic())
    with FakeShipEngine(webhook_url=receiver.url, journey_pause=0.2) as fake:
        start(fake)
        wait_until(lambda: len(receiver.requests) == 2)
    assert times[1] - times[0] >= 0.2


def test_state_changes_only_when_its_update_is_delivered(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url, journey_pause=60) as fake:
        start(fake)
        wait_until(lambda: len(receiver.requests) == 1)
        assert [event.data.status_code for event in receiver.events(fake.url)] == [StatusCode.IT]
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            assert client.get(**PACKAGE).status_code is StatusCode.IT


def test_stop_ends_the_journey(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url) as fake, TrackingClient(fake.api_key, base_url=fake.url) as client:
        receiver.on_delivery = lambda: client.stop(**PACKAGE) if fake.subscriptions else None
        client.start(**PACKAGE)
        wait_until(lambda: len(receiver.requests) == 1)
    assert len(receiver.requests) == len(fake.deliveries) == 1


def test_close_ends_the_journey(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url, journey_pause=60) as fake:
        start(fake)
        wait_until(lambda: len(receiver.requests) == 1)
        began = time.monotonic()
    assert time.monotonic() - began < 20
    assert [delivery.statuses for delivery in fake.deliveries] == [[204]]


def test_journey_keeps_its_receiver(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url) as fake:
        receiver.on_delivery = lambda: setattr(fake, "webhook_url", None)
        start(fake)
        wait_until(lambda: len(receiver.requests) == 2)
    assert {delivery.url for delivery in fake.deliveries} == {receiver.url}


def test_rejected_start_begins_no_journey(receiver: Receiver) -> None:
    with FakeShipEngine(webhook_url=receiver.url) as fake:
        fake.enqueue(Response.of(500))
        httpx.post(f"{fake.url}/v1/tracking/start", params=PACKAGE)
        httpx.post(f"{fake.url}/v1/tracking/start", params=PACKAGE)
    assert (fake.subscriptions, fake.deliveries) == ([], [])
