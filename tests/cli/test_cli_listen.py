"""`listen` is a receiver for development: it prints verified updates."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from shell import process, run

from shipengine_tracking.testing import FakeShipEngine


@contextmanager
def listening(fake: FakeShipEngine, *options: str) -> Iterator[tuple[Any, str]]:
    """Run `listen`; yield the process and its URL. Ctrl-C ends it without a traceback."""
    with process(fake, "listen", "--port", 0, *options) as running:
        yield running, running.stderr.readline().split()[2].removesuffix(".")
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        assert running.stderr.read() == ""


def test_listen_prints_updates_and_rejects_forged_ones(fake: FakeShipEngine) -> None:
    with listening(fake) as (running, url):
        assert fake.deliver("1Z", "IT", to=url, status_description="In\x1b[31m Transit").statuses == [204]
        line = running.stdout.readline()
        assert line.startswith("1Z is IT: In")
        assert "AUSTIN" in line
        assert line[:-1].isprintable()
        assert fake.deliver("1Z", "UN", to=url, events=None).statuses == [204]
        assert running.stdout.readline() == "1Z is UN: Unknown\n"
        headers, body = fake.update("1Z")
        assert httpx.post(url, content=body.replace(b"1Z", b"2Z"), headers=headers).status_code == 401
        assert "401" in running.stderr.readline()
        assert httpx.post(url, content=iter([body]), headers=headers).status_code == 411  # chunked


def test_listen_prints_updates_as_json(fake: FakeShipEngine) -> None:
    with listening(fake, "--json") as (running, url):
        fake.deliver("1Z", "DE", to=url)
        assert json.loads(running.stdout.readline())["data"]["status_code"] == "DE"


def test_listen_needs_a_free_port_and_the_extra(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(fake, "listen", "--port", taken.getsockname()[1])
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert "--port" in done.err
    for name in [name for name in sys.modules if name.startswith("shipengine_tracking.webhooks")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    done = run(fake, "listen", "--port", 0)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "shipengine-tracking[webhooks]" in done.err
