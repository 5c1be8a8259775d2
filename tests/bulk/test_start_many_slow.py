"""Long runs of `start_many`: memory, and resuming after a kill. For `make test-slow`."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import httpx
import pytest
from runs import accept, numbers, packages

from shipengine_tracking import Outcome, Package
from shipengine_tracking.testing import FakeShipEngine
from support import Caller, wait_until

pytestmark = pytest.mark.slow

TOTAL = 3_000
PROGRAM = f"""
import os, sys
from runs import packages
from support import Caller

kind, api_key, base_url, *done = sys.argv[1:]
rest = [package for package in packages({TOTAL}) if package.tracking_number not in set(done)]
with Caller(kind).client(api_key=api_key, base_url=base_url) as client:
    for outcome in client.start_many(rest):
        assert outcome.ok
        os.write(1, f"{{outcome.package.tracking_number}}\\n".encode())  # whole lines, whenever it is killed
"""


@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_the_number_of_packages(caller: Caller) -> None:
    def peak(total: int) -> int:
        """Return the highest number of bytes in use during a run."""
        source = (Package(tracking_number=str(number), carrier_code="ups") for number in range(total))
        tracemalloc.start()
        try:
            with caller.client(api_key="TEST_key", transport=httpx.MockTransport(accept)) as client:
                assert sum(outcome.ok for outcome in client.start_many(source)) == total
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    growth = peak(50_000) - peak(1_000)
    assert growth < 3_000_000, f"{growth:,} bytes"  # reference cycles that are not collected yet; 60 bytes a package


def test_killed_run_is_resumed_and_loses_nothing(fake: FakeShipEngine, caller: Caller, tmp_path: Path) -> None:
    report, environment = tmp_path / "report", {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    report.touch()
    for kill in itertools.count(1):  # noqa: B007 used below
        before = len(fake.subscriptions)
        program = [sys.executable, "-c", PROGRAM, caller.kind, fake.api_key, fake.url, *report.read_text().split()]
        with report.open("a") as output, subprocess.Popen(program, stdout=output, env=environment) as process:
            wait_until(lambda: process.poll() is not None or len(fake.subscriptions) >= before + 400)  # noqa: B023
            process.send_signal(signal.SIGKILL)
            if process.wait(60) == 0:
                break
    assert kill > 3
    expected = set(numbers(map(Outcome, packages(TOTAL))))
    assert {subscription.tracking_number for subscription in fake.subscriptions} == expected
    # A kill repeats at most the packages in flight, or those whose outcome was not yet read.
    assert len(fake.subscriptions) - TOTAL <= kill * 2 * 8
    assert set(report.read_text().split()) == expected
