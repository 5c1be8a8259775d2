"""A thousand calls against an account's rate limit, through the real clients.

200 calls in 6 seconds, 1,000 calls: at best the last window begins after (5 - 1) * 6 = 24 seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

import virtual_time
from faults import SlidingRateLimit
from shipengine_tracking import AsyncTrackingClient
from shipengine_tracking._http import rate_limit
from shipengine_tracking.testing import RateLimit
from support import KEY

IDEAL = 24.0
SLOW = pytest.mark.slow


async def make_calls(
    limit: RateLimit, workers: int, processes: int = 1, requests_per_minute: int | None = None
) -> tuple[float, int]:
    """Make a thousand calls; return the seconds they took and the number of 429s.

    `workers` tasks share a client, and each client stands for a process.
    """
    loop = asyncio.get_running_loop()
    statuses = Counter[int]()

    async def respond(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.01)
        is_allowed, headers = limit.count(loop.time())
        status = 204 if is_allowed else 429
        statuses[status] += 1
        await asyncio.sleep(0.01)
        return httpx.Response(status, headers=headers)

    async def run_process() -> None:
        transport = httpx.MockTransport(respond)
        async with AsyncTrackingClient(KEY, transport=transport, requests_per_minute=requests_per_minute) as client:
            await asyncio.gather(*(work(client) for _ in range(workers)))

    async def work(client: AsyncTrackingClient) -> None:
        while numbers:
            await client.start(tracking_number=numbers.pop(), carrier_code="ups")

    numbers = [str(number) for number in range(1000)]
    started = loop.time()
    await asyncio.gather(*(run_process() for _ in range(processes)))
    assert statuses[204] == 1000
    return loop.time() - started, statuses[429]


@pytest.mark.parametrize("workers", [pytest.param(8, marks=SLOW), 40, pytest.param(100, marks=SLOW)])
@pytest.mark.parametrize("kind", [RateLimit, SlidingRateLimit])
@pytest.mark.parametrize(
    ("headers", "pace", "longest", "most_rejected"),
    [
        pytest.param(True, None, 1.07, 0, id="rate limit headers"),
        pytest.param(False, None, 1.12, 210, id="Retry-After only"),
        pytest.param(False, 200, 1.03, 0, id="requests_per_minute"),
    ],
)
def test_calls_on_an_exhausted_limit_take_little_more_than_the_ideal_time(
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    kind: type[RateLimit],
    headers: bool,
    pace: int | None,
    longest: float,
    most_rejected: int,
) -> None:
    monkeypatch.setattr(rate_limit, "MINUTE", 6.0)
    limit = kind(200, 6.0, headers=headers)
    seconds, rejected = virtual_time.run(make_calls(limit, workers, requests_per_minute=pace), monkeypatch)
    assert seconds <= IDEAL * longest
    assert rejected <= most_rejected


@pytest.mark.parametrize(
    ("processes", "most_rejected"),  # about half of what a client that ignores the other processes causes
    [pytest.param(2, 12, id="2"), pytest.param(4, 35, id="4"), pytest.param(8, 100, id="8", marks=SLOW)],
)
def test_several_processes_share_the_limit_with_few_rejections(
    monkeypatch: pytest.MonkeyPatch, processes: int, most_rejected: int
) -> None:
    seconds, rejected = virtual_time.run(make_calls(RateLimit(200, 6.0), 8, processes=processes), monkeypatch)
    assert seconds <= IDEAL * 1.04
    assert rejected <= most_rejected
