"""The fake server's responses and updates are those of the spec."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from openapi_core.exceptions import OpenAPIError
from openapi_schema_validator import OAS31Validator
from schemathesis.specs.openapi.checks import positive_data_acceptance

from contract import KEY, share, validate_request, validate_response
from document import DOCUMENT
from shipengine_tracking.testing import FakeShipEngine, RateLimit, error
from shipengine_tracking.webhooks import StatusCode, TrackingEvent, parse

START, STOP, GET = "/v1/tracking/start", "/v1/tracking/stop", "/v1/tracking"
WEBHOOKS, WEBHOOK = "/v1/environment/webhooks", "/v1/environment/webhooks/se-3150628"  # the fake's first ID
OPERATIONS = {START: ["POST"], STOP: ["POST"], GET: ["GET"], WEBHOOKS: ["GET", "POST"], WEBHOOK: ["PUT", "DELETE"]}

UPS = {"tracking_number": "1Z", "carrier_code": "ups"}
UNKNOWN, DELIVERED = UPS | {"tracking_number": "2Z"}, UPS | {"tracking_number": "3Z"}
BY_ID = {"tracking_number": "1Z", "carrier_id": "se-28529731"}
HOOK: dict[str, Any] = {"url": "https://example.com/", "event": "track"}
OTHER: dict[str, Any] = HOOK | {"event": "batch"}
ALL_MEMBERS = OTHER | {"headers": [{"key": "A", "value": "b"}], "name": "n", "store_id": 2**31 - 1, "x": 1}

# What to call with which query or body; the status, the error code and further members of the error.
CASES: dict[str, tuple[str, str, Any, int, str | None, dict[str, str]]] = {
    "start": ("POST", START, UPS, 204, None, {}),
    "start-by-id": ("POST", START, BY_ID, 204, None, {}),
    "stop": ("POST", STOP, UPS, 204, None, {}),
    "stop-unknown": ("POST", STOP, UNKNOWN, 404, "not_found", {}),
    "stop-delivered": ("POST", STOP, DELIVERED, 404, "not_found", {}),
    "get-before-updates": ("GET", GET, UPS, 200, None, {}),
    "get-delivered": ("GET", GET, DELIVERED, 200, None, {}),
    "get-unknown": ("GET", GET, UNKNOWN, 404, "not_found", {}),
    "wrong-path": ("POST", "/v1/tracking/begin", UPS, 404, "not_found", {}),
    "list": ("GET", WEBHOOKS, None, 200, None, {}),
    "create": ("POST", WEBHOOKS, OTHER, 200, None, {}),
    "create-with-all-members": ("POST", WEBHOOKS, ALL_MEMBERS, 200, None, {}),
    "create-conflict": ("POST", WEBHOOKS, HOOK, 409, "webhook_event_type_conflict", {}),
    "update": ("PUT", WEBHOOK, {"url": "https://a.example/", "store_id": -(2**31)}, 204, None, {}),
    "update-unknown": ("PUT", WEBHOOKS + "/se-1", {}, 404, "invalid_identifier", {"field_name": "webhook_id"}),
    "delete": ("DELETE", WEBHOOK, None, 204, None, {}),
    "delete-not-an-id": ("DELETE", WEBHOOKS + "/1", None, 400, "invalid_identifier", {}),
}
WRONG_METHODS = [(method, START) for method in ("GET", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY")]
WRONG_METHODS += [("PATCH", path) for path in OPERATIONS]
CASES |= {f"{path}-{method}": (method, path, UPS, 405, "unspecified", {}) for method, path in WRONG_METHODS}
CASES |= {
    f"{path}-{name}": (OPERATIONS[path][0], path, query, status, code, members)
    for path in (START, STOP, GET)
    for name, query, status, code, members in (
        ("no-number", {"carrier_code": "ups"}, 400, "unspecified", {"error_type": "system"}),
        ("no-carrier", {"tracking_number": "1Z"}, 400, "field_value_required", {"error_type": "validation"}),
        ("empty-number", UPS | {"tracking_number": ""}, 400, "unspecified", {"error_type": "system"}),
        ("empty-carrier", UPS | {"carrier_code": ""}, 400, "field_value_required", {}),
        ("empty-carrier-with-id", BY_ID | {"carrier_code": ""}, 400, "field_value_required", {}),
        ("not-connected", UPS | {"carrier_code": "a"}, 400, "carrier_not_connected", {"carrier_code": "a"}),
        ("not-connected-with-id", BY_ID | {"carrier_code": "a"}, 400, "carrier_not_connected", {}),
        ("not-an-id", BY_ID | {"carrier_id": "SE-1"}, 400, "invalid_identifier", {"field_value": "SE-1"}),
        ("id-of-26", BY_ID | {"carrier_id": "se-" + "1" * 23}, 400, "invalid_identifier", {}),
        ("id-of-25", BY_ID | {"carrier_id": "se-" + "1" * 22}, 404, "invalid_identifier", {}),
    )
}
WRONG_BODIES: list[tuple[str, str, str, Any]] = [
    ("null-url", "POST", WEBHOOKS, OTHER | {"url": None}),
    ("no-url", "POST", WEBHOOKS, {"event": "batch"}),
    ("empty-event", "POST", WEBHOOKS, HOOK | {"event": ""}),
    ("wrong-header", "POST", WEBHOOKS, OTHER | {"headers": [{"key": "A"}]}),
    ("large-store", "POST", WEBHOOKS, OTHER | {"store_id": 2**31}),
    ("boolean-store", "POST", WEBHOOKS, OTHER | {"store_id": True}),
    ("number-as-name", "PUT", WEBHOOK, {"name": 7}),
    ("array", "PUT", WEBHOOK, []),
    ("no-body", "PUT", WEBHOOK, None),
]
CASES |= {name: (method, path, body, 400, "invalid_field_value", {}) for name, method, path, body in WRONG_BODIES}


@pytest.fixture
def serving() -> Iterator[FakeShipEngine]:
    """A fake with a package that is not yet in system, a delivered package and a webhook."""
    with FakeShipEngine({"se-28529731": "dhl_express"}, api_key=KEY) as fake:
        call(fake, "POST", START, UPS)
        call(fake, "POST", START, DELIVERED)
        fake.update("3Z", "AC")
        fake.update("3Z", "DE")
        call(fake, "POST", WEBHOOKS, HOOK)
        yield fake


def call(fake: FakeShipEngine, method: str, path: str, data: Any = None, *, key: str = KEY) -> httpx.Response:
    """Call an operation with a query, or a body for webhooks; validate the response against the spec."""
    is_webhook = path.startswith(WEBHOOKS)
    given: dict[str, Any] = {"params": data} if not is_webhook else {} if data is None else {"json": data}
    response = httpx.request(method, fake.url + path, headers={"API-Key": key}, timeout=60, **given)
    if path not in OPERATIONS and not is_webhook:
        path = START
    methods = OPERATIONS.get(path, OPERATIONS[WEBHOOK])
    method = method if method in methods else methods[0]
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
    if code is not None:
        (item,) = response.json()["errors"]
        assert item.items() >= {"error_source": "shipengine", "error_code": code, **members}.items()
        assert response.json()["request_id"] == response.headers["x-shipengine-requestid"]
    assert (status == 204) != ("content-type" in response.headers)
    assert response.headers.get("Allow") == (", ".join(OPERATIONS[path]) if status == 405 else None)
    assert len(serving.webhooks) == 1 + (method == "POST" and status == 200) - (method == "DELETE" and status == 204)


@pytest.mark.parametrize("path", OPERATIONS)
def test_fake_checks_key_and_rate_limit_of_every_operation(serving: FakeShipEngine, path: str) -> None:
    for method in OPERATIONS[path]:
        serving.rate_limit = RateLimit(1)
        responses = [call(serving, method, path, UPS, key="x") for _ in range(2)]
        assert [response.status_code for response in responses] == [401, 429]
        errors = [response.json()["errors"][0] for response in responses]
        assert [(one["error_code"], one["error_type"]) for one in errors] == [
            ("unauthorized", "security"),
            ("rate_limit_exceeded", "system"),
        ]
        assert [response.headers["RateLimit-Limit"] for response in responses] == ["1", "1"]
        assert ["Retry-After" in response.headers for response in responses] == [False, True]


@pytest.mark.parametrize("code", [*StatusCode, "ZZ"])
def test_fake_update_conforms_to_the_spec(serving: FakeShipEngine, code: str) -> None:
    body = serving.update("1Z", code).body
    schema = {"$ref": "#/components/schemas/TrackingEvent", "components": DOCUMENT["components"]}
    OAS31Validator(schema).validate(json.loads(body))
    assert isinstance(parse(body), TrackingEvent)
    assert call(serving, "GET", GET, UPS).json()["status_code"] == code


# Left out is the one check that the API itself would fail: it rejects requests that the schema allows. The vendor's
# document does not mark a parameter as required, but a call without a tracking number is a 400; and no schema can say
# which carriers are connected.
#
# Its share must not be 100 cases: that is Hypothesis's default, and schemathesis then tries as many as the profile.
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


def test_validation_rejects_what_the_spec_does_not_allow() -> None:
    json_type = {"content-type": "application/json"}
    wrong = error(400, "unspecified", "No.").data.partition(b"\r\n\r\n")[2].replace(b"request_id", b"id")
    for method, path, status, headers, body in (
        ("POST", START, 400, json_type, wrong),
        ("POST", START, 204, {"ratelimit-limit": "x"}, b""),
        ("GET", GET, 200, json_type, b'{"events": {}}'),
        ("GET", WEBHOOKS, 200, json_type, b'[{"webhook_id": 7}]'),
    ):
        with pytest.raises(OpenAPIError):
            validate_response(method, path, status, headers, body)
    for query, headers in (({"carrier_id": "ups"}, {"API-Key": KEY}), (UPS, {})):
        with pytest.raises(OpenAPIError):
            validate_request("POST", START, query, headers)
