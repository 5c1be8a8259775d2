"""Compare the client's speed with httpx and aiohttp, side by side: `make bench`.

Prints a table with the floors and goals; writes it and a plot to build/bench.md and build/bench.svg. The exit status is
1 if a floor is missed. Each measurement runs in a process of its own. Most are ratios of figures taken in turn, so that
the speed of the machine cancels out. All traffic stays on loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from functools import partial
from itertools import product
from math import log
from pathlib import Path
from statistics import median
from types import CodeType, FrameType
from typing import Any

import aiohttp
import httpx

from shipengine_tracking import AsyncTrackingClient, Package, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, RateLimit

BUILD = Path(__file__).parent.parent / "build"
KEY, PATH, PACKAGE = "TEST_bench", "/v1/tracking/start", {"tracking_number": "1Z", "carrier_code": "ups"}
POST: dict[str, Any] = {"params": PACKAGE, "headers": {"API-Key": KEY}}
ROUNDS = 5
CLIENTS = OURS, HTTPX, AIOHTTP = "this package", "httpx", "aiohttp"  # each shared by all workers
TASK_COUNTS = (2, 5, 20, 50, 100)

# Each load: the function that measures it, the path, the number of workers, the number of calls, and the clients.
Load = tuple[str, str, int, int, tuple[str, ...]]
LOADS: dict[str, Load] = {
    **{f"{workers} tasks": ("load_tasks", "", workers, 20 * workers + 200, CLIENTS) for workers in TASK_COUNTS},
    "50 tasks, 50 ms": ("load_tasks", "/slow", 50, 600, CLIENTS),
    "8 threads": ("load_threads", "", 8, 1000, (OURS, HTTPX)),
}

# What is measured, its floor (the worst figure that passes) and its goal. Less is better if the goal is lower.
TARGETS = {
    "50 tasks: calls per second, divided by those of one shared httpx.AsyncClient": (3.5, 4.5),
    "50 tasks against a server that takes 50 ms: calls per second, divided by the ideal 1,000": (0.7, 0.8),
    "8 threads: calls per second, divided by those of one shared httpx.Client": (1.0, 1.2),
    "sequential calls: CPU time, divided by that of httpx.Client.post": (1.05, 0.9),
    "1,000 calls at 200 per 6 s, slowest of threads, tasks and start_many: time, divided by the ideal": (1.03, 1.02),
    "1,000 calls at 200 per 6 s: responses of 429": (0, 0),
    "importing the package: CPU time, divided by that of importing httpx and attrs": (1.5, 1.3),
    "making a client: CPU time, divided by that of httpx.Client()": (1.2, 1.0),
    "sockets left 35 s after a burst of 40 calls": (2, 1),
    "functions that one warm start runs": (36, 30),
}

Rates = dict[tuple[str, str], list[float]]


def main() -> int:
    """Measure everything; print and write the results."""
    with server() as url:
        rates = compare(LOADS, url)
        figures = dict(zip(TARGETS, measure_targets(rates, url), strict=True))
    rows = [
        (name, f"{figures[name]:.2f}", f"{floor:g}", f"{goal:g}", verdict(figures[name], floor, goal))
        for name, (floor, goal) in TARGETS.items()
    ]
    report = f"# `make bench` on {date.today()}: medians of {ROUNDS} rounds\n\n"
    report += table(("", "measured", "floor", "goal", "verdict"), rows)
    report += "\nCalls per second:\n\n" + table(("", *CLIENTS), rate_rows(rates))
    print(report)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.md").write_text(report)
    (BUILD / "bench.svg").write_text(plot(rates))
    return 1 if any(row[-1] == "FAILED" for row in rows) else 0


def compare(loads: dict[str, Load], url: str, rounds: int = ROUNDS) -> Rates:
    """Measure the calls per second of each client under each load, in rounds; every second round is reversed."""
    rates: Rates = {}
    for turn, (name, (function, path, workers, calls, clients)) in product(range(rounds), loads.items()):
        print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr)
        for client in clients[:: -1 if turn % 2 else 1]:
            rates.setdefault((name, client), []).append(measure(function, client, url + path, workers, calls))
    return rates


def ratio(rates: Rates, load: str, client: str, base: str) -> float:
    """Return the median over the rounds of one client's rate divided by the other's rate in the same round."""
    return median(one / other for one, other in zip(rates[load, client], rates[load, base], strict=True))


def measure_targets(rates: Rates, url: str) -> Iterator[float]:
    """Yield the figure of each target, in order."""
    yield ratio(rates, "50 tasks", OURS, HTTPX)
    yield median(rates["50 tasks, 50 ms", OURS]) / 1000
    yield ratio(rates, "8 threads", OURS, HTTPX)
    yield measure("sequential_calls", url)
    print("the rate limit and idle sockets: 40 s", file=sys.stderr)
    with ThreadPoolExecutor() as pool:  # at the same time, because they need little CPU
        idle = pool.submit(measure, "sockets_left", url)
        limited = list(pool.map(partial(measure, "rate_limited"), ("threads", "tasks", "start_many")))
    yield max(times for times, _ in limited)
    yield sum(rejected for _, rejected in limited)
    yield import_ratio()
    yield measure("making_a_client")
    yield idle.result()
    yield measure("functions", url)


def measure(function: str, *arguments: object) -> Any:
    """Run a function of this module in a process of its own; return its result."""
    return run(__file__, function, *map(json.dumps, arguments))


def run(*arguments: str) -> Any:
    """Run Python; return what it prints as JSON."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environ["PYTHONDONTWRITEBYTECODE"] = ""  # without cached bytecode, an import is slower
    done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, check=True, text=True, env=environ)
    return json.loads(done.stdout)


