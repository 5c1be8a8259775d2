"""The spec is valid OpenAPI and follows its rules, and each rule reports the mistakes that it is for."""

from pathlib import Path
from typing import Any

import pytest

import spec_rules
from document import DOCUMENT, GONE, edited
from spec import SPEC
from spec_lookup import operations
from spec_rules import findings, main

START, JWKS = "#/paths/~1v1~1tracking~1start/post", "#/paths/~1jwks/get"
DELETE = "#/paths/~1v1~1environment~1webhooks~1{webhook_id}/delete"
UPDATE = "#/webhooks/tracking_update/post"
PARTS, SCHEMAS = "#/components", "#/components/schemas"
CODES = f"{SCHEMAS}/KnownErrorCode/x-enumDescriptions"
ERROR, DATA, WEBHOOK = (f"{SCHEMAS}/{name}/properties" for name in ("Error", "TrackingInformation", "Webhook"))
JSON = "content/application~1json"
WORD = {"type": ["string", "null"], "description": "A word.", "examples": ["-"]}


def case(rule: str, place: str, value: Any, words: str, what: str) -> Any:
    return pytest.param(rule, place, value, words, id=f"{rule}-{what}")


def described(place: str, what: str) -> Any:
    return case("everything_is_described", place, GONE, f"has no {place.rpartition('/')[2]}", what)


CASES = [
    described("#/servers/1/description", "server"),
    described(f"{UPDATE}/summary", "webhook"),
    described(f"{PARTS}/responses/Started/description", "response"),
    described(f"{PARTS}/parameters/carrier_id/schema/description", "parameter"),
    described(f"{PARTS}/securitySchemes/api_key/description", "security scheme"),
    described(f"{PARTS}/examples/missing_key/summary", "example"),
    described(f"{SCHEMAS}/TrackingEvent/description", "schema"),
    described(f"{DATA}/ship_date/description", "member"),
    case("scalars_have_examples", f"{ERROR}/error_code/examples", GONE, "has no example", "member"),
    case("scalars_have_examples", f"{UPDATE}/requestBody/{JSON}/examples", GONE, "has no example", "body"),
    case("prose_is_in_sentences", f"{ERROR}/message/description", "one sentence.", "'one sentence.'", "lower case"),
    case("prose_is_in_sentences", f"{ERROR}/message/description", "No full stop", "not written", "no full stop"),
    case("prose_is_in_sentences", f"{CODES}/unknown", "Unknown", "not written in sentences", "enum text"),
    case("summaries_are_in_sentence_case", f"{START}/summary", "start tracking", "'start tracking'", "lower case"),
    case("summaries_are_in_sentence_case", f"{START}/summary", "Start tracking.", "sentence case", "full stop"),
    case("summaries_are_in_sentence_case", f"{START}/summary", "Start Tracking", "sentence case", "title case"),
    case("nothing_is_closed", f"{ERROR}/error_code/anyOf/1", GONE, "no plain string", "enum without a string"),
    case("nothing_is_closed", f"{ERROR}/error_type", {"$ref": f"{SCHEMAS}/KnownErrorType"}, "outside an anyOf", "enum"),
    case("nothing_is_closed", f"{ERROR}/message/format", "date-time", "outside an anyOf", "date"),
    case("nothing_is_closed", f"{SCHEMAS}/Error/additionalProperties", False, "new members", "object"),
    case("nothing_is_closed", f"{ERROR}/message/const", "No.", "const", "const"),
    case("nothing_is_closed", f"{ERROR}/message/example", "No.", "deprecated", "example"),
    case("enum_values_are_described", f"{CODES}/unknown", GONE, "differ: unknown", "text missing"),
    case("enum_values_are_described", f"{CODES}/unknown", " ", "unknown has no description", "blank text"),
    case("enum_values_are_described", f"{SCHEMAS}/KnownErrorSource/enum", [*"sco"], "differ: c, carrier", "values"),
    case("enum_values_are_described", f"{CODES}/unknown", "No. → `OddError`", "unknown does not read", "exception"),
    case("received_objects_are_tolerant", f"{SCHEMAS}/TrackingEvent/required", ["data"], "requires data", "webhook"),
    case("received_objects_are_tolerant", f"{DATA}/ship_date/anyOf/2", GONE, "may not be null", "anyOf"),
    case("received_objects_are_tolerant", f"{WEBHOOK}/name/type", "string", "name may not be null", "response"),
    case("received_objects_are_tolerant", f"{SCHEMAS}/Webhook/required", ["url"], "event may not be null", "required"),
    case("responses_are_declared", f"{START}/responses/204", GONE, "does not declare 2XX", "no success"),
    case("responses_are_declared", f"{DELETE}/responses/404", GONE, "declare 404", "no 404"),
    case("responses_are_declared", f"{PARTS}/responses/RateLimited/headers", {}, "no Retry-After", "no Retry-After"),
    case("responses_are_declared", f"{PARTS}/responses/Webhooks/content", GONE, "200 has no body", "200 without body"),
    case("responses_are_declared", f"{PARTS}/responses/KeySet/{JSON}/schema", GONE, "right schema", "200, no schema"),
    case("responses_are_declared", f"{PARTS}/responses/Unavailable/{JSON}", GONE, "5XX has", "5XX without JSON"),
    case("responses_are_declared", f"{PARTS}/responses/KeySetRejected/content", {"text/plain": {}}, "4XX", "no key"),
    case("only_calls_with_a_key_need_it", f"{START}/security", [{"api_key": []}], "is not None", "own security"),
    case("only_calls_with_a_key_need_it", f"{UPDATE}/security", GONE, "is not []", "webhook"),
    case("operations_have_samples", f"{START}/x-codeSamples", GONE, "are [], not ['HTTP'", "none"),
    case("operations_have_samples", f"{UPDATE}/x-codeSamples/0", GONE, "not ['Python']", "webhook"),
]


