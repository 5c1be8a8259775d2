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
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from receiver import Receiver

from shipengine_tracking.testing import RateLimit
from shipengine_tracking.testing.__main__ import main
from support import wait_until

START = "/v1/tracking/start"
COMMAND = [sys.executable, "-m", "shipengine_tracking.testing"]


@pytest.fixture(autouse=True)
def _restore_the_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    level, handler = logging.root.level, signal.getsignal(signal.SIGTERM)
    yield
    logging.root.setLevel(level)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What fakes are made with. None is made: `main` exits with 1."""
    created: list[dict[str, Any]] = []

    def create(**arguments: Any) -> None:
        created.append(arguments)
        raise OSError("not in this test")

    monkeypatch.setattr("shipengine_tracking.testing.__main__.FakeShipEngine", create)
    return created


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def serve(monkeypatch: pytest.MonkeyPatch, visit: Callable[[str], None], *arguments: str, number: int = 15) -> str:
    """Serve on any port, call `visit` with the URL in another thread, then end with a signal; return the output."""
    out = io.StringIO()
    failures: list[BaseException] = []

    def visit_and_end() -> None:
        try:
            wait_until(lambda: out.getvalue().count("\n") >= 3)
            visit(re.findall(r"http://127\.0\.0\.1:[0-9]+", out.getvalue())[0])
        except BaseException as error:
            failures.append(error)
        finally:
            os.kill(os.getpid(), number)

    visitor = threading.Thread(target=visit_and_end)
    monkeypatch.setattr(sys, "argv", ["command", "--port", "0", *arguments])
    with monkeypatch.context() as context:
        context.setattr(sys, "stdout", out)
        context.setattr(logging.root, "handlers", [])
        context.setattr(logging.getLogger("httpx"), "disabled", True)
        # A signal must not end the tests if `main` returns early.
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, lambda *_: None)
        visitor.start()
        main()
        visitor.join()
    assert not failures
    return out.getvalue()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_command_serves_until_a_signal_ends_it(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    statuses: list[int] = []

    def visit(url: str) -> None:
        for identifier in ("se-1", "se-2"):
            query = {"tracking_number": "1Z", "carrier_id": identifier}
            statuses.append(httpx.post(url + START, params=query, headers={"API-Key": "TEST_other"}).status_code)

    connected = ["--connected", "se-1=seko", "--connected", "se-2=a=b"]
    out = serve(monkeypatch, visit, "--api-key", "TEST_other", *connected, number=number)
    assert statuses == [204, 204]
    banner, first, second = out.split("\nPOST ")
    assert "API key TEST_other" in banner
    assert f"{START}?carrier_code=stamps_com&tracking_number=" in banner
    for line, identifier in ((first, "se-1"), (second, "se-2")):
        assert re.fullmatch(rf"{START}\?tracking_number=1Z&carrier_id={identifier} .* 204 No Content\n?", line)


def test_command_sends_a_journey(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver:
        codes: list[str | None] = []

        def visit(url: str) -> None:
            package = {"tracking_number": "1Z", "carrier_code": "ups"}
            httpx.post(url + START, params=package, headers={"API-Key": "TEST_of_the_fake_server"})
            wait_until(lambda: len(receiver.requests) == 4)
            codes.extend(receiver.codes(url))

        serve(monkeypatch, visit, "--webhook-url", receiver.url, "--journey", "AC,EX", "--repeat", "--pause", "0.01")
    assert codes == ["AC", "AC", "EX", "EX"]


def test_command_runs_as_a_process() -> None:
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "TEST_of_the_fake_server" in server.stdout.readline()  # at once, although it is a pipe
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


def test_command_has_a_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    options = "--port --api-key --connected --rate-limit --webhook-url --journey --pause --repeat --shuffle"
    assert set(re.findall(r"^ +(--[a-z-]+)", out, re.MULTILINE)) == set(options.split())
    assert "/60" in out
    assert "POST /v1/environment/webhooks" in out
    assert "401" in out


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
    ("arguments", "word"),
    [
        (["--port", "65536"], "65536"),
        (["--port", "a"], "--port"),
        (["--connected", "seko"], "ID=CODE"),
        (["--connected", "=seko"], "ID=CODE"),
        (["--connected", "se-1="], "ID=CODE"),
        (["--webhook-url", "localhost:5000/x"], "'localhost:5000/x'"),
        (["--rate-limit", "200"], "CALLS/SECONDS"),
        (["--rate-limit", "200/"], "CALLS/SECONDS"),
        (["--rate-limit", "-1/60"], "--rate-limit"),
        (["--rate-limit", "a/60"], "CALLS/SECONDS"),
        (["--journey", ""], "--journey"),
        (["--journey", "IT,,DE"], "'IT,,DE'"),
        (["--journey", "IT, DE"], "'IT, DE'"),
        (["--pause", "-1"], "--pause"),
        (["--pause", "nan"], "SECONDS"),
        (["--pause", "1e9"], "SECONDS"),
    ],
)
def test_command_rejects_invalid_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    assert run(monkeypatch, *arguments) in (1, 2)
    assert word in capsys.readouterr().err.splitlines()[-1]


DEFAULTS: dict[str, Any] = {
    "connected": [], "api_key": "TEST_of_the_fake_server", "port": 8080, "rate_limit": None, "webhook_url": None,
    "journey": ["IT", "DE"], "journey_pause": 0.0, "repeat": False, "shuffle": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ([], {}),
        (["--port", "0"], {"port": 0}),
        (["--connected", "se-1=a", "--connected", "se-2=b=c"], {"connected": [("se-1", "a"), ("se-2", "b=c")]}),
        (["--webhook-url", "http://127.0.0.1:5000/x"], {"webhook_url": "http://127.0.0.1:5000/x"}),
        (["--webhook-url", "https://host/"], {"webhook_url": "https://host/"}),
        (["--rate-limit", "200/60"], {"rate_limit": RateLimit(200, 60.0)}),
        (["--rate-limit", "0/1.5"], {"rate_limit": RateLimit(0, 1.5)}),
        (["--journey", "AC"], {"journey": ["AC"]}),
        (["--journey", "AC,ZZ,EX"], {"journey": ["AC", "ZZ", "EX"]}),
        (["--pause", "2"], {"journey_pause": 2.0}),
        (["--pause", "0.25", "--repeat", "--shuffle"], {"journey_pause": 0.25, "repeat": True, "shuffle": True}),
    ],
)
def test_command_passes_its_arguments_to_the_fake(
    monkeypatch: pytest.MonkeyPatch, created: list[dict[str, Any]], arguments: list[str], changes: dict[str, Any]
) -> None:
    assert run(monkeypatch, *arguments) == 1
    assert created == [{**DEFAULTS, **changes}]
