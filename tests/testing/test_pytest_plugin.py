"""The fixture `fake_shipengine`, used as a project would use it."""

from __future__ import annotations

import os

import pytest

from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import FakeShipEngine, Subscription
from shipengine_tracking.webhooks import StatusCode, Verifier

pytest_plugins = ["shipengine_tracking.testing.pytest_plugin"]

verifier = Verifier()  # as in a receiver's module, before any fake exists


@pytest.mark.parametrize("run", [1, 2])
def test_fixture_is_a_new_fake_for_each_test(fake_shipengine: FakeShipEngine, run: int) -> None:
    with TrackingClient() as client:
        client.start(tracking_number=f"{run}Z", carrier_code="ups")
    assert fake_shipengine.subscriptions == [Subscription(f"{run}Z", "ups")]
    fake_shipengine.rotate_key(keep=False)
    assert verifier.verify(*fake_shipengine.update("1Z", "DE")).data.status_code is StatusCode.DE


def test_fixture_leaves_no_variables_behind() -> None:
    assert not [name for name in os.environ if name.startswith("SHIPENGINE_")]
