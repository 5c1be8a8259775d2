"""`make test-pythons`: the Pythons it finds, and what it does with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pythons

VERSIONS = ["3.11", "3.12", "3.13", "3.14"]


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine with a broken shim on PATH, and two versions in pyenv, one of them broken."""
    statuses = {"bin/python3.13": 127, "versions/3.13.0/bin/python": 0, "versions/3.14.1/bin/python": 1}
    for name, status in statuses.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(pythons, "THIS", "3.12")


def test_find_skips_pythons_that_do_not_run(tmp_path: Path) -> None:
    assert pythons.find(VERSIONS) == {"3.12": sys.executable, "3.13": f"{tmp_path}/versions/3.13.0/bin/python"}


def test_main_runs_the_tests_once_on_each_python(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 2 if "VENV=.venv" in command else 0)

    found = pythons.find(VERSIONS)
    monkeypatch.setattr(pythons, "find", lambda _: found)
    monkeypatch.setattr("pythons.subprocess.run", run)
    assert pythons.main(VERSIONS) == 1
    results = ["3.11: not found", "3.12: failed", "3.13: passed", "3.14: not found"]
    assert capsys.readouterr().out.splitlines()[-4:] == [f"Python {result}" for result in results]
