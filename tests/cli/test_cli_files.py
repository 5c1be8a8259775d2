"""`start-many` reads the files that spreadsheets write, and checks them before the first call."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from shell import run

from shipengine_tracking.testing import FakeShipEngine, Subscription

EXCEL = "Tracking Number;Carrier;Order\r\n1Z1;ups;Ä1\r\n1Z2;usps;Ä2\r\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(EXCEL.encode("utf-8-sig"), id="Excel, CSV UTF-8"),
        pytest.param(EXCEL.encode("cp1252"), id="Excel, CSV"),
        pytest.param(EXCEL.replace(";", "\t").encode("utf-16"), id="Excel, Unicode text"),
        pytest.param((EXCEL + ";;\r\n;;\r\n\r\n").encode(), id="Excel, emptied rows"),
        pytest.param(EXCEL.replace("\r\n", "\r").encode(), id="Excel, CSV Macintosh"),
        pytest.param(b'"tracking_number","carrier_code"\n"1Z1","ups"\n"1Z2","usps"\n', id="LibreOffice"),
        pytest.param(
            b'Note,CARRIER_CODE,tracking_no\n"a, b\nc;d;e;f",ups,1Z1\n"""d""",usps,1Z2\n', id="LibreOffice, notes"
        ),
        pytest.param(b"tracking code,carrier code\r\n1Z1,ups\r\n1Z2 , usps", id="Numbers"),
        pytest.param(b'Tracking|Carrier\n="1Z1"|ups\n="1Z2"|usps\n', id="a marketplace"),
        pytest.param(b"trackingnumber\tcarrier\tnote\n1Z1\tups\n1Z2\tusps\ta\tb\n", id="rows of other lengths"),
    ],
)
def test_file_of_a_spreadsheet_is_read(fake: FakeShipEngine, content: bytes) -> None:
    Path("file.csv").write_bytes(content)
    done = run(fake, "start-many", "file.csv", "--concurrency", 1)
    assert fake.subscriptions == [Subscription("1Z1", "ups"), Subscription("1Z2", "usps")]
    assert (done.status, done.out) == (0, "Started 2, failed 0, skipped 0\n")
    is_guessed = b"\xc4" in content and b"\xff" not in content
    assert ("Windows-1252" in done.err) == is_guessed


def test_columns_and_carrier_can_be_given(fake: FakeShipEngine) -> None:
    Path("file.csv").write_text("Sendung,Carrier,Firma,Carrier ID\n1Z1,x,,\n1Z2,x,usps,\n1Z3,x,ups,se-28529731\n")
    columns = ("--number-column", "SENDUNG", "--carrier-column", "firma", "--carrier", "fedex")
    assert run(fake, "start-many", "file.csv", *columns).status == 0
    assert sorted(fake.subscriptions) == [
        Subscription("1Z1", "fedex"),
        Subscription("1Z2", "usps"),
        Subscription("1Z3", "ups", "se-28529731"),
    ]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        pytest.param("Parcel,Carrier\n", (), "--number-column", id="no number column"),
        pytest.param("Parcel,Tracking\n", (), "--carrier", id="no carrier column"),
        pytest.param("Parcel,Tracking\n", ("--number-column", "Id"), "--number-column", id="no such column"),
        pytest.param("Parcel,Tracking\n", ("--reference-column", "Id"), "--reference-column", id="no such reference"),
        pytest.param("Tracking,Carrier,Parcel\n" + "x" * 200_000, (), "Line", id="not CSV"),
        pytest.param("PK\x03\x04", (), "workbook", id="workbook"),
        pytest.param("", (), "column", id="empty"),
        pytest.param("Tracking,Carrier\n", ("--concurrency", "0"), "--concurrency", id="no concurrency"),
        pytest.param("Tracking,Carrier\n", ("--report", "missing/report.csv"), "missing", id="no such folder"),
        pytest.param("Tracking,Carrier\n", ("--report", "file.csv"), "--report", id="report is the file"),
    ],
)
def test_file_or_option_that_cannot_be_used_is_one_line(
    fake: FakeShipEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    options: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.csv").write_text(content)
    done = run(fake, "start-many", "file.csv", *options)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err
    assert not content.startswith("Parcel") or "Parcel" in done.err  # the columns of the file
    assert os.listdir(tmp_path) == ["file.csv"]
    assert fake.requests == []


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_file_that_cannot_be_opened_is_one_line(fake: FakeShipEngine, name: str) -> None:
    done = run(fake, "start-many", name)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert name in done.err


def test_summary_names_what_is_invalid_with_line_numbers(fake: FakeShipEngine, tmp_path: Path) -> None:
    rows = [f"{number:012},ups" for number in range(500)]
    for line in range(2, 22):
        rows[line - 2] = ",ups"
    rows[48], rows[98], rows[99], rows[148] = "1.23E+21,ups", "1Z,", "1\u200bZ,ups", f"{200:012},ups"
    for line in range(402, 407):
        rows[line - 2] = "000000000200,ups"
    Path("file.csv").write_text("tracking_number,carrier\n" + "\n".join(rows))
    report = tmp_path / "report.csv"
    done = run(fake, "start-many", "file.csv", "--dry-run", "--report", report)
    assert (done.status, done.err, fake.requests, report.exists()) == (1, "", [], False)
    summary, *problems = done.out.splitlines()
    assert summary == "Rows 500: to send 471, invalid 23, duplicates 6, started before 0"
    found = [(int(text.split("(")[-1].split()[0]), text.split("line ")[1]) for text in problems]
    assert found == [
        (20, "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …)"),
        (1, "50)"),
        (1, "100)"),
        (1, "101)"),
        (6, "202, 402, 403, 404, 405, 406)"),
    ]
    done = run(fake, "start-many", "file.csv")
    assert (done.status, done.out) == (1, "Started 471, failed 23, skipped 6\n")
    assert len({one.tracking_number for one in fake.subscriptions}) == len(fake.subscriptions) == 471


def test_duplicates_are_sent_on_request(fake: FakeShipEngine) -> None:
    Path("file.csv").write_text("tracking,carrier\n1Z,ups\n1Z,ups\n1Z,usps\n")
    assert run(fake, "start-many", "file.csv").out == "Started 2, failed 0, skipped 1\n"
    done = run(fake, "start-many", "file.csv", "--send-duplicates")
    assert done.out == "Started 3, failed 0, skipped 0\n"
    assert len(fake.subscriptions) == 5


def test_standard_input_is_read(fake: FakeShipEngine) -> None:
    assert run(fake, "start-many", "-", "--carrier", "ups", stdin=b"tracking\n1Z\n").status == 0
    assert fake.subscriptions == [Subscription("1Z", "ups")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_named_pipe_is_read(fake: FakeShipEngine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[b"tracking\n1Z\n"], daemon=True).start()
    assert run(fake, "start-many", tmp_path / "pipe", "--carrier", "ups").status == 0
    assert fake.subscriptions == [Subscription("1Z", "ups")]
