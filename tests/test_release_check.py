"""What stands in the way of a release, decided by plain values."""

from __future__ import annotations

import json

import pytest

import release_check

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
