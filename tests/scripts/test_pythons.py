"""`make test-pythons`: the Pythons it finds, and what it does with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pythons


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a broken shim on PATH, and two versions in pyenv."""
    for name, script in {
        "bin/python3.13": "exit 127",
        "pyenv/versions/3.13.0/bin/python": "exit 0",
        "pyenv/versions/3.14.1/bin/python": "exit 1",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(pythons, "THIS", "3.12")
    return tmp_path


def test_find_skips_pythons_that_do_not_run(machine: Path) -> None:
    assert pythons.find() == {"3.12": sys.executable, "3.13": f"{machine}/pyenv/versions/3.13.0/bin/python"}


@pytest.mark.usefixtures("machine")
def test_every_python_found_runs_the_tests_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = pythons.find()
    commands = list[list[str]]()

    def run(command: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 2 if "VENV=.venv" in command else 0)

    monkeypatch.setattr(pythons, "find", lambda: found)
    monkeypatch.setattr("pythons.subprocess.run", run)
    assert pythons.main() == 1
    assert [command[-2] for command in commands] == ["VENV=.venv", "VENV=build/python3.13"]
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "Python 3.11: not found",
        "Python 3.12: failed",
        "Python 3.13: passed",
        "Python 3.14: not found",
    ]
