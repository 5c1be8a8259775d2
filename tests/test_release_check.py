"""What stands in the way of a release, decided by plain values; and a release, in a copy of the house."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import release_check
from shipengine_tracking import __version__

ROOT = Path(__file__).parent.parent

DATED = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-11-22\n\n### Added\n\n- All.\n"


def test_nothing_in_the_way() -> None:
    assert release_check.tree("") == []
    assert release_check.version("0.1.0", ["v0.0.9", "0.0.1"]) == []
    assert release_check.changelog(DATED, "0.1.0") == []


def test_a_tree_that_is_not_clean() -> None:
    (todo,) = release_check.tree(" M README.md\n?? notes.txt\n")
    assert todo.endswith("README.md, notes.txt")


@pytest.mark.parametrize(
    ("number", "tags", "remedy"),
    [
        ("one", [], "'one' is none"),
        ("1.0-beta", [], "as 1.0b0, not 1.0-beta"),
        ("1.0.0", ["v1.0.0"], "raise the version"),
        ("1.0.0", ["1.0.0"], "raise the version"),
    ],
)
def test_a_version_that_cannot_be_released(number: str, tags: list[str], remedy: str) -> None:
    (todo,) = release_check.version(number, tags)
    assert remedy in todo


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("## [Unreleased]\n\n- All.\n", "rename [Unreleased] to [0.1.0]"),
        (DATED.replace("0.1.0", "0.1.0.1"), "rename [Unreleased] to [0.1.0]"),
        (DATED.replace(" - 2026-11-22", ""), "date the section"),
        (DATED.replace("2026-11-22", "soon"), "date the section"),
        ("## [0.1.0] - 2026-11-22\n\n## [0.0.9] - 2026-11-21\n\n- All.\n", "say what is in 0.1.0"),
        (DATED.replace("## [0.1.0]", "- More.\n\n## [0.1.0]"), "move what is [Unreleased]"),
    ],
)
def test_a_changelog_that_is_not_ready(text: str, remedy: str) -> None:
    (todo,) = release_check.changelog(text, "0.1.0")
    assert remedy in todo


def test_the_parts_that_a_bill_of_materials_lists() -> None:
    sbom = {"metadata": {"component": {"name": "ours"}}, "components": [{"name": "attrs", "version": "26.1.0"}]}
    assert release_check.parts(json.dumps(sbom)) == {"ours": "", "attrs": "26.1.0"}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of what a release is made of, with nothing left to do."""
    for part in ("overlay", "generated", "spec"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / part, tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(DATED.replace("0.1.0", __version__))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "All"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(release_check, "ROOT", tmp_path)
    monkeypatch.setattr(release_check, "BUILT", tmp_path / "build" / "release")
    monkeypatch.setattr(release_check, "SBOM", tmp_path / "build" / "sbom.cdx.json")
    return tmp_path


def test_all_that_is_left_to_do_is_said_at_once(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "CHANGELOG.md").write_text("")
    assert release_check.main() == 1
    assert capsys.readouterr().err == (
        "To do: commit or remove what git does not have: CHANGELOG.md\n"
        f"To do: in CHANGELOG.md, rename [Unreleased] to [{__version__}] - and the date, and begin a new [Unreleased]\n"
    )
    assert not (house / "build").exists()


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_a_release(house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    really, asked = release_check._run, list[str]()

    def run(*command: str | Path, **environment: str) -> None:
        asked.append(" ".join(map(str, command[1:])))
        if "pytest" in command:  # the tests of the wheel need the whole house, and run by themselves
            assert environment == {"RELEASE": str(house / "build" / "release")}
        else:
            really(*command, **environment)

    monkeypatch.setattr(release_check, "_run", run)
    assert release_check.main() == 0
    assert "-m pytest -m slow tests/test_wheel.py" in asked
    assert capsys.readouterr().out.endswith(f"Ready: git tag v{__version__}, then upload what is in build/release/.\n")
    built = sorted(path.suffix for path in (house / "build" / "release").iterdir())
    assert built == [".gz", ".whl"]
    listed = release_check.parts((house / "build" / "sbom.cdx.json").read_text())
    assert listed["shipengine-tracking"] == __version__
    assert {"attrs", "cryptography", "httpx", "python-dateutil", "sniffio", "tenacity"} <= listed.keys()


@pytest.mark.usefixtures("house")
def test_a_check_that_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*command: str | Path, **environment: str) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(release_check, "_run", run)
    assert release_check.main() == 1
    assert "To do: mend what is said above. It was: " in capsys.readouterr().err
