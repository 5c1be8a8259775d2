"""`make bench`: its verdicts, and each measurement with small numbers."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

import benchmark


def test_main_writes_table_and_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {benchmark.OURS: 299, benchmark.HTTPX: 100, "rate_limited": (1.03, 0), "functions": 30}
    monkeypatch.setattr(benchmark, "BUILD", tmp_path)
    monkeypatch.setattr(benchmark, "import_ratio", lambda: 1.0)
    monkeypatch.setattr(benchmark, "measure", lambda name, client="", *_: figures.get(client, figures.get(name, 1)))
    assert benchmark.main() == 1
    verdicts = re.findall("goal|floor|FAILED", "".join((tmp_path / "bench.md").read_text().splitlines()[4:14]))
    assert verdicts == ["FAILED", "FAILED", "goal", "floor", "floor", "goal", "goal", "goal", "goal", "goal"]
    assert (tmp_path / "bench.svg").read_text().count("<polyline") == len(benchmark.CLIENTS)


@pytest.mark.slow
def test_each_measurement_works_with_small_numbers() -> None:
    with benchmark.server() as url:
        assert benchmark.measure("load_threads", benchmark.OURS, f"{url}/slow", 2, 4) > 0
        assert all(asyncio.run(benchmark.load_tasks(client, url, 2, 4)) > 0 for client in benchmark.CLIENTS)
        assert benchmark.sequential_calls(url, rounds=1) > 0
        assert benchmark.sockets_left(url, burst=2, pause=0) in (1, 2)
        assert 20 < benchmark.functions(url) < 60
    assert all(benchmark.rate_limited(kind, 201, 1)[0] > 0.9 for kind in ("threads", "tasks", "start_many"))
    assert benchmark.making_a_client(rounds=1) > 0
    assert benchmark.import_ratio(rounds=1) > 0
