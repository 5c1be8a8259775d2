"""What two versions of the spec promise differently, and which of it can break a client."""

import copy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from document import DOCUMENT
from spec import SPEC
from spec_diff import compare
from spec_places import operations

Edit = Callable[[Any], object]

START = "POST /v1/tracking/start"
ERROR = f"{START}: response 404, application/json, errors[]."
DATA = "webhook tracking_update: body, application/json, data."
NEW = {"name": "size", "in": "query", "schema": {"type": "string"}}
STRING = {"type": "string"}
LIST = {"type": "array", "items": STRING}
KINDS = ("string", "integer")
EITHER = [{"type": kind} for kind in KINDS]
ELSEWHERE = [{"url": "https://example.com"}]
SIZE = f"{START}: query parameter carrier_code"
UNCLEAR = "changed in a way that this check does not understand"


def start(document: Any) -> Any:
    return document["paths"]["/v1/tracking/start"]["post"]


def path(document: Any) -> Any:
    return document["paths"]["/v1/tracking/start"]


def size(document: Any) -> Any:
    return parameter(document, "carrier_code")["schema"]


def items(document: Any) -> Any:
    return size(document)["items"]


def either(document: Any) -> Any:
    return size(document)["anyOf"]


def extra(document: Any) -> Any:
    return schema(document, "TrackingInformation")["properties"].setdefault("extra", {})


def update(document: Any) -> Any:
    return document["webhooks"]["tracking_update"]["post"]


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def member(document: Any, name: str, key: str) -> Any:
    return schema(document, name)["properties"][key]


def parameter(document: Any, name: str) -> Any:
    return document["components"]["parameters"][name]


def response(document: Any, name: str) -> Any:
    return document["components"]["responses"][name]


