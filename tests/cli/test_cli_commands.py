"""The commands for one package and for webhooks: output, errors and exit statuses."""

from __future__ import annotations

import json
import sys

import pytest
from shell import process, run

import shipengine_tracking
from shipengine_tracking.__main__ import main
from shipengine_tracking.testing import FakeShipEngine, Response, Subscription


def test_start_get_and_stop(fake: FakeShipEngine) -> None:
    package = ("1Z", "--carrier", "ups")
    assert run(fake, "start", *package) == (0, "1Z: tracking has started.\n", "")
    assert fake.subscriptions == [Subscription("1Z", "ups")]
    assert run(fake, "get", *package) == (0, "1Z: NY Not Yet In System\n", "")
    assert run(fake, "stop", *package) == (0, "1Z: tracking has stopped.\n", "")
    assert fake.subscriptions == []


def test_get_shows_events_newest_first_without_wrapping(fake: FakeShipEngine) -> None:
    run(fake, "start", "1Z", "--carrier-id", "se-28529731")
    fake.update("1Z", "AC")
    fake.update("1Z", "IT", estimated_delivery_date="2026-12-01T00:00:00", status_description="In Transit " * 20)
    status, out, err = run(fake, "get", "1Z", "--carrier-id", "se-28529731")
    assert (status, err) == (0, "")
    state, estimate, header, newest, oldest = out.splitlines()
    assert state.startswith("1Z: IT In Transit")
    assert "2026-12-01" in estimate
    assert header.split() == ["TIME", "STATUS", "DESCRIPTION", "PLACE"]
    assert " IT " in newest
    assert " AC " in oldest


def test_get_as_json_is_the_response(fake: FakeShipEngine) -> None:
    run(fake, "start", "1Z", "--carrier", "ups")
    fake.update("1Z", "DE")
    document = json.loads(run(fake, "get", "1Z", "--carrier", "ups", "--json").out)
    assert (document["tracking_number"], document["status_code"], len(document["events"])) == ("1Z", "DE", 1)


def test_webhooks_are_created_listed_and_deleted(fake: FakeShipEngine) -> None:
    url = "https://example.com/shipengine"
    status, out, _ = run(fake, "webhooks", "create", url, "--header", "X-Secret=a=b", "--header", "X-Shop=1")
    webhook_id = out.partition(":")[0]
    assert (status, fake.webhooks[0]["webhook_id"]) == (0, webhook_id)
    assert fake.webhooks[0]["headers"] == [{"key": "X-Secret", "value": "a=b"}, {"key": "X-Shop", "value": "1"}]
    status, out, _ = run(fake, "webhooks", "list")
    assert (status, out.splitlines()[1].split()) == (0, [webhook_id, "track", url, "X-Secret,", "X-Shop"])
    assert "a=b" not in out
    assert run(fake, "webhooks", "create", url).status == 1  # a second URL
    assert run(fake, "webhooks", "delete", webhook_id).status == 0
    assert fake.webhooks == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(("start",), 2, "NUMBER", id="no number"),
        pytest.param(("start", "1Z"), 2, "--carrier", id="no carrier"),
        pytest.param(("start", "1Z ", "--carrier", "ups"), 2, "tracking_number", id="invalid number"),
        pytest.param(("start", "1Z", "--carrier-id", "28529731"), 2, "carrier_id", id="invalid carrier ID"),
        pytest.param(("start", "1Z", "--key", "x"), 2, "--key", id="unknown option"),
        pytest.param(("begin",), 2, "begin", id="unknown command"),
        pytest.param(("webhooks",), 2, "command", id="half a command"),
        pytest.param(("webhooks", "create", "example.com"), 2, "url", id="invalid URL"),
        pytest.param(("webhooks", "create", "https://example.com", "--header", "x"), 2, "--header", id="no header"),
        pytest.param(("webhooks", "delete", "3150628"), 2, "webhook_id", id="invalid webhook ID"),
        pytest.param(("start", "1Z", "--carrier", "seko"), 1, "Connect the carrier", id="carrier"),
        pytest.param(("stop", "1Z", "--carrier", "ups"), 1, "404", id="not tracked"),
        pytest.param(("webhooks", "delete", "se-1"), 1, "404", id="unknown webhook"),
    ],
)
def test_failure_is_one_line_with_the_remedy(
    fake: FakeShipEngine, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = run(fake, *arguments)
    assert (done.status, done.out) == (status, "")
    assert done.err.count("\n") == 1
    assert words in done.err
    assert fake.subscriptions == []
    assert status == 1 or fake.requests == []


@pytest.mark.parametrize(
    ("key", "status", "words"),
    [
        pytest.param("", 2, "set SHIPENGINE_API_KEY", id="missing"),
        pytest.param("'quoted'", 2, "SHIPENGINE_API_KEY", id="quoted"),
        pytest.param("TEST_wrong_key", 1, "Check SHIPENGINE_API_KEY", id="wrong"),
    ],
)
def test_api_key_comes_from_the_environment(fake: FakeShipEngine, key: str, status: int, words: str) -> None:
    done = run(fake, "start", "1Z", "--carrier", "ups", SHIPENGINE_API_KEY=key)
    assert (done.status, done.out) == (status, "")
    assert words in done.err
    assert not key or key not in done.err


def test_control_characters_of_a_response_do_not_reach_the_terminal(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(404, {"message": "\x1b[31mred\r\nline"}))
    done = run(fake, "stop", "1Z", "--carrier", "ups")
    assert "red" in done.err
    assert done.err[:-1].isprintable()
    fake.enqueue(Response.of(200, {"status_code": "\x1b[2J", "events": [{"description": "\x1b]0;x\x07[red]"}]}))
    out = run(fake, "get", "1Z", "--carrier", "ups").out
    assert "[red]" in out  # no markup either
    assert all(line.isprintable() for line in out.splitlines())


def test_command_alone_shows_the_commands(fake: FakeShipEngine) -> None:
    done = run(fake)
    assert (done.status, done.err) == (0, "")
    for command in ("start", "stop", "get", "start-many", "webhooks", "listen"):
        assert f"\n  {command} " in done.out


def test_defect_of_the_command_line_itself_is_a_traceback(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipengine_tracking.cli.app", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(fake, "start")


def test_command_works_as_a_process(fake: FakeShipEngine) -> None:
    with process(fake, "start", "1Z", "--carrier", "ups") as running:
        assert running.communicate() == ("1Z: tracking has started.\n", "")
    assert running.returncode == 0
    with process(fake, "start", "1Z") as running:
        assert running.wait() == 2


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "shipengine_tracking.cli")
    monkeypatch.delattr(shipengine_tracking, "cli")
    assert main() == 2
    assert "shipengine-tracking[cli]" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tempfile", None)  # what else is missing is not the extra
    with pytest.raises(ModuleNotFoundError):
        main()
