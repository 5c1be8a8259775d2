"""The whole life of a subscription: register, start, receive, get, stop, and nothing more arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from shipengine_tracking import AsyncTrackingClient, NotFoundError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine
from shipengine_tracking.webhooks import StatusCode, TrackingEvent, Verifier, WebhookError
from support import NUMBER, PACKAGE, wait_until


@contextmanager
def receiving(verifier: Verifier) -> Iterator[tuple[str, list[tuple[TrackingEvent, str | None]]]]:
    """Serve a receiver; yield its URL and the updates that it accepts, each with the shared secret."""
    received: list[tuple[TrackingEvent, str | None]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                received.append((verifier.verify(self.headers, body), self.headers["X-Secret"]))
                status = 204
            except WebhookError as error:
                status = error.http_status
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", received
        server.shutdown()


class Sync:
    """Calls the operations of an AsyncTrackingClient from a thread."""

    def __init__(self, client: AsyncTrackingClient, runner: asyncio.Runner):
        self._client, self._runner = client, runner

    def __getattr__(self, operation: str) -> Any:
        async def call(*arguments: Any, **keywords: Any) -> Any:
            return await getattr(self._client, operation)(*arguments, **keywords)

        return lambda *arguments, **keywords: self._runner.run(call(*arguments, **keywords))


@contextmanager
def connected(kind: str, fake: FakeShipEngine) -> Iterator[Any]:
    if kind == "sync":
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        asynchronous = Sync(AsyncTrackingClient(fake.api_key, base_url=fake.url), runner)
        yield asynchronous
        asynchronous.aclose()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_life_of_a_subscription(kind: str) -> None:
    with (
        FakeShipEngine(journey=["AC", "IT"]) as fake,
        receiving(Verifier(base_url=fake.url)) as (url, received),
        connected(kind, fake) as client,
    ):
        webhook = client.create_webhook(url, headers={"X-Secret": "shared"})
        assert client.list_webhooks() == [webhook]

        client.start(**PACKAGE)
        wait_until(lambda: len(received) == 2)
        assert [update.data.status_code for update, _ in received] == [StatusCode.AC, StatusCode.IT]
        assert {update.data.tracking_number for update, _ in received} == {NUMBER}
        assert {secret for _, secret in received} == {"shared"}

        state = client.get(**PACKAGE)
        assert state == received[-1][0].data
        assert len(state.events) == 2

        client.stop(**PACKAGE)
        assert fake.subscriptions == []
        with pytest.raises(NotFoundError):
            client.stop(**PACKAGE)
        client.delete_webhook(webhook.webhook_id)
        client.start(**PACKAGE)
        assert len(received) == len(fake.deliveries) == 2
