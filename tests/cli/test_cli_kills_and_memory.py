"""`start-many`: killed at random moments, and with a large file. For `make test-slow`."""

from __future__ import annotations

import random
import signal
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from commands import COMMAND, environment, run, sent, started, write_file

from shipengine_tracking.testing import FakeShipEngine
from support import wait_until

pytestmark = pytest.mark.slow

KILLS, CONCURRENCY = 20, 8


@pytest.mark.timeout(600)
def test_killed_run_is_continued_with_nothing_forgotten(fake: FakeShipEngine, tmp_path: Path) -> None:
    numbers = [f"{n:05}" for n in range(5_000)]
    path, report = write_file(tmp_path / "orders.csv", [*numbers, "", "00001"]), tmp_path / "report.csv"
    arguments = [*COMMAND, "start-many", path, "--report", str(report), "--concurrency", str(CONCURRENCY)]
    choose = random.Random(16)
    status, kills, repeated = -signal.SIGKILL, 0, 0
    while status == -signal.SIGKILL:
        goal = len(fake.subscriptions) + choose.randrange(400) if kills < KILLS else len(numbers) * 2
        with subprocess.Popen(arguments, env=environment(fake), stderr=subprocess.DEVNULL) as process:
            wait_until(lambda: process.poll() is not None or len(fake.subscriptions) > goal, 120.0)  # noqa: B023
            process.kill()
            status = process.wait(60)
        kills += status == -signal.SIGKILL
        # Packages that were sent, but are not in the report: they were in flight, or their result was not read yet.
        unknown = len(set(sent(fake))) - len(started(report)) if report.exists() else 0
        assert unknown <= 2 * CONCURRENCY
        repeated += unknown
    assert (status, kills) == (1, KILLS)
    assert started(report) == numbers
    assert sorted(set(sent(fake))) == numbers
    assert len(sent(fake)) - len(numbers) <= repeated


@pytest.mark.timeout(900)
def test_memory_stays_within_100_bytes_a_row(fake: FakeShipEngine, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        """Return the highest number of bytes in use during a run that continues one and sends the last ten rows."""
        numbers = [f"{n:020}" for n in range(count)]
        path, report = write_file(tmp_path / f"{count}.csv", numbers), tmp_path / f"{count}-report.csv"
        header = "tracking_number,carrier,line,result,code,message,request_id\n"
        report.write_text(header + "".join(f"{n},ups,2,started,,,\n" for n in numbers[:-10]))
        tracemalloc.start()
        try:
            assert run(fake, "start-many", path, "--report", str(report)).status == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_000)
    small, large = peak(1_000), peak(100_000)
    assert len(fake.subscriptions) == 20 + 10
    growth = (large - small) / 99_000
    assert growth <= 100, f"{growth:.0f} bytes a row"
