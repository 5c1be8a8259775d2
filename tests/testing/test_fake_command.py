"""`python -m shipengine_tracking.testing`: its options, its output, and that it serves until a signal ends it."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import httpx
import pytest
from receiver import Receiver

from shipengine_tracking.testing import RateLimit, __main__
from shipengine_tracking.webhooks import parse
from support import wait_until


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    return int(caught.value.code or 0)


def test_command_serves_until_a_signal_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out: list[str] = []

    def visit(_: float) -> None:
        out.append(capsys.readouterr().out)
        url = re.findall(r"http://127\.0\.0\.1:[0-9]+", out[0])[0]
        response = httpx.post(url + "/v1/tracking/start?tracking_number=1Z&carrier_id=se-2", headers={"API-Key": "k"})
        wait_until(lambda: len(receiver.requests) == 2)
        updates = [parse(request.body) for request in receiver.requests]
        assert (response.status_code, [update.data.status_code for update in updates]) == (204, ["AC", "EX"])
        signal.raise_signal(signal.SIGTERM)

    for name in ("root", "httpx"):
        caplog.set_level(logging.INFO, name)  # restores the levels afterwards
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(__main__, "time", SimpleNamespace(sleep=visit))
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Receiver() as receiver:
        options = f"--port 0 --api-key k --connected se-2=a --webhook-url {receiver.url} --journey AC,EX"
        monkeypatch.setattr(sys, "argv", ["command", *options.split()])
        __main__.main()
    signal.signal(signal.SIGTERM, handler)
    (banner,), log = out, capsys.readouterr().out
    assert "API key k" in banner
    assert re.search(r"^POST /v1/tracking/start\?tracking_number=1Z&carrier_id=se-2 .* 204 No Content$", log, re.M)
    assert f"{receiver.url} <- an update: 204\n" in log
    assert "HTTP Request" not in log  # which httpx writes


def test_command_runs_as_a_process() -> None:
    command = [sys.executable, "-m", "shipengine_tracking.testing", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "TEST_of_the_fake_server" in server.stdout.readline()  # at once, although it is a pipe
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


def test_command_has_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    assert capsys.readouterr().out.startswith("usage: python -m shipengine_tracking.testing ")


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        pytest.param("--port", "65536", "--port 0 picks a free one", id="port"),
        pytest.param("--connected", "seko", " is not ID=CODE", id="connected"),
        pytest.param("--webhook-url", "localhost:5000/x", "'localhost:5000/x' is not URL", id="webhook-url"),
        pytest.param("--rate-limit", "200", " is not CALLS/SECONDS", id="rate-limit"),
        pytest.param("--journey", "IT,,DE", " is not CODE,CODE", id="journey"),
        pytest.param("--pause", "nan", " is not SECONDS", id="pause"),
    ],
)
def test_command_rejects_an_invalid_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, value: str, word: str
) -> None:
    assert run(monkeypatch, option, value) == (1 if option == "--port" else 2)
    assert capsys.readouterr().err.splitlines()[-1].endswith(word)


DEFAULTS: dict[str, Any] = {
    "connected": [], "api_key": "TEST_of_the_fake_server", "port": 8080, "rate_limit": None, "webhook_url": None,
    "journey": ["IT", "DE"], "journey_pause": 0.0, "repeat": False, "shuffle": False,
}  # fmt: skip
OPTIONS = (
    "--connected se-1=a --connected se-2=b=c --api-key k --port 0 --rate-limit 0/1.5 --webhook-url https://host/x "
    "--journey AC,ZZ --pause 0.25 --repeat --shuffle"
)
CHANGED: dict[str, Any] = {
    "connected": [("se-1", "a"), ("se-2", "b=c")], "api_key": "k", "port": 0, "rate_limit": RateLimit(0, 1.5),
    "webhook_url": "https://host/x", "journey": ["AC", "ZZ"], "journey_pause": 0.25, "repeat": True, "shuffle": True,
}  # fmt: skip


def test_command_passes_its_options_to_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    create = Mock(side_effect=OSError("not in this test"))
    monkeypatch.setattr(__main__, "FakeShipEngine", create)
    for options in ("", OPTIONS):
        assert run(monkeypatch, *options.split()) == 1
    assert create.call_args_list == [call(**DEFAULTS), call(**CHANGED)]
