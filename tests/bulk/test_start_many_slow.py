"""Long runs of `start_many`: memory, and resuming after a kill. For `make test-slow`."""

from __future__ import annotations

import itertools
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

BULK_PROGRAM = """
import asyncio, sys
from shipengine_tracking import AsyncTrackingClient, Package, TrackingClient

kind, key, url, report, count = sys.argv[1:]
done = set(open(report, encoding="utf-8").read().split())
packages = [Package(tracking_number=f"{n:06}", carrier_code="ups") for n in range(int(count)) if f"{n:06}" not in done]

def record(outcome):
    assert outcome.ok
    print(outcome.package.tracking_number, file=out, flush=True)

async def main():
    async with AsyncTrackingClient(key, base_url=url) as client:
        async for outcome in client.start_many(packages):
            record(outcome)

with open(report, "a", encoding="utf-8") as out:
    if kind == "async":
        asyncio.run(main())
    else:
        with TrackingClient(key, base_url=url) as client:
            for outcome in client.start_many(packages):
                record(outcome)
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
    growth = peak(100_000) - peak(1_000)
    assert growth < 3_000_000, f"{growth:,} bytes"  # reference cycles that are not collected yet; 30 bytes a package


def test_killed_run_is_resumed_with_nothing_forgotten(fake: FakeShipEngine, caller: Caller, tmp_path: Path) -> None:
    report, total = tmp_path / "report", 3_000
    report.touch()
    arguments = [sys.executable, "-c", BULK_PROGRAM, caller.kind, fake.api_key, fake.url, str(report), str(total)]
    for kill in itertools.count(1):  # noqa: B007 used below
        before = len(fake.subscriptions)
        with subprocess.Popen(arguments) as process:
            wait_until(lambda: process.poll() is not None or len(fake.subscriptions) >= before + 400)  # noqa: B023
            process.send_signal(signal.SIGKILL)
            if process.wait(60) == 0:
                break
    assert kill > 3
    expected = set(numbers(map(Outcome, packages(total))))
    assert {subscription.tracking_number for subscription in fake.subscriptions} == expected
    # A kill repeats at most the packages in flight, or those whose outcome was not yet read.
    assert len(fake.subscriptions) - total <= kill * 2 * 8
    assert set(report.read_text(encoding="utf-8").split()) == expected
