"""Runs the command line in this process, and makes files for it."""

from __future__ import annotations

import csv
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any
from unittest import mock

from shipengine_tracking.__main__ import main
from shipengine_tracking.testing import FakeShipEngine

HEADER = "tracking_number,carrier,line,result,code,message,request_id\n"
Result = tuple[int, str, str]  # exit status, stdout, stderr
COMMAND = [sys.executable, "-m", "shipengine_tracking"]


def environment(fake: FakeShipEngine | None) -> dict[str, str]:
    own = {"SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url} if fake else {}
    return {**os.environ, "COLUMNS": "100", "TERM": "xterm", **own}


def run(
    fake: FakeShipEngine | None, *arguments: str, env: dict[str, str] | None = None, err: io.BytesIO | None = None
) -> Result:
    """Run a command in this process; `err` has what it has written so far."""
    out, err = io.BytesIO(), err or io.BytesIO()
    with (
        mock.patch.dict(os.environ, environment(fake) | (env or {})),
        mock.patch.object(sys, "argv", ["shipengine-tracking", *arguments]),
        mock.patch.object(sys, "excepthook", sys.excepthook),  # typer replaces it
        redirect_stdout(io.TextIOWrapper(out, "utf-8", write_through=True)),
        redirect_stderr(io.TextIOWrapper(err, "utf-8", write_through=True)),
    ):
        return main(), out.getvalue().decode(), err.getvalue().decode()


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def run_until(visit: Callable[[], object], fake: FakeShipEngine, *arguments: str, err: io.BytesIO) -> Result:
    """Run a command, call `visit` in another thread, then press Ctrl-C."""
    ended = threading.Event()

    def interrupt(_: object) -> None:
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor() as threads:
        visitor = threads.submit(visit)
        visitor.add_done_callback(interrupt)
        try:
            result = run(fake, *arguments, err=err)
        finally:
            ended.set()
        visitor.result()
    return result


def start_process(fake: FakeShipEngine, *arguments: str) -> Any:
    """Start a command as a process with pipes."""
    return Popen([*COMMAND, *arguments], env=environment(fake), stdin=PIPE, stdout=PIPE, stderr=PIPE)


def write_file(path: Path, numbers: list[str]) -> str:
    """Write a file with these tracking numbers of UPS; return its path."""
    path.write_text("tracking_number,carrier\n" + "".join(f"{number},ups\n" for number in numbers))
    return str(path)


def read_report(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def started(path: Path) -> list[str]:
    """Return the sorted tracking numbers that are `started` in a report."""
    return sorted(row["tracking_number"] for row in read_report(path) if row["result"] == "started")


def sent(fake: FakeShipEngine) -> list[str]:
    """Return the sorted tracking numbers that a fake server has accepted."""
    return sorted(one.tracking_number for one in fake.subscriptions)
