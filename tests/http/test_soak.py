"""Calls through network faults and rate limits, over real sockets: thousands in `make soak`, which prints figures."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import pytest
from attrs import define, field

from faults import RandomFaults, SlidingRateLimit
from shipengine_tracking import AsyncTrackingClient, Package, ShipEngineError, TrackingClient
from shipengine_tracking._http import flow, rate_limit
from shipengine_tracking.testing import FakeShipEngine, RateLimit, Response
from support import wait_until

SHARES = {"429": 0.1, "503": 0.1, "reset": 0.1, "cut": 0.1, "slow": 0.1}
ONLY_SOAK = [pytest.mark.slow, pytest.mark.soak]  # these tests take ten minutes


@define
class Run:
    """The calls of a test, and their results."""

    count: int
    ended: Counter[str] = field(factory=Counter[str])
    succeeded: list[str] = field(factory=list[str])
    seconds: float = 0.0

    def numbers(self) -> Iterator[str]:
        return iter([f"{number:08}" for number in range(self.count)])

    def packages(self) -> Iterator[Package]:
        return (Package(tracking_number=number, carrier_code="ups") for number in self.numbers())

    def note(self, number: str, error: ShipEngineError | None) -> None:
        self.ended[type(error).__name__ if error else "success"] += 1
        if error is None:
            self.succeeded.append(number)


def threads(run: Run, workers: int, **settings: Any) -> None:
    numbers = run.numbers()

    def work() -> None:
        for number in numbers:
            try:
                client.start(tracking_number=number, carrier_code="ups")
                run.note(number, None)
            except ShipEngineError as error:
                run.note(number, error)

    with TrackingClient(**settings) as client:
        pool = [threading.Thread(target=work) for _ in range(workers)]
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()


def tasks(run: Run, workers: int, **settings: Any) -> None:
    numbers = run.numbers()

    async def work(client: AsyncTrackingClient) -> None:
        for number in numbers:
            try:
                await client.start(tracking_number=number, carrier_code="ups")
                run.note(number, None)
            except ShipEngineError as error:
                run.note(number, error)

    async def main() -> None:
        async with AsyncTrackingClient(**settings) as client:
            await asyncio.gather(*(work(client) for _ in range(workers)))
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def start_many(run: Run, workers: int, **settings: Any) -> None:
    with TrackingClient(**settings) as client:
        for outcome in client.start_many(run.packages(), concurrency=workers):
            run.note(outcome.package.tracking_number, outcome.error)


def start_many_async(run: Run, workers: int, **settings: Any) -> None:
    async def main() -> None:
        async with AsyncTrackingClient(**settings) as client:
            async for outcome in client.start_many(run.packages(), concurrency=workers):
                run.note(outcome.package.tracking_number, outcome.error)

    asyncio.run(main())


RUNNERS = [threads, tasks, start_many, start_many_async]
Runner = Callable[..., None]


def make_calls(runner: Runner, count: int, workers: int, fake: FakeShipEngine, **settings: Any) -> Run:
    run, started = Run(count), time.monotonic()
    runner(run, workers, api_key=fake.api_key, base_url=fake.url, **settings)
    run.seconds = time.monotonic() - started
    return run


@contextmanager
def counted_attempts() -> Iterator[Counter[str]]:
    """Count the attempts that the client logs."""

    class Attempts(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            counter["attempts"] += record.levelno == logging.DEBUG

    counter, log, handler = Counter[str](), logging.getLogger("shipengine_tracking"), Attempts()
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    yield counter
    log.removeHandler(handler)
    log.setLevel(level)
    log.propagate = propagate


def open_resources() -> tuple[int, int]:
    """Return how many threads run, and how many files and sockets are open."""
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def peak_memory() -> float:
    """Return the largest amount of memory that this process has used so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def report(line: str) -> None:
    print(line)  # noqa: T201 `make soak` shows it


@pytest.mark.parametrize("runner", RUNNERS)
def test_runner_records_every_call(runner: Runner, fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(400))
    run = make_calls(runner, 20, 4, fake)
    assert run.ended == {"success": 19, "InvalidRequestError": 1}
    assert len(fake.requests) == 20
    assert sorted(run.succeeded) == sorted(subscription.tracking_number for subscription in fake.subscriptions)


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
    resources, memory = open_resources(), peak_memory()
    with RandomFaults(SHARES, seed=count) as fake, counted_attempts() as counter:
        run = make_calls(runner, count, workers, fake, timeout=5.0)
    grown = peak_memory() - memory
    report(
        f"{runner.__name__}: {count} calls, {workers} at a time, in {run.seconds:.1f} s: {counter['attempts']} "
        f"attempts, {dict(run.ended)}, {grown:.1f} MB more at the peak"
    )
    assert run.ended.total() == count
    assert run.ended["success"] > 0.9 * count
    assert len(fake.requests) == counter["attempts"] > 1.3 * count
    assert sorted(run.succeeded) == sorted(subscription.tracking_number for subscription in fake.subscriptions)
    wait_until(lambda: all(now <= before for now, before in zip(open_resources(), resources, strict=True)))
    assert grown < 40  # the fake server records every request


@pytest.mark.timeout(180)
@pytest.mark.parametrize("runner", [pytest.param(runner, marks=ONLY_SOAK) for runner in RUNNERS])
@pytest.mark.parametrize("kind", [RateLimit, SlidingRateLimit])
@pytest.mark.parametrize(
    ("headers", "settings", "longest", "longest_sliding", "most_rejected"),
    [
        pytest.param(False, {"requests_per_minute": 200}, 1.05, 1.05, 0, id="requests_per_minute"),
        # RateLimit-Reset is rounded up to whole seconds, which can add one second to each of the four waits.
        pytest.param(True, {}, 1.05, 1.20, 0, id="rate limit headers"),
        pytest.param(False, {}, 1.15, 1.15, inf, id="Retry-After only"),
    ],
)
def test_thousand_calls_on_a_rate_limit_take_little_more_than_the_ideal_time(
    runner: Runner,
    kind: type[RateLimit],
    headers: bool,
    settings: dict[str, int],
    longest: float,
    longest_sliding: float,
    most_rejected: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limit, "MINUTE", 6.0)
    with FakeShipEngine(rate_limit=kind(200, 6.0, headers)) as fake:
        run = make_calls(runner, 1000, 40, fake, **settings)
    ratio, rejected = run.seconds / 24.0, len(fake.requests) - 1000
    longest = longest_sliding if kind is SlidingRateLimit else longest
    report(
        f"{runner.__name__}, {kind.__name__}, {'' if headers else 'no '}headers, {settings}: {ratio:.3f} of the ideal "
        f"time (at most {longest:.2f}), {rejected} responses of 429"
    )
    assert run.ended == {"success": 1000}
    assert ratio <= longest
    assert rejected <= most_rejected
