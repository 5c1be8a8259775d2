"""The clients that `make bench` compares, in an environment of their own: `bench_clients.py MEASURE ARGUMENT…`."""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from importlib import import_module
from itertools import product, repeat
from typing import Any

import httpx

from shipengine_tracking import AsyncTrackingClient, Package, TrackingClient

KEY, PATH = "TEST_bench", "/v1/tracking/start"
BARE: dict[str, Any] = {"headers": {"API-Key": KEY}, "timeout": 30.0}
FOR_50 = {"limits": httpx.Limits(max_connections=50, max_keepalive_connections=50), **BARE}
FOR_ONE = {"limits": httpx.Limits(max_connections=1), "verify": httpx.create_ssl_context(), **BARE}

# A way to call is opened for so many workers, and gives each of them its call; the call takes a tracking number.
AsyncCall = Callable[[str], Awaitable[object]]
Call = Callable[[str], object]


def _query(number: str) -> dict[str, str]:
    return {"tracking_number": number, "carrier_code": "ups"}


def _post(client: httpx.Client, number: str) -> None:
    assert client.post(PATH, params=_query(number)).status_code == 204


async def _post_async(client: httpx.AsyncClient, number: str) -> None:
    assert (await client.post(PATH, params=_query(number))).status_code == 204


@asynccontextmanager
async def ours_async(url: str, workers: int) -> AsyncIterator[list[AsyncCall]]:
    """Open one AsyncTrackingClient for all."""
    async with AsyncTrackingClient(KEY, base_url=url, max_retries=0) as client:
        yield [lambda number: client.start(tracking_number=number, carrier_code="ups")] * workers


@asynccontextmanager
async def httpx_async_shared(url: str, workers: int) -> AsyncIterator[list[AsyncCall]]:
    """Open one httpx.AsyncClient for all, as httpx advises."""
    async with httpx.AsyncClient(base_url=url, **FOR_50) as client:
        yield [partial(_post_async, client)] * workers


@asynccontextmanager
async def httpx_async_each(url: str, workers: int) -> AsyncIterator[list[AsyncCall]]:
    """Open an httpx.AsyncClient for each."""
    async with AsyncExitStack() as opened:
        clients = [httpx.AsyncClient(base_url=url, **FOR_ONE) for _ in range(workers)]
        yield [partial(_post_async, await opened.enter_async_context(client)) for client in clients]


@asynccontextmanager
async def aiohttp_shared(url: str, workers: int) -> AsyncIterator[list[AsyncCall]]:  # pragma: no cover - bench-venv's
    """Open one aiohttp.ClientSession for all."""
    aiohttp = import_module("aiohttp")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=workers)) as session:

        async def call(number: str) -> None:
            async with session.post(url + PATH, params=_query(number), headers=BARE["headers"]) as answer:
                assert answer.status == 204

        yield [call] * workers


@contextmanager
def ours(url: str, workers: int) -> Iterator[list[Call]]:
    """Open one TrackingClient for all."""
    with TrackingClient(KEY, base_url=url, max_retries=0) as client:
        yield [lambda number: client.start(tracking_number=number, carrier_code="ups")] * workers


@contextmanager
def httpx_shared(url: str, workers: int) -> Iterator[list[Call]]:
    """Open one httpx.Client for all, as httpx advises."""
    with httpx.Client(base_url=url, **BARE) as client:
        yield [partial(_post, client)] * workers


@contextmanager
def httpx_each(url: str, workers: int) -> Iterator[list[Call]]:
    """Open an httpx.Client for each."""
    with ExitStack() as opened:
        clients = [httpx.Client(base_url=url, **FOR_ONE) for _ in range(workers)]
        yield [partial(_post, opened.enter_context(client)) for client in clients]


@contextmanager
def requests_each(url: str, workers: int) -> Iterator[list[Call]]:  # pragma: no cover - bench-venv's
    """Open a requests.Session for each: threads are not to share one."""
    sessions = [import_module("requests").Session() for _ in range(workers)]

    def call(session: Any, number: str) -> None:
        assert session.post(url + PATH, params=_query(number), **BARE).status_code == 204

    yield [partial(call, session) for session in sessions]


@contextmanager
def vendors_sdk(url: str, workers: int) -> Iterator[list[Call]]:  # pragma: no cover - bench-venv's
    """Open the vendor's SDK for each. It cannot start tracking: its nearest call asks where a package is."""
    config = {"api_key": KEY, "base_uri": url, "page_size": 50, "retries": 0, "timeout": 30}
    engines = [import_module("shipengine").ShipEngine(config) for _ in range(workers)]
    yield [partial(engine.track_package_by_carrier_code_and_tracking_number, "ups") for engine in engines]


