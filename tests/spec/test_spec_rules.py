"""The spec is valid OpenAPI and follows its rules, and each rule reports the mistakes that it is for."""

from pathlib import Path
from typing import Any

import pytest

import spec_rules
from document import DOCUMENT, GONE, edited
from spec import SPEC, problems
from spec_lookup import loaded_schemas, operations
from spec_rules import findings, main

OPERATIONS = {
    "start": "#/paths/~1v1~1tracking~1start/post",
    "stop": "#/paths/~1v1~1tracking~1stop/post",
    "get": "#/paths/~1v1~1tracking/get",
    "list_webhooks": "#/paths/~1v1~1environment~1webhooks/get",
    "create_webhook": "#/paths/~1v1~1environment~1webhooks/post",
    "update_webhook": "#/paths/~1v1~1environment~1webhooks~1{webhook_id}/put",
    "delete_webhook": "#/paths/~1v1~1environment~1webhooks~1{webhook_id}/delete",
    "get_jwks": "#/paths/~1jwks/get",
}
START, STOP, JWKS = OPERATIONS["start"], OPERATIONS["stop"], OPERATIONS["get_jwks"]
UPDATE = "#/webhooks/tracking_update/post"
PARTS, SCHEMAS = "#/components", "#/components/schemas"
CODES = f"{SCHEMAS}/KnownErrorCode/x-enumDescriptions"
ERROR, DATA, WEBHOOK = (f"{SCHEMAS}/{name}/properties" for name in ("Error", "TrackingInformation", "Webhook"))
JSON = "content/application~1json"
WORD = {"type": "string", "description": "A word.", "examples": ["-"]}


def only(*choices: dict[str, Any]) -> dict[str, Any]:
    """Return a described schema with these choices."""
    return {"description": "A word.", "examples": ["-"], "anyOf": [*choices]}


def case(rule: str, place: str, value: Any, words: str, what: str) -> Any:
    return pytest.param(rule, place, value, words, id=f"{rule}-{what}")


def described(place: str, what: str) -> Any:
    return case("everything_is_described", place, GONE, f"has no {place.rpartition('/')[2]}", what)


