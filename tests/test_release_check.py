"""What `make release-check` reports, and a release in a copy of the repository."""

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


def test_release_that_is_ready_leaves_nothing_to_do() -> None:
    assert release_check.tree("") == []
    assert release_check.version("0.1.0", ["v0.0.9", "0.0.1"]) == []
    assert release_check.changelog(DATED, "0.1.0") == []


def test_uncommitted_files_are_listed() -> None:
    (todo,) = release_check.tree(" M README.md\n?? notes.txt\n")
    assert todo.endswith("README.md, notes.txt")


@pytest.mark.parametrize(
    ("number", "tags", "word"),
    [
        pytest.param("one", [], "valid", id="not a version"),
        pytest.param("1.0-beta", [], "1.0b0", id="not in the normal form"),
        pytest.param("1.0.0", ["v1.0.0"], "raise", id="tagged with a v"),
        pytest.param("1.0.0", ["1.0.0"], "raise", id="tagged"),
    ],
)
def test_version_that_cannot_be_released_needs_a_change(number: str, tags: list[str], word: str) -> None:
    (todo,) = release_check.version(number, tags)
    assert word in todo


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("## [Unreleased]\n\n- All.\n", "rename", id="no section"),
        pytest.param(DATED.replace("0.1.0", "0.1.0.1"), "rename", id="the section of another version"),
        pytest.param(DATED.replace(" - 2026-11-22", ""), "date", id="no date"),
        pytest.param(DATED.replace("2026-11-22", "soon"), "date", id="not a date"),
        pytest.param("## [0.1.0] - 2026-11-22\n\n## [0.0.9] - 2026-11-21\n\n- All.\n", "describe", id="empty"),
        pytest.param(DATED.replace("## [0.1.0]", "- More.\n\n## [0.1.0]"), "move", id="unreleased entries"),
    ],
)
def test_changelog_that_is_not_ready_needs_a_change(text: str, word: str) -> None:
    (todo,) = release_check.changelog(text, "0.1.0")
    assert word in todo


def test_parts_are_read_from_a_bill_of_materials() -> None:
    sbom = {"metadata": {"component": {"name": "ours"}}, "components": [{"name": "attrs", "version": "26.1.0"}]}
    assert release_check.parts(json.dumps(sbom)) == {"ours": "", "attrs": "26.1.0"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the files of a release, and nothing left to do."""
    for part in ("overlay", "generated", "spec"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / part, tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(DATED.replace("0.1.0", __version__))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "All"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(release_check, "ROOT", tmp_path)
    monkeypatch.setattr(release_check, "BUILT", tmp_path / "build" / "release")
    monkeypatch.setattr(release_check, "SBOM", tmp_path / "build" / "sbom.cdx.json")
    return tmp_path


def test_everything_that_is_left_to_do_is_reported_at_once(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "CHANGELOG.md").write_text("")
    assert release_check.main() == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("To do: commit")
    assert second.startswith("To do: in CHANGELOG.md, rename")
    assert not (repository / "build").exists()


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_release_is_built_and_its_parts_are_listed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original, commands = release_check.run, list[str]()

    def run(*command: str | Path, **environment: str) -> None:
        commands.append(" ".join(map(str, command[1:])))
        if "pytest" in command:  # the tests of the wheel need the whole repository, and run by themselves
            assert environment == {"RELEASE": str(repository / "build" / "release")}
        else:
            original(*command, **environment)

    monkeypatch.setattr(release_check, "run", run)
    assert release_check.main() == 0
    assert "-m pytest -m slow tests/packaging/test_wheel.py" in commands
    assert f"git tag v{__version__}" in capsys.readouterr().out
    built = sorted(path.suffix for path in (repository / "build" / "release").iterdir())
    assert built == [".gz", ".whl"]
    listed = release_check.parts((repository / "build" / "sbom.cdx.json").read_text())
    assert listed["shipengine-tracking"] == __version__
    assert {"attrs", "cryptography", "httpx", "python-dateutil", "sniffio"} <= listed.keys()


@pytest.mark.usefixtures("repository")
def test_command_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*command: str | Path, **environment: str) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(release_check, "run", run)
    assert release_check.main() == 1
    assert "-m build" in capsys.readouterr().err