def verdict(measured: float, floor: float, goal: float) -> str:
    """Return whether a figure meets its floor and its goal, in words."""
    sign = 1 if goal > floor else -1
    if sign * measured >= sign * goal:
        return "reaches the goal"
    return "keeps the floor" if sign * measured >= sign * floor else "FAILED"


def rate_rows(rates: Rates) -> Iterator[list[str]]:
    """Yield the calls per second of each load, one column for each client."""
    for load in dict.fromkeys(load for load, _ in rates):
        medians = (rates.get((load, client)) for client in CLIENTS)
        yield [load, *(f"{median(each):,.0f}" if each else "" for each in medians)]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    head = list(head)
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plot(rates: Rates) -> str:
    """Return an SVG of the calls per second over the number of tasks."""
    curves = {client: [median(rates[f"{workers} tasks", client]) for workers in TASK_COUNTS] for client in CLIENTS}
    least, most = min(map(min, curves.values())), max(map(max, curves.values()))
    parts = [f'<text x="{70 + 125 * at}" y="345">{workers}</text>' for at, workers in enumerate(TASK_COUNTS)]
    for colour, (client, values) in zip(("crimson", "black", "steelblue"), curves.items(), strict=True):
        points = [(70 + 125 * at, 320 - 300 * log(value / least, most / least)) for at, value in enumerate(values)]
        line = " ".join(f"{x},{y:.0f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="580" y="{points[-1][1] + 4:.0f}" fill="{colour}">{client} ({values[-1]:,.0f})</text>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 380" font-family="sans-serif" font-size="12">'
        '<rect width="840" height="380" fill="white"/><path d="M70 20V320H570" fill="none" stroke="black"/>'
        f'{"".join(parts)}<text x="320" y="368">tasks</text>'
        f'<text x="10" y="15">calls per second, {least:,.0f} to {most:,.0f}, logarithmic</text></svg>\n'
    )


class Responder(asyncio.Protocol):
    """Responds with 204, after 50 ms if the path begins with /slow. The header `Open` counts the open sockets."""

    open = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        Responder.open += 1

    def connection_lost(self, _: Exception | None) -> None:
        """Count the connection."""
        Responder.open -= 1

    def data_received(self, request: bytes) -> None:
        """Respond to a request. It has no body, so on loopback it arrives in one piece."""
        response = f"HTTP/1.1 204 No Content\r\nOpen: {Responder.open}\r\n\r\n".encode()
        if b" /slow" in request:
            asyncio.get_running_loop().call_later(0.05, self.transport.write, response)
        else:
            self.transport.write(response)


