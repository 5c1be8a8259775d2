"""Servers on loopback for `make bench`, each in a process of its own, and fast enough that no client waits for them."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"

# One process, so that no worker survives it. Connections stay open, however old they are.
NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000;
    keepalive_timeout 600s;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:PORT;
        location / { return 204; }
        location = /v1/tracking { default_type application/json; return 200 '{}'; }
    }
}
"""


class Counts:
    """The connections opened at the responder, and its requests in flight."""

    opened = in_flight = peak = 0


class Responder(asyncio.Protocol):
    """Responds to a POST with 204, after 50 ms if its path begins with /after/50, and to a GET of /counts with JSON."""

    def __init__(self, counts: Counts):
        self._counts = counts
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counts.opened += 1

    def data_received(self, data: bytes) -> None:
        """Respond to each complete request. A connection has one in flight; the body of a GET is ignored."""
        self._received += data
        head, end, _ = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        self._received = b""
        if head.startswith(b"POST /after/"):
            self._counts.in_flight += 1
            self._counts.peak = max(self._counts.peak, self._counts.in_flight)
            milliseconds = int(head.split(b"/", 3)[2])
            asyncio.get_running_loop().call_later(milliseconds / 1000, self._respond_late)
        elif head.startswith(b"POST"):
            self._transport.write(NO_CONTENT)
        else:
            self._respond_with_json(vars(self._counts) if head.startswith(b"GET /counts") else {})

    def _respond_late(self) -> None:
        self._counts.in_flight -= 1
        self._transport.write(NO_CONTENT)

    def _respond_with_json(self, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def _respond() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Responder, Counts()), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # stdin ends when the process that started this one ends, for whatever reason.
    end = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(end.set)), daemon=True).start()
    await end.wait()


@contextmanager
def responder() -> Iterator[str]:
    """Run the responder; yield its URL."""
    command = [sys.executable, __file__]
    # Leaving the block closes the stdin of the process and waits for its end.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


@contextmanager
def nginx() -> Iterator[str]:
    """Run nginx; yield its URL."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as at_end:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        Path(folder, "nginx.conf").write_text(NGINX.replace("PORT", str(port)))
        # The process between ends nginx when this one ends, for whatever reason.
        at_end.enter_context(subprocess.Popen([sys.executable, __file__, folder], stdin=subprocess.PIPE))
        wait_until_open(port)
        yield f"http://127.0.0.1:{port}"


def _guard_nginx(folder: str) -> None:
    with subprocess.Popen([_nginx_program() or "nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr"]) as process:
        sys.stdin.read()
        process.terminate()


def _nginx_program() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")  # which is not on the PATH of every user


def wait_until_open(port: int) -> None:
    """Wait until a server listens on a port."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise TimeoutError("nginx did not start")


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Run nginx, if it is installed, and the responder; yield their URLs by name."""
    with ExitStack() as running:
        urls = {"nginx": running.enter_context(nginx())} if _nginx_program() else {}
        yield urls | {"responder": running.enter_context(responder())}


async def rate(url: str, connections: int, requests: int) -> float:
    """Return how many requests per second a server processes at least, measured with bare sockets."""
    host, port = url.removeprefix("http://").split(":")
    request, left = f"POST /v1/tracking/start HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), iter(range(requests))

    async def send() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in left:
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(connections)))
    return requests / (time.perf_counter() - began)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one that started this one ends it
    if sys.argv[1:]:
        _guard_nginx(sys.argv[1])
    else:
        asyncio.run(_respond())
