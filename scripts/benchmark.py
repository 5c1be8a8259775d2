"""Compare the client with others, side by side: `make bench`. The exit status is 1 if a floor is missed.

Everything stays on loopback. Each figure is measured in a process of its own, in rounds that go through all clients in
turn, and is given as a ratio, so that the speed of this machine and its other work cancel out as far as possible.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from attrs import define, field, frozen

from bench_servers import rate, servers

BUILD = Path(__file__).parent.parent / "build"
CLIENTS = Path(__file__).with_name("bench_clients.py")
ROUNDS = 5
OURS, SHARED, EACH = "this package", "httpx shared", "httpx per worker"
TASKS, THREADS = (OURS, SHARED, EACH, "aiohttp"), (OURS, SHARED, EACH, "requests", "shipengine SDK")
SLOW_SERVER, EIGHT_THREADS, CURVE = "50 tasks, 50 ms", "8 threads", (1, 5, 20, 50, 100)
IMPORTS = {"ours": "shipengine_tracking", "base": "attrs, httpx"}
TIME_IMPORT = (
    "import json, time; began = time.process_time(); import {}; print(json.dumps(time.process_time() - began))"
)


@frozen
class Load:
    """A number of calls from a number of tasks or threads; `path` selects a variant of the server."""

    name: str
    measure: str
    server: str
    clients: tuple[str, ...]
    workers: int
    calls: int
    path: str = ""


@frozen
class Target:
    """A floor that must be kept, and a goal. `measured` is None if the measurement failed."""

    name: str
    floor: float
    goal: float
    measured: float | None
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the floor is kept."""
        return self._reaches(self.floor)

    def _reaches(self, mark: float) -> bool:
        if self.measured is None:
            return False
        return self.measured <= mark if self.at_most else self.measured >= mark

    def row(self) -> tuple[str, ...]:
        """Return it as a row of a table."""
        verdict = "FAILED" if not self.holds else "reaches the goal" if self._reaches(self.goal) else "holds"
        sign, measured = "≤" if self.at_most else "≥", "nothing" if self.measured is None else f"{self.measured:.2f}"
        return self.name, measured, f"{sign} {self.floor:g}", f"{sign} {self.goal:g}", verdict


@define
class Figures:
    """The measurements by load and client, one for each round."""

    rounds: defaultdict[tuple[str, str], list[Any]] = field(factory=lambda: defaultdict(list))

    def note(self, load: str, client: str, measured: dict[str, Any]) -> None:
        """Record a measurement."""
        self.rounds[load, client].append(measured)

    def median(self, load: str, client: str, name: str = "rate") -> float:
        """Return a client's median over the rounds."""
        return median(float(measured[name]) for measured in self.rounds[load, client])

    def ratio(self, load: str, client: str, base: str) -> float:
        """Return the median over the rounds of a client's rate, times the rate of another in the same round."""
        pairs = zip(self.rounds[load, client], self.rounds[load, base], strict=True)
        return median(float(one["rate"] / other["rate"]) for one, other in pairs)

    def failures(self, load: str, client: str) -> str:
        """Return a text that says which calls failed."""
        failed = [f"{count} {kind}" for one in self.rounds[load, client] for kind, count in one["failed"].items()]
        return ", ".join(failed) or "none"


