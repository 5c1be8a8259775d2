"""What the tests share: a package, and a way to make the same call with both clients."""

from __future__ import annotations

import asyncio
import os
import socket
import string
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Container, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from math import inf
from typing import Any, Self
from urllib.parse import quote, urlsplit

from shipengine_tracking import AsyncTrackingClient, Outcome, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Request, Response

PACKAGE = {"tracking_number": "9361269903502070406152", "carrier_code": "stamps_com"}
NUMBER = PACKAGE["tracking_number"]
KEY = "TEST_key_that_must_not_leak"


def ascii_id(text: str) -> str:
    """Return a text as the ID of a test, without backslashes, which pytest cannot select."""
    return quote(text, string.punctuation.replace("\\", "") + " ", errors="surrogatepass")


def wait_until(condition: Any, seconds: float = 30.0) -> None:
    """Wait until a condition is true; fail after a generous time."""
    for _ in range(int(seconds / 0.005)):  # freezegun may have stopped the clock
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("the condition did not become true")


def worker_threads() -> list[threading.Thread]:
    """Return the threads of all runs of `start_many`."""
    return [thread for thread in threading.enumerate() if thread.name == "shipengine-tracking"]


class Caller:
    """Makes calls with one of the two clients. An exception is a result, too."""

    def __init__(self, kind: str):
        self.kind = kind
        self.client_class: Any = TrackingClient if kind == "sync" else AsyncTrackingClient

    @contextmanager
    def client(self, fake: FakeShipEngine | None = None, **settings: Any) -> Iterator[Any]:
        """Yield an open client whose operations block; without `max_retries`, it sends each call once."""
        address = {"api_key": fake.api_key, "base_url": fake.url} if fake else {}
        client = self.client_class(**{"max_retries": 0, **address, **settings})
        if self.kind == "sync":
            with client:
                yield client
            return
        with asyncio.Runner() as runner:
            runner.run(client.__aenter__())
            try:
                yield BlockingClient(client, runner)
            finally:
                runner.run(client.__aexit__(None, None, None))
            if tasks := asyncio.all_tasks(runner.get_loop()):  # httpx leaves closing some generators to the event loop
                _, pending = runner.run(asyncio.wait(tasks, timeout=15))
                assert not pending

    def call_all(self, *packages: dict[str, Any], operation: str = "start", **settings: Any) -> list[Any]:
        """Make calls one after the other with one client; return the result or exception of each."""
        results: list[Any] = []
        with self.client(**settings) as client:
            for package in packages:
                try:
                    results.append(getattr(client, operation)(**package))
                except Exception as error:
                    assert not str(error).endswith("None"), "the message is missing"  # noqa: PT017
                    results.append(error)
        return results

    def call(self, package: dict[str, Any] = PACKAGE, *, operation: str = "start", **settings: Any) -> Any:
        """Make one call; return its result or exception."""
        return self.call_all(package, operation=operation, **settings)[0]

    def call_fake(
        self, fake: FakeShipEngine, package: dict[str, Any] = PACKAGE, *, operation: str = "start", **settings: Any
    ) -> Any:
        """Make one call to the fake server; return its result or exception."""
        return self.call(package, operation=operation, api_key=fake.api_key, base_url=fake.url, **settings)


class BlockingClient:
    """Makes the operations of an AsyncTrackingClient block. Its event loop runs during an operation only."""

    def __init__(self, client: AsyncTrackingClient, runner: asyncio.Runner):
        self.client, self.runner = client, runner

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self.client, {"close": "aclose"}.get(operation, operation))
        return lambda *arguments, **keywords: self._run(method(*arguments, **keywords))

    def start_many(self, *arguments: Any, **keywords: Any) -> Iterator[Outcome]:
        """Begin a run."""
        return self._iterate(self.client.start_many(*arguments, **keywords))

    def _iterate(self, stream: AsyncGenerator[Outcome]) -> Iterator[Outcome]:
        try:
            while (outcome := self._run(anext(stream, None))) is not None:
                yield outcome
        finally:
            self._run(stream.aclose())

    def _run(self, awaitable: Awaitable[Any]) -> Any:
        async def run() -> Any:
            try:
                return await awaitable, None
            except Exception as error:  # raised below, so that its traceback does not show the event loop
                return None, error

        result, error = self.runner.run(run())
        if error is not None:
            raise error
        return result


class BackgroundClient:
    """One of the two clients. Its calls run in threads, or in the tasks of an event loop in another thread."""

    def __init__(self, kind: str, fake: FakeShipEngine, **settings: Any):
        client_class: Any = TrackingClient if kind == "sync" else AsyncTrackingClient
        self.client = client_class(**{"api_key": fake.api_key, "base_url": fake.url, **settings})
        self._threads = ThreadPoolExecutor(64)
        self._loop = asyncio.new_event_loop() if kind == "async" else None
        if self._loop is not None:
            self._threads.submit(self._loop.run_forever)

    def start(self, package: dict[str, Any] = PACKAGE) -> Future[None]:
        """Begin a call."""
        if self._loop is None:
            return self._threads.submit(self.client.start, **package)
        return asyncio.run_coroutine_threadsafe(self.client.start(**package), self._loop)

    def start_all(self, count: int) -> list[BaseException | None]:
        """Make calls at once; return their errors."""
        return [call.exception(60) for call in [self.start() for _ in range(count)]]

    def close(self) -> None:
        """Close the client."""
        if self._loop is None:
            self.client.close()
        else:
            asyncio.run_coroutine_threadsafe(self.client.aclose(), self._loop).result(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._threads.shutdown()
        if self._loop is not None:
            self._loop.close()


class PausedShipEngine(FakeShipEngine):
    """A fake server that processes requests, and responds when `resume` is set.

    `resume_after` sets it when that many requests have arrived. The tracking numbers in `unpaused` get their
    responses at once.
    """

    def __init__(self, *, resume_after: float = inf, unpaused: Container[str] = (), **options: Any):
        super().__init__(**options)
        self.resume = threading.Event()
        self._resume_after, self._unpaused = resume_after, unpaused

    def respond(self, request: Request) -> Response:
        """Record a request and return the response to it, later."""
        response = super().respond(request)
        if len(self.requests) >= self._resume_after:
            self.resume.set()
        if dict(request.query).get("tracking_number") not in self._unpaused:
            self.resume.wait(60)
        return response

    def close(self) -> None:
        """Stop listening and close all connections."""
        self.resume.set()
        super().close()


@contextmanager
def slow_server(data: bytes) -> Iterator[str]:
    """Run a server that sends some data at once and then one byte after another, without end."""
    closed = threading.Event()

    def serve() -> None:
        while not closed.is_set():
            with suppress(OSError), server.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(data)
                while not closed.wait(0.02):
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        closed.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def assert_takes(least: float, most: float = 15.0) -> Iterator[None]:
    """Assert how many seconds the block takes."""
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began <= most


def client_sockets(fake: FakeShipEngine) -> int:
    """Return how many sockets of this process were connected to a fake server and are not closed on this side."""
    address, count = ("127.0.0.1", urlsplit(fake.url).port), 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(name))) as connection:
                    count += connection.getpeername() == address
    return count
