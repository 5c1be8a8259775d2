"""The files that `start-many` reads: as spreadsheets write them, and what may be wrong with them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import HEADER, run, sent, start_process, write_file

from shipengine_tracking.testing import FakeShipEngine, Subscription

ROWS = [["Tracking Number", "Größe", "Carrier Code"], ["1Z1", "12", "ups"], [" 92055901 ", "7", "usps"]]


def text(delimiter: str, end: str) -> str:
    return "".join(delimiter.join(row) + end for row in ROWS)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param((text(";", "\r\n") + ";;\r\n;;\r\n").encode("utf-8-sig"), id="excel_utf8"),
        pytest.param(text(";", "\r\n").encode("cp1252").replace(b"12", b"\x81"), id="excel_cp1252"),
        pytest.param(text("\t", "\r\n").encode("utf-16"), id="excel_unicode_text"),
        pytest.param(text("|", "\r").replace("Größe", "Tracking").encode(), id="pipe_cr_two_columns_of_numbers"),
        pytest.param(text(";", "\r\n").replace("Größe", "kg, net, dry").encode(), id="commas_in_a_name"),
        pytest.param(("\n" + text(",", "\n").rstrip()).encode(), id="blank_first_line_and_no_last_line_end"),
        pytest.param(b'"Size\n(cm)";tracking_no;CARRIER\n1;="1Z1";ups\n"say ""7\n""";92055901;"usps"', id="quotes"),
    ],
)
def test_csv_from_a_spreadsheet_is_read(fake: FakeShipEngine, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(content)
    status, out, err = run(fake, "start-many", str(path))
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


def test_option_gives_the_carrier_of_a_file_without_one(fake: FakeShipEngine, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("Tracking Number\n1Z1\n")
    assert run(fake, "start-many", str(path), "--carrier", "ups")[0] == 0
    assert fake.subscriptions == [Subscription("1Z1", "ups", None)]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        pytest.param("a;b c", "", ["--number-column", "a, b c"], id="no_number"),
        pytest.param("tracking;b", "", ["--carrier-column", "--carrier", "tracking, b"], id="no_carrier"),
        pytest.param("tracking;carrier", "--number-column x", ["'x'", "--number-column"], id="number_option"),
        pytest.param("tracking;carrier", "--reference-column x", ["'x'", "--reference-column"], id="reference"),
        pytest.param("", "", ["--number-column", "none"], id="empty_file"),
        pytest.param(b"PK\x03\x04\x14", "", ["Excel workbook"], id="xlsx"),
        pytest.param('tracking,carrier\n1Z1,ups\n1Z2,"ups\n1Z3,ups\n', "", ["line 3"], id="quote_without_end"),
    ],
)
def test_unusable_file_prints_one_line_with_the_remedy(
    fake: FakeShipEngine, tmp_path: Path, content: str | bytes, options: str, words: list[str]
) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    status, out, err = run(fake, "start-many", str(path), *options.split())
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert all(word in err for word in words)


def test_file_that_can_be_read_only_once_is_copied(fake: FakeShipEngine, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.csv")
    with ThreadPoolExecutor() as threads:
        threads.submit(pipe.write_bytes, "tracking_number,carrier,Größe\n1Z1,ups,12\n".encode())
        assert run(fake, "start-many", str(pipe))[0] == 0
    assert sent(fake) == ["1Z1"]


def test_dry_run_reports_problems_and_sends_nothing(tmp_path: Path) -> None:
    path, report = tmp_path / "orders.csv", tmp_path / "report.csv"
    rows = '1Z1,ups\n,ups\n"1,23E+21",ups\n1.23E+21,ups\n1Z2,\n1Z1,ups\n"1Z\n3",ups\n\n1Z4,ups, ,\n1Z5\n1Z1,fedex\n'
    path.write_text("tracking_number,carrier\n" + rows + ",ups\n" * 11 + "Books, Ltd,1Z6")
    report.write_text(before := HEADER + "1Z4,ups,11,started,,,\n")
    status, out, err = run(None, "start-many", str(path), "--dry-run", "--report", str(report))
    summary, *problems = out.splitlines()
    assert (status, err) == (1, "")
    assert summary == "Rows 22: to send 2, invalid 18, duplicates 1, already started 1"
    lines = [problem.rpartition("lines: ")[2] for problem in problems]
    assert lines == ["3, 14, 15, 16, 17, 18, 19, 20, 21, 22, …)", "4, 5)", "6, 12)", "7)", "8)", "25)"]
    words = ["empty", "spreadsheet", "--carrier", "duplicate", "unprintable", "quotes"]
    assert all(word in problem for word, problem in zip(words, problems, strict=True))
    assert (report.read_text(), sorted(os.listdir(tmp_path))) == (before, ["orders.csv", "report.csv"])


def test_duplicates_are_sent_if_asked(fake: FakeShipEngine, tmp_path: Path) -> None:
    path, report = write_file(tmp_path / "orders.csv", ["1Z1", "1Z2", "1Z1"]), str(tmp_path / "report.csv")
    for _ in range(2):  # the second run sends nothing
        assert run(fake, "start-many", path, "--send-duplicates", "--report", report)[0] == 0
        assert sent(fake) == ["1Z1", "1Z1", "1Z2"]


def test_start_many_as_a_process_reads_standard_input(fake: FakeShipEngine) -> None:
    with start_process(fake, "start-many", "-", "--carrier", "ups") as process:
        assert process.communicate(b"tracking\n1Z1\n", timeout=60)[0] == b"Started 1, failed 0, skipped 0\n"
    assert sent(fake) == ["1Z1"]
