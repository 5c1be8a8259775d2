"""The parts of `make bench`: its arithmetic, and each measurement with small numbers."""

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
from benchmark import EACH, EIGHT_THREADS, OURS, SHARED, SLOW_SERVER, Figures, Load, Target


def figures(**rates: list[float]) -> Figures:
    noted = Figures()
    for client, rounds in rates.items():
        for rate in rounds:
            noted.note("load", client, {"rate": rate, "cpu": 1 / rate, "failed": {}})
    return noted


def test_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    noted = figures(one=[30, 90, 20], other=[10, 9, 1])
    assert noted.ratio("load", "one", "other") == 10  # the ratio of the medians is 30 / 9
    assert noted.median("load", "one") == 30


def test_failures_are_counted_by_exception() -> None:
    noted = figures(one=[1])
    assert noted.failures("load", "one") == "none"
    noted.note("load", "one", {"rate": 1, "failed": {"ReadError": 2}})
    assert noted.failures("load", "one") == "2 ReadError"


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        pytest.param(Target("", 3, 5, 2.99), "FAILED", id="below the floor"),
        pytest.param(Target("", 3, 5, 3), "holds", id="at the floor"),
        pytest.param(Target("", 3, 5, 5), "reaches the goal", id="at the goal"),
        pytest.param(Target("", 3, 5, None), "FAILED", id="not measured"),
        pytest.param(Target("", 1.25, 1.1, 1.26, at_most=True), "FAILED", id="above the upper bound"),
        pytest.param(Target("", 1.25, 1.1, 1.25, at_most=True), "holds", id="at the upper bound"),
        pytest.param(Target("", 1.25, 1.1, 1.1, at_most=True), "reaches the goal", id="at the goal below it"),
        pytest.param(Target("", 0, 0, None, at_most=True), "FAILED", id="not measured, with an upper bound"),
        pytest.param(Target("", 0, 0, float("nan"), at_most=True), "FAILED", id="not a number"),
    ],
)
def test_target_has_a_verdict(target: Target, verdict: str) -> None:
    assert target.row()[-1] == verdict
    assert target.holds == (verdict != "FAILED")


GOOD: dict[str, Any] = {
    "one call": {"ours": 1.0, "base": 1.0},
    "importing": {"ours": 1.0, "base": 1.0},
    "making a client": {"ours": 1.0, "base": 1.0},
    "verifying": {"ours": 3.0, "base": 2.0, "parsing": 6.0, "both": 9.0},
    "functions": {"functions": 30, "entered": 40},
    "connections": {"opened": 50, "peak": 50},
    "100 threads": {"failed": {}},
    "many threads": {"grown": 1.0, "failed": {}},
    "many tasks": {"grown": 1.0, "failed": {}},
}


def missed(changed: dict[str, Any]) -> list[str]:
    """Return the targets that are missed if all figures are good but these."""
    noted = Figures()
    for load in benchmark.loads(["nginx", "responder"]):
        rates = {OURS: 800, SHARED: 100, EACH: 500} | changed.get(load.name, {})
        for client, rate in rates.items():
            noted.note(load.name, client, {"rate": rate, "cpu": 1, "failed": {}})
    return [target.name for target in benchmark.targets(noted, GOOD | changed) if not target.holds]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("50 tasks: calls/s, times httpx shared", {"50 tasks, nginx": {OURS: 349, EACH: 349}}),
        ("50 tasks: calls/s, times httpx per worker", {"50 tasks, responder": {EACH: 1000}}),
        ("50 tasks, 50 ms: calls/s, times httpx shared", {SLOW_SERVER: {SHARED: 201}}),
        ("50 tasks, 50 ms: of the ideal 1,000 calls/s", {SLOW_SERVER: {OURS: 699}}),
        ("8 threads: calls/s, times httpx shared", {EIGHT_THREADS: {OURS: 99}}),
        ("sequential calls: CPU, times httpx.Client.post", {"one call": {"ours": 1.06, "base": 1.0}}),
        ("importing the package: CPU, times attrs and httpx", {"importing": {"ours": 1.6, "base": 1.0}}),
        ("making a client: CPU, times httpx.Client()", {"making a client": {"ours": 1.3, "base": 1.0}}),
        ("functions that one warm start runs", {"functions": {"functions": 37}}),
        ("verifying without parsing: CPU, times the bare check", {"verifying": {"ours": 3.1, "base": 2.0}}),
        ("connections opened, times the calls in flight", {"connections": {"opened": 51, "peak": 50}}),
        ("100 threads, 500 calls each: failures", {"100 threads": {"failed": {"APIConnectionError": 1}}}),
        ("100,000 packages from threads: megabytes grown", {"many threads": {"grown": 6, "failed": {}}}),
        ("100,000 packages from tasks: megabytes grown", {"many tasks": {"grown": 1, "failed": {"X": 1}}}),
    ],
)
def test_each_target_is_missed_by_its_own_figure(name: str, changed: dict[str, Any]) -> None:
    assert missed({}) == []
    assert missed(changed) == [name]


@pytest.mark.slow
def test_measurements_with_small_numbers() -> None:
    clients = (OURS, SHARED, EACH)
    plan = [
        Load("tasks", "load_tasks", "responder", clients, 5, 20),
        Load("threads", "load_threads", "responder", clients, 5, 20, "/after/50"),
    ]
    with bench_servers.servers() as urls:
        noted = benchmark.compare(plan, urls, sys.executable, rounds=1)
        checks = benchmark.check(urls, sys.executable, scale=0.001)
    assert all(noted.failures(load.name, client) == "none" for load in plan for client in clients)
    assert noted.median("tasks", OURS) > 0
    assert all(0 < check["ours"] < 1 and 0 < check["base"] < 1 for check in checks.values() if "base" in check)
    assert 20 < checks["functions"]["functions"] < checks["functions"]["entered"] < 60
    assert checks["connections"] == {"opened": 50, "peak": 50}
    assert checks["100 threads"]["failed"] == {}
    assert checks["many threads"]["succeeded"] == checks["many tasks"]["succeeded"] == 100
    assert "| this package |" in "".join(benchmark.comparison(noted, plan))


def test_plot_shows_every_client() -> None:
    noted = Figures()
    for load in benchmark.loads(["responder"]):
        for client in load.clients:
            noted.note(load.name, client, {"rate": 100.0 * load.workers, "cpu": 1, "failed": {}})
    drawn = benchmark.plot(noted)
    assert drawn.count("<polyline") == len(benchmark.TASKS)
    assert all(f"{client} (10,000)" in drawn for client in benchmark.TASKS)


def test_failures_before_the_clock_starts_are_counted_too() -> None:
    unused = "http://127.0.0.1:9"
    for measured in (
        bench_clients.load_threads(OURS, unused, 2, 4),
        asyncio.run(bench_clients.load_tasks(OURS, unused, 2, 4)),
    ):
        assert measured["failed"] == {"APIConnectionError": 6}


def test_responder_waits_for_a_complete_request() -> None:
    with (
        bench_servers.responder() as url,
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connection.sendall(b"POST / HTTP/1.1\r\n")
        time.sleep(0.05)
        connection.sendall(b"\r\n")
        assert connection.recv(1000) == bench_servers.NO_CONTENT


def test_server_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_servers.time.monotonic", iter((0.0, 5.0, 11.0)).__next__)
    with pytest.raises(TimeoutError, match="nginx"):
        bench_servers.wait_until_open(9)


def test_servers_alone_are_measured() -> None:
    with bench_servers.servers() as urls:
        assert all(asyncio.run(bench_servers.rate(url, 3, 50)) > 0 for url in urls.values())
