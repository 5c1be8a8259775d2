"""`start-many`: the report, continuing from it, and everything that ends a run early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from commands import COMMAND, environment, read_report, run, sent, started, write_file

from shipengine_tracking.testing import FakeShipEngine, RateLimit, Request, Response, error
from support import PausedShipEngine, takes, wait_until

HEADER = "tracking_number,carrier,line,result,code,message,request_id\n"


class RevokingShipEngine(FakeShipEngine):
    """A fake server whose key is revoked after 20 packages."""

    one_by_one = threading.Lock()

    def respond(self, request: Request) -> Response:
        with self.one_by_one:
            if len(self.subscriptions) >= 20:
                self.api_key = "TEST_another_key"
            return super().respond(request)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, Path]:
    """A file of 40 packages, and the path of a report."""
    return write_file(tmp_path / "orders.csv", [str(n) for n in range(40)]), tmp_path / "report.csv"


def test_report_can_hold_any_code_and_is_not_a_folder(fake: FakeShipEngine, files: tuple[str, Path]) -> None:
    path, report = files
    fake.enqueue(Response.of(400, rb'{"errors": [{"error_code": "\ud800"}]}'))
    assert run(fake, "start-many", path, "--report", str(report))[0] == 1
    assert len(read_report(report)) == 40
    status, _, err = run(fake, "start-many", path, "--report", str(report.parent))
    assert (status, err.count("\n")) == (2, 1)


def test_run_with_invalid_rows_reports_each_row_once(fake: FakeShipEngine, tmp_path: Path) -> None:
    kinds = [",ups", "{n},", "1.2E+1{n},ups", "{n},seko", "0,ups", "{n}\u200b,ups"]  # 0 is sent once
    bad = {n: kinds[n // 17 % 6] for n in range(17, 17 * 31, 17)}
    rows = [bad.get(n, "{n},ups").format(n=n) for n in range(528)]
    path, report = tmp_path / "orders.csv", tmp_path / "report.csv"
    path.write_text("\n".join(["tracking_number,carrier", *rows]))
    status, out, err = run(fake, "start-many", str(path), "--report", str(report))
    assert (status, out) == (1, "Started 498, failed 25, skipped 5\n")
    assert sent(fake) == started(report)
    results = read_report(report)
    assert sorted(int(row["line"]) for row in results) == list(range(2, 530))
    for row in results:
        kind = bad.get(int(row["line"]) - 2)
        assert row["result"] == {None: "started", "0,ups": "skipped"}.get(kind, "failed")
        assert bool(row["message"]) == (row["result"] != "started")
        assert bool(row["request_id"]) == (row["code"] == "carrier_not_connected") == (kind == "{n},seko")
    assert "Rows 528: to send 503, invalid 20, duplicates 5, started before 0" in err
    assert [f"{n} of 503 packages sent." in err for n in (100, 500, 501, 503)] == [True, True, False, True]


def test_report_keeps_the_columns_of_the_file(fake: FakeShipEngine, tmp_path: Path) -> None:
    path, report = tmp_path / "orders.csv", tmp_path / "report.csv"
    path.write_bytes('Straße;line;Tracking No;Carrier\r\n Köln ;x;1Z1;ups\r\n"a\nb"\r\n'.encode("cp1252"))
    assert run(fake, "start-many", str(path), "--report", str(report))[0] == 1
    header, failed, row = report.read_bytes().decode().split("\r\n")[:3]
    assert header == "Straße,line_input,Tracking No,Carrier,line,result,code,message,request_id"
    assert failed.startswith('"a\nb",,,,3,failed,,')
    assert row == " Köln ,x,1Z1,ups,2,started,,,"


def test_run_continues_from_its_report(fake: FakeShipEngine, tmp_path: Path) -> None:
    path, report = write_file(tmp_path / "orders.csv", ["1Z1", "1Z2", "1Z3", "1Z4", "1Z1"]), tmp_path / "report.csv"
    rows = (
        '1Z0,ups,9,started,,,\n1Z1,ups,2,started,,,\n1Z2,ups,3,failed,x,"not\nnow",y\n1Z3,usps,4,started,,,\n1Z4,ups,5'
    )
    report.write_text(HEADER + rows)
    for _ in range(2):
        assert run(fake, "start-many", path, "--report", str(report))[0] == 0
        assert sent(fake) == ["1Z2", "1Z3", "1Z4"]
        assert started(report) == ["1Z0", "1Z1", "1Z2", "1Z3", "1Z3", "1Z4"]
    assert [row["line"] for row in read_report(report) if row["result"] == "skipped"] == ["6"]
    assert sorted(os.listdir(tmp_path)) == ["orders.csv", "report.csv"]


def test_other_files_are_not_overwritten(fake: FakeShipEngine, files: tuple[str, Path]) -> None:
    path, report = files
    before = Path(path).read_bytes()
    status, _, err = run(fake, "start-many", path, "--report", path)
    assert (status, err.count("\n"), Path(path).read_bytes(), fake.requests) == (2, 1, before, [])
    assert run(fake, "start-many", path, "--report", str(report), SHIPENGINE_API_KEY="")[0] == 2
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


def test_run_waits_for_the_rate_limit(files: tuple[str, Path]) -> None:
    with FakeShipEngine(rate_limit=RateLimit(30, 1.0)) as fake, takes(0.5):
        assert run(fake, "start-many", files[0])[0] == 0
        assert len(sent(fake)) == 40


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [(401, "unauthorized", "KEY"), (400, "trial_expired", "account"), (429, "rate_limit_exceeded", "wait")],
)
def test_account_error_stops_the_run(
    fake: FakeShipEngine, files: tuple[str, Path], status: int, code: str, word: str
) -> None:
    headers = {"Retry-After": "9999"} if status == 429 else {}
    fake.enqueue(*[error(status, code, "No.", headers=headers)] * 40)
    exit_status, out, err = run(fake, "start-many", files[0])
    assert (exit_status, out, len(err.splitlines())) == (3, "Started 0, failed 0, skipped 0\n", 3)
    assert word in err
    assert "40 packages were not sent. With --report" in err


def test_revoked_key_stops_the_run_which_continues_with_another(files: tuple[str, Path]) -> None:
    path, report = files
    with RevokingShipEngine() as fake:
        status, _, err = run(fake, "start-many", path, "--report", str(report))
        assert (status, started(report)) == (3, sent(fake))
        assert "20 packages were not sent. Run the same command again" in err
        assert "TEST_of_the_fake_server" not in err
        assert run(fake, "start-many", path, "--report", str(report))[0] == 0
        assert started(report) == sent(fake) == sorted(str(n) for n in range(40))


def test_ctrl_c_ends_at_once_and_says_how_to_continue(files: tuple[str, Path]) -> None:
    def interrupt() -> None:
        wait_until(lambda: len(fake.requests) == 8)
        os.kill(os.getpid(), signal.SIGINT)

    with PausedShipEngine() as fake, takes(0.0):
        thread = threading.Thread(target=interrupt)
        thread.start()
        status, out, err = run(fake, "start-many", files[0], "--report", str(files[1]))
        thread.join()
    assert (status, out) == (130, "Started 0, failed 0, skipped 0\n")
    assert "40 packages were not sent. Run the same command again" in err


def test_closed_pipe_ends_the_run_without_a_traceback(fake: FakeShipEngine, tmp_path: Path) -> None:
    path, report = write_file(tmp_path / "orders.csv", [str(n) for n in range(3_000)]), tmp_path / "report.csv"
    arguments = [*COMMAND, "start-many", path, "--json", "--report", str(report)]
    with subprocess.Popen(arguments, env=environment(fake), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["result"] == "started"
        process.stdout.close()
        err = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert all(line.startswith("Rows ") or line.endswith("packages sent.") for line in err.splitlines())
    assert set(started(report)) <= set(sent(fake)) < {str(n) for n in range(3_000)}
