"""Runs the command line: in this process, which is quick, or as a process of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from shipengine_tracking.__main__ import main
from shipengine_tracking.testing import FakeShipEngine


class Done(NamedTuple):
    status: int
    out: str
    err: str


def environment(fake: FakeShipEngine) -> dict[str, str]:
    return {**os.environ, "SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}


def run(fake: FakeShipEngine, *arguments: object, stdin: bytes = b"", **variables: str) -> Done:
    """Run a command in this process. The key never appears in what it prints."""
    with (
        mock.patch.dict(os.environ, {**environment(fake), **variables}),
        mock.patch.object(sys, "argv", ["shipengine-tracking", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        status = main()
    assert fake.api_key not in out.getvalue() + err.getvalue()
    return Done(status, out.getvalue(), err.getvalue())


def process(fake: FakeShipEngine, *arguments: object, before: tuple[str, ...] = (), **options: Any) -> Any:
    """Start a command as a process whose output can be read as text."""
    command = [sys.executable, *before, "-m", "shipengine_tracking", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment(fake), **{**pipes, **options})


def write_rows(path: Path, numbers: range, carrier: str = "ups") -> Path:
    """Write a file with a row for each number; return its path."""
    rows = "".join(f"{number:012},{carrier}\n" for number in numbers)
    path.write_text("tracking_number,carrier_code\n" + rows)
    return path
