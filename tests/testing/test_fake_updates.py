"""The fake server's updates: their content and their signatures. Deliveries are in test_fake_deliveries.py."""

from __future__ import annotations

import json
import re
import uuid
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from receiver import start

from shipengine_tracking import NotFoundError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Subscription
from shipengine_tracking.webhooks import InvalidSignatureError, StaleTimestampError, StatusCode, Verifier, parse

DESCRIPTIONS = {
    "UN": "Unknown", "AC": "Accepted", "IT": "In Transit", "DE": "Delivered", "EX": "Exception",
    "AT": "Delivery Attempt", "NY": "Not Yet In System", "SP": "Delivered To Collection Location",
}  # fmt: skip
PACKAGE = {"tracking_number": "1Z", "carrier_code": "ups"}


@pytest.fixture
def client(fake: FakeShipEngine) -> Iterator[TrackingClient]:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        yield client


def keys(fake: FakeShipEngine) -> Any:
    return httpx.get(f"{fake.url}/jwks", trust_env=False).json()


FORMS = [
    *(pytest.param(code, "carrier_code=stamps_com", "usps", id=code) for code in (*DESCRIPTIONS, "de", "ZZ")),
    pytest.param("IT", "carrier_code=a%20b", "a b", id="space"),
    pytest.param("IT", "carrier_id=se-1", "a b", id="carrier-id"),
    pytest.param("IT", None, None, id="not-subscribed"),
]


@pytest.mark.usefixtures("chicago")
@pytest.mark.parametrize(("code", "query", "carrier"), FORMS)
def test_update_has_the_form_of_the_api(code: str, query: str | None, carrier: str | None) -> None:
    with FakeShipEngine({"se-1": "a b"}) as fake:
        if query:
            start(fake, f"tracking_number=1%2F%20Z&{query}")
        document = json.loads(fake.update("1/ Z", code).body)
    description = DESCRIPTIONS.get(code.upper())
    occurred_at = document["data"]["events"][0]["occurred_at"]
    local = datetime.strptime(occurred_at, "%Y-%m-%dT%H:%M:%SZ") - timedelta(hours=6)
    delivered_at = document["data"].pop("actual_delivery_date")
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
    assert (delivered_at is None) == (code.upper() != "DE")
    assert re.fullmatch(re.escape(occurred_at[:-1]) + r"\.[0-9]{7}Z", delivered_at or f"{occurred_at[:-1]}.0000000Z")


def test_updates_carry_all_events_newest_first_and_six_hours_apart(fake: FakeShipEngine) -> None:
    bodies = [fake.update("1Z", code).body for code in ("AC", "IT", "DE")]
    events = [parse(body).data.events or [] for body in bodies]
    codes = [[event.status_code for event in one] for one in events]
    assert codes == [["AC"], ["IT", "AC"], ["DE", "IT", "AC"]]
    dates = [event.occurred_at for event in reversed(events[-1]) if isinstance(event.occurred_at, datetime)]
    assert timedelta(days=2) <= datetime.now(UTC) - dates[0] < timedelta(days=2, minutes=5)
    assert [date - dates[0] for date in dates] == [timedelta(hours=hours) for hours in (0, 6, 12)]
    assert [parse(body).last_moved for body in bodies] == dates


def test_get_returns_the_state_of_the_last_update_with_its_overrides(
    fake: FakeShipEngine, client: TrackingClient
) -> None:
    client.start(**PACKAGE)
    update = fake.update("1Z", carrier_code="ups_ground", colour="red", events=None)
    state = client.get(**PACKAGE)
    assert parse(update.body).data == state
    assert (state.carrier_code, state.events, state.additional_properties) == ("ups_ground", None, {"colour": "red"})
    update = fake.update("1Z", "AT", carrier_id=7)
    state = client.get(**PACKAGE)
    assert parse(update.body).data == state
    assert (state.carrier_code, state.carrier_id) == ("ups", 7)
    assert [event.status_code for event in state.events or []] == ["AT", "IT"]


def test_update_does_not_subscribe_its_package(fake: FakeShipEngine, client: TrackingClient) -> None:
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


def test_sign_signs_any_body_at_any_time(fake: FakeShipEngine) -> None:
    verifier = Verifier(keys(fake))
    headers = fake.sign(b"{}")
    assert len(headers) == 3
    assert verifier.verify(headers, b"{}").data.status_code is None
    with pytest.raises(StaleTimestampError):
        verifier.verify(fake.sign(b"{}", "2026-03-14T09:26:53Z"), b"{}")
    with pytest.raises(InvalidSignatureError):
        verifier.verify(headers, b"{ }")


def test_jwks_has_an_rsa_key_and_an_elliptic_curve_key(fake: FakeShipEngine) -> None:
    curve, rsa = keys(fake)["keys"]
    assert curve.items() >= {"kty": "EC", "crv": "P-256", "use": "sig"}.items()
    assert rsa.items() >= {"kty": "RSA", "e": "AQAB", "use": "sig"}.items()
    assert [len(urlsafe_b64decode(curve[name] + "=")) for name in ("x", "y")] == [32, 32]
    assert len(urlsafe_b64decode(rsa["n"] + "==")) == 256
    assert len({uuid.UUID(curve["kid"]), uuid.UUID(rsa["kid"])}) == 2
    assert httpx.post(f"{fake.url}/jwks").status_code == 405


def test_rotate_key_signs_with_a_new_key(fake: FakeShipEngine) -> None:
    old = keys(fake)["keys"]
    before = fake.update("1Z")
    fake.rotate_key()
    assert keys(fake)["keys"][:2] == old
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
