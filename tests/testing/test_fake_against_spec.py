"""The fake server's responses and updates are those of the spec."""

from __future__ import annotations

import http.client
import json
import socket
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
METHODS = {START: "POST", STOP: "POST", GET: "GET"}
NUMBER = {"tracking_number": "1Z"}
UPS = {**NUMBER, "carrier_code": "ups"}
BY_ID = {**NUMBER, "carrier_id": "se-28529731"}


@pytest.fixture(scope="module")
def serving() -> Iterator[FakeShipEngine]:
    with FakeShipEngine({"se-28529731": "dhl_express"}, api_key=KEY) as fake:
        yield fake


@frozen
class Case:
    """A request to the fake, and the status and the code of its response."""

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
    request: dict[str, Any] = field(factory=dict)


SECURITY, SYSTEM, VALIDATION = ({"error_type": name} for name in ("security", "system", "validation"))
CARRIER_ID = {"error_type": "business_rules", "field_name": "carrier_id"}
LIMITS = {"limit": RateLimit(0), "limit-without-headers": RateLimit(0, headers=False, retry_after=False)}

ERRORS: list[tuple[str, int, str, dict[str, str], dict[str, str], dict[str, Any]]] = [
    ("wrong-key", 401, "unauthorized", UPS, SECURITY, {"key": "x"}),
    ("without-number", 400, "unspecified", {"carrier_code": "ups"}, SYSTEM, {}),
    ("without-carrier", 400, "field_value_required", NUMBER, VALIDATION, {}),
    ("not-connected", 400, "carrier_not_connected", NUMBER | {"carrier_code": "a"}, {"carrier_code": "a"}, {}),
    ("unknown-id", 404, "invalid_identifier", NUMBER | {"carrier_id": "se-1"}, CARRIER_ID, {}),
    *((name, 429, "rate_limit_exceeded", UPS, SYSTEM, {"rate_limit": limit}) for name, limit in LIMITS.items()),
]  # of every operation
CASES = [
    Case("carrier-code", 204, query=UPS),
    Case("carrier-id", 204, query=BY_ID),
    Case("code-and-id", 204, query=BY_ID | {"carrier_code": "dhl_express"}),
    Case("within-the-limit", 204, query=UPS, rate_limit=RateLimit()),
    Case("stop", 204, query=UPS, path=STOP, updates=()),
    Case("stop-of-unknown", 404, "not_found", UPS, path=STOP),
    Case("stop-of-delivered", 404, "not_found", UPS, path=STOP, updates=("DE",)),
    Case("get-before-updates", 200, None, UPS, GET, "GET", updates=()),
    Case("get-in-transit", 200, None, UPS, GET, "GET", updates=("AC", "IT")),
    Case("get-delivered", 200, None, UPS, GET, "GET", updates=("IT", "DE")),
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
    Case("chunks", 411, "unspecified", UPS, request={"content": iter([b"a"])}),
    Case("many-headers", 431, "unspecified", UPS, request={"headers": {f"x-{index}": "" for index in range(110)}}),
    Case("unknown-method", 405, "unspecified", UPS, method="BREW"),
    *(
        Case(f"{path}-{method}", 405, "unspecified", UPS, path, method, members=VALIDATION)
        for path, allowed in METHODS.items()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
        if method != allowed
    ),
    *(
        Case(f"{path}-{name}", status, code, query, path, method, members=members, **others)
        for path, method in METHODS.items()
        for name, status, code, query, members, others in ERRORS
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fake_response_conforms_to_the_spec(case: Case) -> None:
    carriers = {"se-28529731": "dhl_express"}
    with (
        FakeShipEngine(carriers, api_key=KEY, rate_limit=case.rate_limit) as fake,
        httpx.Client(base_url=fake.url, headers={"API-Key": case.key}) as client,
    ):
        if case.updates is not None:
            client.post(START, params=case.query).raise_for_status()
            for code in case.updates:
                fake.update("1Z", code)
        response = client.request(case.method, case.path, params=case.query, **case.request)
    operation = case.path if case.path in METHODS else START
    validate_response(METHODS[operation], operation, response.status_code, response.headers, response.content)
    assert response.status_code == case.status
    if case.code is not None:
        (item,) = response.json()["errors"]
        assert item.items() >= {"error_source": "shipengine", "error_code": case.code, **case.members}.items()
        assert response.json()["request_id"] == response.headers["x-shipengine-requestid"]
    if case.status == 204:
        assert not {"content-type", "content-length"} & response.headers.keys()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        pytest.param("/ WHAT/1", 400, id="not-http"),
        pytest.param(f"{START} HTTP/1.1\r\nContent-Length: two", 400, id="length"),
        pytest.param(f"{START}?{'1' * 66_000} HTTP/1.1", 414, id="long-target"),
    ],
)
def test_fake_response_to_a_malformed_request_conforms_to_the_spec(
    serving: FakeShipEngine, line: str, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", int(serving.url.rpartition(":")[2])), timeout=30) as connection:
        connection.sendall(f"POST {line}\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        headers = {name.lower(): value for name, value in response.headers.items()}
        validate_response("POST", START, status, headers, response.read())
    assert response.status == status


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
    for status, headers, body in (
        (400, json_type, wrong),
        (502, json_type, b"{}"),
        (204, {"ratelimit-limit": "x"}, b""),
    ):
        with pytest.raises(OpenAPIError):
            validate_response("POST", START, status, headers, body)
    for body in (b"[]", b'{"status_code": 5}', b'{"events": {}}'):
        with pytest.raises(OpenAPIError):
            validate_response("GET", GET, 200, json_type, body)
    for query, headers in (({"carrier_id": "ups"}, {"API-Key": KEY}), (UPS, {})):
        with pytest.raises(OpenAPIError):
            validate_request("POST", START, query, headers)
