"""README is code: every Python block runs, every target that it names exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shipengine_tracking.testing import FakeShipEngine

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block {number}" for number, _ in enumerate(BLOCKS, 1)])
def test_block(block: str, fake: FakeShipEngine) -> None:
    environment = {**os.environ, "SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}
    command = [sys.executable, "-W", "error", "-c", block]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    calls_the_service = "TrackingClient() as client" in block
    assert len(fake.subscriptions) == (1 if calls_the_service else 0)


def test_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= targets
    assert set(re.findall(r"^\$ make ([a-z-]+)", README, re.MULTILINE)) <= targets
