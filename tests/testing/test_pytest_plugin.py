"""The fixture `fake_shipengine`, used as a project would use it."""

from __future__ import annotations

from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Subscription
from shipengine_tracking.webhooks import StatusCode, Verifier

pytest_plugins = ["shipengine_tracking.testing.pytest_plugin"]

verifier = Verifier()  # as in a receiver's module, before any fake exists


def test_fixture_serves_clients_and_verifiers_without_arguments(fake_shipengine: FakeShipEngine) -> None:
    with TrackingClient() as client:
        client.start(tracking_number="1Z", carrier_code="ups")
    assert fake_shipengine.subscriptions == [Subscription("1Z", "ups")]
    assert verifier.verify(*fake_shipengine.update("1Z", "DE")).data.status_code is StatusCode.DE
