"""The main job, shown: `make demo` starts tracking a package against the built-in fake server.

With SHIPENGINE_API_KEY in the environment, `make demo CARRIER_CODE=ups TRACKING_NUMBER=1Z…` makes that one call to the
real service instead.
"""

from __future__ import annotations

import os
import sys

from shipengine_tracking import APIError, AuthenticationError, CarrierError, ShipEngineError, TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Subscription

# The package of the vendor's own example.
CARRIER, NUMBER = "stamps_com", "9361269903502070406152"


def main() -> int:
    """Run the one demo or the other; 0 only if all of it happened."""
    code, number = os.environ.get("CARRIER_CODE"), os.environ.get("TRACKING_NUMBER")
    if not code and not number:
        return against_the_fake()
    if not (code and number and os.environ.get("SHIPENGINE_API_KEY")):
        print("The real call needs all three: SHIPENGINE_API_KEY, CARRIER_CODE and TRACKING_NUMBER.", file=sys.stderr)
        return 2
    return against_the_real_service(code, number)


def against_the_real_service(code: str, number: str) -> int:
    """Make one call with the caller's own key."""
    try:
        with TrackingClient(max_retries=0) as client:
            print(f"Calling the real service, once: {client!r}\n")
            client.start(carrier_code=code, tracking_number=number)
    except ShipEngineError as error:
        tell(error)
        return 1
    print(f"  204: ShipEngine now tracks {number} of {code}, and tells your webhook when it moves.")
    return 0


def against_the_fake() -> int:
    """Start a package, be refused twice, and look at what was recorded."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"  # which no proxy can reach
    with FakeShipEngine() as fake:
        print(f"A fake ShipEngine listens at {fake.url}; nothing leaves this machine.\n")
        with TrackingClient(fake.api_key, base_url=fake.url) as client:
            print(f"1. Start tracking {NUMBER} of {CARRIER}")
            client.start(carrier_code=CARRIER, tracking_number=NUMBER)
            print("   204: subscribed\n")

            print("2. A carrier that is not connected to the account")
            refused = refusal(client, "dhl_express")
            tell(refused)

        print("\n3. A wrong API key")
        with TrackingClient("TEST_wrong_key", base_url=fake.url) as client:
            unknown = refusal(client, CARRIER)
            tell(unknown)

        print(f"\nThe server saw {len(fake.requests)} requests and holds {len(fake.subscriptions)} subscription:")
        print("  ", *fake.subscriptions)
        happened = (
            fake.subscriptions == [Subscription(NUMBER, CARRIER)]
            and len(fake.requests) == 3
            and isinstance(refused, CarrierError)
            and isinstance(unknown, AuthenticationError)
        )
    print("\nAll of it happened." if happened else "\nThat is not what should have happened.")
    return 0 if happened else 1


def refusal(client: TrackingClient, carrier: str) -> ShipEngineError | None:
    """Start a package; return the exception."""
    try:
        client.start(carrier_code=carrier, tracking_number=NUMBER)
    except ShipEngineError as error:
        return error
    return None


def tell(error: ShipEngineError | None) -> None:
    """Print what an exception tells."""
    print(f"   {type(error).__name__}: {error}")
    if isinstance(error, APIError):
        for name in ("status_code", "code", "carrier_code", "retry_after", "request_id", "attempts"):
            value = getattr(error, name)
            if value is not None:
                print(f"     {name:<12} {value}")


if __name__ == "__main__":
    sys.exit(main())
