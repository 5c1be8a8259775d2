"""A thousand calls against an account's rate limit, through the real client, in virtual time.

200 calls in 6 seconds, 1,000 calls: at best the last window begins after (5 - 1) * 6 = 24 seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import httpx
import pytest

import virtual
from shipengine_tracking import AsyncTrackingClient
from shipengine_tracking.testing import RateLimit

IDEAL = 24.0


async def thousand(
    limit: RateLimit,
    workers: int,
    latency: float,
    requests_per_minute: int | None = None,
    slow: float = 0.01,
) -> tuple[float, int]:
    """Make the calls; return the seconds they took and the number of 429s."""
    loop = asyncio.get_running_loop()
    statuses = Counter[int]()
    chance = Random(1)

    async def serve(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(latency / 2)
        passes, headers = limit.count(loop.time())
        status = 204 if passes else 429
        statuses[status] += 1
        await asyncio.sleep(latency / 2 if chance.random() < 0.9 else slow)
        return httpx.Response(status, headers=headers)

    async def work() -> None:
        while numbers:
            await client.start(tracking_number=numbers.pop(), carrier_code="ups")

    numbers = [str(number) for number in range(1000)]
    began = loop.time()
    transport = httpx.MockTransport(serve)
    async with AsyncTrackingClient("TEST_key", transport=transport, requests_per_minute=requests_per_minute) as client:
        await asyncio.gather(*(work() for _ in range(workers)))
    assert statuses[204] == 1000
    return loop.time() - began, statuses[429]


SLOW = pytest.mark.slow


@pytest.mark.parametrize("workers", [pytest.param(8, marks=SLOW), 40, pytest.param(100, marks=SLOW)])
@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
def test_with_the_headers(monkeypatch: pytest.MonkeyPatch, workers: int, sliding: bool) -> None:
    took, refused = virtual.run(thousand(RateLimit(200, 6.0, sliding), workers, 0.02), monkeypatch)
    assert took <= IDEAL * 1.10
    assert refused <= workers


@pytest.mark.parametrize("workers", [pytest.param(8, marks=SLOW), 40, pytest.param(100, marks=SLOW)])
@pytest.mark.parametrize("sliding", [pytest.param(False, marks=SLOW), True], ids=["fixed", "sliding"])
def test_without_the_headers(monkeypatch: pytest.MonkeyPatch, workers: int, sliding: bool) -> None:
    took, _ = virtual.run(thousand(RateLimit(200, 6.0, sliding, headers=False), workers, 0.02), monkeypatch)
    assert took <= IDEAL * 1.15


@pytest.mark.parametrize("workers", [pytest.param(8, marks=SLOW), 40, pytest.param(100, marks=SLOW)])
@pytest.mark.parametrize("sliding", [pytest.param(False, marks=SLOW), True], ids=["fixed", "sliding"])
def test_paced_beforehand(monkeypatch: pytest.MonkeyPatch, workers: int, sliding: bool) -> None:
    monkeypatch.setattr("shipengine_tracking.gates.MINUTE", 6.0)
    limit = RateLimit(200, 6.0, sliding, headers=False)
    took, refused = virtual.run(thousand(limit, workers, 0.02, requests_per_minute=200), monkeypatch)
    assert took <= IDEAL * 1.05
    assert refused == 0


@pytest.mark.parametrize("sliding", [False, pytest.param(True, marks=SLOW)], ids=["fixed", "sliding"])
def test_answers_that_come_late_bring_no_old_window_back(monkeypatch: pytest.MonkeyPatch, sliding: bool) -> None:
    took, refused = virtual.run(thousand(RateLimit(200, 60.0, sliding), 40, 0.02, slow=2.0), monkeypatch)
    assert took <= 240 * 1.10
    assert refused <= 50
