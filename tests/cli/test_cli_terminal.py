"""`start-many` on a terminal: the progress bar, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, environment, sent, started, write_file

from shipengine_tracking.testing import FakeShipEngine, Request, Response, error
from support import wait_until

pytestmark = pytest.mark.slow


class SlowingShipEngine(FakeShipEngine):
    """A fake server that rejects the fifth package, and stops responding after 20 requests until `resume` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.resume = threading.Event()

    def respond(self, request: Request) -> Response:
        count = len(self.requests)
        if count == 4:
            self.enqueue(error(400, "unspecified", "Not this one."))
        if count >= 20:
            self.resume.wait(60)
        return super().respond(request)

    def close(self) -> None:
        self.resume.set()
        super().close()


class Terminal:
    """A process on a terminal."""

    def __init__(self, fake: FakeShipEngine, *arguments: str, **streams: Any):
        self._master, slave = pty.openpty()
        streams = {"stdin": slave, "stdout": slave, "stderr": slave, **streams}
        self._written = b""

        def control() -> None:
            import fcntl
            import termios

            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [*COMMAND, *arguments], env=environment(fake), start_new_session=True, preexec_fn=control, **streams
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the process has ended
            while data := os.read(self._master, 65_536):
                self._written += data

    @property
    def screen(self) -> str:
        """What it has written so far, without colors and movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self._written.decode(errors="replace"))

    def wait_for(self, condition: Callable[[str], Any]) -> None:
        wait_until(lambda: condition(self.screen))

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
        # Total, rate and remaining time.
        terminal.wait_for(lambda screen: re.search(r"20/400 .*[0-9.]+/s.*[0-9]:[0-9]{2}:[0-9]{2}", screen))
        assert len(fake.requests) <= 20
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
        terminal = Terminal(fake, "start-many", path, "--report", str(report))
        assert terminal.wait() == 0
        assert started(report) == sorted(str(n) for n in range(400))


def test_json_goes_to_the_pipe_and_progress_to_the_terminal(tmp_path: Path) -> None:
    path, output = write_file(tmp_path / "orders.csv", [str(n) for n in range(19)]), tmp_path / "output"
    with SlowingShipEngine() as fake, output.open("w") as stdout:
        terminal = Terminal(fake, "start-many", path, "--json", stdout=stdout)
        assert terminal.wait() == 1
    assert output.read_text().count('"line"') == 19
    assert "19/19" in terminal.screen
    assert '"line"' not in terminal.screen
