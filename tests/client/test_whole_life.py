"""The whole life of a subscription: register, start, receive, get, stop, and nothing more arrives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from shipengine_tracking import NotFoundError
from shipengine_tracking.testing import FakeShipEngine
from shipengine_tracking.webhooks import StatusCode, TrackingEvent, Verifier, WebhookError
from support import NUMBER, PACKAGE, Caller, wait_until


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


def test_life_of_a_subscription(caller: Caller) -> None:
    with (
        FakeShipEngine(journey=["AC", "IT"]) as fake,
        receiving(Verifier(base_url=fake.url)) as (url, received),
        caller.client(fake) as client,
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
