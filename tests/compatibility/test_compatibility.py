"""Other packages that mock, record, instrument or run the clients: each program in programs/ uses a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
PROGRAMS = sorted(path.stem for path in HERE.glob("programs/use_*.py"))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install the package and the others into a virtual environment; return its Python."""
    folder = str(tmp_path_factory.mktemp("compatibility") / "venv")
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
    python = f"{folder}/bin/python"
    needs = [f"{HERE.parents[1]}[webhooks]", "--requirement", str(HERE / "requirements.txt")]
    subprocess.run([*uv, "pip", "install", "--python", python, *needs], check=True)
    return python


@pytest.mark.parametrize("program", PROGRAMS)
def test_package_works_with_the_clients(program: str, python: str) -> None:
    command, environ = [python, "-m", "pytest", f"{program}.py"], {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(command, cwd=HERE / "programs", env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
