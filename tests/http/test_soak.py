"""Calls through network faults and rate limits, over real sockets: thousands in `make soak`, which prints figures."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any

import pytest

from faults import RandomFaults, SlidingRateLimit
from shipengine_tracking import AsyncTrackingClient, Outcome, Package, ShipEngineError, TrackingClient
from shipengine_tracking._http import flow, rate_limit
from shipengine_tracking.testing import FakeShipEngine, RateLimit
from support import wait_until

SHARES = {"429": 0.1, "503": 0.1, "reset": 0.1, "cut": 0.1, "slow": 0.1}
ONLY_SOAK = [pytest.mark.slow, pytest.mark.soak]  # these tests take ten minutes
Runner = Callable[..., list[Outcome]]


def threads(packages: list[Package], workers: int, **settings: Any) -> list[Outcome]:
    def call(package: Package) -> Outcome:
        try:
            client.start(tracking_number=package.tracking_number, carrier_code="ups")
        except ShipEngineError as error:
            return Outcome(package, error)
        return Outcome(package, None)

    with TrackingClient(**settings) as client, ThreadPoolExecutor(workers) as pool:
        return list(pool.map(call, packages))


def tasks(packages: list[Package], workers: int, **settings: Any) -> list[Outcome]:
    todo, outcomes = iter(packages), list[Outcome]()

    async def work(client: AsyncTrackingClient) -> None:
        for package in todo:
            try:
                await client.start(tracking_number=package.tracking_number, carrier_code="ups")
                outcomes.append(Outcome(package, None))
            except ShipEngineError as error:
                outcomes.append(Outcome(package, error))

    async def main() -> None:
        async with AsyncTrackingClient(**settings) as client:
            await asyncio.gather(*(work(client) for _ in range(workers)))

    asyncio.run(main())
    return outcomes


def start_many(packages: list[Package], workers: int, **settings: Any) -> list[Outcome]:
    with TrackingClient(**settings) as client:
        return list(client.start_many(packages, concurrency=workers))


def start_many_async(packages: list[Package], workers: int, **settings: Any) -> list[Outcome]:
    async def main() -> list[Outcome]:
        async with AsyncTrackingClient(**settings) as client:
            return [outcome async for outcome in client.start_many(packages, concurrency=workers)]

    return asyncio.run(main())


RUNNERS: list[Runner] = [threads, tasks, start_many, start_many_async]


def make_calls(
    runner: Runner, count: int, workers: int, fake: FakeShipEngine, **settings: Any
) -> tuple[list[Outcome], float]:
    """Return the outcomes of calls, and the seconds that they took."""
    packages = [Package(tracking_number=f"{number:08}", carrier_code="ups") for number in range(count)]
    started = time.monotonic()
    outcomes = runner(packages, workers, api_key=fake.api_key, base_url=fake.url, **settings)
    return outcomes, time.monotonic() - started


def open_resources() -> tuple[int, int]:
    """Return how many threads run, and how many files and sockets are open."""
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def peak_memory() -> float:
    """Return the largest amount of memory that this process has used so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("count", "first_backoff"),
    [(100, 0.01), pytest.param(500, 0.5, marks=pytest.mark.slow), pytest.param(5000, 0.5, marks=ONLY_SOAK)],
)
@pytest.mark.parametrize(("runner", "workers"), [(threads, 32), (tasks, 200), (start_many, 32), (start_many_async, 99)])
def test_nothing_is_lost_through_network_faults(
    runner: Runner, workers: int, count: int, first_backoff: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", first_backoff)
    monkeypatch.setattr(flow.log, "propagate", False)  # pytest would keep thousands of records
    resources, memory = open_resources(), peak_memory()
    with RandomFaults(SHARES, seed=count) as fake:
        outcomes, seconds = make_calls(runner, count, workers, fake, timeout=5.0)
    grown = peak_memory() - memory
    ended = Counter("success" if outcome.ok else type(outcome.error).__name__ for outcome in outcomes)
    print(  # noqa: T201 `make soak` shows it
        f"{runner.__name__}: {count} calls, {workers} at a time, in {seconds:.1f} s: {len(fake.requests)} requests, "
        f"{dict(ended)}, {grown:.1f} MB more at the peak"
    )
    assert len(outcomes) == count
    assert ended["success"] > 0.9 * count
    assert len(fake.requests) > 1.3 * count
    succeeded = sorted(outcome.package.tracking_number for outcome in outcomes if outcome.ok)
    assert succeeded == sorted(subscription.tracking_number for subscription in fake.subscriptions)
    wait_until(lambda: all(now <= before for now, before in zip(open_resources(), resources, strict=True)))
    assert grown < 40  # the fake server records every request


@pytest.mark.timeout(180)
@pytest.mark.parametrize("runner", [pytest.param(runner, marks=ONLY_SOAK) for runner in RUNNERS])
@pytest.mark.parametrize(
    ("kind", "headers", "settings", "longest", "most_rejected"),
    [
        pytest.param(RateLimit, True, {}, 1.05, 0, id="rate limit headers"),
        # RateLimit-Reset is rounded up to whole seconds, which can add one second to each of the four waits.
        pytest.param(SlidingRateLimit, True, {}, 1.20, 0, id="rate limit headers, sliding"),
        pytest.param(RateLimit, False, {}, 1.15, inf, id="Retry-After only"),
        pytest.param(SlidingRateLimit, False, {"requests_per_minute": 200}, 1.05, 0, id="requests_per_minute"),
    ],
)
def test_thousand_calls_on_a_rate_limit_take_little_more_than_the_ideal_time(
    runner: Runner,
    kind: type[RateLimit],
    headers: bool,
    settings: dict[str, int],
    longest: float,
    most_rejected: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limit, "MINUTE", 6.0)
    with FakeShipEngine(rate_limit=kind(200, 6.0, headers)) as fake:
        outcomes, seconds = make_calls(runner, 1000, 40, fake, **settings)
    ratio, rejected = seconds / 24.0, len(fake.requests) - 1000
    print(  # noqa: T201 `make soak` shows it
        f"{runner.__name__}, {kind.__name__}, {'' if headers else 'no '}headers, {settings}: {ratio:.3f} of the ideal "
        f"time (at most {longest:.2f}), {rejected} responses of 429"
    )
    assert [outcome.ok for outcome in outcomes] == [True] * 1000
    assert ratio <= longest
    assert rejected <= most_rejected
