"""The outline says what the spec promises, and which changes of it can break a client."""

import shutil
import subprocess
from pathlib import Path

import pytest

import spec_outline
from document import DOCUMENT, GONE, edited
from spec import SPEC
from spec_outline import breaking, main, named, outline

START = "POST /v1/tracking/start"
PATH = "#/paths/~1v1~1tracking~1start"
POST, OPERATION = f"{PATH}/post", DOCUMENT["paths"]["/v1/tracking/start"]["post"]
SCHEMAS, RESPONSES = "#/components/schemas", "#/components/responses"
ERROR, UPDATE_WEBHOOK = f"{SCHEMAS}/Error/properties", f"{SCHEMAS}/UpdateWebhookRequest"
STRING = {"type": "string"}
SIZE = {"name": "size", "in": "query", "required": True, "schema": STRING}
CAUSES = {"type": "array", "items": {"allOf": [{"properties": {"size": STRING}, "required": ["size"]}]}}
BODY = {"required": True, "content": {"text/plain": {"schema": STRING}}}


def broken_by(place: str, value: object) -> list[str]:
    """Return the places of the breaking changes that an edit makes."""
    return breaking(outline(DOCUMENT), outline(edited(place, value)), set())


def test_outline_has_a_line_for_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert set(capsys.readouterr().out.splitlines()) >= {
        "security api_key: in header, name API-Key, type apiKey",
        f"{START}: operationId start_tracking, security [{{api_key: []}}], tags [tracking]",
        f"{START} query carrier_id: string, maxLength 25, minLength 1, pattern ^se(-[a-z0-9]+)+$",
        f"{START} response 404 application/json: ErrorResponse",
        f"{START} response 429 header Retry-After: integer",
        "PUT /v1/environment/webhooks/{webhook_id} body application/json: UpdateWebhookRequest, required",
        "webhook tracking_update header x-shipengine-timestamp: string, required",
        "schema Error.field_value: anything",
        "schema TrackingInformation.ship_date: string, format date-time | string | null",
        "schema Webhook.headers: array of WebhookHeader | null",
    }


@pytest.mark.parametrize(
    ("pointer", "value", "place"),
    [
        pytest.param(PATH, GONE, START, id="operation removed"),
        pytest.param(f"{PATH}/parameters", [SIZE], f"{START} query size", id="new parameter of a path required"),
        pytest.param(f"{POST}/requestBody", BODY, f"{START} body text/plain", id="new body required"),
        pytest.param(f"{POST}/responses/404", GONE, f"{START} response 404", id="response removed"),
        pytest.param(f"{ERROR}/causes", CAUSES, "Error.causes[].size", id="member of an inline schema required"),
        pytest.param(f"{ERROR}/message/type", ["string", "null"], "Error.message", id="member may be null"),
        pytest.param(f"{SCHEMAS}/Error/required", ["error_code"], "Error.message", id="member no longer required"),
        pytest.param(f"{UPDATE_WEBHOOK}/required", ["url"], "UpdateWebhookRequest.url", id="member now required"),
        pytest.param(f"{SCHEMAS}/KnownStatusCode/enum", ["IT"], "KnownStatusCode.SP", id="enum value removed"),
        pytest.param("#/servers/1", GONE, "server https://api.eu.shipengine.com", id="server removed"),
        pytest.param("#/components/securitySchemes/api_key/name", "X-Key", "security api_key", id="security scheme"),
    ],
)
def test_breaking_change_is_reported(pointer: str, value: object, place: str) -> None:
    assert [found for found in broken_by(pointer, value) if found.startswith(place)] == [place]  # without its parts


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param(f"{PATH}/parameters", [{**SIZE, "required": False}], id="optional parameter"),
        pytest.param(f"{POST}/parameters", OPERATION["parameters"][::-1], id="order"),
        pytest.param(f"{POST}/responses/404", DOCUMENT["components"]["responses"]["NotFound"], id="reference followed"),
        pytest.param("#/paths/~1new", {"put": {"parameters": [SIZE], "responses": {}}}, id="operation with parameter"),
        pytest.param(f"{ERROR}/hint", STRING, id="optional member"),
        pytest.param(f"{ERROR}/message/description", "-", id="description"),
    ],
)
def test_addition_or_rewording_is_not_breaking(pointer: str, value: object) -> None:
    assert broken_by(pointer, value) == []


@pytest.mark.parametrize(
    ("changelog", "accepted"),
    [
        pytest.param("## [Unreleased]\n- `Error.causes[].size` is gone.", True, id="the place"),
        pytest.param("## [Unreleased]\n- `Error.causes` is another.", True, id="what contains the place"),
        pytest.param("## [Unreleased]\n- `Err` and `size` are gone.", False, id="other names"),
        pytest.param("## [Unreleased]\n## [1.0.0]\n- `Error` is another.", False, id="released section"),
        pytest.param("## [1.0.0]\n- `Error` is another.", False, id="only released sections"),
    ],
)
def test_change_is_accepted_if_the_changelog_names_it(changelog: str, accepted: bool) -> None:
    found = breaking({"schema Error.causes[].size": "string"}, {}, named(changelog))
    assert found == ([] if accepted else ["Error.causes[].size"])


def test_main_compares_with_a_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, changelog = tmp_path / "spec" / "openapi.yaml", tmp_path / "CHANGELOG.md"
    page.parent.mkdir()
    shutil.copy(SPEC, page)
    changelog.write_text("## [Unreleased]\n")
    for command in ("init -q", "add -A", "-c user.name=A -c user.email=a@b.c commit -qm One"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    monkeypatch.setattr(spec_outline, "ROOT", tmp_path)
    page.write_text(page.read_text().replace("operationId: start_tracking", "operationId: begin"))
    assert main(["HEAD"]) == 1
    printed = capsys.readouterr()
    assert [line.partition(",")[0] for line in printed.out.splitlines()] == [
        f"- {START}: operationId start_tracking",
        f"+ {START}: operationId begin",
    ]
    assert f"does not name `{START}`" in printed.err

    changelog.write_text(f"## [Unreleased]\n- `{START}` has another name.\n")
    assert main(["HEAD"]) == 0
    with pytest.raises(SystemExit, match="nowhere is not a git revision"):
        main(["nowhere"])
