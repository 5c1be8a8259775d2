"""The fake server's updates: their content and their signatures. Deliveries are in test_fake_deliveries.py."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from receiver import start

from shipengine_tracking import NotFoundError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Subscription
from shipengine_tracking.webhooks import InvalidSignatureError, StaleTimestampError, StatusCode, Verifier, parse

PACKAGE = {"tracking_number": "1Z", "carrier_code": "ups"}


@pytest.fixture
def client(fake: FakeShipEngine) -> Iterator[TrackingClient]:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        yield client


def keys(fake: FakeShipEngine) -> Any:
    return httpx.get(f"{fake.url}/jwks", trust_env=False).json()


@pytest.mark.usefixtures("chicago")
@pytest.mark.parametrize(
    ("code", "description", "query", "carrier"),
    [
        pytest.param("DE", "Delivered", "carrier_code=stamps_com", "usps", id="delivered"),
        pytest.param("it", "In Transit", "carrier_id=se-1", "a b", id="lower-case"),
        pytest.param("ZZ", None, "", None, id="unknown-code-not-subscribed"),
    ],
)
def test_update_has_the_form_of_the_api(
    code: str, description: str | None, query: str, carrier: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: datetime(2026, 3, 14, 9, 26, 53, 589793, UTC).timestamp())
    with FakeShipEngine({"se-1": "a b"}) as fake:
        if query:
            start(fake, f"tracking_number=1%2F%20Z&{query}")
        document = json.loads(fake.update("1/ Z", code).body)
    event = {
        "occurred_at": "2026-03-12T09:26:53Z", "carrier_occurred_at": "2026-03-12T03:26:53", "description": description,
        "city_locality": "AUSTIN", "state_province": "TX", "postal_code": "78701", "country_code": "US",
        "company_name": "", "signer": "", "event_code": code, "status_code": code, "status_description": description,
        "latitude": None, "longitude": None,
    }  # fmt: skip
    state = {
        "tracking_number": "1/ Z", "tracking_url": None, "status_code": code, "status_detail_code": None,
        "status_description": description, "carrier_code": carrier, "carrier_id": None,
        "ship_date": "2026-03-12T00:00:00", "estimated_delivery_date": None, "exception_description": None,
        "actual_delivery_date": "2026-03-12T09:26:53.5897930Z" if code == "DE" else None, "events": [event],
    }  # fmt: skip
    url = carrier and f"{fake.url}/v1/tracking?carrier_code={quote(carrier)}&tracking_number=1%2F%20Z"
    assert document == {"resource_url": url, "resource_type": "API_TRACK", "data": state}


def test_updates_carry_all_events_newest_first_and_six_hours_apart(fake: FakeShipEngine) -> None:
    updates = [parse(fake.update("1Z", code).body) for code in ("AC", "IT", "DE")]
    codes = [[event.status_code for event in update.data.events or []] for update in updates]
    assert codes == [["AC"], ["IT", "AC"], ["DE", "IT", "AC"]]
    dates = [update.last_moved or datetime.max.replace(tzinfo=UTC) for update in updates]
    assert [date - dates[0] for date in dates] == [timedelta(hours=hours) for hours in (0, 6, 12)]


def test_get_returns_the_state_of_the_last_update(fake: FakeShipEngine, client: TrackingClient) -> None:
    client.start(tracking_number="1Z", carrier_code="stamps_com")
    state = client.get(**PACKAGE)
    assert (state.tracking_number, state.status_code, state.events) == ("1Z", "NY", [])
    assert state.carrier_code == "usps"  # as ShipEngine does with stamps_com
    for code, data in (("IT", {"carrier_code": "ups", "colour": "red", "events": None}), ("AT", {})):
        update = fake.update("1Z", code, **data)
        state = client.get(**PACKAGE)
        assert state == parse(update.body).data
        assert state.to_dict().items() >= data.items()
    assert [event.status_code for event in state.events or []] == ["AT", "IT"]


def test_update_does_not_subscribe_its_package(fake: FakeShipEngine, client: TrackingClient) -> None:
    fake.update("1Z")
    with pytest.raises(NotFoundError):
        client.get(**PACKAGE)


@pytest.mark.parametrize("code", ["de", StatusCode.EX])
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


def test_sign_signs_any_body_at_any_time(fake: FakeShipEngine) -> None:
    verifier = Verifier(keys(fake))
    headers = fake.sign(b"{}")
    assert verifier.verify(headers, b"{}").data.status_code is None
    with pytest.raises(StaleTimestampError):
        verifier.verify(fake.sign(b"{}", "2026-03-14T09:26:53Z"), b"{}")
    with pytest.raises(InvalidSignatureError):
        verifier.verify(headers, b"{ }")


def test_jwks_has_an_rsa_key_and_an_elliptic_curve_key(fake: FakeShipEngine) -> None:
    fake.rotate_key(keep=False)  # so that the keys are made in this test
    curve, rsa = keys(fake)["keys"]
    assert curve.items() >= {"kty": "EC", "crv": "P-256", "use": "sig"}.items()
    assert rsa.items() >= {"kty": "RSA", "e": "AQAB", "use": "sig"}.items()
    assert [len(urlsafe_b64decode(curve[name] + "=")) for name in ("x", "y")] == [32, 32]
    assert curve["kid"] != rsa["kid"]


def test_rotate_key_signs_with_a_new_key(fake: FakeShipEngine) -> None:
    old = keys(fake)["keys"]
    before = fake.update("1Z")
    assert json.loads(before.body)["data"]["status_code"] == "IT"
    fake.rotate_key()
    assert keys(fake)["keys"][:2] == old
    for update in (before, fake.update("1Z")):
        Verifier(keys(fake)).verify(*update)
    fake.rotate_key(keep=False)
    assert len(keys(fake)["keys"]) == 2
    Verifier(keys(fake)).verify(*fake.update("1Z"))
    with pytest.raises(InvalidSignatureError):
        Verifier(keys(fake)).verify(*before)
