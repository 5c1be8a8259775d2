"""The fake server's responses and updates are those of the spec."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from openapi_schema_validator import OAS31Validator
from schemathesis.specs.openapi.checks import positive_data_acceptance

from contract import KEY, share, validate_response
from document import DOCUMENT
from shipengine_tracking.testing import FakeShipEngine, RateLimit

START, STOP, GET = "/v1/tracking/start", "/v1/tracking/stop", "/v1/tracking"
WEBHOOKS, WEBHOOK = "/v1/environment/webhooks", "/v1/environment/webhooks/se-3150628"  # the fake's first ID
UPS = {"tracking_number": "1Z", "carrier_code": "ups"}
UNKNOWN, DELIVERED = UPS | {"tracking_number": "2Z"}, UPS | {"tracking_number": "3Z"}
BY_ID = {"tracking_number": "1Z", "carrier_id": "se-28529731"}
HOOK: dict[str, Any] = {"url": "https://example.com/", "event": "track"}
OTHER: dict[str, Any] = HOOK | {"event": "batch"}
ALL_MEMBERS = OTHER | {"headers": [{"key": "A", "value": "b"}], "name": "n", "store_id": 2**31 - 1, "x": 1}

# What to call with which query or body; the status, the error code and other members of the error.
CASES: dict[str, tuple[str, str, Any, int, str | None, dict[str, str]]] = {
    "start": ("POST", START, UPS, 204, None, {}),
    "stop": ("POST", STOP, UPS, 204, None, {}),
    "stop-unknown": ("POST", STOP, UNKNOWN, 404, "not_found", {"error_type": "validation"}),
    "get-before-updates": ("GET", GET, UPS, 200, None, {}),
    "get-delivered": ("GET", GET, DELIVERED, 200, None, {}),
    "get-unknown": ("GET", GET, UNKNOWN, 404, "not_found", {"error_type": "validation"}),
    "no-number": ("POST", START, {"carrier_code": "ups"}, 400, "unspecified", {"error_type": "system"}),
    "no-carrier": ("POST", STOP, {"tracking_number": "1Z"}, 400, "field_value_required", {"error_type": "validation"}),
    "empty-carrier-with-id": ("GET", GET, BY_ID | {"carrier_code": ""}, 400, "field_value_required", {}),
    "not-connected": ("POST", START, UPS | {"carrier_code": "a"}, 400, "carrier_not_connected", {"carrier_code": "a"}),
    "not-an-id": ("POST", START, BY_ID | {"carrier_id": "SE-1"}, 400, "invalid_identifier", {"field_value": "SE-1"}),
    "id-of-26": ("GET", GET, BY_ID | {"carrier_id": "se-" + "1" * 23}, 400, "invalid_identifier", {}),
    "id-of-25": ("GET", GET, BY_ID | {"carrier_id": "se-" + "1" * 22}, 404, "invalid_identifier", {}),
    "list": ("GET", WEBHOOKS, None, 200, None, {}),
    "create-with-all-members": ("POST", WEBHOOKS, ALL_MEMBERS, 200, None, {}),
    "create-conflict": ("POST", WEBHOOKS, HOOK, 409, "webhook_event_type_conflict", {"error_type": "business_rules"}),
    "create-without-url": ("POST", WEBHOOKS, {"event": "batch"}, 400, "invalid_field_value", {"field_name": "url"}),
    "empty-event": ("POST", WEBHOOKS, HOOK | {"event": ""}, 400, "invalid_field_value", {"field_name": "event"}),
    "wrong-header": ("POST", WEBHOOKS, OTHER | {"headers": [{"key": "A"}]}, 400, "invalid_field_value", {}),
    "large-store": ("POST", WEBHOOKS, OTHER | {"store_id": 2**31}, 400, "invalid_field_value", {}),
    "boolean-store": ("POST", WEBHOOKS, OTHER | {"store_id": True}, 400, "invalid_field_value", {}),
    "update": ("PUT", WEBHOOK, OTHER | {"store_id": -(2**31)}, 204, None, {}),
    "update-with-array": ("PUT", WEBHOOK, [], 400, "invalid_field_value", {}),
    "update-without-body": ("PUT", WEBHOOK, None, 400, "invalid_field_value", {}),
    "update-unknown": ("PUT", WEBHOOKS + "/se-1", {}, 404, "invalid_identifier", {"field_name": "webhook_id"}),
    "delete": ("DELETE", WEBHOOK, None, 204, None, {}),
    "delete-not-an-id": ("DELETE", WEBHOOKS + "/1", None, 400, "invalid_identifier", {}),
}


@pytest.fixture
def serving() -> Iterator[FakeShipEngine]:
    """A fake with a package that is not yet in system, a delivered package and a webhook."""
    with FakeShipEngine({"se-28529731": "dhl_express"}, api_key=KEY) as fake:
        call(fake, "POST", START, UPS)
        call(fake, "POST", START, DELIVERED)
        fake.update("3Z", "DE")
        call(fake, "POST", WEBHOOKS, HOOK)
        yield fake


def call(fake: FakeShipEngine, method: str, path: str, data: Any = None, *, key: str = KEY) -> httpx.Response:
    """Call an operation with a query, or a body for webhooks; validate the response against the spec."""
    given = {"json" if path.startswith(WEBHOOKS) else "params": data}
    response = httpx.request(method, fake.url + path, headers={"API-Key": key}, timeout=60, **given)
    validate_response(method, path, response.status_code, response.headers, response.content)
    return response


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "code", "members"),
    [pytest.param(*case, id=name) for name, case in CASES.items()],
)
def test_fake_response_conforms_to_the_spec(
    serving: FakeShipEngine, method: str, path: str, data: Any, status: int, code: str | None, members: dict[str, str]
) -> None:
    response = call(serving, method, path, data)
    assert response.status_code == status
    assert (status == 204) != ("content-type" in response.headers)
    if code is not None:
        (item,) = response.json()["errors"]
        assert item.items() >= {"error_source": "shipengine", "error_code": code, **members}.items()
        assert response.json()["request_id"] == response.headers["x-shipengine-requestid"]
    events = {("POST", 200): ["track", "batch"], ("DELETE", 204): []}.get((method, status), ["track"])
    assert [webhook["event"] for webhook in serving.webhooks] == events


def test_other_methods_and_paths_are_rejected(fake: FakeShipEngine) -> None:
    for method, path, status, allow in (
        ("PUT", START, 405, "POST"),
        ("DELETE", WEBHOOKS, 405, "GET, POST"),
        ("GET", WEBHOOK, 405, "PUT, DELETE"),
        ("POST", "/jwks", 405, "GET"),
        ("POST", "/v1/tracking/begin", 404, None),
    ):
        response = httpx.request(method, fake.url + path, headers={"API-Key": fake.api_key})
        assert (response.status_code, response.headers.get("Allow")) == (status, allow)
        assert response.json()["errors"][0]["error_type"] == "validation"


def test_key_and_rate_limit_are_checked(serving: FakeShipEngine) -> None:
    serving.rate_limit = RateLimit(1)
    for status, code, error_type in ((401, "unauthorized", "security"), (429, "rate_limit_exceeded", "system")):
        response = call(serving, "POST", START, UPS, key="x")
        (error,) = response.json()["errors"]
        assert (response.status_code, error["error_code"], error["error_type"]) == (status, code, error_type)
        assert (response.headers["RateLimit-Limit"], "Retry-After" in response.headers) == ("1", status == 429)


@pytest.mark.parametrize("code", ["DE", "ZZ"])
def test_fake_update_conforms_to_the_spec(serving: FakeShipEngine, code: str) -> None:
    schema = {"$ref": "#/components/schemas/TrackingEvent", "components": DOCUMENT["components"]}
    OAS31Validator(schema).validate(json.loads(serving.update("1Z", code).body))


# One check is left out, because the API itself would fail it: it rejects requests that its schema allows. No schema can
# say which carriers are connected. The share must not be 100 cases: that is Hypothesis's default, and schemathesis then
# tries as many as the profile.
API = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with FakeShipEngine(api_key=KEY) as fake:
        yield fake.url


@API.parametrize()
@share(2)
def test_schemathesis_finds_no_difference_from_the_spec(case: Any, url: str) -> None:
    headers = {"API-Key": KEY}
    case.call_and_validate(base_url=url, headers=headers, excluded_checks=[positive_data_acceptance], timeout=60)
