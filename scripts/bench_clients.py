"""What `make bench` measures, in the environment that has the other clients: `bench_clients.py MEASURE ARGUMENT…`.

MEASURE is a function of this module; its arguments are JSON. Its result is printed as JSON.
"""

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
from types import CodeType, FrameType
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from shipengine_tracking import AsyncTrackingClient, Package, TrackingClient
from shipengine_tracking.testing import FakeShipEngine
from shipengine_tracking.webhooks import Verifier, parse

KEY, PATH = "TEST_bench", "/v1/tracking/start"
BARE: dict[str, Any] = {"headers": {"API-Key": KEY}, "timeout": 30.0}
FOR_50 = {"limits": httpx.Limits(max_connections=50, max_keepalive_connections=50), **BARE}
FOR_ONE = {"limits": httpx.Limits(max_connections=1), "verify": httpx.create_ssl_context(), **BARE}

# A way to call is opened for a number of workers and yields one function for each. It takes a tracking number.
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
    """Share one AsyncTrackingClient."""
    async with AsyncTrackingClient(KEY, base_url=url, max_retries=0) as client:
        yield [lambda number: client.start(tracking_number=number, carrier_code="ups")] * workers


@asynccontextmanager
async def httpx_async_shared(url: str, workers: int) -> AsyncIterator[list[AsyncCall]]:
    """Share one httpx.AsyncClient, as httpx recommends."""
    async with httpx.AsyncClient(base_url=url, **FOR_50) as client:
        yield [partial(_post_async, client)] * workers


@asynccontextmanager
async def httpx_async_each(url: str, workers: int) -> AsyncIterator[list[AsyncCall]]:
    """Open an httpx.AsyncClient for each worker."""
    async with AsyncExitStack() as opened:
        clients = [httpx.AsyncClient(base_url=url, **FOR_ONE) for _ in range(workers)]
        yield [partial(_post_async, await opened.enter_async_context(client)) for client in clients]


@asynccontextmanager
async def aiohttp_shared(
    url: str, workers: int
) -> AsyncIterator[list[AsyncCall]]:  # pragma: no cover - needs bench-venv
    """Share one aiohttp.ClientSession."""
    aiohttp = import_module("aiohttp")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=workers)) as session:

        async def call(number: str) -> None:
            async with session.post(url + PATH, params=_query(number), headers=BARE["headers"]) as response:
                assert response.status == 204

        yield [call] * workers


@contextmanager
def ours(url: str, workers: int) -> Iterator[list[Call]]:
    """Share one TrackingClient."""
    with TrackingClient(KEY, base_url=url, max_retries=0) as client:
        yield [lambda number: client.start(tracking_number=number, carrier_code="ups")] * workers


@contextmanager
def httpx_shared(url: str, workers: int) -> Iterator[list[Call]]:
    """Share one httpx.Client, as httpx recommends."""
    with httpx.Client(base_url=url, **BARE) as client:
        yield [partial(_post, client)] * workers


@contextmanager
def httpx_each(url: str, workers: int) -> Iterator[list[Call]]:
    """Open an httpx.Client for each worker."""
    with ExitStack() as opened:
        clients = [httpx.Client(base_url=url, **FOR_ONE) for _ in range(workers)]
        yield [partial(_post, opened.enter_context(client)) for client in clients]


@contextmanager
def requests_each(url: str, workers: int) -> Iterator[list[Call]]:  # pragma: no cover - needs bench-venv
    """Open a requests.Session for each worker: a session is not safe for threads."""
    sessions = [import_module("requests").Session() for _ in range(workers)]

    def call(session: Any, number: str) -> None:
        assert session.post(url + PATH, params=_query(number), **BARE).status_code == 204

    yield [partial(call, session) for session in sessions]


@contextmanager
def vendors_sdk(url: str, workers: int) -> Iterator[list[Call]]:  # pragma: no cover - needs bench-venv
    """Open the vendor's SDK for each worker. It cannot start tracking, so it asks for the state of the package."""
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
    """Make the calls from a number of tasks. Each makes one call before the clock starts, so set-up does not count."""
    load = Load(calls)

    async def work(call: AsyncCall, numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                await call(f"{number:012}")
            except Exception as error:
                load.failed[type(error).__name__] += 1

    async with TASKS[way](url, workers) as functions:
        await asyncio.gather(*(work(call, [0]) for call in functions))
        numbers = load.begin()
        await asyncio.gather(*(work(call, numbers) for call in functions))
        return load.measured()


def load_threads(way: str, url: str, workers: int, calls: int) -> dict[str, Any]:
    """Make the calls from a number of threads, in the same way."""
    load = Load(calls)

    def work(call: Call, numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                call(f"{number:012}")
            except Exception as error:
                load.failed[type(error).__name__] += 1

    with THREADS[way](url, workers) as functions, ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, functions, repeat([0])))
        list(pool.map(work, functions, repeat(load.begin())))
        return load.measured()


