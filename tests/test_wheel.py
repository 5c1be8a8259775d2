"""The wheel that people install: built here, installed alone, and used."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shipengine_tracking.testing import FakeShipEngine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = directory.glob("*.whl")
    return built


def test_what_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "shipengine_tracking/py.typed" in names
    assert "shipengine_tracking_generated/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    roots = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert roots == {"shipengine_tracking", "shipengine_tracking_generated"}


def test_installed_alone_it_makes_a_call(wheel: Path, tmp_path: Path, fake: FakeShipEngine) -> None:
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, wheel], check=True)
    done = subprocess.run(
        [python, "-I", "-W", "error", "-c", USE, fake.url, fake.api_key],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "unauthorized\n"
    assert len(fake.subscriptions) == 1
