"""The spec keeps its rules, and each rule reports the edits that it exists for."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spec
import spec_rules
from document import DOCUMENT
from spec import SpecError, load, problems
from spec_places import branches, loaded_schemas, operations

Edit = Callable[[Any], object]

UNDESCRIBED = {"type": "string", "examples": ["-"]}
UNSHOWN = {"type": "string", "description": "A word."}


def finds(rule: str, edit: Edit) -> list[str]:
    """Return what one rule reports about an edited copy of the spec."""
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    return list(getattr(spec_rules, rule)(document))


def test_spec_is_valid_and_keeps_all_rules() -> None:
    assert problems(DOCUMENT) == []
    assert spec_rules.findings(DOCUMENT) == []


# Accessors that keep the tables below readable.
def start(document: Any) -> Any:
    return document["paths"]["/v1/tracking/start"]["post"]


def stop(document: Any) -> Any:
    return document["paths"]["/v1/tracking/stop"]["post"]


def get(document: Any) -> Any:
    return document["paths"]["/v1/tracking"]["get"]


def list_webhooks(document: Any) -> Any:
    return document["paths"]["/v1/environment/webhooks"]["get"]


def create_webhook(document: Any) -> Any:
    return document["paths"]["/v1/environment/webhooks"]["post"]


def update_webhook(document: Any) -> Any:
    return document["paths"]["/v1/environment/webhooks/{webhook_id}"]["put"]


def delete_webhook(document: Any) -> Any:
    return document["paths"]["/v1/environment/webhooks/{webhook_id}"]["delete"]


def get_jwks(document: Any) -> Any:
    return document["paths"]["/jwks"]["get"]


KEYED = (start, stop, get, list_webhooks, create_webhook, update_webhook, delete_webhook)
OPERATIONS = (*KEYED, get_jwks)


def update(document: Any) -> Any:
    return document["webhooks"]["tracking_update"]["post"]


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def property_of(document: Any, name: str, member: str) -> Any:
    return schema(document, name)["properties"][member]


def response(document: Any, name: str) -> Any:
    return document["components"]["responses"][name]


def body_of(document: Any, name: str) -> Any:
    return document["components"]["examples"][name]["value"]


def body_schema(node: Any) -> Any:
    return node["content"]["application/json"]["schema"]


def rename(mapping: Any, old: str, new: str) -> None:
    items = [(new if key == old else key, value) for key, value in mapping.items()]
    mapping.clear()
    mapping.update(items)


BREAKS: list[tuple[str, Edit]] = [
    ("everything_is_described", lambda d: d["info"].pop("summary")),
    ("everything_is_described", lambda d: d["servers"][1].pop("description")),
    ("everything_is_described", lambda d: d["tags"][0].pop("description")),
    ("everything_is_described", lambda d: update(d).pop("summary")),
    ("everything_is_described", lambda d: update(d)["requestBody"].pop("description")),
    ("everything_is_described", lambda d: update(d)["responses"]["401"].update(description=" ")),
    ("everything_is_described", lambda d: response(d, "Started").pop("description")),
    ("everything_is_described", lambda d: response(d, "Stopped").pop("description")),
    ("everything_is_described", lambda d: response(d, "CurrentState").pop("description")),
    *[
        ("everything_is_described", lambda d, name=name: response(d, name).pop("description"))
        for name in ("Webhooks", "WebhookCreated", "WebhookUpdated", "WebhookDeleted", "Conflict", "KeySet")
    ],
    ("everything_is_described", lambda d: body_schema(response(d, "Webhooks")).pop("description")),
    ("everything_is_described", lambda d: create_webhook(d)["requestBody"].pop("description")),
    ("everything_is_described", lambda d: update_webhook(d)["requestBody"].pop("description")),
    ("everything_is_described", lambda d: d["tags"][1].pop("description")),
    ("everything_is_described", lambda d: d["components"]["parameters"]["webhook_id"]["schema"].pop("description")),
    ("everything_is_described", lambda d: property_of(d, "CreateWebhookRequest", "url").pop("description")),
    ("everything_is_described", lambda d: property_of(d, "UpdateWebhookRequest", "url").pop("description")),
    ("everything_is_described", lambda d: property_of(d, "NewWebhookHeader", "key").pop("description")),
    ("everything_is_described", lambda d: property_of(d, "WebhookHeader", "key").pop("description")),
    ("everything_is_described", lambda d: property_of(d, "Webhook", "webhook_id").pop("description")),
    ("everything_is_described", lambda d: property_of(d, "JsonWebKey", "kid").pop("description")),
    ("everything_is_described", lambda d: property_of(d, "JsonWebKeySet", "keys").pop("description")),
    ("everything_is_described", lambda d: d["components"]["headers"]["RetryAfter"].pop("description")),
    ("everything_is_described", lambda d: d["components"]["parameters"]["carrier_id"]["schema"].pop("description")),
    ("everything_is_described", lambda d: d["components"]["securitySchemes"]["api_key"].pop("description")),
    ("everything_is_described", lambda d: d["components"]["examples"]["missing_key"].pop("description")),
    ("everything_is_described", lambda d: schema(d, "TrackingEvent").pop("description")),
    ("everything_is_described", lambda d: property_of(d, "TrackingInformationEvent", "signer").pop("description")),
    ("everything_is_described", lambda d: property_of(d, "TrackingInformation", "ship_date").pop("description")),
    ("prose_is_in_sentences", lambda d: schema(d, "Error").update(description="one error.")),
    ("prose_is_in_sentences", lambda d: schema(d, "Error").update(description="One error")),
    ("prose_is_in_sentences", lambda d: schema(d, "Error").update(description="One  error.")),
    ("prose_is_in_sentences", lambda d: schema(d, "KnownStatusCode")["x-enumDescriptions"].update(IT="In transit")),
    ("summaries_are_in_sentence_case", lambda d: start(d).update(summary="start tracking a package")),
    ("summaries_are_in_sentence_case", lambda d: start(d).update(summary="Start tracking a package.")),
    ("scalars_have_examples", lambda d: property_of(d, "Error", "error_code").pop("examples")),
    ("scalars_have_examples", lambda d: property_of(d, "Error", "field_value").update(examples=[])),
    ("scalars_have_examples", lambda d: property_of(d, "TrackingInformation", "carrier_id").pop("examples")),
    ("scalars_have_examples", lambda d: d["components"]["headers"]["RateLimitReset"]["schema"].pop("examples")),
    ("scalars_have_examples", lambda d: d["components"]["parameters"]["signature"]["schema"].pop("examples")),
    ("scalars_have_examples", lambda d: schema(d, "KnownStatusCode").pop("examples")),
    ("scalars_have_examples", lambda d: response(d, "NotFound")["content"]["application/json"].pop("examples")),
    ("scalars_have_examples", lambda d: response(d, "CurrentState")["content"]["application/json"].pop("examples")),
    ("scalars_have_examples", lambda d: update(d)["requestBody"]["content"]["application/json"].pop("examples")),
    ("scalars_have_examples", lambda d: response(d, "Webhooks")["content"]["application/json"].pop("examples")),
    ("scalars_have_examples", lambda d: response(d, "KeySet")["content"]["application/json"].pop("examples")),
    (
        "scalars_have_examples",
        lambda d: create_webhook(d)["requestBody"]["content"]["application/json"].pop("examples"),
    ),
    (
        "scalars_have_examples",
        lambda d: update_webhook(d)["requestBody"]["content"]["application/json"].pop("examples"),
    ),
    ("scalars_have_examples", lambda d: property_of(d, "CreateWebhookRequest", "event").pop("examples")),
    ("scalars_have_examples", lambda d: property_of(d, "Webhook", "store_id").pop("examples")),
    ("scalars_have_examples", lambda d: property_of(d, "JsonWebKey", "n").pop("examples")),
    ("scalars_have_examples", lambda d: d["components"]["parameters"]["webhook_id"]["schema"].pop("examples")),
    ("examples_fit_their_schemas", lambda d: body_of(d, "registered_webhooks")[1].pop("event")),
    ("examples_fit_their_schemas", lambda d: body_of(d, "registered_webhook").update(id=7)),
    ("examples_fit_their_schemas", lambda d: body_of(d, "new_webhook").pop("url")),
    ("examples_fit_their_schemas", lambda d: body_of(d, "new_webhook_with_headers")["headers"][0].pop("value")),
    ("examples_fit_their_schemas", lambda d: body_of(d, "changed_url").update(event="track")),
    ("examples_fit_their_schemas", lambda d: body_of(d, "key_set")["keys"][1].pop("kty")),
    (
        "examples_fit_their_schemas",
        lambda d: d["components"]["parameters"]["webhook_id"]["schema"].update(examples=["3150628"]),
    ),
    ("examples_fit_their_schemas", lambda d: property_of(d, "Error", "message").update(examples=[7])),
    ("examples_fit_their_schemas", lambda d: schema(d, "KnownStatusCode").update(examples=["it"])),
    ("examples_fit_their_schemas", lambda d: d["components"]["headers"]["RetryAfter"]["schema"].update(examples=["9"])),
    (
        "examples_fit_their_schemas",
        lambda d: d["components"]["parameters"]["carrier_id"]["schema"].update(examples=["28529731"]),
    ),
    ("examples_fit_their_schemas", lambda d: body_of(d, "missing_key").pop("request_id")),
    ("examples_fit_their_schemas", lambda d: body_of(d, "missing_key")["errors"][0].update(hint="unknown member")),
    ("examples_fit_their_schemas", lambda d: rename(body_of(d, "delivered")["data"], "status_code", "statuscode")),
    ("examples_fit_their_schemas", lambda d: body_of(d, "in_transit")["data"]["events"][1].update(latitude="30 N")),
    ("examples_fit_their_schemas", lambda d: body_of(d, "in_transit_state").update(data={})),
    ("examples_fit_their_schemas", lambda d: body_of(d, "delivered_state")["events"][0].update(longitude="90 W")),
    (
        "examples_fit_their_schemas",
        lambda d: property_of(d, "TrackingInformation", "ship_date")["anyOf"].remove({"type": "string"}),
    ),
    ("enum_values_are_described", lambda d: schema(d, "KnownErrorCode")["enum"].append("not_found")),
    ("enum_values_are_described", lambda d: schema(d, "KnownErrorCode")["enum"].remove("unknown")),
    ("enum_values_are_described", lambda d: schema(d, "KnownStatusCode")["enum"].reverse()),
    ("enum_values_are_described", lambda d: schema(d, "KnownErrorType").pop("x-enumDescriptions")),
    (
        "enum_values_are_described",
        lambda d: rename(schema(d, "KnownErrorType"), "x-enumDescriptions", "x-enum-descriptions"),
    ),
    (
        "error_catalogue_is_in_form",
        lambda d: schema(d, "KnownErrorCode")["x-enumDescriptions"].update(forbidden="Not allowed."),
    ),
    (
        "error_catalogue_is_in_form",
        lambda d: schema(d, "KnownErrorCode")["x-enumDescriptions"].update(forbidden="No. → `ForbiddenError`"),
    ),
    ("enum_values_are_described", lambda d: schema(d, "KnownWebhookEvent")["x-enumDescriptions"].pop("track")),
    ("enums_and_dates_are_open", lambda d: property_of(d, "Webhook", "event")["anyOf"].remove({"type": "string"})),
    (
        "enums_and_dates_are_open",
        lambda d: schema(d, "CreateWebhookRequest")["properties"].update(
            event={"$ref": "#/components/schemas/KnownWebhookEvent"}
        ),
    ),
    ("enums_and_dates_are_open", lambda d: property_of(d, "Error", "error_code")["anyOf"].remove({"type": "string"})),
    (
        "enums_and_dates_are_open",
        lambda d: schema(d, "Error")["properties"].update(error_type={"$ref": "#/components/schemas/KnownErrorType"}),
    ),
    ("enums_and_dates_are_open", lambda d: property_of(d, "TrackingEvent", "resource_type").update(enum=["API_TRACK"])),
    ("enums_and_dates_are_open", lambda d: property_of(d, "TrackingInformation", "ship_date")["anyOf"].pop(1)),
    ("received_objects_are_tolerant", lambda d: schema(d, "TrackingEvent").update(required=["data"])),
    ("received_objects_are_tolerant", lambda d: schema(d, "TrackingInformation").update(required=["status_code"])),
    ("received_objects_are_tolerant", lambda d: property_of(d, "TrackingEvent", "resource_type").update(type="string")),
    (
        "received_objects_are_tolerant",
        lambda d: property_of(d, "TrackingInformationEvent", "latitude").update(type="number"),
    ),
    (
        "received_objects_are_tolerant",
        lambda d: property_of(d, "TrackingInformation", "ship_date")["anyOf"].remove({"type": "null"}),
    ),
    (
        "received_objects_are_tolerant",
        lambda d: property_of(d, "TrackingInformation", "events").update(type="array"),
    ),
    ("received_objects_are_tolerant", lambda d: property_of(d, "Webhook", "name").update(type="string")),
    ("received_objects_are_tolerant", lambda d: property_of(d, "Webhook", "headers").update(type="array")),
    ("received_objects_are_tolerant", lambda d: property_of(d, "WebhookHeader", "value").update(type="string")),
    ("received_objects_are_tolerant", lambda d: schema(d, "Webhook")["required"].remove("event")),
    ("received_objects_are_tolerant", lambda d: property_of(d, "Error", "field_name").update(type="string")),
    ("responses_are_declared", lambda d: response(d, "RateLimited")["headers"].pop("Retry-After")),
    ("responses_are_declared", lambda d: response(d, "Unavailable")["content"].pop("application/json")),
    ("responses_are_declared", lambda d: response(d, "Unavailable")["content"].pop("text/html")),
    ("responses_are_declared", lambda d: response(d, "Webhooks").pop("content")),
    ("responses_are_declared", lambda d: response(d, "WebhookCreated")["content"]["application/json"].pop("schema")),
    ("responses_are_declared", lambda d: response(d, "WebhookUpdated").update(content={"text/plain": {"schema": {}}})),
    ("responses_are_declared", lambda d: response(d, "WebhookDeleted").update(content={"text/plain": {"schema": {}}})),
    ("responses_are_declared", lambda d: response(d, "Conflict").pop("content")),
    ("responses_are_declared", lambda d: response(d, "KeySet").pop("content")),
    ("responses_are_declared", lambda d: response(d, "KeySetRefused").update(response(d, "NotFound"))),
    ("responses_are_declared", lambda d: response(d, "KeySetUnavailable").update(response(d, "SystemError"))),
    ("responses_are_declared", lambda d: get_jwks(d)["responses"].pop("4XX")),
    ("responses_are_declared", lambda d: update_webhook(d)["responses"].pop("404")),
    ("responses_are_declared", lambda d: delete_webhook(d)["responses"].pop("404")),
    ("responses_are_declared", lambda d: response(d, "Started").update(content={"application/json": {"schema": {}}})),
    ("responses_are_declared", lambda d: response(d, "Stopped").update(content={"application/json": {"schema": {}}})),
    ("responses_are_declared", lambda d: response(d, "CurrentState").pop("content")),
    ("responses_are_declared", lambda d: response(d, "CurrentState")["content"]["application/json"].pop("schema")),
    (
        "responses_are_declared",
        lambda d: rename(response(d, "CurrentState")["content"], "application/json", "text/html"),
    ),
    ("responses_are_declared", lambda d: response(d, "NotFound")["content"]["application/json"].pop("schema")),
    ("security_is_global", lambda d: d.pop("security")),
    ("security_is_global", lambda d: update(d).pop("security")),
    ("security_is_global", lambda d: get_jwks(d).pop("security")),
    ("operations_have_samples", lambda d: update(d).pop("x-codeSamples")),
    ("operations_have_samples", lambda d: update(d)["x-codeSamples"].append(get(d)["x-codeSamples"][3])),
    ("components_are_used", lambda d: d["components"]["responses"].update(Spare={"description": "Not used."})),
    ("components_are_used", lambda d: d["components"]["schemas"].update(Spare={"type": "object"})),
    (
        "components_are_used",
        lambda d: d["components"]["schemas"].update(
            One={"items": {"$ref": "#/components/schemas/Two"}}, Two={"items": {"$ref": "#/components/schemas/One"}}
        ),
    ),
    ("components_are_used", lambda d: d.update(security=[{}])),
    ("components_are_used", lambda d: update(d)["parameters"].pop()),
    ("everything_is_described", lambda d: schema(d, "Error").update(additionalProperties=UNDESCRIBED)),
    ("everything_is_described", lambda d: property_of(d, "ErrorResponse", "errors").update(items=UNDESCRIBED)),
    ("summaries_are_in_sentence_case", lambda d: start(d).update(summary="START TRACKING A PACKAGE")),
    ("summaries_are_in_sentence_case", lambda d: start(d).update(summary="START tracking a package")),
    ("summaries_are_in_sentence_case", lambda d: start(d).update(summary="Start tracking a PACKAGE")),
    ("scalars_have_examples", lambda d: schema(d, "Error").update(additionalProperties=UNSHOWN)),
    ("scalars_have_examples", lambda d: property_of(d, "ErrorResponse", "errors").update(items=UNSHOWN)),
    (
        "examples_fit_their_schemas",
        lambda d: d["components"]["parameters"]["carrier_id"].update(examples={"bad": {"value": "28529731"}}),
    ),
    (
        "examples_fit_their_schemas",
        lambda d: d["components"]["headers"]["RetryAfter"].update(examples={"bad": {"value": "soon"}}),
    ),
    (
        "examples_fit_their_schemas",
        lambda d: property_of(d, "TrackingEvent", "resource_url").update(format="uri", examples=["not a uri"]),
    ),
    ("examples_fit_their_schemas", lambda d: property_of(d, "Error", "message").update(format="sentence")),
    ("forbidden_keywords_are_absent", lambda d: property_of(d, "Error", "message").update(example="No.")),
    ("forbidden_keywords_are_absent", lambda d: d["components"]["parameters"]["carrier_id"].update(example="se-1")),
    (
        "forbidden_keywords_are_absent",
        lambda d: response(d, "NotFound")["content"]["application/json"].update(example={}),
    ),
    ("forbidden_keywords_are_absent", lambda d: d["components"]["headers"]["RetryAfter"].update(example=7)),
    (
        "forbidden_keywords_are_absent",
        lambda d: property_of(d, "TrackingEvent", "resource_type").update(const="API_TRACK"),
    ),
    ("forbidden_keywords_are_absent", lambda d: schema(d, "Error").update(additionalProperties=False)),
    ("forbidden_keywords_are_absent", lambda d: schema(d, "Error").update(unevaluatedProperties=False)),
]


def on(find: Callable[[Any], Any], edit: Edit) -> Edit:
    """Return the edit of one operation as an edit of the document."""
    return lambda document: edit(find(document))


# The same edits to each of the eight operations.
OPERATION_BREAKS: list[tuple[str, Edit]] = [
    ("everything_is_described", lambda operation: operation.pop("summary")),
    ("everything_is_described", lambda operation: operation.pop("description")),
    ("everything_is_described", lambda operation: operation.pop("operationId")),
    ("prose_is_in_sentences", lambda operation: operation.update(description="no sentence")),
    ("summaries_are_in_sentence_case", lambda operation: operation.update(summary="Start Tracking a Package")),
    ("responses_are_declared", lambda operation: [operation["responses"].pop(code, None) for code in ("200", "204")]),
    ("responses_are_declared", lambda operation: operation["responses"].pop("5XX")),
    ("security_is_global", lambda operation: operation.update(security=[{"api_key": []}])),
    ("operations_have_samples", lambda operation: operation.pop("x-codeSamples")),
    ("operations_have_samples", lambda operation: operation["x-codeSamples"].pop(1)),
]
KEYED_BREAKS: list[tuple[str, Edit]] = [
    *[
        ("responses_are_declared", lambda operation, code=code: operation["responses"].pop(code))
        for code in ("401", "403", "429")
    ],
    ("security_is_global", lambda operation: operation.update(security=[])),
]
BREAKS += [(rule, on(find, edit)) for rule, edit in OPERATION_BREAKS for find in OPERATIONS]
BREAKS += [(rule, on(find, edit)) for rule, edit in KEYED_BREAKS for find in KEYED]


def test_edits_are_tried_on_all_operations() -> None:
    assert {find(DOCUMENT)["operationId"]: find.__name__ for find in OPERATIONS} == {
        "start_tracking": "start",
        "stop_tracking": "stop",
        "get_tracking_log": "get",
        "list_webhooks": "list_webhooks",
        "create_webhook": "create_webhook",
        "update_webhook": "update_webhook",
        "delete_webhook": "delete_webhook",
        "get_jwks": "get_jwks",
    }
    assert [find(DOCUMENT) for find in OPERATIONS] == operations(DOCUMENT)


@pytest.mark.parametrize(("rule", "edit"), BREAKS, ids=[f"{number}-{rule}" for number, (rule, _) in enumerate(BREAKS)])
def test_rule_reports_a_wrong_edit(rule: str, edit: Edit) -> None:
    assert finds(rule, edit)


@pytest.mark.parametrize("text", [None, "", " ", 7])
@pytest.mark.parametrize("name", [name for name in DOCUMENT["components"]["schemas"] if name.startswith("Known")])
def test_blank_description_of_an_enum_value_is_reported(name: str, text: object) -> None:
    value = schema(DOCUMENT, name)["enum"][0]

    def edit(document: Any) -> None:
        schema(document, name)["x-enumDescriptions"][value] = text

    assert f"#/components/schemas/{name}: {value} has no description" in finds("enum_values_are_described", edit)


def test_missing_enum_descriptions_do_not_crash_other_rules() -> None:
    document = copy.deepcopy(DOCUMENT)
    schema(document, "KnownErrorCode")["x-enumDescriptions"] = None
    assert "enum_values_are_described" in {rule for rule, _ in spec_rules.findings(document)}


def test_names_in_capitals_and_members_named_like_keywords_are_allowed() -> None:
    def edit(document: Any) -> None:
        start(document)["summary"] = "API calls to USPS through ShipEngine"
        property_of(document, "TrackingEvent", "resource_url")["format"] = "uri"
        word = {"type": ["string", "null"], "description": "A word.", "examples": ["-"]}
        schema(document, "Error")["properties"].update(example=word, const=word, format=word)

    assert [finding for rule in spec_rules.RULES for finding in finds(rule.__name__, edit)] == []


def test_every_rule_has_an_edit_that_it_reports() -> None:
    assert {rule.__name__ for rule in spec_rules.RULES} == {name for name, _ in BREAKS}
    assert all(rule.__doc__ for rule in spec_rules.RULES)


def test_rules_ignore_the_contents_of_examples() -> None:
    def like_a_schema(document: Any) -> None:
        property_of(document, "Error", "field_value")["examples"].append({"properties": {"no": {"type": "string"}}})

    assert [finds(rule.__name__, like_a_schema) for rule in spec_rules.RULES] == [[]] * len(spec_rules.RULES)


@pytest.mark.parametrize("name", ["KnownErrorCode", "KnownErrorType", "KnownErrorSource", "KnownStatusCode"])
def test_duplicate_enum_value_is_reported(name: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    schema(document, name)["enum"].append(schema(document, name)["enum"][0])
    assert any("duplicate enum value" in problem for problem in problems(document))


def test_file_is_read_with_the_types_of_json(tmp_path: Path) -> None:
    page = tmp_path / "spec.yaml"
    page.write_text("country: NO\nday: 2026-11-21\nat: 2026-11-21T10:00:00Z\nanswer: on\n")
    assert load(page) == {"country": "NO", "day": "2026-11-21", "at": "2026-11-21T10:00:00Z", "answer": "on"}
    page.write_text("info: one\ninfo: two\n")
    with pytest.raises(SpecError, match=r"spec\.yaml:2: .*duplicate key"):
        load(page)


def test_enums_contain_all_values_of_the_vendor() -> None:
    counts = {
        name: len(schema(DOCUMENT, name)["enum"]) for name in DOCUMENT["components"]["schemas"] if "Known" in name
    }
    assert counts == {
        "KnownErrorSource": 3,
        "KnownErrorType": 6,
        "KnownErrorCode": 50,
        "KnownStatusCode": 8,
        "KnownStatusDetailCode": 75,
        "KnownWebhookEvent": 7,
    }


def test_error_catalogue_is_machine_readable() -> None:
    catalogue = spec_rules.error_catalogue(DOCUMENT)
    assert set(catalogue) == set(schema(DOCUMENT, "KnownErrorCode")["enum"])
    assert catalogue["carrier_not_connected"] == "CarrierError"
    assert catalogue["trial_expired"] == "AccountError"
    assert catalogue["invalid_identifier"] is None


def errors(operation: Any) -> Any:
    return {status: node for status, node in operation["responses"].items() if status[0] != "2"}


def test_tracking_operations_share_parameters_and_error_responses() -> None:
    for find in (stop, get):
        assert find(DOCUMENT)["parameters"] == start(DOCUMENT)["parameters"]
        assert errors(find(DOCUMENT)) == errors(start(DOCUMENT))


def test_webhook_operations_share_error_responses() -> None:
    shared = errors(list_webhooks(DOCUMENT))
    specific = {
        find: {status: node for status, node in errors(find(DOCUMENT)).items() if shared.get(status) != node}
        for find in (create_webhook, update_webhook, delete_webhook)
    }
    assert all(shared.items() <= errors(find(DOCUMENT)).items() for find in specific)
    assert {find: list(nodes) for find, nodes in specific.items()} == {
        create_webhook: ["409"],
        update_webhook: ["404"],
        delete_webhook: ["404"],
    }
    # Both kinds of operation have the same errors, except those that name what is wrong with the request.
    tracking = errors(start(DOCUMENT))
    assert {status for status, node in shared.items() if tracking[status] != node} == {"400"}


def test_list_and_registration_return_the_same_object() -> None:
    one = body_schema(response(DOCUMENT, "WebhookCreated"))
    many = body_schema(response(DOCUMENT, "Webhooks"))
    assert one == many["items"] == {"$ref": "#/components/schemas/Webhook"}
    assert many["type"] == "array"


def test_update_accepts_the_members_of_a_registration_except_the_event() -> None:
    new, changed = schema(DOCUMENT, "CreateWebhookRequest"), schema(DOCUMENT, "UpdateWebhookRequest")
    assert new["required"] == ["event", "url"]
    assert "required" not in changed
    assert [*new["properties"]] == ["event", *changed["properties"]]


def test_loaded_schemas_are_those_that_only_the_server_sends_to_the_overlay() -> None:
    assert loaded_schemas(DOCUMENT) == {
        "Error",
        "ErrorResponse",
        "TrackingEvent",
        "TrackingInformation",
        "TrackingInformationEvent",
        "Webhook",
        "WebhookHeader",
    }


def test_get_returns_the_data_of_a_tracking_update() -> None:
    content = response(DOCUMENT, "CurrentState")["content"]["application/json"]
    assert content["schema"] == property_of(DOCUMENT, "TrackingEvent", "data")
    assert [body_of(DOCUMENT, name) for name in content["examples"]] == [
        body_of(DOCUMENT, name)["data"]
        for name in update(DOCUMENT)["requestBody"]["content"]["application/json"]["examples"]
    ]


def test_realistic_failures_have_named_examples() -> None:
    named = {name for node in DOCUMENT["components"]["responses"].values() for name in _names(node)}
    assert named >= {
        "missing_key",
        "missing_tracking_number",
        "carrier_not_connected",
        "tracking_not_supported",
        "unknown_carrier_id",
        "rate_limit_exceeded",
        "system_error",
        "several_errors",
        "missing_url",
        "malformed_webhook_id",
        "unknown_webhook_id",
        "webhook_event_type_conflict",
    }


def _names(node: dict[str, Any]) -> set[str]:
    return {name for media in node.get("content", {}).values() for name in media["examples"]}


def run(main: Callable[[], int], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | str:
    """Run the main function of a script; return its exit status or its last message."""
    monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
    try:
        return main()
    except SystemExit as ended:
        return str(ended.code)


def test_scripts_print_their_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = spec.SPEC.read_text()
    page = tmp_path / "page.yaml"
    assert run(spec.main, monkeypatch) == 0
    assert run(spec_rules.main, monkeypatch) == 0
    assert capsys.readouterr() == (
        f"{spec.shown(spec.SPEC)} is a good OpenAPI 3.1 document\nThe spec keeps all {len(spec_rules.RULES)} rules\n",
        "",
    )
    page.write_text(text.replace("#/components/schemas/Error'", "#/components/schemas/Errand'"))
    assert run(spec.main, monkeypatch, page) == 1
    assert "#/components/schemas/Errand is nowhere in this document" in capsys.readouterr().err
    monkeypatch.setattr(spec_rules, "SPEC", page)
    page.write_text(text.replace("summary: Start tracking a package", "summary: Start Tracking A Package"))
    assert run(spec_rules.main, monkeypatch) == 1
    assert capsys.readouterr().err.startswith("summaries_are_in_sentence_case: ")
    assert (
        run(spec.main, monkeypatch, tmp_path / "nowhere.yaml") == f"{tmp_path}/nowhere.yaml: No such file or directory"
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"", ":1: not OpenAPI: the document is empty, not a mapping"),
        (b"- a\n", ":1: not OpenAPI: the document is a list, not a mapping"),
        (b"a: b\nc: \xff\n", ":2: not UTF-8: invalid start byte"),
        (b"a: b\n7: c\n", ":2: not valid YAML: this key is not a string: quote it"),
        (b"a: .nan\n", ": not valid YAML: Out of range float values are not JSON compliant"),
    ],
)
def test_file_that_cannot_be_read_is_reported(written: bytes, said: str, tmp_path: Path) -> None:
    page = tmp_path / "page.yaml"
    page.write_bytes(written)
    with pytest.raises(SpecError) as caught:
        load(page)
    assert str(caught.value).startswith(f"{page}{said}")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({"type": ["string", "null"]}, {"type": "string"}, {"type": ["string"]}),
        ({"type": "integer"}, {"type": "number"}, {"type": ["integer"]}),
        ({"enum": ["a", "b"]}, {"enum": ["b", "c"]}, {"enum": ["b"]}),
        ({"required": ["a"]}, {"required": ["b"]}, {"required": ["a", "b"]}),
        (
            {"properties": {"a": {}, "b": {"type": "string"}}},
            {"properties": {"b": {"maxLength": 3}}},
            {"properties": {"a": {}, "b": {"allOf": [{"type": "string"}, {"maxLength": 3}]}}},
        ),
        ({"items": {"a": 1}}, {"items": {"b": 2}}, {"items": {"allOf": [{"a": 1}, {"b": 2}]}}),
        ({"minLength": 1}, {"minLength": 2}, {"minLength": 2}),
        ({"maxLength": 1}, {"maxLength": 2}, {"maxLength": 1}),
        ({"pattern": "a"}, {"pattern": "b"}, {"pattern": ["a", "b"]}),
        ({"pattern": "a"}, {"pattern": "a"}, {"pattern": "a"}),
    ],
)
def test_two_schemas_that_must_both_hold_are_one(
    one: dict[str, Any], other: dict[str, Any], both: dict[str, Any]
) -> None:
    assert list(branches(DOCUMENT, {"allOf": [one, other]})) == [both]
