"""`start-many` on a terminal, killed at random moments, and with a large file. For `make test-slow`."""

from __future__ import annotations

import os
import pty
import random
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, environment, run, sent, started, write_file

from shipengine_tracking.testing import FakeShipEngine, Request, Response, error
from support import wait_until

pytestmark = pytest.mark.slow

# Makes the terminal on its stdin the controlling one, which sends Ctrl-C as a signal, and becomes the command.
ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, sys.argv[1:])
"""
KILLS, CONCURRENCY = 20, 8


class SlowingShipEngine(FakeShipEngine):
    """A fake server that rejects the fifth package, and stops responding after 20 until `resume` is set."""

    resume, one_by_one = threading.Event(), threading.Lock()

    def respond(self, request: Request) -> Response:
        with self.one_by_one:
            if len(self.requests) == 4:
                self.enqueue(error(400, "unspecified", "Not this one."))
            if len(self.requests) < 20:
                return super().respond(request)
        self.resume.wait(60)
        return super().respond(request)


class Terminal:
    """A process on a terminal."""

    def __init__(self, fake: FakeShipEngine, *arguments: str, stdout: Any = None):
        self._master, slave = pty.openpty()
        self._written = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *COMMAND, *arguments],
            stdin=slave, stdout=stdout or slave, stderr=slave, env=environment(fake), start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the process has ended
            while data := os.read(self._master, 65_536):
                self._written += data

    @property
    def screen(self) -> str:
        """What it has written so far, without colors and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self._written.decode(errors="replace"))

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def wait(self) -> int:
        status = self.process.wait(60)
        self._reader.join(60)
        os.close(self._master)
        return status


def test_terminal_shows_progress_and_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    path, report = write_file(tmp_path / "orders.csv", [str(n) for n in range(400)]), tmp_path / "report.csv"
    with SlowingShipEngine() as fake:
        terminal = Terminal(fake, "start-many", path, "--report", str(report))
        progress = "20/400 .*[0-9.]+/s [0-9]:[0-9]{2}:[0-9]{2}"  # total, rate and remaining time
        wait_until(lambda: re.search(progress, terminal.screen))
        terminal.press_ctrl_c()
        assert terminal.wait() == 130
        assert not fake.resume.is_set()
        assert terminal.screen.splitlines()[-2:] == [
            "380 packages were not sent. Run the same command again to continue.",
            "Started 19, failed 1, skipped 0",
        ]
        assert len(re.findall("Line [0-9]+: [0-9]+: 400 unspecified: .*\n", terminal.screen)) == 1
        assert started(report) == sent(fake)
        fake.resume.set()
        with (tmp_path / "output").open("w+") as stdout:
            terminal = Terminal(fake, "start-many", path, "--report", str(report), "--json", stdout=stdout)
            assert terminal.wait() == 0
            stdout.seek(0)
            assert stdout.read().count('"line"') == 381
    assert '"line"' not in terminal.screen
    assert started(report) == sorted(str(n) for n in range(400))


@pytest.mark.timeout(600)
def test_killed_run_is_continued_and_loses_nothing(fake: FakeShipEngine, tmp_path: Path) -> None:
    numbers = [f"{n:05}" for n in range(5_000)]
    path, report = write_file(tmp_path / "orders.csv", [*numbers, "", "00001"]), tmp_path / "report.csv"
    arguments = [*COMMAND, "start-many", path, "--report", str(report), "--concurrency", str(CONCURRENCY)]
    choose, status, kills = random.Random(16), -signal.SIGKILL, 0
    while status == -signal.SIGKILL:
        goal = len(fake.subscriptions) + choose.randrange(400) if kills < KILLS else len(numbers) * 2
        with subprocess.Popen(arguments, env=environment(fake), stderr=subprocess.DEVNULL) as process:
            wait_until(lambda: process.poll() is not None or len(fake.subscriptions) > goal, 120.0)  # noqa: B023
            process.kill()
            status = process.wait(60)
        kills += status == -signal.SIGKILL
        # The packages that will be repeated were in flight, or had a result that was not read yet.
        assert len(set(sent(fake))) - len(started(report)) <= 2 * CONCURRENCY
    assert (status, kills) == (1, KILLS)
    assert started(report) == sorted(set(sent(fake))) == numbers
    assert len(sent(fake)) - len(numbers) <= 2 * CONCURRENCY * KILLS


@pytest.mark.timeout(900)
def test_memory_stays_within_100_bytes_a_row(fake: FakeShipEngine, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        """Return the highest number of bytes in use while the last ten rows of a file are sent."""
        numbers = [f"{n:020}" for n in range(count)]
        path, report = write_file(tmp_path / f"{count}.csv", numbers), tmp_path / f"{count}-report.csv"
        header = "tracking_number,carrier,line,result,code,message,request_id\n"
        report.write_text(header + "".join(f"{n},ups,2,started,,,\n" for n in numbers[:-10]))
        tracemalloc.start()
        try:
            assert run(fake, "start-many", path, "--report", str(report))[0] == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_000)
    growth = (peak(100_000) - peak(1_001)) / 99_000
    assert growth <= 100, f"{growth:.0f} bytes a row"
