"""A receiver whose client and verifier are made, and the client used, before the server forks."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from calls import PACKAGE

from shipengine_tracking import TrackingClient
from shipengine_tracking.webhooks import Verifier

client, verifier = TrackingClient(), Verifier()
client.start(**PACKAGE)


def receive(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Verify an update, then start tracking a package with the ID of this process as its number."""
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    verifier.verify(headers, environ["wsgi.input"].read())
    client.start(tracking_number=str(os.getpid()), carrier_code="ups")
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
