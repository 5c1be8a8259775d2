"""`start-many` as a run: the report, interruptions, rate limits, and where the output goes."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from shell import environment, process, run, write_rows

from shipengine_tracking.testing import FakeShipEngine, RateLimit, Response
from support import wait_until

INTO_A_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, "-m", "shipengine_tracking", *sys.argv[1:]])))
"""
OK = Response.of(204)


def results(report: Path) -> list[dict[str, str]]:
    with report.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_report_has_the_columns_of_the_file_and_the_results(fake: FakeShipEngine, tmp_path: Path) -> None:
    rows = 'Ä1,9,1Z1,ups\nÄ2,9,1Z2,seko\n"a\nb",9,,ups\nÄ4,9,1Z1,ups\n'
    (tmp_path / "file.csv").write_text("Order,Line,tracking,carrier\n" + rows, encoding="utf-8")
    report = tmp_path / "report.csv"
    fake.enqueue(OK)
    done = run(fake, "start-many", tmp_path / "file.csv", "--report", report, "--concurrency", 1)
    assert (done.status, done.out) == (1, "Started 1, failed 2, skipped 1\n")
    assert "Line 3: 1Z2 Ä2: " in done.err
    found = sorted(results(report), key=lambda row: int(row["line"]))
    assert list(found[0]) == ["Order", "Line", "tracking", "carrier", "line", "result", "code", "message", "request_id"]
    assert [(row["line"], row["result"], row["Order"], row["code"]) for row in found] == [
        ("2", "started", "Ä1", ""),
        ("3", "failed", "Ä2", "carrier_not_connected"),
        ("4", "failed", "a\nb", ""),
        ("6", "skipped", "Ä4", ""),
    ]
    assert found[1]["request_id"]
    assert "Connect the carrier" in found[1]["message"]


