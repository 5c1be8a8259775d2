"""`python -m shipengine_tracking.testing`: what it says, and that it serves until it is told to end."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from shipengine_tracking.testing.__main__ import _url, main

PATH = "/v1/tracking/start"
COMMAND = [sys.executable, "-m", "shipengine_tracking.testing"]
HELP = """\
usage: python -m shipengine_tracking.testing [-h] [--port PORT] [--api-key API_KEY] [--connected ID=CODE]
                                             [--webhook-url URL]

A fake ShipEngine on loopback: POST /v1/tracking/start answers as the real one does.

options:
  -h, --help           show this help message and exit
  --port PORT          where to listen; 0 takes any free port (default 8080)
  --api-key API_KEY    the only key it accepts
  --connected ID=CODE  a carrier connected to the account, such as se-28529731=dhl_express; may be repeated
  --webhook-url URL    where to deliver updates of each subscribed package
"""
BANNER = """\
A fake ShipEngine listens at {url} and accepts the key TEST_other. Ctrl-C ends it. Try:
  curl -i -X POST -H 'API-Key: TEST_other' \\
    '{url}/v1/tracking/start?carrier_code=stamps_com&tracking_number=9361269903502070406152'
"""


@pytest.fixture(autouse=True)
def _what_a_command_has_to_itself(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    level, before = logging.root.level, signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    logging.root.setLevel(level)
    signal.signal(signal.SIGTERM, before)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_ends_it(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    out, answers = io.StringIO(), list[httpx.Response]()

    def visit() -> None:
        lines(3)
        url = re.search(r"http://127\.0\.0\.1:[0-9]+", out.getvalue())
        assert url is not None
        for identifier in ("se-1", "se-2"):
            query = {"tracking_number": "1Z", "carrier_id": identifier}
            answers.append(httpx.post(url[0] + PATH, params=query, headers={"API-Key": "TEST_other"}))
        lines(5)
        os.kill(os.getpid(), number)

    def lines(count: int) -> None:
        while out.getvalue().count("\n") < count and time.monotonic() < deadline:
            time.sleep(0.005)

    deadline = time.monotonic() + 10
    connected = ["--connected", "se-1=seko", "--connected", "se-2=a=b"]
    monkeypatch.setattr(sys, "argv", ["command", "--port", "0", "--api-key", "TEST_other", *connected])
    visitor = threading.Thread(target=visit)
    with monkeypatch.context() as alone:
        alone.setattr(sys, "stdout", out)
        alone.setattr(logging.root, "handlers", [])
        alone.setattr(logging.getLogger("httpx"), "disabled", True)
        visitor.start()
        try:
            main()
        finally:
            visitor.join()
    assert [answer.status_code for answer in answers] == [204, 204]
    assert out.getvalue() == BANNER.format(url=str(answers[0].url).partition("/v1")[0]) + "".join(
        f"POST {PATH}?tracking_number=1Z&carrier_id={identifier} -> HTTP/1.1 204 No Content\n"
        for identifier in ("se-1", "se-2")
    )


def test_as_a_process() -> None:
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        first = server.stdout.readline()  # at once, into a pipe too
        assert " and accepts the key TEST_of_the_fake_server. " in first
        os.kill(server.pid, signal.SIGINT)
        assert server.wait(10) == 0


def test_the_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    assert capsys.readouterr().out == HELP


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(monkeypatch, "--port", port) == 1
    assert re.fullmatch(
        rf"cannot listen at port {port}: .+; --port 0 takes any that is free\n", capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "65536"], "cannot listen at port 65536: "),
        (["--port", "a"], "argument --port: invalid int value: 'a'\n"),
        (["--connected", "seko"], "argument --connected: 'seko' is not ID=CODE\n"),
        (["--connected", "=seko"], "argument --connected: '=seko' is not ID=CODE\n"),
        (["--webhook-url", "localhost:5000/x"], "'localhost:5000/x' does not begin with http:// or https://\n"),
        (["--connected", "se-1="], "argument --connected: 'se-1=' is not ID=CODE\n"),
    ],
)
def test_arguments_that_cannot_be_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(monkeypatch, *arguments) in (1, 2)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000/x", "https://host/"])
def test_an_address_of_a_webhook(url: str) -> None:
    assert _url(url) == url


def test_the_port_and_the_key_that_go_without_saying(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def listen(connected: object, *, api_key: object, port: object, webhook_url: object) -> None:
        asked.append((connected, api_key, port, webhook_url))
        raise OSError("not here")

    monkeypatch.setattr("shipengine_tracking.testing.__main__.FakeShipEngine", listen)
    assert run(monkeypatch) == 1
    assert run(monkeypatch, "--webhook-url", "http://127.0.0.1:5000/") == 1
    assert asked == [({}, "TEST_of_the_fake_server", 8080, url) for url in (None, "http://127.0.0.1:5000/")]
