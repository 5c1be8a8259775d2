"""The command line's single calls and `listen`: output, errors and exit status."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from commands import COMMAND, Result, environment, run

from shipengine_tracking import APITimeoutError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Response, Subscription, error
from support import wait_until

START = ["start", "1Z1", "--carrier", "ups"]
GET = ["get", "1Z1", "--carrier", "ups"]


def test_start_and_stop_print_one_line(fake: FakeShipEngine) -> None:
    assert run(fake, "start", "1Z1", "--carrier-id", "se-28529731") == (0, "1Z1: tracking has started.\n", "")
    assert fake.subscriptions == [Subscription("1Z1", None, "se-28529731")]
    assert run(fake, "stop", "1Z1", "--carrier", "ups") == (0, "1Z1: tracking has stopped.\n", "")
    assert fake.subscriptions == []


def test_get_shows_the_events_newest_first(fake: FakeShipEngine) -> None:
    run(fake, *START)
    for code in ("IT", "AT"):
        fake.update("1Z1", code, estimated_delivery_date="2026-12-01T00:00:00Z")
    fake.enqueue(Response.of(200, {"events": [{}]}))
    assert "None" not in run(fake, *GET)[1]
    first, estimate, header, *events = run(fake, *GET)[1].splitlines()
    assert first == "1Z1: AT Delivery Attempt"
    assert "2026-12-01" in estimate
    assert header.split() == ["TIME", "STATUS", "DESCRIPTION", "PLACE"]
    assert [line.split()[2] for line in events] == ["AT", "IT"]
    document = json.loads(run(fake, *GET, "--json")[1])
    assert [event["status_code"] for event in document["events"]] == ["AT", "IT"]


def test_webhooks_are_created_listed_and_deleted(fake: FakeShipEngine) -> None:
    create = ["webhooks", "create", "https://example.com/hook"]
    assert run(fake, *create, "--header", "X-Secret=a=b", "--header", "X-Shop=7")[::2] == (0, "")
    (webhook,) = fake.webhooks
    assert [(one["key"], one["value"]) for one in webhook["headers"]] == [("X-Secret", "a=b"), ("X-Shop", "7")]
    listed = [line.split() for line in run(fake, "webhooks", "list")[1].splitlines()]
    assert listed[0] == ["ID", "EVENT", "URL", "HEADERS"]
    assert listed[1] == [webhook["webhook_id"], "track", create[2], "X-Secret,", "X-Shop"]
    assert run(fake, *create)[0] == 1
    assert run(fake, "webhooks", "delete", webhook["webhook_id"])[0] == 0
    assert fake.webhooks == []


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (400, "carrier_not_connected", "connect the carrier"), (400, "trial_expired", "fix the account"),
        (400, "invalid_identifier", "check what you passed"), (401, "unauthorized", "SHIPENGINE_API_KEY"),
        (403, "unauthorized", "your plan"), (404, "not_found", "check what you passed"),
        (429, "rate_limit_exceeded", "wait"), (501, "unspecified", "later"), (302, "unspecified", "302"),
    ],
)  # fmt: skip
def test_rejected_call_prints_the_remedy(fake: FakeShipEngine, status: int, code: str, remedy: str) -> None:
    fake.enqueue(error(status, code, "No.", headers={"Retry-After": "999"} if status == 429 else None))
    exit_status, out, err = run(fake, *START)
    assert (exit_status, out, err.count("\n")) == (1, "", 1)
    assert remedy in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("start", "NUMBER"), ("start 1Z1", "--carrier"), ("start 1.2E+21 --carrier ups", "spreadsheet"),
        ("start 1Z1 --carrier-id 7", "carrier_id"), ("start 1Z1 --carier ups", "--carier"), ("begin 1Z1", "begin"),
        ("webhooks", "--help"), ("webhooks create example.com", "url"), ("webhooks delete 7", "webhook_id"),
        ("webhooks create https://example.com --header X", "NAME=VALUE"), ("listen --port 65536", "--port"),
        ("start-many - --concurrency 0", "--concurrency"), ("start-many /missing.csv", "/missing.csv"),
    ],
)  # fmt: skip
def test_invalid_usage_is_one_line(fake: FakeShipEngine, arguments: str, word: str) -> None:
    status, out, err = run(fake, *arguments.split())
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert word in err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHIPENGINE_API_KEY", ""), ("SHIPENGINE_API_KEY", "'TEST_quoted_key'"),
        ("SHIPENGINE_BASE_URL", "api.shipengine.com"),
    ],
    ids=["no_key", "key_in_quotes", "base_url"],
)  # fmt: skip
def test_invalid_environment_is_named(fake: FakeShipEngine, name: str, value: str) -> None:
    variables: dict[str, Any] = {name: value}
    status, out, err = run(fake, *START, **variables)
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert name in err
    assert "quoted" not in err


@pytest.mark.parametrize("failure", [APITimeoutError("no response"), ZeroDivisionError()], ids=["timeout", "defect"])
def test_failure_is_one_line_unless_it_is_a_bug(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(TrackingClient, "start", fail)
    if isinstance(failure, ZeroDivisionError):
        with pytest.raises(ZeroDivisionError):
            run(fake, *START)
    else:
        assert run(fake, *START) == (1, "", "no response: check the network, or try again later\n")


def test_output_shows_neither_the_key_nor_control_characters(fake: FakeShipEngine) -> None:
    text = f"\x1b]0;title\x07\r\x9b2J {fake.api_key}"
    webhook = {"webhook_id": text, "event": text, "url": text, "headers": [{"key": text}]}
    fake.enqueue(
        error(400, "bad\x1b", text),
        *[Response.of(200, {"status_code": text, "events": [{"description": text, "city_locality": "a\nb"}]})] * 2,
        Response.of(200, [webhook]),
        Response.of(200, webhook),
    )
    commands = [START, GET, [*GET, "--json"], ["webhooks", "list"], ["webhooks", "create", "https://example.com"]]
    for command, lines in zip(commands, [1, 4, 1, 2, 1], strict=True):
        _, out, err = run(fake, *command)
        assert "title" in out + err
        assert fake.api_key not in out + err
        assert (out + err).replace("\n", "").isprintable()
        assert (out + err).count("\n") == lines


def test_without_arguments_the_help_is_shown() -> None:
    status, out, err = run(None)
    assert (status, err) == (0, "")
    assert {"start", "stop", "get", "start-many", "webhooks", "listen"} <= set(out.split())


@pytest.mark.parametrize(
    ("module", "needed_by", "text"),
    [
        ("typer", "cli", "'shipengine-tracking[cli]'"),
        ("cryptography", "webhooks", "'shipengine-tracking[webhooks]'"),
        ("tempfile", "cli", None),
    ],
)
def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str, needed_by: str, text: str | None) -> None:
    for name in [module, *sys.modules]:
        if name.startswith(f"shipengine_tracking.{needed_by}"):
            monkeypatch.delitem(sys.modules, name)
        elif name.partition(".")[0] == module:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr(f"shipengine_tracking.{needed_by}", raising=False)
    if text is None:
        with pytest.raises(ModuleNotFoundError):
            run(None, "listen")
        return
    status, out, err = run(None, "listen")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err


def test_command_runs_as_a_process_in_an_ascii_locale(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(200, {"status_code": "IT", "status_description": "Zürich"}))
    variables = {**environment(fake), "PYTHONIOENCODING": "ascii"}
    process = subprocess.run([*COMMAND, *GET], env=variables, capture_output=True, timeout=60)
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.startswith(b"1Z1: IT Z?rich")


def listen(fake: FakeShipEngine, visit: Callable[[str], object], *options: str) -> Result:
    """Listen on any port, call `visit` with the URL in another thread, then press Ctrl-C."""
    err = io.BytesIO()
    failures: list[BaseException] = []

    def visit_and_end() -> None:
        try:
            wait_until(lambda: b"Ctrl-C" in err.getvalue())
            visit(re.findall(r"http://127\.0\.0\.1:[0-9]+", err.getvalue().decode())[0])
        except BaseException as error:
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit_and_end)
    visitor.start()
    result = run(fake, "listen", "--port", "0", *options, err=err)
    visitor.join()
    assert not failures
    return result


def test_listen_prints_verified_updates_and_rejects_forged_ones(fake: FakeShipEngine) -> None:
    def visit(url: str) -> None:
        headers, body = fake.update("1Z1", "DE")
        assert httpx.post(url, content=body + b" ", headers=headers).status_code == 401
        assert httpx.post(url, content=body).status_code == 404
        with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0)) as sender:
            sender.sendall(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
            assert sender.recv(1) == b""
        assert fake.deliver("1Z1", "IT", to=url, status_description="Zug\x1b[2J").is_accepted

    status, out, err = listen(fake, visit)
    assert (status, out.count("\n")) == (130, 1)
    assert out.startswith("1Z1: IT Zug [2J ")
    texts = ["Rejected a delivery with 401", "Rejected a delivery with 404", "A delivery failed"]
    assert [line.split(":")[0] for line in err.splitlines()[1:]] == texts
    json_out = listen(fake, lambda url: fake.deliver("1Z1", "AT", to=url), "--json")[1]
    assert json.loads(json_out)["data"]["status_code"] == "AT"


def test_listen_ends_when_its_pipe_is_closed(fake: FakeShipEngine) -> None:
    arguments = [*COMMAND, "listen", "--port", "0"]
    with subprocess.Popen(arguments, env=environment(fake), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        url = re.findall(rb"http://127\.0\.0\.1:[0-9]+", process.stderr.readline())[0].decode()
        headers, body = fake.update("1Z1", "DE")
        with suppress(httpx.TransportError):
            httpx.post(url, content=body, headers=headers)
        assert (process.wait(60), process.stderr.read()) == (1, b"")


def test_closed_stream_is_ignored(fake: FakeShipEngine) -> None:
    for closed in ("1>&-", "2>&-"):
        command = ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, *GET]
        process = subprocess.run(command, env=environment(fake), capture_output=True, timeout=60)
        assert (process.returncode, process.stdout, process.stderr.count(b"\n")) == (1, b"", int(closed == "1>&-"))


def test_listen_reports_a_port_in_use_and_an_invalid_address(fake: FakeShipEngine) -> None:
    status, out, err = run(fake, "listen", "--port", fake.url.rpartition(":")[2])
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "port" in err
    assert run(fake, "listen", SHIPENGINE_BASE_URL="http://example.com")[0] == 2
