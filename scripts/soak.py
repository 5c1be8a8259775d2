"""Many calls through bad weather and against rate limits, over real sockets: `make soak`. Tests run it in small."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from math import inf
from typing import Any

from attrs import define, field

from shipengine_tracking import AsyncTrackingClient, Package, ShipEngineError, TrackingClient, gates
from shipengine_tracking.testing import FakeShipEngine, RateLimit, Weather

TROUBLES = {"429": 0.1, "503": 0.1, "reset": 0.1, "cut": 0.1, "slow": 0.1}


class Attempts(logging.Handler):
    """Counts the client's own log lines: one an attempt."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line."""
        self.count += record.levelno == logging.DEBUG


@define
class Run:
    """What came of a run."""

    ended: Counter[str] = field(factory=Counter[str])
    succeeded: list[str] = field(factory=list[str])
    attempts: int = 0
    seconds: float = 0.0

    def note(self, number: str, error: ShipEngineError | None) -> None:
        """Note how a call ended."""
        self.ended[type(error).__name__ if error else "success"] += 1
        if error is None:
            self.succeeded.append(number)


def with_threads(calls: int, workers: int, **settings: Any) -> Run:
    """Make the calls from threads that share a client."""
    run, numbers = Run(), iter([f"{number:08}" for number in range(calls)])

    def work() -> None:
        for number in numbers:
            try:
                client.start(tracking_number=number, carrier_code="ups")
                run.note(number, None)
            except ShipEngineError as error:
                run.note(number, error)

    with TrackingClient(**settings) as client:
        crew = [threading.Thread(target=work) for _ in range(workers)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
    return run


def with_tasks(calls: int, workers: int, **settings: Any) -> Run:
    """Make the calls from tasks that share a client."""
    run, numbers = Run(), iter([f"{number:08}" for number in range(calls)])

    async def work(client: AsyncTrackingClient) -> None:
        for number in numbers:
            try:
                await client.start(tracking_number=number, carrier_code="ups")
                run.note(number, None)
            except ShipEngineError as error:
                run.note(number, error)

    async def main() -> Run:
        async with AsyncTrackingClient(**settings) as client:
            await asyncio.gather(*(work(client) for _ in range(workers)))
        assert len(asyncio.all_tasks()) == 1, "a task remains"
        return run

    return asyncio.run(main())


def with_start_many(calls: int, workers: int, **settings: Any) -> Run:
    """Make the calls as one bulk run."""
    run = Run()
    packages = (Package(tracking_number=f"{number:08}", carrier_code="ups") for number in range(calls))
    with TrackingClient(**settings) as client:
        for outcome in client.start_many(packages, concurrency=workers):
            run.note(outcome.package.tracking_number, outcome.error)
    return run


def with_start_many_async(calls: int, workers: int, **settings: Any) -> Run:
    """Make the calls as one asynchronous bulk run."""
    run = Run()
    packages = (Package(tracking_number=f"{number:08}", carrier_code="ups") for number in range(calls))

    async def main() -> Run:
        async with AsyncTrackingClient(**settings) as client:
            async for outcome in client.start_many(packages, concurrency=workers):
                run.note(outcome.package.tracking_number, outcome.error)
        return run

    return asyncio.run(main())


def timed(crew: Callable[..., Run], calls: int, workers: int, fake: FakeShipEngine, **settings: Any) -> Run:
    """Run a crew against the fake, counting the attempts that the client says it made."""
    log, handler = logging.getLogger("shipengine_tracking"), Attempts()
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    began = time.perf_counter()
    try:
        run = crew(calls, workers, api_key=fake.api_key, base_url=fake.url, **settings)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate
    run.seconds, run.attempts = time.perf_counter() - began, handler.count
    return run


def through_bad_weather(crew: Callable[..., Run], calls: int, workers: int) -> Run:
    """Run through trouble of every kind, and hold what must hold."""
    before = left_over()
    with FakeShipEngine(weather=Weather(TROUBLES, seed=calls)) as fake:
        run = timed(crew, calls, workers, fake, timeout=5.0)
    recorded = Counter(subscription.tracking_number for subscription in fake.subscriptions)
    assert run.ended.total() == calls, "a call has not ended"
    assert len(fake.requests) == run.attempts, f"{len(fake.requests)} requests, {run.attempts} attempts"
    assert sorted(recorded.elements()) == sorted(run.succeeded), "a success is not recorded, or one is not reported"
    assert any(_paused() and left_over() == before for _ in range(500)), (
        f"threads and open files: {before} before, {left_over()} after"
    )
    return run


def _paused() -> bool:
    time.sleep(0.01)
    return True


def left_over() -> tuple[int, int]:
    """Return how many threads run and how many files and sockets are open."""
    gc.collect()
    files = -1
    with suppress(FileNotFoundError):
        files = len(os.listdir("/proc/self/fd"))
    return threading.active_count(), files


def against_a_limit(
    crew: Callable[..., Run], limit: RateLimit, workers: int = 40, calls: int = 1000, **settings: Any
) -> tuple[float, int]:
    """Make the calls against a limit of 200 in 6 s; return the ratio to the ideal time of 1,000, and the 429s."""
    with FakeShipEngine(rate_limit=limit) as fake:
        run = timed(crew, calls, workers, fake, **settings)
    assert run.ended == {"success": calls}, run.ended
    return run.seconds / 24.0, len(fake.requests) - calls


def memory() -> float:
    """Return the most memory that this process has held so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> int:  # pragma: no cover - the whole `make soak`: minutes; its parts are tested
    """Print the figures; 1 if anything that must hold does not."""
    print("Bad weather: 10 % each of 429, 503, reset, broken off, slow. Every call ends, everything is recorded,")
    print("counted and closed. In small first: the memory that the large run needs beyond it is growth.")
    for crew, workers in ((with_threads, 32), (with_tasks, 200)):
        for calls in (500, 5000):
            before = memory()
            run = through_bad_weather(crew, calls, workers)
            grown = memory() - before
            print(f"  {crew.__name__:<13}{calls:>5} calls from {workers:>3} in {run.seconds:5.1f} s:")
            print(f"      {run.attempts} attempts, {dict(run.ended)}, {grown:.1f} MB more at the peak")
            assert grown < 40, "memory grows, by more than what the fake records of its requests"
    print("A rate limit: 1,000 calls, 200 in 6 s. The time as a ratio to the ideal 24 s, and the 429s.")
    return 0 if all([*limits()]) else 1


def limits() -> Iterator[bool]:  # pragma: no cover - half of `make soak`: 24 runs of 24 seconds
    """Run against every kind of limit; yield whether what must hold does."""
    gates.MINUTE = 6.0
    ways: list[tuple[str, float, float, bool, dict[str, int]]] = [
        ("requests_per_minute", 1.05, 0, False, {"requests_per_minute": 200}),
        ("with the headers", 1.10, 40, True, {}),
        ("without headers", 1.15, inf, False, {}),
    ]
    crews = (with_threads, with_tasks, with_start_many, with_start_many_async)
    for crew, sliding, (name, most, refusals, headers, settings) in product(crews, (0, 1), ways):
        ratio, refused = against_a_limit(crew, RateLimit(200, 6.0, bool(sliding), headers), **settings)
        holds = ratio <= most and refused <= refusals
        window = "sliding" if sliding else "fixed"
        verdict = "" if holds else "  FAILED"
        print(f"  {crew.__name__:<22}{window:<8} {name:<20} {ratio:.3f} of at most {most:.2f}, {refused} 429s{verdict}")
        yield holds


if __name__ == "__main__":
    sys.exit(main())
