"""The files that `start-many` reads: as spreadsheets write them, and what may be wrong with them."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from commands import COMMAND, environment, run, sent, write_file

from shipengine_tracking.testing import FakeShipEngine, Subscription

ROWS = [["Größe", "Tracking Number", "Carrier Code"], ["12", "1Z1", "ups"], ["7", " 92055901 ", "usps"]]


def text(delimiter: str, end: str, quote: str = "") -> str:
    return "".join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) + end for row in ROWS)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param((text(";", "\r\n") + ";;\r\n;;\r\n").encode("utf-8-sig"), id="excel_utf8"),
        pytest.param(text(";", "\r\n").encode("cp1252"), id="excel_cp1252"),
        pytest.param(text("\t", "\r\n").encode("utf-16"), id="excel_unicode_text"),
        pytest.param(text("\t", "\n").encode(), id="tab_utf8"),
        pytest.param(text("|", "\r").encode(), id="pipe_cr"),
        pytest.param(text(";", "\n", '"').encode(), id="libreoffice_quoted"),
        pytest.param((text(",", "\n") + "\n\n").encode(), id="numbers"),
        pytest.param(text(";", "\r\n").replace("Größe", "kg, net, dry").encode(), id="commas_in_a_name"),
        pytest.param(("\n" + text(",", "\n").rstrip()).encode(), id="blank_first_line_and_no_last_line_end"),
        pytest.param(
            b'"Size\n(cm), or\nnone";tracking_no;CARRIER\n1;="1Z1";ups\n"say ""7\n""";92055901;usps',
            id="quoted_line_breaks_and_formulas",
        ),
    ],
)
def test_file_of_a_spreadsheet_is_read(fake: FakeShipEngine, tmp_path: Path, content: bytes) -> None:
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


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        pytest.param("a;b c", "", ["--number-column", "a, b c"], id="no_number"),
        pytest.param("tracking;b", "", ["--carrier-column", "--carrier", "tracking, b"], id="no_carrier"),
        pytest.param("tracking;carrier", "--number-column x", ["'x'", "--number-column"], id="number_option"),
        pytest.param("tracking;carrier", "--reference-column x", ["'x'", "--reference-column"], id="reference"),
        pytest.param("", "", ["--number-column"], id="empty_file"),
        pytest.param(b"PK\x03\x04\x14", "", ["Excel workbook"], id="xlsx"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1", "", ["Excel workbook"], id="xls"),
        pytest.param('tracking,carrier\n1Z1,ups\n1Z2,"ups\n1Z3,ups\n', "", ["line 3"], id="quote_without_end"),
        pytest.param('tracking,carrier\n1Z1,"5" pipe"\n', "", ["line 2"], id="quote_in_quotes"),
    ],
)
def test_unusable_file_is_one_line_with_the_remedy(
    fake: FakeShipEngine, tmp_path: Path, content: str | bytes, options: str, words: list[str]
) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    status, out, err = run(fake, "start-many", str(path), *options.split())
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert all(word in err for word in words)


def test_dry_run_reports_problems_and_sends_nothing(tmp_path: Path) -> None:
    path, report = tmp_path / "orders.csv", tmp_path / "report.csv"
    rows = [
        "1Z1,ups",
        ",ups",
        '"1,23E+21",ups',
        "1.23E+21,ups",
        "1Z2,",
        "1Z1,ups",
        '"1Z\n3",ups',
        "",
        "1Z4,ups, ,",
        "1Z5",
    ]
    path.write_text("\n".join(["tracking_number,carrier", *rows, "1Z1,fedex", *[",ups"] * 11, "Books, Ltd,1Z6"]))
    before = "tracking_number,carrier,line,result,code,message,request_id\n1Z4,ups,11,started,,,\n"
    report.write_text(before)
    status, out, err = run(None, "start-many", str(path), "--dry-run", "--report", str(report))
    assert (status, err) == (1, "")
    assert out.splitlines()[0] == "Rows 22: to send 2, invalid 18, duplicates 1, started before 1"
    lines = {line.rpartition("lines: ")[2]: line for line in out.splitlines()[1:]}
    assert lines.keys() == {"3, 14, 15, 16, 17, 18, 19, 20, 21, 22, …)", "4, 5)", "6, 12)", "7)", "8)", "25)"}
    assert "spreadsheet" in lines["4, 5)"]
    assert "carrier" in lines["6, 12)"]
    assert "duplicate" in lines["7)"]
    assert "quotes" in lines["25)"]
    assert (report.read_text(), sorted(os.listdir(tmp_path))) == (before, ["orders.csv", "report.csv"])
    status, out, err = run(None, "start-many", str(path), "--dry-run", "--json")
    assert (status, out.count('"line"')) == (1, 19)
    assert err.startswith("Rows 22")


def test_duplicates_are_sent_once_unless_asked(fake: FakeShipEngine, tmp_path: Path) -> None:
    path = write_file(tmp_path / "orders.csv", ["1Z1", "1Z2", "1Z1"])
    for options, expected in ([], ["1Z1", "1Z2"]), (["--send-duplicates"], ["1Z1", "1Z1", "1Z2"]):
        report = str(tmp_path / f"report{len(options)}.csv")
        fake.subscriptions.clear()
        for _ in range(2):  # the second run sends nothing
            assert run(fake, "start-many", path, *options, "--report", report)[0] == 0
            assert sent(fake) == expected


def test_pipe_and_standard_input_are_read_as_files(fake: FakeShipEngine, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=["tracking\n1Z1\n"])
    writer.start()
    assert run(fake, "start-many", str(pipe), "--carrier", "ups")[0] == 0
    writer.join()
    arguments = [*COMMAND, "start-many", "-", "--carrier", "ups"]
    process = subprocess.run(
        arguments, env=environment(fake), input=b"tracking\n1Z2\n", capture_output=True, timeout=60
    )
    assert (process.returncode, process.stdout) == (0, b"Started 1, failed 0, skipped 0\n")
    assert sent(fake) == ["1Z1", "1Z2"]