# Each a sentence and the edit that it is about, after one that makes ready for it where the spec has no such thing.
BREAKING: list[tuple[str, *tuple[Edit, ...]]] = [
    (f"{START} is gone", lambda d: d["paths"].clear()),
    (f"{START} was operationId start_tracking, is operationId begin", lambda d: start(d).update(operationId="begin")),
    (f"{START}: query parameter carrier_id is gone", lambda d: start(d)["parameters"].pop()),
    (f"{START}: query parameter size is new", lambda d: start(d)["parameters"].append({**NEW, "required": True})),
    (
        f"{START}: query parameter carrier_id is now required",
        lambda d: parameter(d, "carrier_id").update(required=True),
    ),
    (
        f"{START}: query parameter carrier_id had maxLength 25, has 20",
        lambda d: parameter(d, "carrier_id")["schema"].update(maxLength=20),
    ),
    (
        f"{START}: query parameter carrier_code had minLength 1, has 2",
        lambda d: parameter(d, "carrier_code")["schema"].update(minLength=2),
    ),
    (
        f"{START}: query parameter carrier_code had pattern None, has ^[a-z_]+$",
        lambda d: parameter(d, "carrier_code")["schema"].update(pattern="^[a-z_]+$"),
    ),
    (
        f"{START}: query parameter carrier_code takes no other values now",
        lambda d: parameter(d, "carrier_code")["schema"].update(enum=["usps"]),
    ),
    (
        f"{START}: query parameter carrier_code is no longer string",
        lambda d: parameter(d, "carrier_code")["schema"].update(type="integer"),
    ),
    (f"{START}: response 404 is gone", lambda d: start(d)["responses"].pop("404")),
    (
        f"{START}: response 404, application/json is gone",
        lambda d: rename(response(d, "NotFound")["content"], "application/json", "application/problem+json"),
    ),
    (
        f"{START}: response 429, header Retry-After is gone",
        lambda d: response(d, "RateLimited")["headers"].pop("Retry-After"),
    ),
    (f"{ERROR}field_name is gone", lambda d: schema(d, "Error")["properties"].pop("field_name")),
    (f"{ERROR}message is no longer required", lambda d: schema(d, "Error")["required"].remove("message")),
    (f"{ERROR}message may now be null", lambda d: member(d, "Error", "message").update(type=["string", "null"])),
    (f"{ERROR}message may now be integer", lambda d: member(d, "Error", "message").update(type="integer")),
    (f"{ERROR}error_code no longer knows unknown", lambda d: schema(d, "KnownErrorCode")["enum"].remove("unknown")),
    ("webhook tracking_update is gone", lambda d: d.pop("webhooks")),
    (
        "webhook tracking_update: header parameter x-shipengine-timestamp is gone",
        lambda d: update(d)["parameters"].pop(),
    ),
    (
        "webhook tracking_update: header parameter x-shipengine-timestamp is no longer required",
        lambda d: parameter(d, "signature_timestamp").update(required=False),
    ),
    (f"{DATA}tracking_number is gone", lambda d: schema(d, "TrackingInformation")["properties"].pop("tracking_number")),
    (f"{DATA}events[].signer is gone", lambda d: schema(d, "TrackingInformationEvent")["properties"].pop("signer")),
    (f"{DATA}status_code no longer knows SP", lambda d: schema(d, "KnownStatusCode")["enum"].remove("SP")),
    (
        f"{DATA}ship_date is no longer string (date-time)",
        lambda d: member(d, "TrackingInformation", "ship_date")["anyOf"].pop(0),
    ),
    ("server https://api.eu.shipengine.com is gone", lambda d: d["servers"].pop()),
    ("security was [{'api_key': []}], is None", lambda d: d.pop("security")),
    (
        "security scheme api_key was {'type': 'apiKey', 'in': 'header', 'name': 'API-Key'}, "
        "is {'type': 'apiKey', 'in': 'header', 'name': 'X-Key'}",
        lambda d: d["components"]["securitySchemes"]["api_key"].update(name="X-Key"),
    ),
    ("schema KnownErrorType is gone", lambda d: call_error_type(d, "ErrorKind")),
    (f"{START}: query parameter size is new", lambda d: path(d).update(parameters=[{**NEW, "required": True}])),
    (f"{SIZE} takes no other values now", lambda d: size(d).update(const="M")),
    (f"{SIZE} had maxLength None, has 3", lambda d: size(d).update(allOf=[{"maxLength": 3}])),
    (f"{SIZE} had maxLength 9, has 3", lambda d: size(d).update(maxLength=9), lambda d: size(d).update(maxLength=3)),
    (
        f"{SIZE} had maxLength 9, has 3",
        lambda d: size(d).update(anyOf=[{"maxLength": 9}, {"type": "null"}]),
        lambda d: size(d)["anyOf"][0].update(maxLength=3),
    ),
    (f"{SIZE} is no longer integer", lambda d: size(d).update(anyOf=EITHER, type=[*KINDS]), lambda d: either(d).pop()),
    (f"{SIZE}[] is no longer string", lambda d: size(d).update(LIST), lambda d: items(d).update(type="integer")),
    (f"{SIZE}[] is no longer anything", lambda d: size(d).update(type="array"), lambda d: size(d).update(LIST)),
    (
        f"{SIZE}[] no longer knows M",
        lambda d: size(d).update(type="array", items={"enum": ["M", "L"]}),
        lambda d: items(d)["enum"].remove("M"),
    ),
    (
        f"{DATA}extra.* may now be integer",
        lambda d: extra(d).update(type="object", additionalProperties={"type": "string"}),
        lambda d: extra(d)["additionalProperties"].update(type="integer"),
    ),
    (
        f"{SIZE}, * is no longer anything",
        lambda d: size(d).update(type="object"),
        lambda d: size(d).update(additionalProperties=False),
    ),
    (f"{START}: security was as everywhere, is [{{}}]", lambda d: start(d).update(security=[{}])),
    (f"{START}: servers was as everywhere, is {ELSEWHERE}", lambda d: start(d).update(servers=ELSEWHERE)),
    (f"{START}: servers was as everywhere, is {ELSEWHERE}", lambda d: path(d).update(servers=ELSEWHERE)),
    (f"{START}: tags was ['tracking'], is ['parcels']", lambda d: start(d).update(tags=["parcels"])),
    (
        f"{START}: query parameter carrier_id was style form, exploded, is style spaceDelimited, not exploded",
        lambda d: parameter(d, "carrier_id").update(style="spaceDelimited"),
    ),
    (f"{START}: body is new", lambda d: start(d).update(requestBody={"required": True, "content": {}})),
    (f"the document {UNCLEAR}", lambda d: d.update(jsonSchemaDialect="https://example.com/dialect")),
    (f"server https://api.shipengine.com {UNCLEAR}", lambda d: d["servers"][0].update(variables={})),
    (f"{START} {UNCLEAR}", lambda d: start(d).update(callbacks={})),
    (f"{START} {UNCLEAR}", lambda d: path(d).update({"x-unknown": 1})),
    (f"{START}: query parameter carrier_id {UNCLEAR}", lambda d: parameter(d, "carrier_id").update(allowReserved=True)),
    (f"{SIZE} {UNCLEAR}", lambda d: size(d).update({"not": {"enum": ["M"]}})),
    (f"{START}: response 404 {UNCLEAR}", lambda d: response(d, "NotFound").update(links={})),
    (
        f"{START}: response 404, application/json: sending {UNCLEAR}",
        lambda d: response(d, "NotFound")["content"]["application/json"].update(encoding={}),
    ),
    (
        f"{START}: response 429, header Retry-After: sending {UNCLEAR}",
        lambda d: response(d, "RateLimited")["headers"].update({"Retry-After": {"deprecated": True}}),
    ),
]

