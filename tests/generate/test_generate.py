"""`make generate` and `make generate-check`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import generate
import spec

PACKAGE = generate.GENERATED / generate.PACKAGE
ENUM = f"{generate.PACKAGE}/models/known_error_source.py"
VALUE = "        - order_source\n"  # of that enum
PDF = "    Started:\n      content:\n        application/pdf+odd:\n          schema: {type: string}\n"


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of generated/, which `generate.main` uses instead."""
    monkeypatch.setattr(generate, "GENERATED", tmp_path / "repository" / "generated")
    return shutil.copytree(PACKAGE.parent, generate.GENERATED, ignore=shutil.ignore_patterns("__pycache__"))


def edited_spec(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "openapi.yaml"
    path.write_text(spec.SPEC.read_text().replace(old, new, 1))
    return path


def test_attributes_of_models_that_the_server_sends_are_never_unset() -> None:
    models = {path.stem: path.read_text() for path in (PACKAGE / "models").glob("*.py")}
    # The overlay sends the first two, and does not read keys as models.
    may_be_unset = {"create_webhook_request", "update_webhook_request", "json_web_key"}
    assert {name for name, text in models.items() if "Unset" in text} == may_be_unset


def test_tools_of_other_versions_are_rejected(monkeypatch: pytest.MonkeyPatch, output: Path) -> None:
    monkeypatch.setattr(generate, "version", lambda _: "0.1.0")
    with pytest.raises(generate.GenerationError, match=r"openapi-python-client==0\.1\.0"):
        generate.run(spec.SPEC, output)


@pytest.mark.slow
def test_check_ignores_the_configuration_of_the_machine(
    tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openapi_python_client.py").write_text("raise SystemExit('the wrong generator')")
    for folder in (tmp_path, output.parent):
        (folder / "ruff.toml").write_text("line-length = 40\nindent-width = 2\n[format]\nquote-style = 'single'\n")
    (output.parent / ".git").mkdir()
    (output.parent / ".gitignore").write_text("*.py\nmodels/\n")
    for name in ("PATH", "PYTHONPATH", "HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
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
    assert not (output / generate.PACKAGE / "errors.py").exists()


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
        pytest.param("    Started:\n", PDF, "WARNING parsing POST /v1/tracking/start", id="warning of the generator"),
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