CASES = [
    described("#/info/summary", "info"),
    described("#/servers/1/description", "server"),
    described("#/tags/0/description", "tag"),
    described(f"{UPDATE}/summary", "webhook"),
    described(f"{UPDATE}/requestBody/description", "body"),
    case("everything_is_described", f"{UPDATE}/responses/401/description", " ", "has no description", "blank"),
    described(f"{PARTS}/responses/Started/description", "response"),
    described(f"{PARTS}/headers/RetryAfter/description", "header"),
    described(f"{PARTS}/parameters/carrier_id/schema/description", "parameter"),
    described(f"{PARTS}/securitySchemes/api_key/description", "security scheme"),
    described(f"{PARTS}/examples/missing_key/summary", "example"),
    described(f"{SCHEMAS}/TrackingEvent/description", "schema"),
    described(f"{DATA}/ship_date/description", "member"),
    described(f"{PARTS}/responses/Webhooks/{JSON}/schema/description", "schema of a body"),
    described(f"{WEBHOOK}/headers/description", "member called headers"),
    case("everything_is_described", f"{DATA}/events/items", {"type": "string", "examples": ["-"]}, "has no", "item"),
    case("scalars_have_examples", f"{ERROR}/error_code/examples", GONE, "has no example", "member"),
    case("scalars_have_examples", f"{ERROR}/field_value/examples", [], "has no example", "empty list"),
    case("scalars_have_examples", f"{SCHEMAS}/KnownStatusCode/examples", GONE, "has no example", "enum"),
    case("scalars_have_examples", f"{PARTS}/headers/RetryAfter/schema/examples", GONE, "has no example", "header"),
    case("scalars_have_examples", f"{PARTS}/parameters/signature/schema/examples", GONE, "has no example", "parameter"),
    case("scalars_have_examples", f"{PARTS}/responses/NotFound/{JSON}/examples", GONE, "has no example", "response"),
    case("scalars_have_examples", f"{UPDATE}/requestBody/{JSON}/examples", GONE, "has no example", "body"),
    case("prose_is_in_sentences", f"{ERROR}/message/description", "one sentence.", "'one sentence.'", "lower case"),
    case("prose_is_in_sentences", f"{ERROR}/message/description", "No full stop", "not written", "no full stop"),
    case("prose_is_in_sentences", f"{ERROR}/message/description", "Two  spaces.", "not written", "two spaces"),
    case("prose_is_in_sentences", f"{CODES}/unknown", "Unknown", "not written in sentences", "enum text"),
    case("summaries_are_in_sentence_case", f"{START}/summary", "start tracking", "'start tracking'", "lower case"),
    case("summaries_are_in_sentence_case", f"{START}/summary", "Start tracking.", "sentence case", "full stop"),
    case("summaries_are_in_sentence_case", f"{START}/summary", "Start Tracking", "sentence case", "title case"),
    case("summaries_are_in_sentence_case", f"{START}/summary", "START tracking", "sentence case", "upper case"),
    case("nothing_is_closed", f"{ERROR}/error_code/anyOf/1", GONE, "no plain string", "enum without a string"),
    case("nothing_is_closed", f"{DATA}/ship_date/anyOf/1", GONE, "no plain string", "date without a string"),
    case("nothing_is_closed", f"{ERROR}/error_type", {"$ref": f"{SCHEMAS}/KnownErrorType"}, "outside an anyOf", "enum"),
    case("nothing_is_closed", f"{ERROR}/message/enum", ["No."], "outside an anyOf", "enum in place"),
    case("nothing_is_closed", f"{ERROR}/message/format", "date-time", "outside an anyOf", "date"),
    case("nothing_is_closed", f"{SCHEMAS}/Error/additionalProperties", False, "new members", "object"),
    case("nothing_is_closed", f"{SCHEMAS}/Error/unevaluatedProperties", False, "new members", "whole object"),
    case("nothing_is_closed", f"{ERROR}/message/const", "No.", "const", "const"),
    case("nothing_is_closed", f"{ERROR}/message/example", "No.", "deprecated", "example"),
    case("enum_values_are_described", f"{CODES}/unknown", GONE, "differ: unknown", "text missing"),
    case("enum_values_are_described", f"{CODES}/not_found", "Not. → *by status*", "differ: not_found", "text too many"),
    case("enum_values_are_described", f"{CODES}/unknown", " ", "unknown has no description", "blank text"),
    case("enum_values_are_described", f"{CODES}/unknown", None, "unknown has no description", "no text"),
    case("enum_values_are_described", CODES, None, "differ: auto_fund_not_supported", "no texts"),
    case("enum_values_are_described", f"{SCHEMAS}/KnownErrorSource/enum", [*"sco"], "differ: c, carrier", "values"),
    case("enum_values_are_described", CODES, {"unknown": "Unknown."}, "'Meaning. Remedy. → exception'", "no arrow"),
    case("enum_values_are_described", f"{CODES}/unknown", "No. → `OddError`", "unknown does not read", "exception"),
    case("received_objects_are_tolerant", f"{SCHEMAS}/TrackingEvent/required", ["data"], "requires data", "webhook"),
    case("received_objects_are_tolerant", f"{DATA}/events/type", "array", "events may not be null", "array"),
    case("received_objects_are_tolerant", f"{DATA}/ship_date/anyOf/2", GONE, "may not be null", "anyOf"),
    case("received_objects_are_tolerant", f"{WEBHOOK}/name/type", "string", "name may not be null", "response"),
    case("received_objects_are_tolerant", f"{ERROR}/field_name/type", "string", "may not be null", "error response"),
    case("received_objects_are_tolerant", f"{SCHEMAS}/Webhook/required", ["url"], "event may not be null", "required"),
    case("responses_are_declared", f"{START}/responses/204", GONE, "does not declare 2XX", "no success"),
    case("responses_are_declared", f"{STOP}/responses/401", GONE, "does not declare 401", "no 401"),
    case("responses_are_declared", f"{STOP}/responses/5XX", GONE, "does not declare 5XX", "no 5XX"),
    case("responses_are_declared", f"{JWKS}/responses/4XX", GONE, "does not declare 4XX", "no 4XX"),
    case("responses_are_declared", f"{OPERATIONS['delete_webhook']}/responses/404", GONE, "declare 404", "no 404"),
    case("responses_are_declared", f"{PARTS}/responses/RateLimited/headers", {}, "no Retry-After", "no Retry-After"),
    case(
        "responses_are_declared", f"{PARTS}/responses/Started/content", {"text/plain": {}}, "204 has", "204 with body"
    ),
    case("responses_are_declared", f"{PARTS}/responses/Webhooks/content", GONE, "200 has no body", "200 without body"),
    case("responses_are_declared", f"{PARTS}/responses/KeySet/{JSON}/schema", GONE, "right schema", "200, no schema"),
    case("responses_are_declared", f"{PARTS}/responses/NotFound/{JSON}/schema", GONE, "404 has", "404 without schema"),
    case("responses_are_declared", f"{PARTS}/responses/Unavailable/{JSON}", GONE, "5XX has", "5XX without JSON"),
    case("responses_are_declared", f"{PARTS}/responses/Unavailable/content/text~1html", GONE, "5XX has", "no HTML"),
    case("responses_are_declared", f"{PARTS}/responses/KeySetRejected/content", {"text/plain": {}}, "4XX", "no key"),
    case("only_calls_with_a_key_need_it", f"{START}/security", [{"api_key": []}], "is not None", "own security"),
    case("only_calls_with_a_key_need_it", f"{UPDATE}/security", GONE, "is not []", "webhook"),
    case("only_calls_with_a_key_need_it", f"{JWKS}/security", GONE, "is not []", "keys"),
    case("operations_have_samples", f"{START}/x-codeSamples", GONE, "are [], not ['HTTP'", "none"),
    case("operations_have_samples", f"{STOP}/x-codeSamples/1", GONE, "not ['HTTP', 'cURL'", "no cURL"),
    case("operations_have_samples", f"{UPDATE}/x-codeSamples/0", GONE, "not ['Python']", "webhook"),
]


