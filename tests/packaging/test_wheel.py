"""The wheel: built, installed into new environments, and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import pythons
from shipengine_tracking.testing import FakeShipEngine, Subscription

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
USE = """
from shipengine_tracking import TrackingClient
with TrackingClient() as client:
    client.start(tracking_number="1Z", carrier_code="ups")
"""
# The tests that need nothing but the installed package and the tools below.
SUITE = ["tests/client", "tests/http", "tests/bulk", "tests/webhooks", "tests/testing", "tests/cli"]
NOT_IN_SUITE = ["webhooks/test_receivers.py", "webhooks/test_signatures.py", "testing/test_fake_against_spec.py"]
SUITE_NEEDS = ["freezegun", "hypothesis", "pytest", "pytest-timeout", "ruamel-yaml", "trustme"]


def run(*command: object, **settings: Any) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the sdist beside it. `make release-check` names the folder of one that it has built."""
    folder = Path(os.environ.get("RELEASE") or tmp_path_factory.mktemp("built"))
    if "RELEASE" not in os.environ:
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return next(folder.glob("*.whl"))


def install(wheel: Path, venv: Path, kind: str, *extras: str) -> Path:
    """Install the wheel into a new environment; return its Python.

    "lowest" uses the lowest version of each dependency and this Python; "newest" uses the newest of both.
    """
    run("uv", "venv", "--python", sys.executable if kind == "lowest" else [*pythons.find(PYTHONS).values()][-1], venv)
    python, resolution = venv / "bin" / "python", "lowest-direct" if kind == "lowest" else "highest"
    direct = sum([PROJECT["optional-dependencies"][extra] for extra in extras], PROJECT["dependencies"])
    packages = [f"{wheel}[{','.join(extras)}]", *direct]  # uv lowers only those that are named
    run("uv", "pip", "install", "--python", python, "--resolution", resolution, *packages)
    return python


def installed(python: Path) -> set[str]:
    return set(run("uv", "pip", "list", "--format", "freeze", "--python", python).splitlines())


def test_wheel_contains_both_packages_and_no_tests(wheel: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *wheel.parent.iterdir())
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert roots == {"shipengine_tracking", "shipengine_tracking_generated"}
    assert {f"{root}/py.typed" for root in roots} < set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not [name for name in names if re.search(r"(^|/)(tests?/|test_|conftest)|\.pyc$", name)]


def test_wheel_without_extras_makes_a_call(wheel: Path, tmp_path: Path, fake: FakeShipEngine) -> None:
    python = install(wheel, tmp_path / "venv", "newest")
    assert not re.search("cryptography|typer", str(installed(python)))
    account = {"SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}
    run(python, "-I", "-W", "error", "-c", USE, cwd=tmp_path, env={**os.environ, **account})
    assert fake.subscriptions == [Subscription("1Z", "ups")]


@pytest.mark.parametrize("kind", ["lowest", "newest"])
def test_installed_wheel_passes_the_tests(kind: str, wheel: Path, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "venv", kind, "webhooks", "cli")
    before = installed(python)
    pins = (ROOT / "requirements-dev.txt").read_text().splitlines()
    run("uv", "pip", "install", "--python", python, *[pin for pin in pins if pin.split("==")[0] in SUITE_NEEDS])
    assert before <= installed(python)
    assert "start-many" in run(python.with_name("shipengine-tracking"))

    for name in ("tests", "spec", "scripts"):  # away from the sources, so that only the wheel can be imported
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = [f"--ignore=tests/{name}" for name in NOT_IN_SUITE]
    output = run(python, "-m", "pytest", "-m", "not slow", *SUITE, *ignored, cwd=tmp_path)
    assert re.search(r"^[1-9]\d\d+ passed", output, re.MULTILINE), output


def test_type_checkers_accept_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "venv", "newest", "webhooks")
    shutil.copy(ROOT / "tests" / "typing_uses.py", tmp_path)
    run("mypy", "--config-file=", "--strict", "--python-executable", python, "typing_uses.py", cwd=tmp_path)
    run("pyright", "--pythonpath", python, "typing_uses.py", cwd=tmp_path)
