from typing import Any

import sentry_sdk
from calls import both_clients, rejected_call

from shipengine_tracking.testing import FakeShipEngine

events: list[Any] = []
sentry_sdk.init(
    dsn="http://key@127.0.0.1:9/1",
    traces_sample_rate=1.0,
    before_send=lambda event, _: events.append(event),
    before_send_transaction=lambda event, _: events.append(event),
)


@both_clients
def test_events_of_a_rejected_call_have_its_status_and_no_key(kind: str, fake_shipengine: FakeShipEngine) -> None:
    events.clear()
    with sentry_sdk.start_transaction(name="test"):
        sentry_sdk.capture_exception(rejected_call(kind))
    error, transaction = events
    assert error["exception"]["values"][-1]["type"] == "CarrierError"
    (span,) = transaction["spans"]
    assert (span["op"], span["data"]["http.response.status_code"]) == ("http.client", 400)
    assert "'client':" in repr(error), "the event should have the local variables"
    assert fake_shipengine.api_key not in repr(events)
    assert len(fake_shipengine.requests) == 1
