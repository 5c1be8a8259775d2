"""Runs the command line in this process, and makes files for it."""

from __future__ import annotations

import csv
import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from shipengine_tracking.__main__ import main
from shipengine_tracking.testing import FakeShipEngine

COMMAND = [sys.executable, "-m", "shipengine_tracking"]


class Result(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str


def environment(fake: FakeShipEngine | None) -> dict[str, str]:
    """Return the environment of a command that calls a fake server."""
    own = {"SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url} if fake else {}
    return {**os.environ, "COLUMNS": "100", "TERM": "xterm", **own}


class Run:
    """A command in this process. `out` and `err` have what it has written so far."""

    def __init__(self, fake: FakeShipEngine | None, *arguments: str, **variables: str):
        self._environment = {**environment(fake), **variables}
        self._arguments = arguments
        self._out, self._err = io.BytesIO(), io.BytesIO()

    @property
    def out(self) -> str:
        return self._out.getvalue().decode()

    @property
    def err(self) -> str:
        return self._err.getvalue().decode()

    def __call__(self) -> Result:
        out, err = io.TextIOWrapper(self._out, "utf-8"), io.TextIOWrapper(self._err, "utf-8")
        with (
            mock.patch.dict(os.environ, self._environment),
            mock.patch.object(sys, "argv", ["shipengine-tracking", *self._arguments]),
            mock.patch.object(sys, "excepthook", sys.excepthook),  # typer replaces it
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            status = main()
            out.flush()
            err.flush()
        result = Result(status, self.out, self.err)
        assert "Traceback" not in result.err
        return result


def run(fake: FakeShipEngine | None, *arguments: str, **variables: str) -> Result:
    """Run a command in this process."""
    return Run(fake, *arguments, **variables)()


def write_file(path: Path, numbers: list[str], carrier: str = "ups") -> str:
    """Write a file with these tracking numbers; return its path."""
    path.write_text("".join(f"{line}\n" for line in ["tracking_number,carrier", *[f"{n},{carrier}" for n in numbers]]))
    return str(path)


def read_report(path: Path) -> list[dict[str, str]]:
    """Return the rows of a report."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def started(path: Path) -> list[str]:
    """Return the tracking numbers that are `started` in a report, sorted."""
    return sorted(row["tracking_number"] for row in read_report(path) if row["result"] == "started")


def sent(fake: FakeShipEngine) -> list[str]:
    """Return the tracking numbers that a fake server has accepted, sorted."""
    return sorted(one.tracking_number for one in fake.subscriptions)
