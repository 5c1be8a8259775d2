"""`make bench`: its verdicts, and each measurement with small numbers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import benchmark
from benchmark import CLIENTS, HTTPX, OURS


@pytest.mark.parametrize(
    ("floor", "goal", "reached", "kept", "missed"),
    [
        pytest.param(3, 5, 5, 3, 2.99, id="more is better"),
        pytest.param(1.25, 1.1, 1.1, 1.25, 1.26, id="less is better"),
    ],
)
def test_verdict_compares_floor_and_goal(floor: float, goal: float, reached: float, kept: float, missed: float) -> None:
    verdicts = [benchmark.verdict(measured, floor, goal) for measured in (reached, kept, missed, float("nan"))]
    assert verdicts == ["reaches the goal", "keeps the floor", "FAILED", "FAILED"]
    assert benchmark.verdict(0, 0, 0) == "reaches the goal"


@pytest.mark.parametrize(("speed", "status"), [(3000, 0), (299, 1)])
def test_main_writes_table_and_plot(speed: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {OURS: speed, HTTPX: 100, "rate_limited": (1.0, 0), "functions": 30}

    def measure(name: str, client: str = "", *_: object) -> object:
        return figures.get(client, figures.get(name, 1))

    monkeypatch.setattr(benchmark, "BUILD", tmp_path)
    monkeypatch.setattr(benchmark, "import_ratio", lambda: 1.0)
    monkeypatch.setattr(benchmark, "measure", measure)
    assert benchmark.main() == status
    assert ("FAILED" in (tmp_path / "bench.md").read_text()) == bool(status)
    assert (tmp_path / "bench.svg").read_text().count("<polyline") == len(CLIENTS)


@pytest.mark.slow
def test_each_measurement_works_with_small_numbers() -> None:
    with benchmark.server() as url:
        rates = benchmark.compare({"slow": ("load_threads", "/slow", 2, 4, (OURS, HTTPX))}, url, rounds=2)
        assert benchmark.ratio(rates, "slow", OURS, HTTPX) > 0
        assert all(asyncio.run(benchmark.load_tasks(client, url, 2, 4)) > 0 for client in CLIENTS)
        assert benchmark.sequential_calls(url, rounds=1) > 0
        assert benchmark.sockets_left(url, burst=2, pause=0) in (1, 2)
        assert 20 < benchmark.functions(url) < 60
    assert all(benchmark.rate_limited(kind, 201, 1)[0] > 0.9 for kind in ("threads", "tasks", "start_many"))
    assert benchmark.making_a_client(rounds=1) > 0
    assert benchmark.import_ratio(rounds=1) > 0
