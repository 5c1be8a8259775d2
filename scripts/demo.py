"""`make demo`: one subscription from start to stop, against the fake server.

With SHIPENGINE_API_KEY in the environment, `make demo CARRIER_CODE=ups TRACKING_NUMBER=1Z…` makes one call to the real
service instead.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue

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

# The package in ShipEngine's own example.
CARRIER, NUMBER = "stamps_com", "9361269903502070406152"
JOURNEY = ("AC", "IT", "DE")
PAUSE = 2.0  # seconds between two updates, enough for all steps between the second update and the stop


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
        print_result(error)
        return 1
    print(f"   204: tracking of {number}, carrier {code}, has started. Its updates go to your webhook.")
    return 0


def against_the_fake() -> int:
    """Register a webhook, start a package, receive its updates, cause three errors, and stop."""
    with (
        FakeShipEngine(journey=JOURNEY, journey_pause=PAUSE) as fake,
        TrackingClient(fake.api_key, base_url=fake.url) as client,
        receiver(Verifier(base_url=fake.url)) as (url, received),
    ):
        print(f"A fake ShipEngine is listening at {fake.url}. Nothing leaves this machine.")

        print(f'\n1. client.create_webhook("{url}")')
        webhook = client.create_webhook(url)
        print(f"   Webhook {webhook.webhook_id} is registered for the event {webhook.event}.")

        print(f'\n2. client.start(tracking_number="{NUMBER}", carrier_code="{CARRIER}")')
        client.start(tracking_number=NUMBER, carrier_code=CARRIER)
        subscriptions = list(fake.subscriptions)
        print("   204: tracking has started.")

        print(f"\n3. verifier.verify(headers, body), for each update; the fake sends one every {PAUSE:g} seconds")
        updates = [received.get(timeout=30) for _ in range(2)]
        for update in updates:
            print_result(update)

        print("\n4. client.get(…)")
        state = client.get(tracking_number=NUMBER, carrier_code=CARRIER)
        print(f"   The state of the package is {state.status_code}, with {len(state.events or ())} events.")

        print("\n5. A forged update: the last one, with another city")
        sent = fake.deliveries[-1]
        body = sent.body.replace(b"AUSTIN", b"BOSTON")
        response = httpx.post(url, content=body, headers=sent.headers, trust_env=False)  # without a proxy
        forged = received.get(timeout=30)
        print_result(forged)
        print(f"   The receiver responded with {response.status_code}.")

        print('\n6. client.start(…, carrier_code="dhl_express"), which is not connected to the account')
        not_connected = failure(lambda: client.start(tracking_number=NUMBER, carrier_code="dhl_express"))

        print('\n7. TrackingClient("TEST_wrong_key").start(…)')
        with TrackingClient("TEST_wrong_key", base_url=fake.url) as other:
            unauthorized = failure(lambda: other.start(tracking_number=NUMBER, carrier_code=CARRIER))

        print("\n8. client.stop(…)")
        client.stop(tracking_number=NUMBER, carrier_code=CARRIER)
        print("   204: tracking has stopped.")
        try:
            print_result(received.get(timeout=1.5 * PAUSE))
        except Empty:
            print(f"   No update arrived in the next {1.5 * PAUSE:g} seconds.")

        happened = (
            subscriptions == [Subscription(NUMBER, CARRIER)]
            and [one.data.status_code for one in updates if isinstance(one, TrackingEvent)] == ["AC", "IT"]
            and state.status_code == "IT"
            and isinstance(forged, InvalidSignatureError)
            and response.status_code == 401
            and isinstance(not_connected, CarrierError)
            and isinstance(unauthorized, AuthenticationError)
            and not fake.subscriptions
            and len(fake.deliveries) == len(updates)
        )
    print("\nEverything happened as expected." if happened else "\nSomething unexpected happened.")
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


def failure(call: Callable[[], object]) -> ShipEngineError | None:
    """Make a call that should fail; print and return its exception."""
    try:
        call()
    except ShipEngineError as error:
        print_result(error)
        return error
    print("   It succeeded.")
    return None


def print_result(what: TrackingEvent | ShipEngineError) -> None:
    """Print an update or an exception."""
    if isinstance(what, TrackingEvent):
        print(f"   {what.data.tracking_number} is {what.data.status_code}: {what.data.status_description}")
        for event in (what.data.events or ())[:1]:  # the newest
            print(f"     {event.occurred_at}  {event.city_locality}  {event.description}")
        return
    print(f"   {type(what).__name__}: {what}")
    if isinstance(what, APIError):
        names = ("status_code", "code", "carrier_code", "attempts")
        values = {name: getattr(what, name) for name in names}
        print("     " + ", ".join(f"{name}={value!s}" for name, value in values.items() if value is not None))


if __name__ == "__main__":
    sys.exit(main())