def run(*command: object) -> Any:
    """Run a measurement in a process of its own; return what it printed."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environ["PYTHONDONTWRITEBYTECODE"] = ""  # without cached bytecode, an import is slower
    words = [str(word) for word in command]
    return json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True, env=environ).stdout)


def measure(python: str, name: str, *arguments: object) -> Any:
    """Run one of the measurements in bench_clients.py."""
    return run(python, CLIENTS, name, *map(json.dumps, arguments))


def import_cpu(python: str, rounds: int) -> dict[str, float]:
    """Return the CPU seconds of importing this package, and of importing what it needs in any case."""
    spent = defaultdict[str, list[float]](list)
    for turn, (name, modules) in product(range(rounds + 1), IMPORTS.items()):
        seconds = run(python, "-c", TIME_IMPORT.format(modules))
        if turn:  # the first compiles the modules
            spent[name].append(seconds)
    return {name: median(seconds) for name, seconds in spent.items()}


def loads(names: list[str]) -> list[Load]:
    """Return the loads to compare, given the names of the servers. The last ones are those of the plot."""
    # The second server shows that the server makes no difference.
    fast = [
        Load(f"50 tasks, {name}", "load_tasks", name, TASKS, 50, 1000 if at else 3000) for at, name in enumerate(names)
    ]
    return [
        *fast,
        Load(SLOW_SERVER, "load_tasks", names[-1], TASKS, 50, 600, "/after/50"),
        Load(EIGHT_THREADS, "load_threads", names[0], THREADS, 8, 1500),
        *(Load(f"{workers} at a time", "load_tasks", names[0], TASKS, workers, 300) for workers in CURVE),
    ]


def compare(plan: list[Load], urls: dict[str, str], python: str, rounds: int = ROUNDS) -> Figures:
    """Measure every load with every client, in rounds; every second round goes backwards."""
    figures = Figures()
    for turn, load in product(range(rounds), plan):
        print(f"round {turn + 1} of {rounds}: {load.name}", file=sys.stderr)
        for client in load.clients[:: -1 if turn % 2 else 1]:
            url = urls[load.server] + load.path
            figures.note(load.name, client, measure(python, load.measure, client, url, load.workers, load.calls))
    return figures


def check(urls: dict[str, str], python: str, scale: float = 1.0) -> dict[str, Any]:
    """Take the other measurements. The longest run at the same time, because they do not measure time."""
    first, responder = next(iter(urls.values())), urls["responder"]
    calls, packages, few = int(50_000 * scale), int(100_000 * scale), int(50 * scale) + 1
    checks = {
        "one call": measure(python, "one_call", first, 30, few),
        "making a client": measure(python, "making_a_client", 10, int(10 * scale) + 1),
        "verifying": measure(python, "verifying", 30, 2 * few),
        "importing": import_cpu(python, int(15 * scale) + 1),
        "functions": measure(python, "functions", first),
        "connections": measure(python, "connections", responder, [50, 7, 50, 20]),
    }
    print(f"failures and memory: {calls + 2 * packages:,} calls", file=sys.stderr)
    with ThreadPoolExecutor(3) as pool:
        running = {
            "100 threads": pool.submit(measure, python, "load_threads", OURS, first, 100, calls),
            "many threads": pool.submit(measure, python, "many_threads", first, packages),
            "many tasks": pool.submit(measure, python, "many_tasks", first, packages),
        }
    return checks | {name: future.result() for name, future in running.items()}


def targets(figures: Figures, checks: dict[str, Any]) -> list[Target]:
    """Return the floors and goals. If there are two servers, the worse ratio counts."""
    fast = [name for name, client in figures.rounds if client == OURS and name.startswith("50 tasks")]
    fast.remove(SLOW_SERVER)
    cpu = {name: check["ours"] / check["base"] for name, check in checks.items() if "base" in check}
    opened, failed = checks["connections"], checks["100 threads"]["failed"]
    grown = [None if many["failed"] else many["grown"] for many in (checks["many threads"], checks["many tasks"])]
    shared, each = (min(figures.ratio(name, OURS, base) for name in fast) for base in (SHARED, EACH))
    return [
        Target("50 tasks: calls/s, times httpx shared", 3.5, 4.5, shared),
        Target("50 tasks: calls/s, times httpx per worker", 0.85, 1, each),
        Target("50 tasks, 50 ms: calls/s, times httpx shared", 4, 4, figures.ratio(SLOW_SERVER, OURS, SHARED)),
        Target("50 tasks, 50 ms: of the ideal 1,000 calls/s", 0.7, 0.8, figures.median(SLOW_SERVER, OURS) / 1000),
        Target("8 threads: calls/s, times httpx shared", 1, 1.2, figures.ratio(EIGHT_THREADS, OURS, SHARED)),
        Target("sequential calls: CPU, times httpx.Client.post", 1.05, 0.9, cpu["one call"], at_most=True),
        Target("importing the package: CPU, times attrs and httpx", 1.5, 1.3, cpu["importing"], at_most=True),
        Target("making a client: CPU, times httpx.Client()", 1.2, 1, cpu["making a client"], at_most=True),
        Target("functions that one warm start runs", 36, 30, checks["functions"]["functions"], at_most=True),
        Target("verifying without parsing: CPU, times the bare check", 1.5, 1.3, cpu["verifying"], at_most=True),
        Target("connections opened, times the calls in flight", 1, 1, opened["opened"] / opened["peak"], at_most=True),
        Target("100 threads, 500 calls each: failures", 0, 0, sum(failed.values()), at_most=True),
        Target("100,000 packages from threads: megabytes grown", 5, 5, grown[0], at_most=True),
        Target("100,000 packages from tasks: megabytes grown", 5, 5, grown[1], at_most=True),
    ]


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    names = head.split(" | ")
    lines = [names, ["---"] + ["---:"] * (len(names) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def comparison(figures: Figures, plan: list[Load]) -> Iterator[str]:
    """Yield a table for each load."""
    head = "client | calls/s, times httpx shared | calls/s | CPU per call, µs | failed calls"
    for load in plan:
        yield f"\n## {load.name}: {load.calls:,} calls\n\n" + table(
            head,
            (
                (name, f"{figures.ratio(load.name, name, SHARED):.2f}", f"{figures.median(load.name, name):,.0f}",
                 f"{figures.median(load.name, name, 'cpu') * 1e6:,.0f}", figures.failures(load.name, name))
                for name in load.clients
            ),
        )  # fmt: skip


def plot(figures: Figures) -> str:
    """Return an SVG of calls per second over the calls in flight."""
    rates = {name: [figures.median(f"{workers} at a time", name) for workers in CURVE] for name in TASKS}
    scale = 300 / max(map(max, rates.values()))
    parts = [f'<text x="{70 + 125 * at}" y="345">{workers}</text>' for at, workers in enumerate(CURVE)]
    for colour, (name, values) in zip(("crimson", "black", "gray", "steelblue"), rates.items(), strict=True):
        points = [(70 + 125 * at, 320 - rate * scale) for at, rate in enumerate(values)]
        line = " ".join(f"{x},{y:.0f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="580" y="{points[-1][1] + 4:.0f}" fill="{colour}">{name} ({values[-1]:,.0f})</text>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 380" font-family="sans-serif" font-size="12">'
        '<rect width="760" height="380" fill="white"/><path d="M70 20V320H570" fill="none" stroke="black"/>'
        f'{"".join(parts)}<text x="320" y="368">calls in flight</text>'
        f'<text x="10" y="15">calls per second, up to {max(map(max, rates.values())):,.0f}</text></svg>\n'
    )


def main() -> int:  # pragma: no cover - the whole `make bench`; its parts are tested
    """Measure everything; write build/bench.md and build/bench.svg."""
    python = str(BUILD / "bench-venv" / "bin" / "python")
    with servers() as urls:
        rates = {name: asyncio.run(rate(url, 50, 20_000)) for name, url in urls.items()}
        plan = loads(list(urls))
        figures, checks = compare(plan, urls, python), check(urls, python)
    reached = targets(figures, checks)
    report = "".join(
        (
            f"# `make bench` on {date.today()}: medians of {ROUNDS} rounds\n\n",
            table("target | measured | floor | goal | verdict", (target.row() for target in reached)),
            *comparison(figures, plan),
            "\nRequests per second that the servers process from bare sockets, at least: ",
            ", ".join(f"{each:,.0f} ({name})" for name, each in rates.items()),
            ".\nThe SDK cannot start tracking, so it asks for the state of a package, on a new connection each time.\n",
        )
    )
    print(report)
    (BUILD / "bench.md").write_text(report)
    (BUILD / "bench.svg").write_text(plot(figures))
    return 0 if all(target.holds for target in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