async def serve() -> None:
    """Respond until stdin ends, which it does when the process that started this one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(Responder, "127.0.0.1", 0, backlog=1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def server() -> Iterator[str]:
    """Run the server; yield its URL."""
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


@asynccontextmanager
async def async_call(client: str, url: str, workers: int) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """Open a client; yield a function that makes a call."""
    if client == OURS:
        async with AsyncTrackingClient(KEY, base_url=url, max_retries=0) as ours:
            yield partial(ours.start, **PACKAGE)
    elif client == HTTPX:
        limits = httpx.Limits(max_connections=workers, max_keepalive_connections=workers)
        async with httpx.AsyncClient(limits=limits, timeout=30) as theirs:
            yield partial(theirs.post, url + PATH, **POST)
    else:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=workers)) as session:
            yield lambda: session.post(url + PATH, **POST)  # a response without a body needs no reading


@contextmanager
def call(client: str, url: str) -> Iterator[Callable[[], object]]:
    """Open a client; yield a function that makes a call."""
    if client == OURS:
        with TrackingClient(KEY, base_url=url, max_retries=0) as ours:
            yield partial(ours.start, **PACKAGE)
    else:
        with httpx.Client(timeout=30) as theirs:
            yield partial(theirs.post, url + PATH, **POST)


async def load_tasks(client: str, url: str, workers: int, count: int) -> float:
    """Return the calls per second of a number of tasks. Each makes one call before the measurement starts."""
    async with async_call(client, url, workers) as start:
        await asyncio.gather(*(start() for _ in range(workers)))
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                await start()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(workers)))
        return count / (time.perf_counter() - began)


def load_threads(client: str, url: str, workers: int, count: int) -> float:
    """Return the calls per second of a number of threads, in the same way."""
    with call(client, url) as start, ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: start(), range(workers)))
        began = time.perf_counter()
        list(pool.map(lambda _: start(), range(count)))
        return count / (time.perf_counter() - began)


def cpu_ratio(ours: Callable[[], object], base: Callable[[], object], rounds: int, count: int) -> float:
    """Return the CPU time of one function divided by that of another, called in turn: a median."""
    ratios = []
    for _ in range(rounds + 1):
        marks = [time.process_time()]
        for function in (ours, base):
            for _ in range(count):
                function()
            marks.append(time.process_time())
        ratios.append((marks[1] - marks[0]) / (marks[2] - marks[1]))
    return median(ratios[1:])  # the first warms up


def sequential_calls(url: str, rounds: int = 30) -> float:
    """Compare the CPU time of a call."""
    with call(OURS, url) as start, call(HTTPX, url) as post:
        return cpu_ratio(start, post, rounds, 50)


def making_a_client(rounds: int = 10) -> float:
    """Compare the CPU time of making a client and closing it."""
    return cpu_ratio(lambda: TrackingClient(KEY).close(), lambda: httpx.Client().close(), rounds, 10)


def import_ratio(rounds: int = 15) -> float:
    """Compare the CPU time of an import, each in a process of its own."""
    timed = "import json, time; began = time.process_time(); import {}; print(json.dumps(time.process_time() - began))"
    pairs = [[run("-c", timed.format(name)) for name in ("shipengine_tracking", "attrs, httpx")] for _ in range(rounds)]
    return float(median(ours / base for ours, base in pairs))


def rate_limited(workers: str, count: int = 1000, window: float = 6.0) -> tuple[float, int]:
    """Make calls at 200 per window; return the time they take divided by the ideal, and the number of 429s."""
    with FakeShipEngine(api_key=KEY, rate_limit=RateLimit(200, window)) as fake:
        began = time.monotonic()
        if workers == "tasks":
            asyncio.run(load_tasks(OURS, fake.url, 8, count - 8))
        elif workers == "threads":
            load_threads(OURS, fake.url, 8, count - 8)
        else:
            with TrackingClient(KEY, base_url=fake.url) as client:
                assert all(outcome.ok for outcome in client.start_many(Package(**PACKAGE) for _ in range(count)))
        seconds = time.monotonic() - began
        return seconds / ((count - 1) // 200 * window), len(fake.requests) - count


def sockets_left(url: str, burst: int = 40, pause: float = 35.0) -> int:
    """Return how many sockets are open after a burst, a pause and another call."""
    with call(OURS, f"{url}/slow") as start, ThreadPoolExecutor(burst) as pool, httpx.Client() as watch:
        before = int(watch.get(url).headers["Open"])
        list(pool.map(lambda _: start(), range(burst)))
        time.sleep(pause)
        start()
        return int(watch.get(url).headers["Open"]) - before


def functions(url: str) -> int:
    """Return how many functions, ours and generated, one warm `start` runs."""
    entered = set[CodeType]()

    def profile(frame: FrameType, event: str, _: object) -> None:  # pragma: no cover - it runs untraced
        is_ours = str(frame.f_globals.get("__name__")).startswith("shipengine_tracking")
        if event == "call" and is_ours and not frame.f_code.co_name.endswith("comp>"):  # Python 3.12 inlines these
            entered.add(frame.f_code)

    with call(OURS, url) as start:
        start()
        sys.setprofile(profile)
        start()
        sys.setprofile(None)
    return len(entered)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    elif sys.argv[1:]:
        result = globals()[sys.argv[1]](*map(json.loads, sys.argv[2:]))
        print(json.dumps(asyncio.run(result) if asyncio.iscoroutine(result) else result))
    else:
        sys.exit(main())
