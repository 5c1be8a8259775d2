"""`python -m shipengine_tracking.testing`: its options, its output, and that it serves until a signal ends it."""

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
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from receiver import Receiver

from shipengine_tracking.testing import RateLimit
from shipengine_tracking.testing.__main__ import main
from support import wait_until


@pytest.fixture(autouse=True)
def _restore_the_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    level, handler = logging.root.level, signal.getsignal(signal.SIGTERM)
    yield
    logging.root.setLevel(level)
    signal.signal(signal.SIGTERM, handler)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_command_serves_until_a_signal_ends_it(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    out, results = io.StringIO(), list[Any]()

    def visit() -> None:
        try:
            wait_until(lambda: out.getvalue().count("\n") >= 3)
            url = re.findall(r"http://127\.0\.0\.1:[0-9]+", out.getvalue())[0]
            query = {"tracking_number": "1Z", "carrier_id": "se-2"}
            response = httpx.post(url + "/v1/tracking/start", params=query, headers={"API-Key": "TEST_other"})
            wait_until(lambda: len(receiver.requests) == 4)
            results.extend([response.status_code, receiver.codes(url)])
        finally:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)
    for one in (signal.SIGINT, signal.SIGTERM):  # a signal must not end the tests if `main` returns early
        signal.signal(one, lambda *_: None)
    with Receiver() as receiver, monkeypatch.context() as context:
        context.setattr(sys, "stdout", out)
        context.setattr(logging.root, "handlers", [])
        journey = ["--webhook-url", receiver.url, "--journey", "AC,EX", "--repeat", "--pause", "0.01"]
        arguments = ["--port", "0", "--api-key", "TEST_other", "--connected", "se-2=a=b", *journey]
        context.setattr(sys, "argv", ["command", *arguments])
        visitor = threading.Thread(target=visit)
        visitor.start()
        main()
        visitor.join()
    assert results == [204, ["AC", "AC", "EX", "EX"]]
    banner, _, line = out.getvalue().partition("\nPOST ")
    assert "API key TEST_other" in banner
    assert "/v1/tracking/start?carrier_code=stamps_com&tracking_number=" in banner
    assert re.match(r"/v1/tracking/start\?tracking_number=1Z&carrier_id=se-2 .* 204 No Content\n", line)


def test_command_runs_as_a_process() -> None:
    command = [sys.executable, "-m", "shipengine_tracking.testing", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "TEST_of_the_fake_server" in server.stdout.readline()  # at once, although it is a pipe
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


def test_command_has_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    options = "--port --api-key --connected --rate-limit --webhook-url --journey --pause --repeat --shuffle"
    assert set(re.findall(r"^ +(--[a-z-]+)", out, re.MULTILINE)) == set(options.split())
    assert [word for word in ("200/60", "/v1/environment/webhooks", "401") if word not in out] == []


def test_command_reports_a_port_that_is_in_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert run(monkeypatch, "--port", port) == 1
    error = capsys.readouterr().err
    assert port in error
    assert "--port 0" in error


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        pytest.param("--port", "65536", "65536", id="port-too-high"),
        pytest.param("--connected", "seko", "ID=CODE", id="connected-without-id"),
        pytest.param("--webhook-url", "localhost:5000/x", "'localhost:5000/x'", id="webhook-url-without-scheme"),
        pytest.param("--rate-limit", "200", "CALLS/SECONDS", id="rate-limit-without-window"),
        pytest.param("--rate-limit", "-1/60", "--rate-limit", id="rate-limit-negative"),
        pytest.param("--journey", "IT,,DE", "'IT,,DE'", id="journey-empty-code"),
        pytest.param("--journey", "IT, DE", "'IT, DE'", id="journey-space"),
        pytest.param("--pause", "-1", "--pause", id="pause-negative"),
        pytest.param("--pause", "1e9", "SECONDS", id="pause-exponent"),
    ],
)
def test_command_rejects_an_invalid_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, value: str, word: str
) -> None:
    assert run(monkeypatch, option, value) in (1, 2)
    assert word in capsys.readouterr().err.splitlines()[-1]


DEFAULTS: dict[str, Any] = {
    "connected": [], "api_key": "TEST_of_the_fake_server", "port": 8080, "rate_limit": None, "webhook_url": None,
    "journey": ["IT", "DE"], "journey_pause": 0.0, "repeat": False, "shuffle": False,
}  # fmt: skip
OPTIONS = (
    "--connected se-1=a --connected se-2=b=c --api-key k --port 0 --rate-limit 0/1.5 --webhook-url https://host/x "
    "--journey AC,ZZ,EX --pause 0.25 --repeat --shuffle"
)
CHANGED: dict[str, Any] = {
    "connected": [("se-1", "a"), ("se-2", "b=c")], "api_key": "k", "port": 0, "rate_limit": RateLimit(0, 1.5),
    "webhook_url": "https://host/x", "journey": ["AC", "ZZ", "EX"], "journey_pause": 0.25, "repeat": True,
    "shuffle": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "passed"), [pytest.param("", DEFAULTS, id="none"), pytest.param(OPTIONS, CHANGED, id="all")]
)
def test_command_passes_its_options_to_the_fake(
    monkeypatch: pytest.MonkeyPatch, options: str, passed: dict[str, Any]
) -> None:
    created: list[dict[str, Any]] = []

    def create(**arguments: Any) -> None:
        created.append(arguments)
        raise OSError("not in this test")

    monkeypatch.setattr("shipengine_tracking.testing.__main__.FakeShipEngine", create)
    assert run(monkeypatch, *options.split()) == 1
    assert created == [passed]
