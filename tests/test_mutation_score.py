"""The verdict on the mutants, by mutmut's figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mutation_score


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, 0, "95 of 100 mutants killed (95.0%), 5 survived, 0 not tried"),
        ({"killed": 84, "no_tests": 2}, 1, "94 of 100 mutants killed (94.0%), 6 survived, 0 not tried"),
        ({"total": 101}, 1, "95 of 101 mutants killed (94.1%), 5 survived, 1 not tried"),
        ({"total": 1001, "killed": 985}, 1, "995 of 1001 mutants killed (99.4%), 5 survived, 1 not tried"),
    ],
)
def test_the_verdict(
    changes: dict[str, int],
    verdict: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = {"total": 100, "killed": 85, "timeout": 10, "survived": 3, "no_tests": 1, "suspicious": 1, "skipped": 0}
    (tmp_path / "stats.json").write_text(json.dumps(figures | changes))
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path / "stats.json")])
    assert mutation_score.main() == verdict
    assert capsys.readouterr().out == f"{said}\n"
