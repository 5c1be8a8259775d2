"""The mutation score, from mutmut's results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mutation_score


@pytest.mark.parametrize(
    ("codes", "status", "score", "unfinished"),
    [
        pytest.param([1] * 90 + [3, 36, 24, -24, 152] + [0] * 5, 0, "95 of 100", "", id="just enough"),
        pytest.param([1] * 94 + [0, 0, 0, 5, 5, 33], 1, "94 of 100", "", id="too few"),
        pytest.param([1] * 98 + [None, 255], 0, "98 of 100", "'m98 m99'", id="tests that did not run"),
    ],
)
def test_mutation_score_counts_killed_mutants(
    codes: list[int | None],
    status: int,
    score: str,
    unfinished: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "http").mkdir()
    by_key = {"exit_code_by_key": {f"m{at}": code for at, code in enumerate(codes)}}
    (tmp_path / "http" / "flow.py.meta").write_text(json.dumps(by_key))
    monkeypatch.setattr(sys, "argv", ["mutation_score.py", str(tmp_path)])
    assert mutation_score.main() == status
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{score} mutants killed")
    assert [line.partition("MUTANTS=")[2] for line in others] == [unfinished] * bool(unfinished)