def test_spec_is_valid_and_keeps_all_rules() -> None:
    assert problems(DOCUMENT) == []
    assert findings(DOCUMENT) == []


@pytest.mark.parametrize(("rule", "place", "value", "words"), CASES)
def test_rule_reports_a_mistake(rule: str, place: str, value: Any, words: str) -> None:
    found = findings(edited(place, value), [getattr(spec_rules, rule)])
    assert [finding for finding in found if words in finding]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_rules_check_every_operation(operation: str) -> None:
    for key, rule in [("summary", "everything_is_described"), ("x-codeSamples", "operations_have_samples")]:
        assert any(rule in one and one.startswith(operation) for one in findings(edited(f"{operation}/{key}", GONE)))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(f"{START}/summary", "API calls to USPS through ShipEngine", id="names in a summary"),
        pytest.param(f"{ERROR}/example", {**WORD, "type": ["string", "null"]}, id="member named like a keyword"),
        pytest.param(f"{ERROR}/field_value/examples", [{"properties": {"no": 1}}], id="example like a schema"),
        pytest.param(f"{DATA}/extra", only({"type": "string"}, {"type": "null"}), id="choice of types"),
    ],
)
def test_rules_accept_a_correct_edit(place: str, value: Any) -> None:
    assert findings(edited(place, value)) == []


def test_every_rule_has_a_case_and_a_docstring() -> None:
    assert {rule.__name__ for rule in spec_rules.RULES} == {param.values[0] for param in CASES}
    assert all(rule.__doc__ for rule in spec_rules.RULES)


def test_main_prints_findings_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, text = tmp_path / "page.yaml", SPEC.read_text()
    assert main() == 0
    for old, new, words in [
        ("schemas/Error'", "schemas/Errand'", "#/components/schemas/Errand is nowhere in this document"),
        ("maxLength: 25", "default: 5", "#/components/parameters/carrier_id/schema: 5 is not of type 'string'"),
        ("openapi: 3.1.1", "openapi: 3.0.3", "#/openapi: "),
        ("summary: Start tracking", "summary: Start Tracking", "(summaries_are_in_sentence_case)"),
    ]:
        page.write_text(text.replace(old, new))
        assert main(page) == 1
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit, match="No such file"):
        main(tmp_path / "nowhere.yaml")


def test_operations_share_their_error_responses() -> None:
    errors = {
        name: {status: node["$ref"].rpartition("/")[2] for status, node in one["responses"].items() if status[0] != "2"}
        for name, one in zip(OPERATIONS, operations(DOCUMENT), strict=True)
    }
    webhooks = errors["list_webhooks"]
    assert errors["start"] == errors["stop"] == errors["get"] == webhooks | {"400": "BadRequest", "404": "NotFound"}
    assert errors["create_webhook"] == webhooks | {"409": "Conflict"}
    assert errors["update_webhook"] == errors["delete_webhook"] == webhooks | {"404": "WebhookNotFound"}


def test_loaded_schemas_are_those_that_only_the_server_sends() -> None:
    assert loaded_schemas(DOCUMENT) == {
        *("Error", "ErrorResponse", "TrackingEvent", "TrackingInformation", "TrackingInformationEvent"),
        *("Webhook", "WebhookHeader"),
    }
