"""The command line's single calls and `listen`: output, errors and exit status."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from commands import COMMAND, environment, run, run_until, start_process

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
    fake.update("1Z1", "DE", actual_delivery_date="2026-12-02T09:30:00Z")
    assert "Delivered: 2026-12-02 09:30" in run(fake, *GET)[1]


def test_webhooks_are_created_listed_and_deleted(fake: FakeShipEngine) -> None:
    create = ["webhooks", "create", "https://example.com/hook"]
    assert run(fake, *create, "--header", "X-Secret=a=b", "--header", "X-Shop=7")[::2] == (0, "")
    (webhook,) = fake.webhooks
    assert [(one["key"], one["value"]) for one in webhook["headers"]] == [("X-Secret", "a=b"), ("X-Shop", "7")]
    listed = [line.split() for line in run(fake, "webhooks", "list")[1].splitlines()]
    assert listed[0] == ["ID", "EVENT", "URL", "HEADERS"]
    assert listed[1] == [webhook["webhook_id"], "track", create[2], "X-Secret,", "X-Shop"]
    assert run(fake, "webhooks", "delete", webhook["webhook_id"])[0] == 0
    assert fake.webhooks == []


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (400, "carrier_not_connected", "connect the carrier"), (400, "trial_expired", "fix the account"),
        (401, "unauthorized", "SHIPENGINE_API_KEY"), (403, "unauthorized", "your plan"),
        (404, "not_found", "check what you passed"), (429, "rate_limit_exceeded", "wait"),
        (501, "unspecified", "later"),
    ],
)  # fmt: skip
def test_rejected_call_prints_the_remedy(fake: FakeShipEngine, status: int, code: str, remedy: str) -> None:
    fake.enqueue(error(status, code, "No.", headers={"Retry-After": "999"} if status == 429 else None))
    exit_status, out, err = run(fake, *START)
    assert (exit_status, out, err.count("\n")) == (1, "", 1)
    assert remedy in err


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("start", "NUMBER"), ("start 1Z1", "--carrier"), ("start 1.2E+21 --carrier ups", "spreadsheet"),
        ("webhooks", "--help"), ("webhooks delete 7", "webhook_id"), ("listen --port 65536", "--port"),
        ("webhooks create https://example.com --header X", "NAME=VALUE"),
        ("webhooks create https://example.com --header =X", "NAME=VALUE"),
        ("start-many - --concurrency 0", "--concurrency"), ("start-many /missing.csv", "/missing.csv"),
        ("SHIPENGINE_API_KEY= webhooks list", "SHIPENGINE_API_KEY"),
        ("SHIPENGINE_API_KEY='quoted' webhooks list", "SHIPENGINE_API_KEY"),
        ("SHIPENGINE_BASE_URL=api.shipengine.com webhooks list", "SHIPENGINE_BASE_URL"),
        ("SHIPENGINE_BASE_URL=http://example.com listen", "https"),
    ],
)  # fmt: skip
def test_invalid_usage_prints_one_line(fake: FakeShipEngine, command: str, word: str) -> None:
    variables = dict(part.split("=") for part in command.split() if part.startswith("SHIPENGINE_"))
    status, out, err = run(fake, *command.split()[len(variables) :], env=variables)
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert word in err
    assert "quoted" not in err


def test_failed_connection_is_one_line_but_a_defect_has_its_traceback(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrackingClient, "start", Mock(side_effect=[APITimeoutError("no response"), ZeroDivisionError]))
    assert run(fake, *START) == (1, "", "no response: check the network, or try again later\n")
    with pytest.raises(ZeroDivisionError):
        run(fake, *START)


def test_output_shows_neither_the_key_nor_control_characters(fake: FakeShipEngine) -> None:
    text = f"\x1b]0;title\x07\r\x9b2J {fake.api_key}"
    state = {"status_code": text, "events": [{"description": text, "city_locality": "a\nb"}]}
    webhook = {"webhook_id": text, "event": text, "url": text, "headers": [{"key": text}]}
    fake.enqueue(error(400, "bad\x1b", text), *[Response.of(200, body) for body in (state, state, [webhook], webhook)])
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
    assert "Usage: shipengine-tracking " in out


@pytest.mark.parametrize(
    ("module", "replacement", "status", "text"),
    [
        pytest.param("typer", None, 2, "'shipengine-tracking[cli]'", id="without_the_extra_cli"),
        pytest.param("shipengine_tracking.webhooks", None, 2, "webhooks", id="without_the_extra_webhooks"),
        pytest.param("typer", Mock(Typer=Mock(side_effect=KeyboardInterrupt)), 130, "", id="ctrl_c"),
    ],
)
def test_command_line_that_cannot_be_loaded_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, module: str, replacement: Any, status: int, text: str
) -> None:
    monkeypatch.delitem(sys.modules, "shipengine_tracking.cli", raising=False)
    monkeypatch.delattr("shipengine_tracking.cli", raising=False)
    monkeypatch.setitem(sys.modules, module, replacement)
    result = run(None, "listen")
    assert result[:2] == (status, "")
    assert text in result[2]


def test_get_as_a_process_works_in_an_ascii_locale_and_with_closed_streams(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(200, {"status_code": "IT", "status_description": "Zürich"}))
    environ = {**environment(fake), "PYTHONIOENCODING": "ascii"}
    # The second and the third call get a 404, because the package has not been started.
    for closed, status, out, errors in ((" ", 0, b"1Z1: IT Z?rich", 0), ("1>&-", 1, b"", 1), ("2>&-", 1, b"", 0)):
        command = ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, *GET]
        process = subprocess.run(command, env=environ, capture_output=True, timeout=60)
        assert (process.returncode, process.stdout[:14], process.stderr.count(b"\n")) == (status, out, errors)


def test_listen_prints_verified_updates_and_rejects_forged_ones(fake: FakeShipEngine) -> None:
    screen = io.BytesIO()

    def visit() -> None:
        wait_until(lambda: b"Ctrl-C" in screen.getvalue())
        url = screen.getvalue().decode().split()[2].rstrip(".")
        headers, body = fake.update("1Z1", "DE")
        assert httpx.post(url, content=body + b" ", headers=headers).status_code == 401
        assert httpx.post(url, content=body).status_code == 404
        with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0)) as sender:
            sender.sendall(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
            assert sender.recv(1) == b""
        assert fake.deliver("1Z1", "IT", to=url, status_description="Zug\x1b[2J").is_accepted

    status, out, err = run_until(visit, fake, "listen", "--port", "0", err=screen)
    assert (status, out.count("\n")) == (130, 1)
    assert out.startswith("1Z1: IT Zug [2J ")
    texts = ["Rejected a delivery with 401", "Rejected a delivery with 404", "A delivery failed"]
    assert [line.split(":")[0] for line in err.splitlines()[1:]] == texts
    out = run_until(visit, fake, "listen", "--port", "0", "--json", err=(screen := io.BytesIO()))[1]
    assert json.loads(out)["data"]["status_code"] == "IT"


def test_listen_as_a_process_ends_when_its_pipe_is_closed(fake: FakeShipEngine) -> None:
    with start_process(fake, "listen", "--port", "0") as process:
        process.stdout.close()
        with suppress(httpx.TransportError):
            fake.deliver("1Z1", "DE", to=process.stderr.readline().decode().split()[2].rstrip("."))
        assert (process.wait(60), process.stderr.read()) == (1, b"")
