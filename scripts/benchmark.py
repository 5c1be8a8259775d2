"""Compare the client with others, side by side: `make bench`. Exits with 1 if a gate does not hold.

Loopback only. Each figure is taken in a process of its own, in rounds that go through all clients in turn, and stands
as a ratio: this machine's own speed, and what else it does meanwhile, cancel out as far as they can.
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
VERIFIER = Path(__file__).with_name("bench_verifier.py")
ROUNDS = 5
OURS, SHARED, EACH = "this package", "httpx shared", "httpx per worker"
TASKS, THREADS = (OURS, SHARED, EACH, "aiohttp"), (OURS, SHARED, EACH, "requests", "shipengine SDK")

SLOW, CREW, CURVE = "50 tasks, 50 ms", "8 threads", (1, 5, 20, 50, 100)


@frozen
class Load:
    """So many calls, so many at a time, from tasks or threads; `path` leads to the server's variant."""

    name: str
    kind: str
    server: str
    ways: tuple[str, ...]
    workers: int
    calls: int
    path: str = ""


@frozen
class Gate:
    """What must hold, and what would be better still; `measured` is None where nothing could be measured."""

    name: str
    floor: float
    aim: float
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
        verdict = "FAILED" if not self.holds else "reaches its aim" if self._reaches(self.aim) else "holds"
        sign, measured = "≤" if self.at_most else "≥", "nothing" if self.measured is None else f"{self.measured:.2f}"
        return self.name, measured, f"{sign} {self.floor:g}", f"{sign} {self.aim:g}", verdict


@define
class Figures:
    """What was measured, by load and way, one figure a round."""

    rounds: defaultdict[tuple[str, str], list[Any]] = field(factory=lambda: defaultdict(list))

    def note(self, load: str, way: str, measured: dict[str, Any]) -> None:
        """Note a figure."""
        self.rounds[load, way].append(measured)

    def median(self, load: str, way: str, name: str = "rate") -> float:
        """Return a way's median over the rounds."""
        return median(float(measured[name]) for measured in self.rounds[load, way])

    def ratio(self, load: str, way: str, base: str) -> float:
        """Return the median of a way's ratios to another's: of each round, since they ran one after the other."""
        pairs = zip(self.rounds[load, way], self.rounds[load, base], strict=True)
        return median(float(mine["rate"] / other["rate"]) for mine, other in pairs)

    def failures(self, load: str, way: str) -> str:
        """Return which calls failed, if any, in words."""
        failed = [f"{count} {kind}" for one in self.rounds[load, way] for kind, count in one["failed"].items()]
        return ", ".join(failed) or "none"


def measure(name: str, *arguments: object, python: str = sys.executable, script: Path = CLIENTS) -> dict[str, Any]:
    """Run one of bench_clients' measures in a process of its own; return what it printed."""
    environ = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    command = [python, str(script), name, *map(json.dumps, arguments)]
    process = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environ)
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def loads(names: list[str]) -> list[Load]:
    """Return the loads that are compared, given the names of the servers; the plot's last."""
    # The second server is there to show that it makes no difference.
    fast = [
        Load(f"50 tasks, {name}", "load_tasks", name, TASKS, 50, 1000 if at else 3000) for at, name in enumerate(names)
    ]
    return [
        *fast,
        Load(SLOW, "load_tasks", names[-1], TASKS, 50, 600, "/after/50"),
        Load(CREW, "load_threads", names[0], THREADS, 8, 1500),
        *(Load(f"{workers} at a time", "load_tasks", names[0], TASKS, workers, 300) for workers in CURVE),
    ]


def compare(plan: list[Load], urls: dict[str, str], python: str, rounds: int = ROUNDS) -> Figures:
    """Measure every load with every way, in rounds; every other round goes backwards."""
    figures = Figures()
    for turn, load in product(range(rounds), plan):
        print(f"round {turn + 1} of {rounds}: {load.name}", file=sys.stderr)
        for way in load.ways[:: -1 if turn % 2 else 1]:
            url = urls[load.server] + load.path
            figures.note(load.name, way, measure(load.kind, way, url, load.workers, load.calls, python=python))
    return figures


def check(urls: dict[str, str], python: str, scale: float = 1.0) -> dict[str, dict[str, Any]]:
    """Measure what is no comparison of speed. The long ones run side by side, for they take no times."""
    first, responder = next(iter(urls.values())), urls["responder"]
    crowd, packages = int(50_000 * scale), int(100_000 * scale)
    checks = {
        "one call": measure("sequential", first, 30, int(50 * scale) + 1, python=python),
        "verifying": measure("all", python=python, script=VERIFIER),
        "connections": measure("connections", responder, [50, 7, 50, 20], python=python),
    }
    print(f"what is no comparison: {crowd + 2 * packages:,} calls", file=sys.stderr)
    with ThreadPoolExecutor(3) as pool:
        running = {
            "crowd": pool.submit(measure, "load_threads", OURS, first, 100, crowd, python=python),
            "many threads": pool.submit(measure, "many_threads", first, packages, python=python),
            "many tasks": pool.submit(measure, "many_tasks", first, packages, python=python),
        }
    return checks | {name: future.result() for name, future in running.items()}