HARMLESS: list[tuple[str, *tuple[Edit, ...]]] = [
    (f"{START}: query parameter size is new", lambda d: start(d)["parameters"].append(NEW)),
    (
        f"{START}: query parameter carrier_id had maxLength 25, has 40",
        lambda d: parameter(d, "carrier_id")["schema"].update(maxLength=40),
    ),
    (
        f"{START}: query parameter carrier_id had pattern ^se(-[a-z0-9]+)+$, has None",
        lambda d: parameter(d, "carrier_id")["schema"].pop("pattern"),
    ),
    (
        f"{START}: query parameter carrier_id may now be integer",
        lambda d: parameter(d, "carrier_id")["schema"].update(type=["string", "integer"]),
    ),
    (
        f"{START}: response 409 is new",
        lambda d: start(d)["responses"].update({"409": {"$ref": "#/components/responses/Refused"}}),
    ),
    (f"{ERROR}hint is new", lambda d: schema(d, "Error")["properties"].update(hint=STRING)),
    (f"{ERROR}error_code now knows not_found", lambda d: schema(d, "KnownErrorCode")["enum"].append("not_found")),
    (f"{ERROR}carrier_id is no longer null", lambda d: member(d, "Error", "carrier_id").update(type="string")),
    (f"{DATA}weight is new", lambda d: schema(d, "TrackingInformation")["properties"].update(weight=STRING)),
    (
        f"{DATA}tracking_number is now required",
        lambda d: schema(d, "TrackingInformation").update(required=["tracking_number"]),
    ),
    ("schema Spare is new", lambda d: d["components"]["schemas"].update(Spare=STRING)),
    (
        "#/components/schemas/Error reads differently or has other examples",
        lambda d: schema(d, "Error").update(description="-"),
    ),
    (
        "#/components/schemas/Error reads differently or has other examples",
        lambda d: member(d, "Error", "message").update(examples=["-"]),
    ),
    (f"{SIZE} may now be integer", lambda d: size(d).update(anyOf=EITHER, type=[*KINDS])),
    (f"{SIZE} may now be anything", lambda d: size(d).pop("type")),
    (f"{ERROR}* may now be string", lambda d: schema(d, "Error").update(additionalProperties=STRING)),
    (f"{START}: body is new", lambda d: start(d).update(requestBody={"content": {}})),
    (
        f"{START}: body, text/xml is new",
        lambda d: start(d).update(requestBody={"required": True, "content": {"application/json": {}}}),
        lambda d: start(d)["requestBody"]["content"].update({"text/xml": {}}),
    ),
    ("#/info/version reads differently or has other examples", lambda d: d["info"].update(version="9.9.9")),
]


def rename(mapping: Any, old: str, new: str) -> None:
    mapping[new] = mapping.pop(old)


