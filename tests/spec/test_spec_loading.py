"""How scripts/spec.py loads the spec, and how it reports errors in it."""

from __future__ import annotations

from pathlib import Path

import pytest

import spec


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"info: {}\ninfo: {}\n", ":2: not valid YAML: while constructing", id="duplicate key"),
        pytest.param(b"responses:\n  204: {}\n", ":2: not valid YAML: this key is not a string", id="key of digits"),
        pytest.param(b"a: .nan\n", ": not valid YAML: Out of range float", id="NaN"),
        pytest.param(b"info:\n  title: \xff\n", ":2: not UTF-8", id="not UTF-8"),
        pytest.param(b"", ":1: not OpenAPI: the document is empty", id="empty"),
    ],
)
def test_load_reports_a_bad_document_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_bytes(content)
    with pytest.raises(spec.SpecError) as raised:
        spec.load(path)
    assert str(raised.value).startswith(f"{path}{message}")
    assert "\n" not in str(raised.value)


def test_load_reads_yaml_1_2_without_dates(tmp_path: Path) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text("{country: NO, day: 2026-11-21, at: 2026-11-21T10:00:00Z, version: 1.10}")
    assert spec.load(path) == {"country": "NO", "day": "2026-11-21", "at": "2026-11-21T10:00:00Z", "version": 1.1}


START = "#/paths/~1v1~1tracking~1start/post/parameters/2/$ref"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        pytest.param("openapi: 3.1.1\n", "openapi: 3.0.3\n", "#/openapi:", id="version"),
        pytest.param("maxLength: 25", "default: 5", "#/components/parameters/carrier_id/schema:", id="default"),
        pytest.param("parameters/carrier_id'", "parameters/nothing'", f"{START}:", id="broken reference"),
    ],
)
def test_problems_names_the_place_of_an_error(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path, text = tmp_path / "openapi.yaml", spec.SPEC.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert [found.split(" ")[0] for found in spec.problems(spec.load(path))] == [problem]
