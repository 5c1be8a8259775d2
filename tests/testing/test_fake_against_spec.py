"""The fake server's responses and updates are those of the spec."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from attrs import field, frozen
from openapi_core.exceptions import OpenAPIError
from openapi_schema_validator import OAS31Validator
from schemathesis.specs.openapi.checks import positive_data_acceptance

from contract import KEY, share, validate_request, validate_response
from document import DOCUMENT
from shipengine_tracking.testing import FakeShipEngine, RateLimit, error
from shipengine_tracking.webhooks import StatusCode, TrackingEvent, parse

START, STOP, GET = "/v1/tracking/start", "/v1/tracking/stop", "/v1/tracking"
WEBHOOKS, WEBHOOK = "/v1/environment/webhooks", "/v1/environment/webhooks/se-3150628"  # the fake's first ID
METHODS = {START: ["POST"], STOP: ["POST"], GET: ["GET"], WEBHOOKS: ["GET", "POST"], WEBHOOK: ["PUT", "DELETE"]}

NUMBER = {"tracking_number": "1Z"}
UPS = {**NUMBER, "carrier_code": "ups"}
BY_ID = {**NUMBER, "carrier_id": "se-28529731"}
HOOK = {"url": "https://example.com/", "event": "track"}
SECURITY, SYSTEM, VALIDATION = ({"error_type": name} for name in ("security", "system", "validation"))
CARRIER_ID = {"error_type": "business_rules", "field_name": "carrier_id"}


@frozen
class Case:
    """A request to the fake, and the status and the error code of its response."""

    name: str
    status: int
    code: str | None = None
    query: dict[str, str] = field(factory=dict)
    path: str = START
    method: str = "POST"
    key: str = KEY
    members: dict[str, str] = field(factory=dict)  # further ones of the error
    rate_limit: RateLimit | None = None
    updates: tuple[str, ...] | None = None  # of the package, which is started first unless this is None
    body: Any = None


ALLOWED = [(path, method) for path, methods in METHODS.items() for method in methods]
LIMITS = {"limit": RateLimit(0), "limit-without-headers": RateLimit(0, headers=False, retry_after=False)}
WRONG_METHODS = {
    **dict.fromkeys(METHODS, ("PATCH",)),
    START: ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"),
}
WRONG_PACKAGES = [
    ("without-number", 400, "unspecified", {"carrier_code": "ups"}, SYSTEM),
    ("without-carrier", 400, "field_value_required", NUMBER, VALIDATION),
    ("not-connected", 400, "carrier_not_connected", NUMBER | {"carrier_code": "a"}, {"carrier_code": "a"}),
    ("unknown-id", 404, "invalid_identifier", NUMBER | {"carrier_id": "se-1"}, CARRIER_ID),
]
ALL_MEMBERS = HOOK | {"event": "a", "headers": [{"key": "A", "value": "b"}], "name": "n", "store_id": 2**31 - 1, "x": 1}
# Before each of these, a webhook is registered for the event `track`.
HOOKS: list[tuple[str, int, str | None, str, str, Any]] = [
    ("list", 200, None, WEBHOOKS, "GET", None),
    ("create", 200, None, WEBHOOKS, "POST", HOOK | {"event": "batch"}),
    ("create-with-all-members", 200, None, WEBHOOKS, "POST", ALL_MEMBERS),
    ("create-conflict", 409, "webhook_event_type_conflict", WEBHOOKS, "POST", HOOK),
    ("create-without-url", 400, "invalid_field_value", WEBHOOKS, "POST", {"event": "a"}),
    ("create-empty-event", 400, "invalid_field_value", WEBHOOKS, "POST", HOOK | {"event": ""}),
    ("create-wrong-header", 400, "invalid_field_value", WEBHOOKS, "POST", HOOK | {"headers": [{"key": "A"}]}),
    ("create-large-store", 400, "invalid_field_value", WEBHOOKS, "POST", HOOK | {"store_id": 2**31}),
    ("create-boolean-store", 400, "invalid_field_value", WEBHOOKS, "POST", HOOK | {"store_id": True}),
    ("update", 204, None, WEBHOOK, "PUT", {"url": "https://example.com/2", "store_id": -(2**31)}),
    ("update-wrong-name", 400, "invalid_field_value", WEBHOOK, "PUT", {"name": 7}),
    ("update-array", 400, "invalid_field_value", WEBHOOK, "PUT", []),
    ("update-without-body", 400, "invalid_field_value", WEBHOOK, "PUT", None),
    ("update-unknown", 404, "invalid_identifier", WEBHOOKS + "/se-1", "PUT", {"name": "n"}),
    ("delete", 204, None, WEBHOOK, "DELETE", None),
    ("delete-not-an-id", 400, "invalid_identifier", WEBHOOKS + "/1", "DELETE", None),
]

CASES = [
    *(
        Case(f"{path}-{method}-wrong-key", 401, "unauthorized", UPS, path, method, "x", SECURITY)
        for path, method in ALLOWED
    ),
    *(
        Case(f"{path}-{method}-{name}", 429, "rate_limit_exceeded", UPS, path, method, KEY, SYSTEM, limit)
        for path, method in ALLOWED
        for name, limit in LIMITS.items()
    ),
    *(
        Case(f"{path}-{method}", 405, "unspecified", UPS, path, method, KEY, VALIDATION)
        for path, methods in WRONG_METHODS.items()
        for method in methods
    ),
    *(
        Case(f"{path}-{name}", status, code, query, path, METHODS[path][0], KEY, members)
        for path in (START, STOP, GET)
        for name, status, code, query, members in WRONG_PACKAGES
    ),
    *(
        Case(name, status, code, {}, path, method, body=body, updates=())
        for name, status, code, path, method, body in HOOKS
    ),
    Case("carrier-code", 204, query=UPS),
    Case("carrier-id", 204, query=BY_ID),
    Case("within-the-limit", 204, query=UPS, rate_limit=RateLimit()),
    Case("stop", 204, query=UPS, path=STOP, updates=()),
    Case("stop-of-unknown", 404, "not_found", UPS, path=STOP),
    Case("stop-of-delivered", 404, "not_found", UPS, path=STOP, updates=("DE",)),
    Case("get-before-updates", 200, None, UPS, GET, "GET", updates=()),
    Case("get-delivered", 200, None, UPS, GET, "GET", updates=("AC", "DE")),
    Case("get-unknown-code", 200, None, UPS, GET, "GET", updates=("ZZ",)),
    Case("get-of-unknown", 404, "not_found", UPS, GET, "GET"),
    Case("wrong-path", 404, "not_found", path="/v1/tracking/begin"),
    Case("empty-number", 400, "unspecified", UPS | {"tracking_number": ""}, members=SYSTEM),
    Case("empty-carrier", 400, "field_value_required", NUMBER | {"carrier_code": ""}),
    Case("empty-carrier-with-id", 400, "field_value_required", BY_ID | {"carrier_code": ""}),
    Case("not-connected-with-id", 400, "carrier_not_connected", BY_ID | {"carrier_code": "seko"}),
    Case("not-an-id", 400, "invalid_identifier", NUMBER | {"carrier_id": "SE-1"}, members=CARRIER_ID),
    Case("id-of-26", 400, "invalid_identifier", NUMBER | {"carrier_id": "se-" + "1" * 23}, members=CARRIER_ID),
    Case("id-of-25", 404, "invalid_identifier", NUMBER | {"carrier_id": "se-" + "1" * 22}, members=CARRIER_ID),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_fake_response_conforms_to_the_spec(case: Case) -> None:
    carriers = {"se-28529731": "dhl_express"}
    with (
        FakeShipEngine(carriers, api_key=KEY, rate_limit=case.rate_limit) as fake,
        httpx.Client(base_url=fake.url, headers={"API-Key": case.key}) as client,
    ):
        if case.updates is not None:
            is_webhook = case.path.startswith(WEBHOOKS)
            (client.post(WEBHOOKS, json=HOOK) if is_webhook else client.post(START, params=UPS)).raise_for_status()
            for code in case.updates:
                fake.update("1Z", code)
        content = b"" if case.body is None else json.dumps(case.body).encode()
        response = client.request(case.method, case.path, params=case.query, content=content)
    operation = START if case.path == "/v1/tracking/begin" else case.path
    methods = METHODS.get(operation, METHODS[WEBHOOK])
    method = case.method if case.method in methods else methods[0]
    validate_response(method, operation, response.status_code, response.headers, response.content)
    assert response.status_code == case.status
    if case.code is not None:
        (item,) = response.json()["errors"]
        assert item.items() >= {"error_source": "shipengine", "error_code": case.code, **case.members}.items()
        assert response.json()["request_id"] == response.headers["x-shipengine-requestid"]
    if case.status == 204:
        assert not {"content-type", "content-length"} & response.headers.keys()
    if case.status == 405:
        assert response.headers["Allow"] == ", ".join(methods)


@pytest.fixture(scope="module")
def serving() -> Iterator[FakeShipEngine]:
    with FakeShipEngine({"se-28529731": "dhl_express"}, api_key=KEY) as fake:
        yield fake


@pytest.mark.parametrize("code", [*StatusCode, "ZZ"])
def test_fake_update_conforms_to_the_spec(serving: FakeShipEngine, code: str) -> None:
    body = serving.update("1Z", code).body
    schema = {"$ref": "#/components/schemas/TrackingEvent", "components": DOCUMENT["components"]}
    OAS31Validator(schema).validate(json.loads(body))
    assert isinstance(parse(body), TrackingEvent)


# Left out is the one check that the API itself would fail: it rejects requests that the schema allows. The vendor's
# document does not mark a parameter as required, but a call without a tracking number is a 400; and no schema can say
# which carriers are connected.
#
# Its share must not be 100 cases: that is Hypothesis's default, and schemathesis then tries as many as the profile.
API = schemathesis.openapi.from_dict(DOCUMENT)


@API.parametrize()
@share(2)
def test_schemathesis_finds_no_difference_from_the_spec(case: Any, serving: FakeShipEngine) -> None:
    case.call_and_validate(
        base_url=serving.url, headers={"API-Key": KEY}, excluded_checks=[positive_data_acceptance], timeout=60
    )


def test_validation_rejects_what_the_spec_does_not_allow() -> None:
    json_type = {"content-type": "application/json"}
    wrong = error(400, "unspecified", "No.").data.partition(b"\r\n\r\n")[2].replace(b"request_id", b"id")
    for method, path, status, headers, body in (
        ("POST", START, 400, json_type, wrong),
        ("POST", START, 502, json_type, b"{}"),
        ("POST", START, 204, {"ratelimit-limit": "x"}, b""),
        *(("GET", GET, 200, json_type, body) for body in (b"[]", b'{"status_code": 5}', b'{"events": {}}')),
        ("GET", WEBHOOKS, 200, json_type, b'[{"webhook_id": 7}]'),
    ):
        with pytest.raises(OpenAPIError):
            validate_response(method, path, status, headers, body)
    for query, headers in (({"carrier_id": "ups"}, {"API-Key": KEY}), (UPS, {})):
        with pytest.raises(OpenAPIError):
            validate_request("POST", START, query, headers)
