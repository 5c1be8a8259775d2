"""The wheel: built, installed into new environments, and used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import pythons
from shipengine_tracking import __version__
from shipengine_tracking.testing import FakeShipEngine

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600)]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
ROOT = Path(__file__).parents[2]
USE = """
import sys
from shipengine_tracking import AuthenticationError, TrackingClient

with TrackingClient(sys.argv[2], base_url=sys.argv[1]) as client:
    client.start(tracking_number="9361269903502070406152", carrier_code="stamps_com")
with TrackingClient("another key", base_url=sys.argv[1]) as client:
    try:
        client.start(tracking_number="9361269903502070406152", carrier_code="stamps_com")
    except AuthenticationError as error:
        print(error.code)
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
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist and the wheel built from it. `make release-check` names one that it has built."""
    if release := os.environ.get("RELEASE"):
        return Path(release)
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_wheel_contains_both_packages_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "shipengine_tracking/py.typed" in names
    assert "shipengine_tracking_generated/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    roots = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert roots == {"shipengine_tracking", "shipengine_tracking_generated"}
    assert not [name for name in names if re.search(r"(^|/)(tests?/|test_|conftest)|\.pyc$", name)]


def test_wheel_metadata_is_complete(built: Path, wheel: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), env={**os.environ, "NO_COLOR": "1"})
    fields = metadata(wheel)
    assert (fields["Name"], fields["Version"]) == ("shipengine-tracking", __version__)
    assert (fields["License-Expression"], fields["Requires-Python"]) == ("MIT", ">=3.11")


def test_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def install(wheel: Path, venv: Path, kind: str, extras: str = "") -> Path:
    """Install the wheel into a new environment; return its Python.

    "lowest" uses the lowest version of each dependency and this Python; "newest" uses the newest of both.
    """
    run("uv", "venv", "--python", sys.executable if kind == "lowest" else [*pythons.find(PYTHONS).values()][-1], venv)
    direct = [f"{one.name}{one.specifier}" for one in requirements(wheel, extras)]  # uv lowers direct ones only
    resolution = "lowest-direct" if kind == "lowest" else "highest"
    run("uv", "pip", "install", "--python", venv / "bin" / "python", "--resolution", resolution, wheel, *direct)
    return venv / "bin" / "python"


def requirements(wheel: Path, extras: str) -> list[Requirement]:
    every = [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist", [])]
    markers = [{"extra": extra} for extra in extras.split(",")]
    return [one for one in every if one.marker is None or any(map(one.marker.evaluate, markers))]


def installed(python: Path) -> dict[str, str]:
    lines = run("uv", "pip", "list", "--format", "freeze", "--python", python).splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("kind", ["lowest", "newest"])
def test_installed_wheel_makes_a_call(kind: str, wheel: Path, tmp_path: Path, fake: FakeShipEngine) -> None:
    python = install(wheel, tmp_path / "venv", kind)
    assert "cryptography" not in installed(python)
    output = run(python, "-I", "-W", "error", "-c", USE, fake.url, fake.api_key, cwd=tmp_path)
    assert output == "unauthorized\n"
    assert len(fake.subscriptions) == 1
    done = subprocess.run([python, "-m", "shipengine_tracking"], capture_output=True, text=True, check=False)
    assert (done.returncode, "shipengine-tracking[cli]" in done.stderr) == (2, True)


@pytest.mark.parametrize("kind", ["lowest", "newest"])
def test_installed_wheel_passes_the_tests(kind: str, wheel: Path, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "venv", kind, extras="webhooks,cli")
    before = installed(python)
    for requirement in requirements(wheel, "webhooks,cli"):
        (floor,) = (one.version for one in requirement.specifier if one.operator == ">=")
        if kind == "lowest":
            assert f"{before[requirement.name]}.".startswith(f"{floor}."), "the lowest version does not exist"
    pins = (ROOT / "requirements-dev.txt").read_text()
    tools = [line for line in pins.splitlines() if line.split("==")[0] in SUITE_NEEDS]
    assert len(tools) == len(SUITE_NEEDS)
    run("uv", "pip", "install", "--python", python, *tools)
    assert before.items() <= installed(python).items()
    assert "start-many" in run(python.with_name("shipengine-tracking"))

    for name in ("tests", "spec", "scripts"):  # away from the sources, so that only the wheel can be imported
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = [f"--ignore=tests/{name}" for name in NOT_IN_SUITE]
    output = run(python, "-m", "pytest", "-m", "not slow", *SUITE, *ignored, cwd=tmp_path)
    assert re.search(r"^[1-9]\d\d+ passed", output, re.MULTILINE), output


def test_type_checkers_accept_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "venv", "newest", extras="webhooks")
    shutil.copy(ROOT / "tests" / "typing_uses.py", tmp_path)
    pyright = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]
    rules = {name: value for name, value in pyright.items() if name.startswith(("enable", "report", "typeChecking"))}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(rules))
    run("mypy", "--config-file=", "--strict", "--python-executable", python, "typing_uses.py", cwd=tmp_path)
    run("pyright", "--pythonpath", python, "typing_uses.py", cwd=tmp_path)
