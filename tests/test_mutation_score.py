"""The mutation score, from mutmut's notes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import mutation_score


@pytest.mark.parametrize(
    ("codes", "status", "score", "untried"),
    [
        pytest.param([], 0, "95 of 100", "", id="just enough"),
        pytest.param([33], 1, "95 of 101", "", id="not covered by a test"),
        pytest.param([None], 1, "95 of 101", "b_11", id="not tried"),
        pytest.param([255, *[1] * 100], 0, "195 of 201", "b_11", id="an error outside of the tests"),
    ],
)
def test_score_needs_enough_killed_mutants(
    codes: list[int | None],
    status: int,
    score: str,
    untried: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "testing").mkdir()
    notes: dict[str, Any] = {
        "a.py": [1] * 84 + [3, 36, -24, 24, 152],
        "testing/b.py": [36] * 6 + [0, 0, 0, 5, 33, *codes],
    }
    for name, exits in notes.items():
        by_key = {f"{Path(name).stem}_{number}": code for number, code in enumerate(exits)}
        (tmp_path / f"{name}.meta").write_text(json.dumps({"exit_code_by_key": by_key}))
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    assert mutation_score.main() == status
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{score} mutants killed")
    assert "10 of them" in first
    assert [line.partition("MUTANTS=")[2] for line in others] == [f"'{untried}'"] * bool(untried)
