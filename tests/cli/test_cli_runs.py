"""`start-many`: the report, continuing from it, and everything that ends a run early."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
import tracemalloc
from pathlib import Path

import pytest
from commands import HEADER, Terminal, read_report, run, run_until, sent, start_process, started, write_file

from shipengine_tracking.testing import FakeShipEngine, RateLimit, Request, Response, error
from support import PausedShipEngine, assert_takes, wait_until


class StoppingShipEngine(FakeShipEngine):
    """A fake server that rejects all calls after the first 20 packages while `rejection` is set."""

    rejection: Response | None = None
    one_by_one = threading.Lock()

    def respond(self, request: Request) -> Response:
        with self.one_by_one:
            return self.rejection if self.rejection and len(self.subscriptions) >= 20 else super().respond(request)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, Path]:
    """A file of 40 packages, and the path of a report."""
    return write_file(tmp_path / "orders.csv", [str(n) for n in range(40)]), tmp_path / "report.csv"


def test_run_reports_each_row_once_and_waits_for_the_rate_limit(tmp_path: Path) -> None:
    path, report = tmp_path / "orders.csv", tmp_path / "report.csv"
    other = {2: ",ups", 3: "3,", 4: "1.2E+14,ups", 5: "5,seko", 6: "0,ups", 7: "7\u200b,ups"}
    path.write_text("\n".join(["tracking_number,carrier", *[other.get(n, f"{n},ups") for n in range(107)]]))
    with FakeShipEngine(rate_limit=RateLimit(60, 0.5)) as fake:
        status, out, err = run(fake, "start-many", str(path), "--report", str(report))
    assert (status, out) == (1, "Started 101, failed 5, skipped 1\n")
    assert sent(fake) == started(report)
    results = read_report(report)
    assert sorted(int(row["line"]) for row in results) == list(range(2, 109))
    assert [row["line"] for row in results[:5]] == ["4", "5", "6", "8", "9"]
    assert all(word in row["message"] for word, row in zip(("empty", "carrier", "spreadsheet"), results, strict=False))
    (rejected,) = [row for row in results if row["request_id"]]
    assert (rejected["line"], rejected["code"]) == ("7", "carrier_not_connected")
    assert "Rows 107: to send 102, invalid 4, duplicates 1, already started 0" in err
    assert [f"{n} of 102 packages sent." in err for n in (99, 100, 101, 102)] == [False, True, False, True]


def test_report_keeps_the_columns_of_the_file(fake: FakeShipEngine, tmp_path: Path) -> None:
    path, report = tmp_path / "orders.csv", tmp_path / "report.csv"
    path.write_bytes('Straße;line ;Tracking No;Carrier\r\n Köln ;x;1Z1;ups\r\n"a\nb"\r\n'.encode("cp1252"))
    assert run(fake, "start-many", str(path), "--report", str(report))[0] == 1
    header, failed, row = report.read_bytes().decode().split("\r\n")[:3]
    assert header == "Straße,line_input,Tracking No,Carrier,line,result,code,message,request_id"
    assert failed.startswith('"a\nb",,,,3,failed,,')
    assert row == " Köln ,x,1Z1,ups,2,started,,,"


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8", ","), ("utf-8-sig", ";")], ids=["as written", "by Excel"]
)
def test_run_continues_from_its_report(encoding: str, delimiter: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    path, report = write_file(tmp_path / "orders.csv", ["1Z1", "1Z2", "1Z3", "1Z4", "1Z1"]), tmp_path / "report.csv"
    started_before = "1Z0,ups,9,started,,,\n1Z1,ups,2,started,,,\n1Z3,usps,4,started,,,\n"
    text = HEADER + started_before + '1Z2,ups,3,failed,x,"not\nnow",y\n1Z4,ups,5'
    report.write_text(text.replace(",", delimiter), encoding)
    for _ in range(2):
        assert run(fake, "start-many", path, "--report", str(report))[0] == 0
        assert sent(fake) == ["1Z2", "1Z3", "1Z4"]
        assert started(report) == ["1Z0", "1Z1", "1Z2", "1Z3", "1Z3", "1Z4"]
    assert [row["line"] for row in read_report(report) if row["result"] == "skipped"] == ["6"]
    assert sorted(os.listdir(tmp_path)) == ["orders.csv", "report.csv"]


def test_report_can_hold_any_code(fake: FakeShipEngine, files: tuple[str, Path]) -> None:
    path, report = files
    fake.enqueue(Response.of(400, rb'{"errors": [{"error_code": "\ud800"}]}'))
    assert run(fake, "start-many", path, "--report", str(report))[0] == 1
    assert rb"failed,\ud800," in report.read_bytes()


def test_other_files_are_not_overwritten(fake: FakeShipEngine, files: tuple[str, Path]) -> None:
    path, report = files
    before = Path(path).read_bytes()
    for other in (path, str(report.parent)):
        status, _, err = run(fake, "start-many", path, "--report", other)
        assert (status, err.count("\n"), Path(path).read_bytes(), fake.requests) == (2, 1, before, [])
    assert run(fake, "start-many", path, "--report", str(report), env={"SHIPENGINE_API_KEY": ""})[0] == 2
    assert not report.exists()


def test_json_has_one_object_for_each_row(fake: FakeShipEngine, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("tracking,carrier,order\n1Z1,ups,A1\n,ups,A2\n1Z3,dhl,A3\n")
    status, out, err = run(fake, "start-many", str(path), "--json", "--requests-per-minute", "600")
    invalid, *sent_rows = map(json.loads, out.splitlines())
    first, other = sorted(sent_rows, key=lambda row: str(row["line"]))
    names = ["tracking_number", "carrier_code", "reference", "line", "result", "code", "message", "request_id"]
    assert (status, list(first)) == (1, names)
    assert list(first.values()) == ["1Z1", "ups", "A1", 2, "started", None, "", None]
    assert (invalid["line"], invalid["result"], other["code"]) == (3, "failed", "carrier_not_connected")
    assert err.endswith("Started 1, failed 2, skipped 0\n")


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [(401, "unauthorized", "KEY"), (400, "trial_expired", "account"), (429, "rate_limit_exceeded", "wait")],
)
def test_account_error_stops_the_run_which_can_be_continued(
    files: tuple[str, Path], status: int, code: str, word: str
) -> None:
    path, report = files
    with StoppingShipEngine() as fake:
        fake.rejection = error(status, code, "No.", headers={"Retry-After": "9999"} if status == 429 else {})
        exit_status, out, err = run(fake, "start-many", path, "--report", str(report))
        assert (exit_status, out, len(err.splitlines())) == (3, "Started 20, failed 0, skipped 0\n", 3)
        assert started(report) == sent(fake)
        assert word in err
        assert "20 packages were not sent. Run the same command again" in err
        fake.rejection = None
        assert run(fake, "start-many", path, "--report", str(report))[0] == 0
        assert started(report) == sent(fake) == sorted(str(n) for n in range(40))


def test_terminal_shows_progress_and_ctrl_c_ends_at_once(files: tuple[str, Path]) -> None:
    def wait_for_progress() -> None:
        progress = rb"20/40 [^/]*[1-9][0-9.]*/s [0-9]:[0-9]{2}:[0-9]{2}"  # total, rate and remaining time
        wait_until(lambda: re.search(progress, re.sub(rb"\x1b\[[0-9;?]*m", b"", screen.getvalue())))
        wait_until(lambda: len(fake.requests) == 25)

    path, screen, options = Path(files[0]), Terminal(), ["--json", "--concurrency", "5"]
    path.write_text(path.read_text().replace("\n4,ups\n", "\n4,seko\n"))
    with PausedShipEngine(unpaused=[str(n) for n in range(20)]) as fake, assert_takes(0.0):
        status, out, err = run_until(wait_for_progress, fake, "start-many", str(path), *options, err=screen)
    assert (status, out.count('"line"')) == (130, 20)
    assert "Line 6: 4: 400 carrier_not_connected: " in err
    assert '"line"' not in err
    assert "20 packages were not sent. With --report" in err
    assert err.endswith("Started 19, failed 1, skipped 0\n")


def test_start_many_as_a_process_ends_when_its_pipe_is_closed(fake: FakeShipEngine, tmp_path: Path) -> None:
    path, report = write_file(tmp_path / "orders.csv", [str(n) for n in range(3_000)]), tmp_path / "report.csv"
    with start_process(fake, "start-many", path, "--json", "--report", str(report)) as process:
        assert json.loads(process.stdout.readline())["result"] == "started"
        process.stdout.close()
        err = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert all(line.startswith("Rows ") or line.endswith("packages sent.") for line in err.splitlines())
    assert set(started(report)) <= set(sent(fake)) < {str(n) for n in range(3_000)}


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_killed_run_is_continued_and_loses_nothing(fake: FakeShipEngine, tmp_path: Path) -> None:
    numbers = [f"{n:05}" for n in range(5_000)]
    path, report = write_file(tmp_path / "orders.csv", [*numbers, "", "00001"]), tmp_path / "report.csv"
    choose, status, kills = random.Random(16), -signal.SIGKILL, 0
    while status == -signal.SIGKILL:
        goal = len(fake.subscriptions) + choose.randrange(400) if kills < 20 else len(numbers) * 2
        with start_process(fake, "start-many", path, "--report", str(report)) as process:
            wait_until(lambda: process.poll() is not None or len(fake.subscriptions) > goal, 120.0)  # noqa: B023
            process.kill()
            status = process.wait(60)
        kills += status == -signal.SIGKILL
        # The packages that will be repeated were in flight, or had a result that was not read yet.
        assert len(set(sent(fake))) - len(started(report)) <= 2 * 8
    assert (status, kills) == (1, 20)
    assert started(report) == sorted(set(sent(fake))) == numbers
    assert len(sent(fake)) - len(numbers) <= 2 * 8 * 20


@pytest.mark.timeout(900)
@pytest.mark.slow
def test_memory_stays_within_100_bytes_a_row(fake: FakeShipEngine, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        """Return the highest number of bytes in use while the last ten rows of a file are sent."""
        numbers = [f"{n:020}" for n in range(count)]
        path, report = write_file(tmp_path / f"{count}.csv", numbers), tmp_path / f"{count}-report.csv"
        report.write_text(HEADER + "".join(f"{n},ups,2,started,,,\n" for n in numbers[:-10]))
        tracemalloc.start()
        try:
            assert run(fake, "start-many", path, "--report", str(report))[0] == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_000)
    assert (peak(100_000) - peak(1_001)) / 99_000 <= 100
