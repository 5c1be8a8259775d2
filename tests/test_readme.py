"""README is code: every Python block runs, every target that it names exists."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from shipengine_tracking.testing import FakeShipEngine, Weather

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block {number}" for number, _ in enumerate(BLOCKS, 1)])
def test_block(block: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    (tmp_path / "packages.csv").write_text("tracking_number,carrier_code\n1Z,ups\n")
    done = subprocess.run(
        command(block), env=environment(fake), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "" or "tqdm" in block
    calls_the_service = "TrackingClient() as client" in block
    assert len(fake.subscriptions) == (1 if calls_the_service else 0)


def command(block: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", block]


def environment(fake: FakeShipEngine) -> dict[str, str]:
    return {**os.environ, "SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}


@pytest.mark.slow
def test_the_resumable_program_is_killed_twenty_times(tmp_path: Path) -> None:
    (program,) = (block for block in BLOCKS if "start_many" in block)
    numbers = {f"{number:020}" for number in range(750)}
    packages = [(number, carrier) for number in sorted(numbers) for carrier in ("ups", "fedex")]
    rows = "".join(f"{number},{carrier}\n" for number, carrier in packages)
    (tmp_path / "packages.csv").write_text("tracking_number,carrier_code\n" + rows)
    random = Random(20)
    with FakeShipEngine(weather=Weather({"slow": 1.0}, delay=0.01)) as fake:
        kills = 0
        while kills < 20:
            before = len(fake.requests)
            with subprocess.Popen(
                command(program), env=environment(fake), cwd=tmp_path, stderr=subprocess.DEVNULL
            ) as process:
                while len(fake.requests) == before and process.poll() is None:
                    time.sleep(0.001)
                time.sleep(random.uniform(0, 0.08))
                process.kill()
            assert process.returncode == -signal.SIGKILL, "there were too few packages for so many kills"
            kills += 1
        started = (tmp_path / "started.txt").read_text().splitlines()
        assert 0 < len(started) < len(packages)
        subprocess.run(command(program), env=environment(fake), cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
        assert {(one.tracking_number, one.carrier_code) for one in fake.subscriptions} == set(packages)
        repeats = len(fake.subscriptions) - len(packages)
    assert {tuple(line.split()) for line in (tmp_path / "started.txt").read_text().splitlines()} == set(packages)
    assert repeats <= 20 * 3 * 8


def test_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= targets
    assert set(re.findall(r"^\$ make ([a-z-]+)", README, re.MULTILINE)) <= targets
