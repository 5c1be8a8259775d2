"""The command line's single calls: output, errors and exit status."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from commands import COMMAND, environment, run

from shipengine_tracking import APITimeoutError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Response, Subscription, error

UPS = ("--carrier", "ups")
NUMBER = "1Z999AA10123456784"


def test_start_and_stop_print_one_line(fake: FakeShipEngine) -> None:
    result = run(fake, "start", NUMBER, "--carrier-id", "se-28529731")
    assert (result.status, result.out, result.err) == (0, f"{NUMBER}: tracking has started.\n", "")
    assert fake.subscriptions == [Subscription(NUMBER, None, "se-28529731")]
    result = run(fake, "stop", NUMBER, *UPS)
    assert (result.status, result.out, result.err) == (0, f"{NUMBER}: tracking has stopped.\n", "")
    assert fake.subscriptions == []


def test_get_shows_the_events_newest_first(fake: FakeShipEngine) -> None:
    run(fake, "start", NUMBER, *UPS)
    fake.update(NUMBER, "IT")
    fake.update(NUMBER, "AT", estimated_delivery_date="2026-12-01T00:00:00Z")
    status, out, err = run(fake, "get", NUMBER, *UPS)
    assert (status, err) == (0, "")
    first, estimate, header, *events = out.splitlines()
    assert first == f"{NUMBER}: AT Delivery Attempt"
    assert "2026-12-01" in estimate
    assert header.split() == ["TIME", "STATUS", "DESCRIPTION", "PLACE"]
    assert [line.split()[2] for line in events] == ["AT", "IT"]
    document = json.loads(run(fake, "get", NUMBER, *UPS, "--json").out)
    assert [event["status_code"] for event in document["events"]] == ["AT", "IT"]


def test_get_shows_missing_members_as_empty(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(200, {"events": [{}]}))
    status, out, _ = run(fake, "get", NUMBER, *UPS)
    assert status == 0
    assert "Estimated delivery: unknown" in out
    assert "None" not in out


def test_webhooks_are_created_listed_and_deleted(fake: FakeShipEngine) -> None:
    url = "https://example.com/hook"
    created = run(fake, "webhooks", "create", url, "--header", "X-Secret=a=b", "--header", "X-Shop=7")
    assert created.status == 0
    (webhook,) = fake.webhooks
    assert created.out.startswith(webhook["webhook_id"])
    assert [(one["key"], one["value"]) for one in webhook["headers"]] == [("X-Secret", "a=b"), ("X-Shop", "7")]
    listed = run(fake, "webhooks", "list")
    assert [line.split() for line in listed.out.splitlines()] == [
        ["ID", "EVENT", "URL", "HEADERS"],
        [webhook["webhook_id"], "track", url, "X-Secret,", "X-Shop"],
    ]
    assert run(fake, "webhooks", "create", url).status == 1
    deleted = run(fake, "webhooks", "delete", webhook["webhook_id"])
    assert (deleted.status, fake.webhooks) == (0, [])


@pytest.mark.parametrize(
    ("response", "remedy"),
    [
        pytest.param(error(400, "carrier_not_connected", "No."), "connect the carrier", id="carrier"),
        pytest.param(error(400, "trial_expired", "No."), "fix the account", id="account"),
        pytest.param(error(400, "invalid_identifier", "No."), "check what you passed", id="request"),
        pytest.param(error(401, "unauthorized", "No."), "SHIPENGINE_API_KEY", id="key"),
        pytest.param(error(403, "unauthorized", "No."), "your plan", id="plan"),
        pytest.param(error(404, "not_found", "No."), "check what you passed", id="number"),
        pytest.param(error(429, "rate_limit_exceeded", "No.", headers={"Retry-After": "999"}), "wait", id="rate_limit"),
        pytest.param(error(501, "unspecified", "No."), "later", id="server"),
        pytest.param(Response.of(302, b""), "302", id="redirect"),
    ],
)
def test_rejected_call_prints_the_remedy_and_exits_with_1(
    fake: FakeShipEngine, response: Response, remedy: str
) -> None:
    fake.enqueue(response)
    status, out, err = run(fake, "start", NUMBER, *UPS)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert remedy in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param(["start"], "NUMBER", id="no_number"),
        pytest.param(["start", NUMBER], "--carrier", id="no_carrier"),
        pytest.param(["start", "1.23E+21", *UPS], "spreadsheet", id="spreadsheet_number"),
        pytest.param(["start", NUMBER, "--carrier-id", "7"], "carrier_id", id="carrier_id"),
        pytest.param(["start", NUMBER, "--carier", "ups"], "--carier", id="unknown_option"),
        pytest.param(["begin", NUMBER], "begin", id="unknown_command"),
        pytest.param(["webhooks"], "--help", id="no_subcommand"),
        pytest.param(["webhooks", "create", "example.com"], "url", id="url"),
        pytest.param(["webhooks", "create", "https://example.com", "--header", "X"], "NAME=VALUE", id="header"),
        pytest.param(["webhooks", "delete", "7"], "webhook_id", id="webhook_id"),
        pytest.param(["start-many", "-", "--concurrency", "0"], "--concurrency", id="concurrency"),
        pytest.param(["listen", "--port", "65536"], "--port", id="port"),
    ],
)
def test_invalid_usage_is_one_line_and_exits_with_2(fake: FakeShipEngine, arguments: list[str], word: str) -> None:
    status, out, err = run(fake, *arguments)
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert word in err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("SHIPENGINE_API_KEY", "", id="no_key"),
        pytest.param("SHIPENGINE_API_KEY", "'TEST_quoted_key'", id="key_in_quotes"),
        pytest.param("SHIPENGINE_BASE_URL", "api.shipengine.com", id="base_url"),
    ],
)
def test_invalid_environment_is_named_and_exits_with_2(fake: FakeShipEngine, name: str, value: str) -> None:
    status, out, err = run(fake, "start", NUMBER, *UPS, **{name: value})
    assert (status, out, err.count("\n"), fake.requests) == (2, "", 1, [])
    assert name in err
    assert "quoted" not in err


def test_no_response_exits_with_1(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:  # a real failure would be retried for seconds
        raise APITimeoutError("no response")

    monkeypatch.setattr(TrackingClient, "start", fail)
    status, out, err = run(fake, "start", NUMBER, *UPS)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "check the network" in err


def test_output_shows_neither_the_key_nor_control_characters_of_the_server(fake: FakeShipEngine) -> None:
    text = f"\x1b]0;title\x07\r\x9b2J {fake.api_key}"
    fake.enqueue(
        error(400, "bad\x1b", text),
        Response.of(200, {"status_code": text, "events": [{"description": text, "city_locality": "a\nb"}]}),
        Response.of(200, {"status_code": text}),
        Response.of(200, [{"webhook_id": "se-1", "event": text, "url": text, "headers": [{"key": text}]}]),
        Response.of(200, {"webhook_id": text, "event": text, "url": text, "headers": []}),
    )
    results = [
        run(fake, "start", NUMBER, *UPS),
        run(fake, "get", NUMBER, *UPS),
        run(fake, "get", NUMBER, *UPS, "--json"),
        run(fake, "webhooks", "list"),
        run(fake, "webhooks", "create", "https://example.com"),
    ]
    assert [result.status for result in results] == [1, 0, 0, 0, 0]
    output = "".join(result.out + result.err for result in results)
    assert "title" in output
    assert fake.api_key not in output
    assert output.replace("\n", "").isprintable()
    assert results[1].out.count("\n") == 4


def test_without_arguments_the_help_is_shown() -> None:
    status, out, err = run(None)
    assert (status, err) == (0, "")
    assert {"start", "stop", "get", "start-many", "webhooks", "listen"} <= set(out.split())


@pytest.mark.parametrize(
    ("module", "needed_by", "extra"),
    [("typer", "cli", "[cli]"), ("cryptography", "webhooks", "[webhooks]")],
    ids=["typer", "cryptography"],
)
def test_missing_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str, needed_by: str, extra: str
) -> None:
    for name in [*sys.modules]:
        if name.startswith(f"shipengine_tracking.{needed_by}"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(f"shipengine_tracking.{needed_by}", raising=False)
    for name in [module, *sys.modules]:
        if name.partition(".")[0] == module:
            monkeypatch.setitem(sys.modules, name, None)
    status, out, err = run(None, "listen")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"'shipengine-tracking{extra}'" in err


def test_other_missing_module_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shipengine_tracking.cli", raising=False)
    monkeypatch.delattr("shipengine_tracking.cli", raising=False)
    monkeypatch.setitem(sys.modules, "tempfile", None)
    with pytest.raises(ModuleNotFoundError):
        run(None)


def test_defect_is_not_hidden(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrackingClient, "start", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(fake, "start", NUMBER, *UPS)


def test_command_runs_as_a_process_in_an_ascii_locale(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(200, {"status_code": "IT", "status_description": "Zürich"}))
    variables = {**environment(fake), "PYTHONIOENCODING": "ascii"}
    process = subprocess.run([*COMMAND, "get", NUMBER, *UPS], env=variables, capture_output=True, timeout=60)
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.startswith(f"{NUMBER}: IT Z?rich".encode())
