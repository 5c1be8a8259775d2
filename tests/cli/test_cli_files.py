"""The files that `start-many` reads: as spreadsheets write them, and how it reports what is wrong with them."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from commands import COMMAND, environment, run, sent, write_file

from shipengine_tracking.testing import FakeShipEngine, Subscription

ROWS = [["Größe", "Tracking Number", "Carrier Code"], ["12", "1Z1", "ups"], ["7", " 92055901 ", "usps"]]


def text(rows: list[list[str]], delimiter: str = ",", end: str = "\r\n", trailing: str = "") -> str:
    return "".join(delimiter.join(row) + end for row in rows) + trailing


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(text(ROWS, ";", trailing=";;\r\n;;\r\n").encode("utf-8-sig"), id="excel_utf8"),
        pytest.param(text(ROWS, ";").encode("cp1252"), id="excel_cp1252"),
        pytest.param(text(ROWS, "\t").encode("utf-16"), id="excel_unicode_text"),
        pytest.param(b"\xfe\xff" + text(ROWS, "\t").encode("utf-16-be"), id="utf16_big_endian"),
        pytest.param(text(ROWS, "\t", "\n").encode(), id="tab_utf8"),
        pytest.param(text(ROWS, "|", "\r").encode(), id="pipe_cr"),
        pytest.param(
            text([[f'"{cell}"' for cell in row] for row in ROWS], ";", "\n").encode(), id="libreoffice_quoted"
        ),
        pytest.param(text(ROWS, ",", "\n", "\n\n").encode(), id="numbers"),
        pytest.param(b"\n" + text(ROWS, end="\n").rstrip().encode(), id="blank_first_line_and_no_last_line_end"),
        pytest.param(
            text([['"Size\n(cm), or\nnone"', "tracking_no", "CARRIER"], ["1", '="1Z1"', "ups"]], ";", "\n").encode()
            + b'"say ""7\n""";92055901;usps',
            id="quoted_line_breaks_and_formulas",
        ),
    ],
)
def test_file_of_a_spreadsheet_is_read(fake: FakeShipEngine, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(content)
    status, out, err = run(fake, "start-many", str(path), "--report", str(tmp_path / "report.csv"))
    assert (status, out) == (0, "Started 2, failed 0, skipped 0\n"), err
    assert sorted(fake.subscriptions) == [Subscription("1Z1", "ups", None), Subscription("92055901", "usps", None)]
    assert ("Windows-1252" in err) == (b"Gr\xf6\xdfe" in content)


def test_columns_are_named_by_options(fake: FakeShipEngine, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("Sendung,Weg,Auftrag,tracking\n1Z1,ups,A7,no\n1Z2,,A8,no\n1Z3,dhl,A9,no\n")
    columns = ("--number-column", "sendung", "--carrier-column", " WEG", "--reference-column", "Auftrag")
    status, _, err = run(fake, "start-many", str(path), *columns, "--carrier", "fedex")
    assert status == 1
    assert sorted(fake.subscriptions) == [Subscription("1Z1", "ups", None), Subscription("1Z2", "fedex", None)]
    assert "Line 4: 1Z3 A9: 400 carrier_not_connected" in err


@pytest.mark.parametrize(
    ("header", "options", "words"),
    [
        pytest.param("a;b c", [], ["--number-column", "a, b c"], id="no_number"),
        pytest.param("tracking;b", [], ["--carrier-column", "--carrier", "tracking, b"], id="no_carrier"),
        pytest.param("tracking;carrier", ["--number-column", "x"], ["'x'", "--number-column"], id="number_option"),
        pytest.param("tracking;carrier", ["--carrier-column", "x"], ["'x'", "--carrier-column"], id="carrier_option"),
        pytest.param("tracking;carrier", ["--reference-column", "x"], ["'x'", "--reference-column"], id="reference"),
        pytest.param("", [], ["--number-column"], id="empty_file"),
    ],
)
def test_missing_column_is_named_with_the_columns_of_the_file(
    fake: FakeShipEngine, tmp_path: Path, header: str, options: list[str], words: list[str]
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(header)
    status, out, err = run(fake, "start-many", str(path), *options)
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert all(word in err for word in words)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        pytest.param(b"PK\x03\x04\x14\x00", "Excel workbook", id="workbook"),
        pytest.param(b'tracking,carrier\n1Z1,ups\n1Z2,"ups\n1Z3,ups\n', "line 3", id="quote_without_end"),
        pytest.param(b'tracking,carrier\n1Z1,"5" pipe"\n', "line 2", id="quote_in_quotes"),
        pytest.param(None, "directory", id="directory"),
    ],
)
def test_unreadable_file_is_one_line_and_exits_with_2(
    fake: FakeShipEngine, tmp_path: Path, content: bytes | None, word: str
) -> None:
    path = tmp_path / "orders.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    status, out, err = run(fake, "start-many", str(path))
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert word in err
    assert run(fake, "start-many", str(tmp_path / "missing.csv")).status == 2


PROBLEMS = """tracking_number,carrier
1Z1,ups
,ups
"1,23E+21",ups
1.23E+21,ups
1Z2,
1Z1,ups
"1Z
3",ups

1Z4,ups,more,cells
1Z5
1Z1,fedex
"""


def test_dry_run_reports_problems_and_sends_nothing(fake: FakeShipEngine, tmp_path: Path) -> None:
    path, report = tmp_path / "orders.csv", tmp_path / "report.csv"
    path.write_text(PROBLEMS)
    report.write_text("tracking_number,carrier,line,result,code,message,request_id\n1Z4,ups,11,started,,,\n")
    before = report.read_bytes()
    status, out, err = run(None, "start-many", str(path), "--dry-run", "--report", str(report))
    assert (status, err, fake.requests) == (1, "", [])
    assert out.splitlines()[0] == "Rows 10: to send 2, invalid 6, duplicates 1, started before 1"
    lines = {line.rpartition("lines: ")[2]: line for line in out.splitlines()[1:]}
    assert lines.keys() == {"3)", "4, 5)", "6, 12)", "7)", "8)"}
    assert "spreadsheet" in lines["4, 5)"]
    assert "carrier" in lines["6, 12)"]
    assert "duplicate" in lines["7)"]
    assert (report.read_bytes(), sorted(os.listdir(tmp_path))) == (before, ["orders.csv", "report.csv"])
    status, out, err = run(None, "start-many", str(path), "--dry-run", "--json")
    assert (status, out.count('"line"')) == (1, 7)
    assert err.startswith("Rows 10")


def test_long_lists_of_lines_are_cut_short(tmp_path: Path) -> None:
    path = write_file(tmp_path / "orders.csv", [""] * 11)
    out = run(None, "start-many", path, "--dry-run").out
    assert "lines: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …)" in out
    path = write_file(tmp_path / "orders.csv", ["1Z1", "1Z2"])
    assert run(None, "start-many", path, "--dry-run").status == 0


@pytest.mark.parametrize(
    ("options", "expected"), [([], ["1Z1", "1Z2"]), (["--send-duplicates"], ["1Z1", "1Z1", "1Z2"])], ids=["once", "all"]
)
def test_duplicates_are_sent_once_unless_asked(
    fake: FakeShipEngine, tmp_path: Path, options: list[str], expected: list[str]
) -> None:
    path = write_file(tmp_path / "orders.csv", ["1Z1", "1Z2", "1Z1"])
    report = ("--report", str(tmp_path / "report.csv"))
    assert run(fake, "start-many", path, *options, *report).status == 0
    assert sent(fake) == expected
    assert run(fake, "start-many", path, *options, *report).status == 0
    assert sent(fake) == expected


def test_pipe_is_read_as_a_file(fake: FakeShipEngine, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=["tracking\n1Z1\n"])
    writer.start()
    assert run(fake, "start-many", str(pipe), "--carrier", "ups").status == 0
    writer.join()
    assert sent(fake) == ["1Z1"]


def test_standard_input_is_read_as_a_file(fake: FakeShipEngine) -> None:
    arguments = [*COMMAND, "start-many", "-", "--carrier", "ups"]
    content = b"tracking\n1Z1\n1Z2\n"
    process = subprocess.run(arguments, env=environment(fake), input=content, capture_output=True, timeout=60)
    assert (process.returncode, process.stdout) == (0, b"Started 2, failed 0, skipped 0\n")
    assert process.stderr.decode().splitlines()[-1] == "2 of 2 packages sent."
    assert sent(fake) == ["1Z1", "1Z2"]