def call_error_type(document: Any, name: str) -> None:
    rename(document["components"]["schemas"], "KnownErrorType", name)
    member(document, "Error", "error_type")["anyOf"][0] = {"$ref": f"#/components/schemas/{name}"}


def changes(*edits: Edit) -> list[tuple[bool, str]]:
    """What the last edit changes."""
    *ready, edit = edits
    before = copy.deepcopy(DOCUMENT)
    for make_ready in ready:
        make_ready(before)
    after = copy.deepcopy(before)
    edit(after)
    return compare(before, after)


@pytest.mark.parametrize(("sentence", "edits"), [(sentence, edits) for sentence, *edits in BREAKING])
def test_a_breaking_change_is_named(sentence: str, edits: list[Edit]) -> None:
    assert (True, sentence) in changes(*edits)


@pytest.mark.parametrize(("sentence", "edits"), [(sentence, edits) for sentence, *edits in HARMLESS])
def test_a_harmless_change_is_named_and_breaks_nothing(sentence: str, edits: list[Edit]) -> None:
    assert (False, sentence) in changes(*edits)
    assert not any(breaking for breaking, _ in changes(*edits))


def test_another_way_to_write_the_same_is_no_change() -> None:
    def wrap(document: Any) -> None:
        for name in ("carrier_id", "signature"):
            parameter(document, name)["schema"] = {"allOf": [parameter(document, name)["schema"]]}
        holder = schema(document, "ErrorResponse")["properties"]
        holder["errors"]["items"] = {"allOf": [holder["errors"]["items"]]}
        path(document)["parameters"] = start(document).pop("parameters")
        start(document)["security"] = document["security"]
        parameter(document, "carrier_id").update(style="form", explode=True)

    assert [sentence for _, sentence in changes(wrap) if "reads differently" not in sentence] == []


def test_order_and_place_do_not_matter() -> None:
    def shuffle(document: Any) -> None:
        start(document)["parameters"].reverse()
        schema(document, "KnownErrorCode")["enum"].reverse()
        start(document)["responses"]["404"] = response(document, "NotFound")

    assert [sentence for breaking, sentence in changes(shuffle) if "reads differently" not in sentence] == []


def test_parts_of_something_removed_are_not_listed() -> None:
    removed = [breaking for breaking, _ in changes(lambda d: d["paths"].clear()) if breaking]
    assert len(removed) == len(operations(DOCUMENT))


def test_a_schema_may_hold_itself() -> None:
    def nest(document: Any) -> None:
        schema(document, "Error")["properties"]["causes"] = {"items": {"$ref": "#/components/schemas/Error"}}

    assert (False, f"{ERROR}causes is new") in changes(nest)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A separate repository, with the spec committed and then broken."""
    for name in ("scripts", "spec"):
        shutil.copytree(SPEC.parent.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "One"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    page = tmp_path / "spec" / "openapi.yaml"
    page.write_text(page.read_text().replace("        - $ref: '#/components/parameters/carrier_id'\n", "", 1))
    return tmp_path


def spec_diff(house: Path, base: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/spec_diff.py", base]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_breaking_change_fails_until_the_changelog_lists_it(scratch: Path) -> None:
    sentence = f"{START}: query parameter carrier_id is gone"
    said = spec_diff(scratch, "HEAD")
    assert said.returncode == 1
    assert f"BREAKING  {sentence}" in said.stdout
    assert f"no new line of CHANGELOG.md says: {sentence}" in said.stderr
    (scratch / "CHANGELOG.md").write_text(f"# Changes\n\n- {sentence}\n")
    assert spec_diff(scratch, "HEAD").returncode == 0


@pytest.mark.slow
def test_no_change_passes_and_unknown_base_is_reported(scratch: Path) -> None:
    subprocess.run(["git", "checkout", "-q", "--", "spec"], cwd=scratch, check=True)
    assert spec_diff(scratch, "HEAD").stdout == "0 changes of the spec since HEAD\n"
    unknown = spec_diff(scratch, "v0.0.0")
    assert (unknown.returncode, unknown.stderr) == (1, "v0.0.0 is not a git revision, or has no spec/openapi.yaml\n")
