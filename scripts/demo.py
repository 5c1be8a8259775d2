"""The main job: `make demo` starts tracking a package at the fake server and receives its updates.

With SHIPENGINE_API_KEY in the environment, `make demo CARRIER_CODE=ups TRACKING_NUMBER=1Z…` makes one call to the real
service instead.
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

# The package of ShipEngine's own example.
CARRIER, NUMBER = "stamps_com", "9361269903502070406152"


def main() -> int:
    """Run one of the two demos; return 0 if everything happened as expected."""
    code, number = os.environ.get("CARRIER_CODE"), os.environ.get("TRACKING_NUMBER")
    if not code and not number:
        return against_the_fake()
    if code and number and os.environ.get("SHIPENGINE_API_KEY"):
        return against_the_real_service(code, number)
    needed = ("SHIPENGINE_API_KEY", "CARRIER_CODE", "TRACKING_NUMBER")
    missing = " and ".join(name for name in needed if not os.environ.get(name))
    print(f"A call to the real service also needs {missing}.", file=sys.stderr)
    return 2


def against_the_real_service(code: str, number: str) -> int:
    """Make one call with the user's own key."""
    try:
        with TrackingClient(max_retries=0) as client:
            print(f"Making one call with {client!r}\n")
            client.start(carrier_code=code, tracking_number=number)
    except ShipEngineError as error:
        tell(error)
        return 1
    print(f"   204: tracking of {number}, carrier {code}, has started. Its updates go to your webhook.")
    return 0


def against_the_fake() -> int:
    """Start a package, receive its updates, reject a forged one, get its state, meet two errors, and stop it."""
    package = {"carrier_code": CARRIER, "tracking_number": NUMBER}
    with FakeShipEngine(journey=("AC", "IT")) as fake, TrackingClient(fake.api_key, base_url=fake.url) as client:
        print(f"A fake ShipEngine listens at {fake.url}. Nothing leaves this machine.")
        with receiver(Verifier(base_url=fake.url)) as (url, received):
            fake.webhook_url = url
            print(f"\n1. Start tracking package {NUMBER}, carrier {CARRIER}")
            client.start(**package)
            print(f"   204: tracking has started. Updates go to the webhook at {url}")

            print("\n2. Receive updates and verify their signatures")
            updates = [received.get(timeout=30) for _ in fake.journey]
            for update in updates:
                tell(update)

            print("\n3. Reject a forged update")
            sent = fake.deliveries[-1]
            body = sent.body.replace(b"AUSTIN", b"BOSTON")
            response = httpx.post(url, content=body, headers=sent.headers, trust_env=False)  # without a proxy
            forged = received.get(timeout=30)
            tell(forged)
            print(f"     response to its sender: {response.status_code}")

        print("\n4. Get the state of the package")
        state = client.get(**package)
        print(f"   {state.tracking_number} is {state.status_code}: {len(state.events or ())} events so far")

        print("\n5. Use a wrong API key")
        with TrackingClient("TEST_wrong_key", base_url=fake.url) as stranger:
            unauthorized = failure(stranger, CARRIER)
        tell(unauthorized)

        print("\n6. Start a package of a carrier that is not connected to the account")
        not_connected = failure(client, "dhl_express")
        tell(not_connected)

        print("\n7. Stop tracking the package")
        started = list(fake.subscriptions)
        client.stop(**package)
        print("   204: tracking has stopped. No more updates are sent.")

        happened = (
            started == [Subscription(NUMBER, CARRIER)]
            and [update.data.status_code for update in updates if isinstance(update, TrackingEvent)]
            == list(fake.journey)
            and isinstance(forged, InvalidSignatureError)
            and response.status_code == 401
            and state.status_code == fake.journey[-1]
            and isinstance(unauthorized, AuthenticationError)
            and isinstance(not_connected, CarrierError)
            and not fake.subscriptions
        )
    print("\nEverything happened as expected." if happened else "\nThis is not what was expected.")
    return 0 if happened else 1


@contextmanager
def receiver(verifier: Verifier) -> Iterator[tuple[str, Queue[TrackingEvent | WebhookError]]]:
    """Run a receiver; yield its URL and a queue of what it accepts and rejects. README has it for Flask and FastAPI."""
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
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", received
        server.shutdown()


def failure(client: TrackingClient, carrier: str) -> ShipEngineError | None:
    """Start a package of a carrier; return the exception."""
    try:
        client.start(carrier_code=carrier, tracking_number=NUMBER)
    except ShipEngineError as error:
        return error
    return None


def tell(what: TrackingEvent | ShipEngineError | None) -> None:
    """Print an update or an exception."""
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