def test_spec_is_valid_and_keeps_all_rules() -> None:
    assert main() == 0


@pytest.mark.parametrize(("rule", "place", "value", "words"), CASES)
def test_rule_reports_a_mistake(rule: str, place: str, value: Any, words: str) -> None:
    found = findings(edited(place, value), [getattr(spec_rules, rule)])
    assert [finding for finding in found if words in finding]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(f"{START}/summary", "API calls to USPS through ShipEngine", id="names in a summary"),
        pytest.param(f"{ERROR}/example", WORD, id="member named like a keyword"),
        pytest.param(f"{ERROR}/field_value/examples", [{"properties": {"no": 1}}], id="example like a schema"),
    ],
)
def test_rules_accept_a_correct_edit(place: str, value: Any) -> None:
    assert findings(edited(place, value)) == []


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for rule in spec_rules.RULES} == {param.values[0] for param in CASES}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("schemas/Error'", "schemas/Errand'", "Errand is nowhere in this document", id="not OpenAPI"),
        pytest.param("Start tracking a", "Start Tracking a", "(summaries_are_in_sentence_case)", id="rule"),
    ],
)
def test_main_prints_what_it_finds_and_fails(
    old: str, new: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.yaml"
    page.write_text(SPEC.read_text().replace(old, new))
    assert main(page) == 1
    assert words in capsys.readouterr().err


def test_main_names_a_file_that_it_cannot_load(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="No such file"):
        main(tmp_path / "nowhere.yaml")


def test_operations_share_their_error_responses() -> None:
    errors = {
        one["operationId"]: {
            status: node["$ref"].rpartition("/")[2] for status, node in one["responses"].items() if status[0] != "2"
        }
        for one in operations(DOCUMENT)
    }
    webhooks = errors["list_webhooks"]
    assert errors["start_tracking"] == webhooks | {"400": "BadRequest", "404": "NotFound"}
    assert errors["start_tracking"] == errors["stop_tracking"] == errors["get_tracking_log"]
    assert errors["create_webhook"] == webhooks | {"409": "Conflict"}
    assert errors["update_webhook"] == errors["delete_webhook"] == webhooks | {"404": "WebhookNotFound"}