def gates(figures: Figures, checks: dict[str, dict[str, Any]]) -> list[Gate]:
    """Return what must hold. Where there are two servers, the worse ratio counts."""
    fast = [load for load, way in figures.rounds if way == OURS and load.startswith("50 tasks") and load != SLOW]
    one, opened, crowd = checks["one call"], checks["connections"], checks["crowd"]
    verifying = checks["verifying"]["signature"] / checks["verifying"]["bare"]
    grown = [None if many["failed"] else many["grown"] for many in (checks["many threads"], checks["many tasks"])]
    return [
        Gate("50 tasks: calls/s, times httpx shared", 3, 5, min(figures.ratio(load, OURS, SHARED) for load in fast)),
        Gate(
            "50 tasks: calls/s, times httpx per worker", 0.85, 1, min(figures.ratio(load, OURS, EACH) for load in fast)
        ),
        Gate("50 tasks, 50 ms: calls/s, times httpx shared", 4, 4, figures.ratio(SLOW, OURS, SHARED)),
        Gate("50 tasks, 50 ms: of the ideal 1,000 calls/s (only an aim)", 0, 0.8, figures.median(SLOW, OURS) / 1000),
        Gate("8 threads: calls/s, times httpx shared", 0.9, 1.1, figures.ratio(CREW, OURS, SHARED)),
        Gate(
            "one call after the other: CPU, times httpx.Client.post", 1.25, 1.1, one[OURS] / one[SHARED], at_most=True
        ),
        Gate("verifying a delivery but for its parsing: CPU, times the bare check", 1.5, 1.3, verifying, at_most=True),
        Gate("connections opened, times the calls in flight", 1, 1, opened["opened"] / opened["peak"], at_most=True),
        Gate("100 threads, 500 calls each: failures", 0, 0, sum(crowd["failed"].values()), at_most=True),
        Gate("100,000 packages from threads: megabytes grown", 5, 5, grown[0], at_most=True),
        Gate("100,000 packages from tasks: megabytes grown", 5, 5, grown[1], at_most=True),
    ]


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    names = head.split(" | ")
    lines = [names, ["---"] + ["---:"] * (len(names) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def comparison(figures: Figures, plan: list[Load]) -> Iterator[str]:
    """Yield a table for each load, ratios first."""
    head = "client | calls/s, times httpx shared | calls/s | CPU of a call, µs | failed calls"
    for load in plan:
        yield f"\n## {load.name}: {load.calls:,} calls\n\n" + table(
            head,
            (
                (way, f"{figures.ratio(load.name, way, SHARED):.2f}", f"{figures.median(load.name, way):,.0f}",
                 f"{figures.median(load.name, way, 'cpu') * 1e6:,.0f}", figures.failures(load.name, way))
                for way in load.ways
            ),
        )  # fmt: skip


def plot(figures: Figures) -> str:
    """Return an SVG of calls per second over the calls in flight."""
    rates = {way: [figures.median(f"{workers} at a time", way) for workers in CURVE] for way in TASKS}
    scale = 300 / max(map(max, rates.values()))
    parts = [f'<text x="{70 + 125 * at}" y="345">{workers}</text>' for at, workers in enumerate(CURVE)]
    for colour, (way, values) in zip(("crimson", "black", "gray", "steelblue"), rates.items(), strict=True):
        points = [(70 + 125 * at, 320 - rate * scale) for at, rate in enumerate(values)]
        line = " ".join(f"{x},{y:.0f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="580" y="{points[-1][1] + 4:.0f}" fill="{colour}">{way} ({values[-1]:,.0f})</text>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 380" font-family="sans-serif" font-size="12">'
        '<rect width="760" height="380" fill="white"/><path d="M70 20V320H570" fill="none" stroke="black"/>'
        f'{"".join(parts)}<text x="320" y="368">calls in flight</text>'
        f'<text x="10" y="15">calls per second, up to {max(map(max, rates.values())):,.0f}</text></svg>\n'
    )


def main() -> int:  # pragma: no cover - the whole `make bench`; its parts are tested
    """Run it all; write build/bench.md and build/bench.svg."""
    python = str(BUILD / "bench-venv" / "bin" / "python")
    with servers() as urls:
        own = {name: asyncio.run(rate(url, 50, 20_000)) for name, url in urls.items()}
        plan = loads(list(urls))
        figures, checks = compare(plan, urls, python), check(urls, python)
    held = gates(figures, checks)
    report = "".join(
        (
            f"# `make bench` on {date.today()}: medians of {ROUNDS} rounds\n\n",
            table("gate | measured | floor | aim | verdict", (gate.row() for gate in held)),
            *comparison(figures, plan),
            "\nThe servers alone, asked by bare sockets: at least ",
            ", ".join(f"{each:,.0f} requests/s ({name})" for name, each in own.items()),
            ".\nThe SDK cannot start tracking; its nearest call asks where a package is, over a new connection each.\n",
        )
    )
    print(report)
    (BUILD / "bench.md").write_text(report)
    (BUILD / "bench.svg").write_text(plot(figures))
    return 0 if all(gate.holds for gate in held) else 1


if __name__ == "__main__":
    sys.exit(main())
