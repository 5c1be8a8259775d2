"""What the tests share: a package, and a way to make the same call with both clients."""

from __future__ import annotations

import asyncio
import os
import socket
import string
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import quote, urlsplit

from shipengine_tracking import AsyncTrackingClient, TrackingClient
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


class Caller:
    """Makes calls with one of the two clients. An exception is a result, too."""

    def __init__(self, kind: str):
        self.kind = kind
        self.client_class: Any = TrackingClient if kind == "sync" else AsyncTrackingClient

    def call_all(
        self, *packages: dict[str, Any], operation: str = "start", pause: float = 0.0, **settings: Any
    ) -> list[Any]:
        """Make calls one after the other with one client; return the result or exception of each."""
        settings = {"max_retries": 0, **settings}
        if self.kind == "async":
            return asyncio.run(self._call_all_async(packages, operation, pause, settings))
        results: list[Any] = []
        with TrackingClient(**settings) as client:
            for package in packages:
                try:
                    results.append(getattr(client, operation)(**package))
                except Exception as error:
                    results.append(error)
                time.sleep(pause)
        return results

    @staticmethod
    async def _call_all_async(
        packages: tuple[dict[str, Any], ...], operation: str, pause: float, settings: dict[str, Any]
    ) -> list[Any]:
        results: list[Any] = []
        async with AsyncTrackingClient(**settings) as client:
            for package in packages:
                try:
                    results.append(await getattr(client, operation)(**package))
                except Exception as error:
                    results.append(error)
                await asyncio.sleep(pause)
        return results

    def call(self, package: dict[str, Any] = PACKAGE, *, operation: str = "start", **settings: Any) -> Any:
        """Make one call; return its result or exception."""
        return self.call_all(package, operation=operation, **settings)[0]

    def call_fake(
        self, fake: FakeShipEngine, package: dict[str, Any] = PACKAGE, *, operation: str = "start", **settings: Any
    ) -> Any:
        """Make one call to the fake server; return its result or exception."""
        return self.call(package, operation=operation, api_key=fake.api_key, base_url=fake.url, **settings)


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
    """A fake server that processes requests, and responds when `resume` is set."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.resume = threading.Event()

    def respond(self, request: Request) -> Response:
        """Record a request and return the response to it, later."""
        response = super().respond(request)
        self.resume.wait(60)
        return response

    def close(self) -> None:
        """Stop listening and close all connections."""
        self.resume.set()
        super().close()


@contextmanager
def takes(least: float, most: float = 15.0) -> Iterator[None]:
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
