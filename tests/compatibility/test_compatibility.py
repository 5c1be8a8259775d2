"""Other packages that mock, record, instrument or run the clients: each program in programs/ uses a real one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = sorted(HERE.glob("programs/use_*.py"))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install the package and the others into a virtual environment; return its Python."""
    folder = str(tmp_path_factory.mktemp("compatibility") / "venv")
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
    python = f"{folder}/bin/python"
    needs = [f"{ROOT}[webhooks]", "--requirement", str(HERE / "requirements.txt")]
    subprocess.run([*uv, "pip", "install", "--python", python, *needs], check=True)
    return python


@pytest.mark.parametrize("program", [pytest.param(path, id=path.stem.removeprefix("use_")) for path in PROGRAMS])
def test_package_works_with_the_clients(program: Path, python: str, tmp_path: Path) -> None:
    command = [python, "-m", "pytest", str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
