"""The main job, shown: `make demo` subscribes a package at the built-in fake server, and receives its updates.

With SHIPENGINE_API_KEY in the environment, `make demo CARRIER_CODE=ups TRACKING_NUMBER=1Z…` makes that one call to the
real service instead.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import httpx

from shipengine_tracking import (
    APIError,
    AuthenticationError,
    CarrierError,
    InvalidSignatureError,
    ShipEngineError,
    TrackingClient,
    WebhookError,
)
from shipengine_tracking.testing import FakeShipEngine, Subscription
from shipengine_tracking.webhooks import TrackingEvent, Verifier

# The package of the vendor's own example.
CARRIER, NUMBER = "stamps_com", "9361269903502070406152"


def main() -> int:
    """Run the one demo or the other; 0 only if all of it happened."""
    code, number = os.environ.get("CARRIER_CODE"), os.environ.get("TRACKING_NUMBER")
    if not code and not number:
        return against_the_fake()
    if code and number and os.environ.get("SHIPENGINE_API_KEY"):
        return against_the_real_service(code, number)
    needed = ("SHIPENGINE_API_KEY", "CARRIER_CODE", "TRACKING_NUMBER")
    missing = " and ".join(name for name in needed if not os.environ.get(name))
    print(f"The real call needs {missing} too.", file=sys.stderr)
    return 2


def against_the_real_service(code: str, number: str) -> int:
    """Make one call with the caller's own key."""
    try:
        with TrackingClient(max_retries=0) as client:
            print(f"Calling once: {client!r}\n")
            client.start(carrier_code=code, tracking_number=number)
    except ShipEngineError as error:
        tell(error)
        return 1
    print(f"  204: ShipEngine now tracks {number} of {code}, and tells your webhook when it moves.")
    return 0


def against_the_fake() -> int:
    """Start a package, receive its updates, refuse a forged one, and be refused twice."""
    with FakeShipEngine() as fake, TrackingClient(fake.api_key, base_url=fake.url) as client:
        print(f"A fake ShipEngine listens at {fake.url}; nothing leaves this machine.\n")
        with receiver(client.webhook_verifier()) as (url, received):
            fake.webhook_url = url
            print(f"1. Start tracking {NUMBER} of {CARRIER}")
            client.start(carrier_code=CARRIER, tracking_number=NUMBER)
            print(f"   204: subscribed. A webhook listens at {url}")

            print("\n2. The updates that come back, their signatures verified")
            updates = [received.get(timeout=30) for _ in fake.journey]
            for update in updates:
                tell(update)

            print("\n3. An update that somebody has forged")
            sent = fake.deliveries[-1]
            body = sent.body.replace(b"AUSTIN", b"BOSTON")
            answer = httpx.post(url, content=body, headers=sent.headers, trust_env=False)  # through no proxy
            forged = received.get(timeout=30)
            tell(forged)
            print(f"     answered with {answer.status_code}")

        print("\n4. A wrong API key")
        with TrackingClient("TEST_wrong_key", base_url=fake.url) as stranger:
            unknown = refusal(stranger, CARRIER)
        tell(unknown)

        print("\n5. A carrier that is not connected to the account")
        refused = refusal(client, "dhl_express")
        tell(refused)

        print(f"\nThe server holds {len(fake.subscriptions)} subscription:", *fake.subscriptions)
        happened = (
            fake.subscriptions == [Subscription(NUMBER, CARRIER)]
            and [update.data.status_code for update in updates if isinstance(update, TrackingEvent)]
            == list(fake.journey)
            and isinstance(forged, InvalidSignatureError)
            and answer.status_code == 401
            and isinstance(unknown, AuthenticationError)
            and isinstance(refused, CarrierError)
        )
    print("\nAll of it happened." if happened else "\nThat is not what should have happened.")
    return 0 if happened else 1


@contextmanager
def receiver(verifier: Verifier) -> Iterator[tuple[str, Queue[TrackingEvent | WebhookError]]]:
    """Run a webhook; yield its URL, and what it receives or refuses. README has it for Flask and FastAPI."""
    received: Queue[TrackingEvent | WebhookError] = Queue()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                received.put(verifier.verify(self.headers, body))
                status = 204
            except WebhookError as error:
                received.put(error)
                status = error.http_status
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Leave the screen to the demo."""

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", received
        server.shutdown()


def refusal(client: TrackingClient, carrier: str) -> ShipEngineError | None:
    """Start a package of a carrier; return the exception."""
    try:
        client.start(carrier_code=carrier, tracking_number=NUMBER)
    except ShipEngineError as error:
        return error
    return None


def tell(what: TrackingEvent | ShipEngineError | None) -> None:
    """Print what an exception, or an update, tells."""
    if isinstance(what, TrackingEvent):
        data = what.data
        print(f"   {data.tracking_number} is {data.status_code}: {data.status_description}")
        for event in data.events or ():
            print(f"     {event.occurred_at}  {event.city_locality}  {event.description}")
        return
    print(f"   {type(what).__name__}: {what}")
    if isinstance(what, APIError):
        for name in ("status_code", "code", "carrier_code", "retry_after", "request_id", "attempts"):
            value = getattr(what, name)
            if value is not None:
                print(f"     {name:<12} {value}")


if __name__ == "__main__":
    sys.exit(main())
