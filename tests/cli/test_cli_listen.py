"""`listen`: a receiver for development."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from commands import Result, Run, run

from shipengine_tracking.testing import FakeShipEngine
from support import wait_until


def listen(fake: FakeShipEngine, visit: Callable[[str, Run], None], *options: str) -> Result:
    """Listen on any port, call `visit` with the URL in another thread, then press Ctrl-C."""
    command = Run(fake, "listen", "--port", "0", *options)
    failures: list[BaseException] = []

    def visit_and_end() -> None:
        try:
            wait_until(lambda: "Ctrl-C" in command.err)
            visit(re.findall(r"http://127\.0\.0\.1:[0-9]+", command.err)[0], command)
        except BaseException as error:
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit_and_end)
    visitor.start()
    result = command()
    visitor.join()
    assert not failures
    return result


def test_listen_prints_verified_updates_and_rejects_forged_ones(fake: FakeShipEngine) -> None:
    def visit(url: str, _: Run) -> None:
        assert fake.deliver("1Z1", "IT", to=url, status_description="Zug\x1b[2J").is_accepted
        headers, body = fake.update("1Z1", "DE")
        assert httpx.post(url, content=body + b" ", headers=headers).status_code == 401
        assert httpx.post(url, content=body).status_code == 404
        assert httpx.post(url, content=b'{"resource_type": "batch"}', headers=fake.sign(b"x")).status_code == 401

    status, out, err = listen(fake, visit)
    assert (status, out.count("\n")) == (130, 1)
    assert out.startswith("1Z1: IT Zug [2J ")
    rejections = err.splitlines()[1:]
    assert [line.split(":")[0] for line in rejections] == [f"Rejected a delivery with {n}" for n in (401, 404, 401)]


def test_listen_prints_updates_as_json(fake: FakeShipEngine) -> None:
    def visit(url: str, _: Run) -> None:
        for code in ("IT", "DE"):
            assert fake.deliver("1Z1", code, to=url).is_accepted

    documents = [json.loads(line) for line in listen(fake, visit, "--json").out.splitlines()]
    assert [one["data"]["status_code"] for one in documents] == ["IT", "DE"]


def test_listen_survives_broken_deliveries(fake: FakeShipEngine) -> None:
    def visit(url: str, command: Run) -> None:
        address = ("127.0.0.1", urlsplit(url).port or 0)
        with socket.create_connection(address) as sender:
            sender.sendall(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
            assert sender.recv(1) == b""
        wait_until(lambda: "A delivery failed" in command.err)
        assert fake.deliver("1Z1", to=url).is_accepted

    status, out, err = listen(fake, visit)
    assert (status, out.count("\n"), err.count("\n")) == (130, 1, 2)


def test_listen_reports_a_port_in_use_and_an_invalid_address(fake: FakeShipEngine) -> None:
    status, out, err = run(fake, "listen", "--port", fake.url.rpartition(":")[2])
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "check" in err
    assert run(fake, "listen", SHIPENGINE_BASE_URL="http://example.com").status == 2
