"""`make generate` and `make generate-check`, and what the generated code promises to the overlay."""

from __future__ import annotations

import copy
import re
import shutil
import sys
from pathlib import Path

import pytest

import generate
import spec
from document import DOCUMENT
from spec_lookup import operations

PACKAGE = generate.GENERATED / generate.PACKAGE
ENUM = f"{generate.PACKAGE}/models/known_error_source.py"
VALUE = "        - order_source\n"  # of that enum


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of generated/, which `generate.main` uses instead."""
    monkeypatch.setattr(generate, "GENERATED", tmp_path / "repository" / "generated")
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE.parent, generate.GENERATED, ignore=ignored)


def edited_spec(tmp_path: Path, old: str, new: str) -> Path:
    text = spec.SPEC.read_text()
    assert old in text
    path = tmp_path / "openapi.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_generator_input_requires_members_that_only_the_server_sends() -> None:
    document = copy.deepcopy(DOCUMENT)
    schemas = document["components"]["schemas"]
    schemas["Carrier"] = {"properties": {"code": {"type": "string"}, "name": {"type": "string"}}, "required": ["code"]}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Carrier"}}}}
    document["paths"]["/v1/tracking/start"]["post"]["requestBody"] = body
    # A schema that requests use stays unchanged, even if the server sends it too.
    document["webhooks"]["tracking_update"]["post"]["requestBody"]["content"]["text/json"] = body
    prepared = generate.generator_input(document)
    changed = {name for name, schema in prepared["components"]["schemas"].items() if schema != schemas[name]}
    tracking = {"TrackingEvent", "TrackingInformation", "TrackingInformationEvent"}
    assert changed == tracking | {"Error", "Webhook", "WebhookHeader"}
    for name in changed:
        schemas[name]["required"] = list(schemas[name]["properties"])
    assert prepared == document


def test_attributes_of_models_that_the_server_sends_are_never_unset() -> None:
    models = {path.stem: path.read_text() for path in (PACKAGE / "models").glob("*.py")}
    # The overlay sends the first two, and does not read keys as models.
    may_be_unset = {"create_webhook_request", "update_webhook_request", "json_web_key"}
    assert any("None | str" in text for text in models.values())
    assert {name for name, text in models.items() if "Unset" in text or "UNSET" in text} == may_be_unset


def test_generated_functions_accept_a_client_without_authentication() -> None:
    functions = [path for path in (PACKAGE / "api").glob("*/*.py") if path.stem != "__init__"]
    assert {path.stem for path in functions} == {operation["operationId"] for operation in operations(DOCUMENT)}
    for path in functions:
        clients = re.findall(r"^    client: (.*),$", path.read_text(), flags=re.MULTILINE)
        assert set(clients) == {"AuthenticatedClient | Client"}, path


def test_tools_of_other_versions_are_rejected(monkeypatch: pytest.MonkeyPatch, output: Path) -> None:
    monkeypatch.setattr(generate, "version", lambda _: "0.1.0")
    with pytest.raises(generate.GenerateError, match=r"openapi-python-client==0\.1\.0"):
        generate.run(spec.SPEC, output)


@pytest.mark.slow
def test_check_ignores_the_configuration_of_the_machine(
    tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "openapi_python_client.py").write_text("raise SystemExit('the wrong generator')")
    (wrong / "ruff").write_text("#!/bin/sh\nexit 1\n")
    (wrong / "ruff").chmod(0o755)
    for folder in (tmp_path, output.parent):
        (folder / "ruff.toml").write_text("line-length = 40\nindent-width = 2\n[format]\nquote-style = 'single'\n")
    (output.parent / ".git").mkdir()
    (output.parent / ".gitignore").write_text("*.py\nmodels/\n")
    for name in ("PATH", "PYTHONPATH", "HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(wrong))
    monkeypatch.setenv("PYTHONHASHSEED", "4242")
    monkeypatch.setenv("RUFF_CONFIG", str(tmp_path / "ruff.toml"))
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generate.main() == 0


@pytest.mark.slow
def test_check_names_every_difference_and_changes_nothing(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (output / ENUM).write_text("# old\n")
    (output / generate.PACKAGE / "errors.py").unlink()
    (output / "beside.py").touch()
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    with pytest.raises(SystemExit, match="make generate"):
        generate.main()
    assert capsys.readouterr().out.splitlines() == [
        "extra    generated/beside.py",
        f"missing  generated/{generate.PACKAGE}/errors.py",
        f"differs  generated/{ENUM}",
    ]
    assert len(generate.compare(PACKAGE.parent, output)) == 3


@pytest.mark.slow
def test_generate_writes_what_the_spec_has_changed_and_nothing_else(tmp_path: Path) -> None:
    output = tmp_path / "generated"
    generate.run(spec.SPEC, output)
    (output / generate.PACKAGE / "__pycache__").mkdir()
    (output / generate.PACKAGE / "__pycache__" / "client.pyc").touch()
    assert generate.compare(PACKAGE.parent, output) == []
    changed = generate.run(edited_spec(tmp_path, VALUE, VALUE + VALUE.replace("order_source", "moon")), output)
    assert changed == generate.compare(PACKAGE.parent, output) == [f"differs  generated/{ENUM}"]
    assert 'MOON = "moon"' in (output / ENUM).read_text()
    assert list((tmp_path / "build").iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("openapi: 3.1.1\n", "openapi: [\n", "not valid YAML", id="not YAML"),
        pytest.param("openapi: 3.1.1\n", "", "required property", id="not OpenAPI"),
        pytest.param(VALUE, VALUE + VALUE.upper(), "Duplicate key ORDER_SOURCE", id="an exception of the generator"),
        pytest.param(
            "    Started:\n",
            "    Started:\n      content:\n        application/pdf+odd:\n          schema: {type: string}\n",
            "WARNING parsing POST /v1/tracking/start",
            id="a warning of the generator",
        ),
    ],
)
def test_invalid_spec_keeps_the_old_tree(
    tmp_path: Path, output: Path, old: str, new: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "SPEC", edited_spec(tmp_path, old, new))
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    with pytest.raises(SystemExit, match=message):
        generate.main()
    assert generate.compare(PACKAGE.parent, output) == []