TASKS = {
    "this package": ours_async,
    "httpx shared": httpx_async_shared,
    "httpx per worker": httpx_async_each,
    "aiohttp": aiohttp_shared,
}
THREADS = {
    "this package": ours,
    "httpx shared": httpx_shared,
    "httpx per worker": httpx_each,
    "requests": requests_each,
    "shipengine SDK": vendors_sdk,
}


async def load_tasks(way: str, url: str, workers: int, calls: int) -> dict[str, Any]:
    """Make the calls from as many tasks. Each has made one before the clock starts, so no set-up is counted."""
    load = Load(calls)

    async def work(call: AsyncCall, numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                await call(f"{number:012}")
            except Exception as error:
                load.failed[type(error).__name__] += 1

    async with TASKS[way](url, workers) as own:
        await asyncio.gather(*(work(call, [0]) for call in own))
        numbers = load.begin()
        await asyncio.gather(*(work(call, numbers) for call in own))
        return load.measured()


def load_threads(way: str, url: str, workers: int, calls: int) -> dict[str, Any]:
    """Make the calls from as many threads, likewise."""
    load = Load(calls)

    def work(call: Call, numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                call(f"{number:012}")
            except Exception as error:
                load.failed[type(error).__name__] += 1

    with THREADS[way](url, workers) as own, ThreadPoolExecutor(workers) as crew:
        list(crew.map(work, own, repeat([0])))
        list(crew.map(work, own, repeat(load.begin())))
        return load.measured()


class Load:
    """The clock of a load, and what failed."""

    def __init__(self, calls: int):
        self._calls, self.failed = calls, Counter[str]()

    def begin(self) -> Iterator[int]:
        """Start the clock; return the numbers of the calls, for all workers together."""
        self._began, self._cpu = time.perf_counter(), time.process_time()
        return iter(range(self._calls))

    def measured(self) -> dict[str, Any]:
        """Stop the clock; return calls per second, CPU seconds a call, and the failures by kind."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        return {"rate": self._calls / seconds, "cpu": cpu / self._calls, "failed": dict(self.failed)}


def sequential(url: str, blocks: int, calls: int) -> dict[str, Any]:
    """Return the CPU seconds of a call, one after the other: of ours and httpx's in turn, the medians of the blocks."""
    spent: dict[str, list[float]] = {"this package": [], "httpx shared": []}
    with ExitStack() as opened:
        call = {way: opened.enter_context(THREADS[way](url, 1))[0] for way in spent}
        for block, way in product(range(blocks + 1), spent):
            began = time.process_time()
            for number in range(calls):
                call[way](f"{number:012}")
            if block:  # the first is for warming up
                spent[way].append((time.process_time() - began) / calls)
    return {way: statistics.median(seconds) for way, seconds in spent.items()}


async def connections(url: str, waves: list[int]) -> dict[str, Any]:
    """Make calls in waves of tasks that all begin at once; return the connections opened, as the responder counts."""
    async with httpx.AsyncClient() as watch, ours_async(f"{url}/after/50", max(waves)) as calls:
        before = (await watch.get(f"{url}/counts")).json()["opened"]
        for wave in waves:
            await asyncio.gather(*(call("1") for call in calls[:wave]))
        return {"opened": (await watch.get(f"{url}/counts")).json()["opened"] - before, "peak": max(waves)}


def many_threads(url: str, packages: int) -> dict[str, Any]:
    """Start many packages from threads; return by how many megabytes memory grew after the first of them."""
    source = Packages(packages)
    with TrackingClient(KEY, base_url=url, max_retries=0) as client:
        outcomes = client.start_many(source, concurrency=8)
        return source.measured(Counter(type(outcome.error).__name__ for outcome in outcomes))


async def many_tasks(url: str, packages: int) -> dict[str, Any]:
    """Start many packages from tasks, likewise."""
    source, ended = Packages(packages), Counter[str]()
    async with AsyncTrackingClient(KEY, base_url=url, max_retries=0) as client:
        async for outcome in client.start_many(source, concurrency=50):
            ended[type(outcome.error).__name__] += 1
    return source.measured(ended)


class Packages:
    """Packages, and the memory when the first of them had been read."""

    def __init__(self, count: int):
        self._count, self._memory = count, 0

    def __iter__(self) -> Iterator[Package]:
        for number in range(self._count):
            if number == min(2000, self._count // 10):
                self._memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            yield Package(tracking_number=f"{number:012}", carrier_code="ups")

    def measured(self, ended: Counter[str]) -> dict[str, Any]:
        """Return the growth since then, and how the calls ended."""
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._memory
        return {"grown": grown / 1000, "succeeded": ended.pop("NoneType", 0), "failed": dict(ended)}


if __name__ == "__main__":
    measured = globals()[sys.argv[1]](*map(json.loads, sys.argv[2:]))
    print(json.dumps(asyncio.run(measured) if asyncio.iscoroutine(measured) else measured))
