"""`make test-pythons`, and the mutation score that `make mutate` prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mutation_score
import pythons


def test_tests_run_once_on_each_working_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, script in {
        "bin/python3.13": "exit 127",  # a shim of pyenv whose version is not selected
        "bin/make": 'echo make "$@"; case "$*" in *VENV=.venv*) exit 2;; esac',
        "versions/3.13.0/bin/python": "exit 0",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(pythons, "THIS", "3.12")
    assert pythons.main(["3.11", "3.12", "3.13", "3.14"]) == 1
    out = capfd.readouterr().out
    assert f" test VENV=build/python3.13 PYTHON={tmp_path}/versions/3.13.0/bin/python\n" in out
    assert out.endswith("3.11: not found\nPython 3.12: failed\nPython 3.13: passed\nPython 3.14: not found\n")


def test_mutation_score_counts_killed_mutants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mutation_score.py", str(tmp_path)])
    for codes, status in (([1] * 90 + [3, 36, 24, -24, 152, 0, 0, 5, 33, 0], 0), ([1] * 94 + [0, 5, 33, None, 255], 1)):
        (tmp_path / "flow.py.meta").write_text(json.dumps({"exit_code_by_key": dict(enumerate(codes))}))
        assert mutation_score.main() == status
    enough, too_few, retry = capsys.readouterr().out.splitlines()
    assert (enough[:9], too_few[:9]) == ("95 of 100", "94 of 99 ")
    assert retry.endswith("make mutate MUTANTS='97 98'")