class Load:
    """The clock of a load, and its failures."""

    def __init__(self, calls: int):
        self._calls, self.failed = calls, Counter[str]()

    def begin(self) -> Iterator[int]:
        """Start the clock; return the numbers of the calls, which the workers share."""
        self._began, self._cpu = time.perf_counter(), time.process_time()
        return iter(range(self._calls))

    def measured(self) -> dict[str, Any]:
        """Stop the clock; return calls per second, CPU seconds per call, and the number of failures by exception."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        return {"rate": self._calls / seconds, "cpu": cpu / self._calls, "failed": dict(self.failed)}


def cpu_in_turn(blocks: int, calls: int, **functions: Callable[[], object]) -> dict[str, float]:
    """Return the CPU seconds of one call of each function: the median of blocks of calls, measured in turn."""
    spent: dict[str, list[float]] = {name: [] for name in functions}
    for block, (name, function) in product(range(blocks + 1), functions.items()):
        began = time.process_time()
        for _ in range(calls):
            function()
        if block:  # the first warms up
            spent[name].append((time.process_time() - began) / calls)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def one_call(url: str, blocks: int, calls: int) -> dict[str, float]:
    """Measure sequential calls."""
    with ours(url, 1) as (start,), httpx_shared(url, 1) as (post,):
        return cpu_in_turn(blocks, calls, ours=partial(start, "1Z"), base=partial(post, "1Z"))


def making_a_client(blocks: int, calls: int) -> dict[str, float]:
    """Measure making a client and closing it."""
    return cpu_in_turn(blocks, calls, ours=lambda: TrackingClient(KEY).close(), base=lambda: httpx.Client().close())


def verifying(blocks: int, calls: int) -> dict[str, float]:
    """Measure verifying an update without parsing it, beside the bare signature check."""
    with FakeShipEngine() as fake:
        signed, body = fake.update("1Z", "IT")
        verifier = Verifier(base_url=fake.url)
        headers = {f"X-Other-{number}": "something" for number in range(12)} | signed
        verifier.verify(headers, body)  # fetches the key
    key, padding, algorithm = generate_private_key(65537, 2048), PKCS1v15(), SHA256()
    public, signature = key.public_key(), key.sign(body, padding, algorithm)
    spent = cpu_in_turn(
        blocks,
        calls,
        base=lambda: public.verify(signature, body, padding, algorithm),
        parsing=lambda: parse(body),
        both=lambda: verifier.verify(headers, body),
    )
    return {"ours": spent["both"] - spent["parsing"], **spent}


def functions(url: str) -> dict[str, int]:
    """Count the functions, ours and generated, that one warm `start` runs, and how often it enters them."""
    entered = Counter[CodeType]()

    def profile(frame: FrameType, event: str, _: object) -> None:
        is_ours = str(frame.f_globals.get("__name__")).startswith("shipengine_tracking")
        if event == "call" and is_ours and not frame.f_code.co_name.endswith("comp>"):  # Python 3.12 inlines these
            entered[frame.f_code] += 1

    with ours(url, 1) as (start,):
        start("1Z")
        sys.setprofile(profile)
        start("1Z")
        sys.setprofile(None)
    return {"functions": len(entered), "entered": entered.total()}


async def connections(url: str, waves: list[int]) -> dict[str, Any]:
    """Make calls in waves of tasks that begin at the same time; return how many connections the responder counted."""
    async with httpx.AsyncClient() as watch, ours_async(f"{url}/after/50", max(waves)) as calls:
        before = (await watch.get(f"{url}/counts")).json()["opened"]
        for wave in waves:
            await asyncio.gather(*(call("1") for call in calls[:wave]))
        return {"opened": (await watch.get(f"{url}/counts")).json()["opened"] - before, "peak": max(waves)}


def many_threads(url: str, packages: int) -> dict[str, Any]:
    """Run `start_many` with threads; return by how many megabytes memory grew after the first packages."""
    source = Packages(packages)
    with TrackingClient(KEY, base_url=url, max_retries=0) as client:
        outcomes = client.start_many(source, concurrency=8)
        return source.measured(Counter(type(outcome.error).__name__ for outcome in outcomes))


async def many_tasks(url: str, packages: int) -> dict[str, Any]:
    """Run `start_many` with tasks, in the same way."""
    source, ended = Packages(packages), Counter[str]()
    async with AsyncTrackingClient(KEY, base_url=url, max_retries=0) as client:
        async for outcome in client.start_many(source, concurrency=50):
            ended[type(outcome.error).__name__] += 1
    return source.measured(ended)


class Packages:
    """Packages, and the memory in use after the first of them."""

    def __init__(self, count: int):
        self._count, self._memory = count, 0

    def __iter__(self) -> Iterator[Package]:
        for number in range(self._count):
            if number == min(2000, self._count // 10):
                self._memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            yield Package(tracking_number=f"{number:012}", carrier_code="ups")

    def measured(self, ended: Counter[str]) -> dict[str, Any]:
        """Return the growth of memory in megabytes, and the results of the calls."""
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._memory
        return {"grown": grown / 1000, "succeeded": ended.pop("NoneType", 0), "failed": dict(ended)}


if __name__ == "__main__":
    measured = globals()[sys.argv[1]](*map(json.loads, sys.argv[2:]))
    print(json.dumps(asyncio.run(measured) if asyncio.iscoroutine(measured) else measured))
