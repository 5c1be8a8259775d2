"""The benchmark in small, and its arithmetic on plain values. The figures themselves are `make bench`'s."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import Any

import pytest

import bench_clients
import bench_servers
import benchmark
from benchmark import EACH, OURS, SHARED, Figures, Gate, Load


def figures(**rates: list[float]) -> Figures:
    noted = Figures()
    for way, rounds in rates.items():
        for rate in rounds:
            noted.note("load", way, {"rate": rate, "cpu": 1 / rate, "failed": {}})
    return noted


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    noted = figures(mine=[30, 1000, 20], other=[10, 100, 10])
    assert noted.ratio("load", "mine", "other") == 3  # of 3, 10 and 2; the medians' own ratio is 3 too,
    assert noted.median("load", "mine") == 30
    noted = figures(mine=[30, 90, 20], other=[10, 9, 1])
    assert noted.ratio("load", "mine", "other") == 10  # but here it would be 30 / 9


def test_failures_are_told() -> None:
    noted = figures(mine=[1])
    assert noted.failures("load", "mine") == "none"
    noted.note("load", "mine", {"rate": 1, "failed": {"ReadError": 2}})
    assert noted.failures("load", "mine") == "2 ReadError"


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        (Gate("", 3, 5, 2.99), "FAILED"),
        (Gate("", 3, 5, 3), "holds"),
        (Gate("", 3, 5, 5), "reaches its aim"),
        (Gate("", 3, 5, None), "FAILED"),
        (Gate("", 1.25, 1.1, 1.26, at_most=True), "FAILED"),
        (Gate("", 1.25, 1.1, 1.25, at_most=True), "holds"),
        (Gate("", 1.25, 1.1, 1.1, at_most=True), "reaches its aim"),
        (Gate("", 0, 0, None, at_most=True), "FAILED"),
        (Gate("", 0, 0, float("nan"), at_most=True), "FAILED"),
    ],
)
def test_a_gate(gate: Gate, verdict: str) -> None:
    assert gate.row()[-1] == verdict
    assert gate.holds == (verdict != "FAILED")


def measured(ours: float, shared: float, each: float, slow: float, checks: dict[str, Any]) -> list[Gate]:
    noted = Figures()
    for load in benchmark.loads(["nginx", "responder"]):
        for way, rate in {OURS: ours, SHARED: shared, EACH: each}.items():
            rate = slow if way == OURS and load.name == benchmark.SLOW else rate
            noted.note(load.name, way, {"rate": rate, "cpu": 1, "failed": {}})
    return benchmark.gates(noted, checks)


GOOD: dict[str, Any] = {
    "one call": {OURS: 1.0, SHARED: 1.0},
    "verifying": {"bare": 2.0, "signature": 3.0, "all": 9.0},
    "connections": {"opened": 50, "peak": 50},
    "crowd": {"failed": {}},
    "many threads": {"grown": 1.0, "failed": {}},
    "many tasks": {"grown": 1.0, "failed": {}},
}


def test_all_gates_hold_on_good_figures() -> None:
    assert all(gate.holds for gate in measured(500, 100, 500, 800, GOOD))


@pytest.mark.parametrize(
    ("figures", "checks", "failing"),
    [
        ((299, 100, 300, 800), {}, ["50 tasks: calls/s, times httpx shared"]),
        ((500, 100, 600, 800), {}, ["50 tasks: calls/s, times httpx per worker"]),
        ((500, 100, 500, 399), {}, ["50 tasks, 50 ms: calls/s, times httpx shared"]),
        ((500, 100, 500, 800), {"connections": {"opened": 51, "peak": 50}}, ["connections opened"]),
        ((500, 100, 500, 800), {"one call": {OURS: 1.3, SHARED: 1.0}}, ["one call"]),
        ((500, 100, 500, 800), {"verifying": {"bare": 2.0, "signature": 3.1}}, ["verifying a delivery"]),
        ((500, 100, 500, 800), {"crowd": {"failed": {"APIConnectionError": 1}}}, ["100 threads"]),
        ((500, 100, 500, 800), {"many threads": {"grown": 6, "failed": {}}}, ["100,000 packages from threads"]),
        ((500, 100, 500, 800), {"many tasks": {"grown": 1, "failed": {"X": 1}}}, ["100,000 packages from tasks"]),
    ],
)
def test_each_gate_fails_by_itself(figures: tuple[float, ...], checks: dict[str, Any], failing: list[str]) -> None:
    ours, shared, each, slow = figures
    held = measured(ours, shared, each, slow, GOOD | checks)
    fell = [gate.name for gate in held if not gate.holds]
    assert len(fell) == len(failing)
    assert all(name.startswith(start) for name, start in zip(fell, failing, strict=True)), fell


@pytest.mark.slow
def test_in_small() -> None:
    ways = (OURS, SHARED, EACH)
    plan = [
        Load("tasks", "load_tasks", "responder", ways, 5, 20),
        Load("threads", "load_threads", "responder", ways, 5, 20, "/after/50"),
    ]
    with bench_servers.servers() as urls:
        noted = benchmark.compare(plan, urls, sys.executable, rounds=1)
        checks = benchmark.check(urls, sys.executable, scale=0.001)
    assert all(noted.failures(load.name, way) == "none" for load in plan for way in ways)
    assert noted.median("tasks", OURS) > 0
    assert checks["connections"] == {"opened": 50, "peak": 50}
    assert checks["crowd"]["failed"] == {}
    assert checks["many threads"]["succeeded"] == checks["many tasks"]["succeeded"] == 100
    assert "| this package |" in "".join(benchmark.comparison(noted, plan))


def test_the_plot_shows_every_client() -> None:
    noted = Figures()
    for load in benchmark.loads(["responder"]):
        for way in load.ways:
            noted.note(load.name, way, {"rate": 100.0 * load.workers, "cpu": 1, "failed": {}})
    drawn = benchmark.plot(noted)
    assert drawn.count("<polyline") == len(benchmark.TASKS)
    assert all(f"{way} (10,000)" in drawn for way in benchmark.TASKS)


def test_calls_that_fail_are_counted_with_those_before_the_clock() -> None:
    nobody = "http://127.0.0.1:9"
    for measured in (
        bench_clients.load_threads(OURS, nobody, 2, 4),
        asyncio.run(bench_clients.load_tasks(OURS, nobody, 2, 4)),
    ):
        assert measured["failed"] == {"APIConnectionError": 6}


def test_the_responder_waits_for_a_whole_request() -> None:
    with (
        bench_servers.responder() as url,
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as asker,
    ):
        asker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        asker.sendall(b"POST / HTTP/1.1\r\n")
        time.sleep(0.05)
        asker.sendall(b"\r\n")
        assert asker.recv(1000) == bench_servers.NO_CONTENT


def test_a_server_that_does_not_start_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_servers.time.monotonic", iter((0.0, 5.0, 11.0)).__next__)
    with pytest.raises(TimeoutError, match="nginx did not start"):
        bench_servers._wait_until_open(9)


def test_the_servers_alone() -> None:
    with bench_servers.servers() as urls:
        assert all(asyncio.run(bench_servers.rate(url, 3, 50)) > 0 for url in urls.values())
