"""`python -m shipengine_tracking.testing`: the fake server for programs in any language."""

from __future__ import annotations

import argparse
import logging
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from .protocol import RateLimit
from .server import FakeShipEngine

ABOUT = "A fake ShipEngine on loopback. It responds as the API does and sends updates to webhooks."
ABOUT_UPDATES = """\
They go to --webhook-url and to the webhook that a client registers for the event "track" with
POST /v1/environment/webhooks. Each time the fake is started it signs with new keys. A receiver that is already running
fetches them at most once a minute, and responds with 401 until then."""
BANNER = """\
A fake ShipEngine is listening at {url} with the API key {api_key}. Press Ctrl-C to stop. Try:
  curl -i -X POST -H 'API-Key: {api_key}' \\
    '{url}/v1/tracking/start?carrier_code=stamps_com&tracking_number=9361269903502070406152'"""


def main() -> None:
    """Serve until interrupted."""
    parser = _parser()
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the fake logs its deliveries itself
    signals: list[int] = []  # setting an Event in a signal handler can deadlock
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: signals.append(number))
    try:
        fake = FakeShipEngine(**vars(given))
    except (OSError, OverflowError) as error:
        parser.exit(1, f"cannot listen on port {given.port}: {error}; --port 0 picks a free one\n")
    with fake:
        print(BANNER.format(url=fake.url, api_key=fake.api_key), flush=True)
        while not signals:
            time.sleep(0.1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipengine_tracking.testing", description=ABOUT)
    add = parser.add_argument
    add("--port", type=int, default=8080, help="the port to listen on; 0 picks a free one (default 8080)")
    add("--api-key", default="TEST_of_the_fake_server", help="the only valid API key")
    option = _pattern("ID=CODE", "([^=]+)=(.+)", lambda *pair: pair)
    text = "a carrier connected to the account, such as se-28529731=dhl_express; may be repeated"
    add("--connected", **option, action="append", default=[], help=text)
    form = r"([0-9]+)/([0-9]+\.?[0-9]*)"
    option = _pattern("CALLS/SECONDS", form, lambda *pair: RateLimit(int(pair[0]), float(pair[1])))
    add("--rate-limit", **option, help="the account's rate limit, such as 200/60 (default: none)")
    add = parser.add_argument_group("updates of each package that is started", ABOUT_UPDATES).add_argument
    option = _pattern("URL", "(https?://.+)", str)
    add("--webhook-url", **option, help="where to send them, besides the registered webhook")
    option = _pattern("CODE,CODE", "([^ ,]+(?:,[^ ,]+)*)", re.compile("[^,]+").findall)
    add("--journey", **option, default="IT,DE", help="the status codes to send (default IT,DE)")
    option = _pattern("SECONDS", r"([0-9]{1,5}(?:\.[0-9]+)?)", float)
    add("--pause", **option, dest="journey_pause", default="0", help="the real time between two updates (default 0)")
    add("--repeat", action="store_true", help="deliver each update twice")
    add("--shuffle", action="store_true", help="deliver them out of order: the newest first")
    return parser


def _pattern(metavar: str, pattern: str, convert: Callable[..., object]) -> dict[str, Any]:
    """Return the arguments of an option whose value has to match a pattern. Its groups are converted."""

    def read(text: str) -> object:
        if not (match := re.fullmatch(pattern, text)):
            raise argparse.ArgumentTypeError(f"{text!r} is not {metavar}")
        return convert(*match.groups())

    return {"metavar": metavar, "type": read}


if __name__ == "__main__":
    main()
