"""A receiver of updates, and a way to start the journey of a package."""

from __future__ import annotations

from collections.abc import Callable

from shipengine_tracking.testing import FakeShipEngine, Request, Response
from shipengine_tracking.webhooks import TrackingEvent, Verifier


class Receiver(FakeShipEngine):
    """Records deliveries as requests, and responds to them with `statuses`, then with 204."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.on_delivery: Callable[[], object] = lambda: None
        super().__init__()

    def respond(self, request: Request) -> Response:
        self.on_delivery()
        self.requests.append(request)
        return Response.of(self.statuses.pop(0) if self.statuses else 204)

    def events(self, sender: FakeShipEngine) -> list[TrackingEvent]:
        """Verify all deliveries; return their events."""
        verifier = Verifier(base_url=sender.url)
        return [verifier.verify(request.headers, request.body) for request in self.requests]


def start(fake: FakeShipEngine, query: str = "tracking_number=1Z&carrier_code=ups") -> None:
    """Start tracking a package."""
    response = fake.respond(Request("POST", f"/v1/tracking/start?{query}", {"API-Key": fake.api_key}))
    assert response.data.startswith(b"HTTP/1.1 204 ")
