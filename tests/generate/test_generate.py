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
from spec_places import operations

PACKAGE = generate.GENERATED / generate.PACKAGE
ENUM = f"{generate.PACKAGE}/models/known_error_source.py"
VALUE = "        - order_source\n"  # of the enum
BODY = "    Started:\n"  # a response without a body


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A copy of the generated tree."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(generate.GENERATED, tmp_path / "repository" / "generated", ignore=ignored)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the spec."""
    return Path(shutil.copy(spec.SPEC, tmp_path / "openapi.yaml"))


def edit(source: Path, old: str, new: str) -> None:
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))


def call_main(monkeypatch: pytest.MonkeyPatch, output: Path, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["generate.py", *arguments])
    monkeypatch.setattr(generate, "GENERATED", output)
    return generate.main()


def test_generator_input_requires_members_that_only_the_server_sends() -> None:
    document = copy.deepcopy(DOCUMENT)
    schemas = document["components"]["schemas"]
    schemas["Carrier"] = {"properties": {"code": {"type": "string"}, "name": {"type": "string"}}, "required": ["code"]}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Carrier"}}}}
    document["components"]["requestBodies"] = {"Carrier": body}
    start = document["paths"]["/v1/tracking/start"]["post"]
    start["requestBody"] = {"$ref": "#/components/requestBodies/Carrier"}
    # A schema that requests use stays unchanged, even if the server sends it too.
    document["webhooks"]["tracking_update"]["post"]["requestBody"]["content"]["text/json"] = body
    before = copy.deepcopy(document)

    prepared = generate.generator_input(document)

    assert document == before
    changed = {name for name, schema in prepared["components"]["schemas"].items() if schema != schemas[name]}
    assert changed == {
        "Error",
        "TrackingEvent",
        "TrackingInformation",
        "TrackingInformationEvent",
        "Webhook",
        "WebhookHeader",
    }
    for name in changed:
        schema = prepared["components"]["schemas"].pop(name)
        assert schema == schemas.pop(name) | {"required": list(schema["properties"])}
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


def test_compare_names_missing_extra_and_different_files(output: Path) -> None:
    package = output / generate.PACKAGE
    (package / "client.py").write_text("")
    (package / "errors.py").unlink()
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "client.pyc").touch()
    (output / "beside.py").touch()
    assert generate.compare(generate.GENERATED, output) == [
        "extra    generated/beside.py",
        f"differs  generated/{generate.PACKAGE}/client.py",
        f"missing  generated/{generate.PACKAGE}/errors.py",
    ]


def test_tools_of_other_versions_are_rejected(monkeypatch: pytest.MonkeyPatch, source: Path, output: Path) -> None:
    monkeypatch.setattr(generate, "version", lambda _: "0.1.0")
    with pytest.raises(generate.GenerateError, match=r"openapi-python-client==0\.1\.0"):
        generate.run(source, output)


@pytest.mark.slow
def test_check_passes_whatever_the_configuration_of_the_machine(
    tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = "line-length = 40\nindent-width = 2\n[format]\nquote-style = 'single'\n"
    home = tmp_path / "home" / ".config" / "ruff"
    wrong = tmp_path / "wrong"
    for folder in (home, wrong):
        folder.mkdir(parents=True)
    for folder in (tmp_path, output.parent, home):
        (folder / "ruff.toml").write_text(configuration)
    for name in (".gitignore", ".ignore"):
        (output.parent / name).write_text("*.py\nmodels/\n")
    (output.parent / ".git").mkdir()
    (wrong / "openapi_python_client.py").write_text("raise SystemExit('the wrong generator')")
    (wrong / "ruff").write_text("#!/bin/sh\nexit 1\n")
    (wrong / "ruff").chmod(0o755)
    for name, value in {
        "PATH": str(wrong),
        "PYTHONPATH": str(wrong),
        "PYTHONHASHSEED": "4242",
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "home" / ".config"),
        "RUFF_CONFIG": str(tmp_path / "ruff.toml"),
        "RUFF_OUTPUT_FORMAT": "nonsense",
        "LC_ALL": "C",
        "FORCE_COLOR": "1",
    }.items():
        monkeypatch.setenv(name, value)

    assert call_main(monkeypatch, output, "--check") == 0
    assert capsys.readouterr().out == "generated/ is up to date\n"


@pytest.mark.slow
def test_check_fails_if_the_tree_is_out_of_date_and_changes_nothing(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (output / ENUM).write_text("# old\n")
    with pytest.raises(SystemExit, match="make generate"):
        call_main(monkeypatch, output, "--check")
    assert capsys.readouterr().out == f"differs  generated/{ENUM}\n"
    assert (output / ENUM).read_text() == "# old\n"


@pytest.mark.slow
def test_generate_writes_what_the_spec_has_changed_and_nothing_else(source: Path, output: Path) -> None:
    edit(source, VALUE, VALUE + VALUE.replace("order_source", "moon"))
    changed = [f"differs  generated/{ENUM}"]
    assert generate.run(source, output) == changed
    assert 'MOON = "moon"' in (output / ENUM).read_text()
    assert generate.compare(generate.GENERATED, output) == changed
    assert list((output.parent / "build").iterdir()) == []


@pytest.mark.slow
def test_generate_creates_a_tree_that_does_not_exist(tmp_path: Path) -> None:
    generate.run(spec.SPEC, tmp_path / "generated")
    assert generate.compare(generate.GENERATED, tmp_path / "generated") == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("openapi: 3.1.1\n", "openapi: [\n", "not valid YAML", id="not YAML"),
        pytest.param("openapi: 3.1.1\n", "", "required property", id="not OpenAPI"),
        pytest.param(VALUE, VALUE + VALUE.upper(), "Duplicate key ORDER_SOURCE", id="an exception of the generator"),
        pytest.param(
            BODY,
            f"{BODY}      content:\n        application/pdf+odd:\n          schema: {{type: string}}\n",
            "WARNING parsing POST /v1/tracking/start",
            id="a warning of the generator",
        ),
    ],
)
def test_bad_spec_leaves_the_old_tree(
    source: Path, output: Path, old: str, new: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(source, old, new)
    monkeypatch.setattr(spec, "SPEC", source)
    with pytest.raises(SystemExit, match=message):
        call_main(monkeypatch, output)
    assert generate.compare(generate.GENERATED, output) == []
