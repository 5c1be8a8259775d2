"""The verdict on the mutants, by mutmut's notes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mutation_score


@pytest.mark.parametrize(
    ("more", "verdict", "said"),
    [
        (
            [],
            0,
            "95 of 100 mutants killed (95.0%), 10 of them by running out of time; 5 survived, 0 not tried to the end",
        ),
        (
            [33],
            1,
            "95 of 101 mutants killed (94.1%), 10 of them by running out of time; 6 survived, 0 not tried to the end",
        ),
        (
            [None],
            1,
            "95 of 101 mutants killed (94.1%), 10 of them by running out of time; 5 survived, 1 not tried to the end",
        ),
        (
            [255, *[1] * 100],
            0,
            "195 of 201 mutants killed (97.0%), 10 of them by running out of time; 5 survived, 1 not tried to the end",
        ),
    ],
)
def test_the_verdict(
    more: list[int | None],
    verdict: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "testing").mkdir()
    for name, codes in (
        ("a.py", [1] * 84 + [3, 36, -24, 24, 152]),
        ("testing/b.py", [36] * 6 + [0, 0, 0, 5, 33, *more]),
    ):
        notes = {"exit_code_by_key": {f"{Path(name).stem}_{number}": code for number, code in enumerate(codes)}}
        (tmp_path / f"{name}.meta").write_text(json.dumps(notes))
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    assert mutation_score.main() == verdict
    again = "Those can be tried again: make mutate MUTANTS='b_11'\n"
    assert capsys.readouterr().out == f"{said}\n" + again * ("1 not tried to the end" in said)
