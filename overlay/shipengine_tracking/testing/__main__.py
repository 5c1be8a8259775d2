"""`python -m shipengine_tracking.testing`: the fake server for programs in any language."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading

from .server import FakeShipEngine


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m shipengine_tracking.testing",
        description="A fake ShipEngine on loopback: POST /v1/tracking/start answers as the real one does.",
    )
    parser.add_argument("--port", type=int, default=8080, help="where to listen; 0 takes any free port (default 8080)")
    parser.add_argument("--api-key", default="TEST_of_the_fake_server", help="the only key it accepts")
    parser.add_argument(
        "--connected",
        action="append",
        default=[],
        metavar="ID=CODE",
        type=_connection,
        help="a carrier connected to the account, such as se-28529731=dhl_express; may be repeated",
    )
    parser.add_argument(
        "--webhook-url", metavar="URL", type=_url, help="where to deliver updates of each subscribed package"
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        fake = FakeShipEngine(
            dict(given.connected), api_key=given.api_key, port=given.port, webhook_url=given.webhook_url
        )
    except (OSError, OverflowError) as error:
        parser.exit(1, f"cannot listen at port {given.port}: {error}; --port 0 takes any that is free\n")
    with fake:
        print(f"A fake ShipEngine listens at {fake.url} and accepts the key {fake.api_key}. Ctrl-C ends it. Try:")
        print(f"  curl -i -X POST -H 'API-Key: {fake.api_key}' \\")
        print(f"    '{fake.url}/v1/tracking/start?carrier_code=stamps_com&tracking_number=9361269903502070406152'")
        sys.stdout.flush()
        stop.wait()


def _connection(text: str) -> tuple[str, str]:
    identifier, _, code = text.partition("=")
    if not (identifier and code):
        raise argparse.ArgumentTypeError(f"{text!r} is not ID=CODE")
    return identifier, code


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with http:// or https://")
    return text


if __name__ == "__main__":
    main()