def test_column_of_the_file_named_as_a_result_is_renamed(fake: FakeShipEngine, tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("line,tracking,result\n7,1Z1,x\n")
    report = tmp_path / "report.csv"
    for _ in range(2):
        assert run(fake, "start-many", tmp_path / "file.csv", "--carrier", "ups", "--report", report).status == 0
    assert [(row["line_input"], row["line"], row["result_input"], row["result"]) for row in results(report)] == [
        ("7", "2", "x", "started")
    ]
    assert len(fake.subscriptions) == 1


def test_next_run_sends_only_what_has_not_started(fake: FakeShipEngine, tmp_path: Path) -> None:
    file, report = write_rows(tmp_path / "file.csv", range(20)), tmp_path / "report.csv"
    fake.enqueue(*[Response.of(400)] * 5)
    assert run(fake, "start-many", file, "--report", report).out == "Started 15, failed 5, skipped 0\n"
    with report.open("a") as output:
        output.write('0000,"ups')  # a run that was killed while it wrote
    write_rows(file, range(25))
    done = run(fake, "start-many", file, "--report", report)
    assert (done.status, done.out) == (0, "Started 10, failed 0, skipped 0\n")
    assert "started before 15" in done.err
    assert sorted(int(row["line"]) for row in results(report)) == list(range(2, 27))
    assert len({one.tracking_number for one in fake.subscriptions}) == len(fake.subscriptions) == 25


def test_json_is_one_object_for_each_row(fake: FakeShipEngine, tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("tracking,carrier,ref\n1Z1,ups,a\n1Z2,seko,b\n,,c\n")
    status, out, err = run(fake, "start-many", tmp_path / "file.csv", "--json")
    documents = sorted(map(json.loads, out.splitlines()), key=lambda document: document["line"])
    assert (status, [one["result"] for one in documents]) == (1, ["started", "failed", "failed"])
    assert [one["reference"] for one in documents] == ["a", "b", "c"]
    assert documents[1]["code"] == "carrier_not_connected"
    assert "Started 1, failed 2, skipped 0" in err


def test_progress_is_plain_lines_without_a_terminal(fake: FakeShipEngine, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "file.csv", range(250))
    err = run(fake, "start-many", file).err
    assert [line.split(",")[0] for line in err.splitlines() if "sent" in line] == [
        "100 of 250 packages sent",
        "200 of 250 packages sent",
        "250 of 250 packages sent",
    ]
    assert "\x1b" not in err


def test_rate_limit_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    with FakeShipEngine(rate_limit=RateLimit(20, 1.0)) as fake:
        done = run(fake, "start-many", write_rows(tmp_path / "file.csv", range(50)))
        assert (done.status, done.out) == (0, "Started 50, failed 0, skipped 0\n")
        assert len(fake.subscriptions) == 50


@pytest.mark.parametrize(
    ("response", "words"),
    [
        pytest.param(Response.of(401), "Check SHIPENGINE_API_KEY", id="key revoked"),
        pytest.param(Response.of(429, headers={"Retry-After": "3600"}), "Wait", id="long wait"),
        pytest.param(Response.of(400, {"errors": [{"error_code": "trial_expired"}]}), "account", id="account"),
    ],
)
def test_account_ends_the_run_and_the_next_run_continues(
    fake: FakeShipEngine, tmp_path: Path, response: Response, words: str
) -> None:
    file, report = write_rows(tmp_path / "file.csv", range(60)), tmp_path / "report.csv"
    fake.enqueue(*[OK] * 30, response)
    status, out, err = run(fake, "start-many", file, "--report", report, "--concurrency", 1)
    assert (status, out) == (3, "Started 30, failed 0, skipped 0\n")
    assert words in err
    assert "30 packages were not sent. Run the same command again" in err
    assert run(fake, "start-many", file, "--report", report).out == "Started 30, failed 0, skipped 0\n"
    assert Counter(row["result"] for row in results(report)) == {"started": 60}


def test_interrupted_run_ends_at_once_and_says_how_to_continue(fake: FakeShipEngine, tmp_path: Path) -> None:
    file, report = write_rows(tmp_path / "file.csv", range(20)), tmp_path / "report.csv"
    fake.enqueue(*[OK] * 10, *[Response.of(204, then="hang", delay=60.0)] * 8)
    with process(fake, "start-many", file, "--report", report) as running:
        wait_until(lambda: report.exists() and len(results(report)) == 10 and len(fake.requests) == 18)
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "Started 10, failed 0, skipped 0\n")
    assert "10 packages were not sent. Run the same command again" in err
    assert "Traceback" not in err
    assert time.monotonic() - began < 20
    err = run(fake, "start-many", file).err  # without a report
    assert "not sent" not in err


def test_closed_pipe_ends_the_run_quietly(fake: FakeShipEngine, tmp_path: Path) -> None:
    file, report = write_rows(tmp_path / "file.csv", range(2_000)), tmp_path / "report.csv"
    with process(fake, "start-many", file, "--json", "--report", report) as running:
        assert json.loads(running.stdout.readline())["result"] == "started"
        running.stdout.close()
        err = running.stderr.read()
    assert running.returncode == 1
    assert "Traceback" not in err
    assert "Exception" not in err
    assert 0 < len(results(report)) < 2_000
    with process(fake, "webhooks", "list") as running:  # so little output that only the last flush fails
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1


def test_terminal_shows_a_progress_bar_and_ctrl_c_ends_it(fake: FakeShipEngine, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "file.csv", range(30))
    fake.enqueue(*[OK] * 19, Response.of(404), *[Response.of(204, then="hang", delay=60.0)] * 10)
    command = [sys.executable, "-c", INTO_A_TERMINAL, "start-many", str(file), "--concurrency", "2"]
    variables = {**environment(fake), "TERM": "xterm", "COLUMNS": "60"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables) as running:
        assert running.stdin
        assert running.stdout
        screen = b""
        while b"20/30" not in screen:
            screen += os.read(running.stdout.fileno(), 65_536)
        running.stdin.write(b"\x03")
        running.stdin.flush()
        screen += running.stdout.read()
    assert running.returncode == 130
    text = screen.decode()
    for part in ("/s", "0:00:", "Started 19, failed 1, skipped 0", "10 packages were not sent"):
        assert part in text
    (failure,) = (line for line in text.splitlines() if "Line " in line)
    assert "Check the number and the carrier." in failure  # one line, longer than the terminal is wide


@pytest.mark.slow
def test_run_killed_twenty_times_forgets_nothing(tmp_path: Path) -> None:
    numbers = range(1_500)
    file, report, random = write_rows(tmp_path / "file.csv", numbers), tmp_path / "report.csv", Random(16)
    with FakeShipEngine() as fake:
        for _ in range(20):
            before = len(fake.requests)
            with process(fake, "start-many", file, "--report", report) as running:
                wait_until(lambda before=before: len(fake.requests) > before)
                time.sleep(random.uniform(0, 0.1))  # nothing is expected to happen by then
                running.kill()
        run(fake, "start-many", file, "--report", report)
        started = Counter(one.tracking_number for one in fake.subscriptions)
    assert len(started) == len(numbers)
    assert started.total() - len(numbers) <= 20 * 3 * 8  # calls in flight, and outcomes that were not written yet
    assert sorted(int(row["line"]) for row in results(report)) == [number + 2 for number in numbers]
    assert {row["result"] for row in results(report)} == {"started"}


@pytest.mark.slow
def test_memory_for_each_row_is_small(fake: FakeShipEngine, tmp_path: Path) -> None:
    peaks = []
    for count in (1_000, 100_000):
        file, report = write_rows(tmp_path / "file.csv", range(count + 500)), tmp_path / f"{count}.csv"
        rows = "".join(f"{number:012},ups,{number + 2},started,,,\n" for number in range(count))
        report.write_text("tracking_number,carrier_code,line,result,code,message,request_id\n" + rows)
        with process(fake, "start-many", file, "--report", report) as running:
            assert running.communicate()[0] == "Started 500, failed 0, skipped 0\n"
        peaks.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)  # of the largest so far
    assert (peaks[1] - peaks[0]) / 99_000 < 160  # bytes: a hash and its place in a set, and what is free again
