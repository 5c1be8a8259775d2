from typing import Any

import sentry_sdk
from calls import UNCONNECTED, FakeCaller


def test_events_of_a_rejected_call_have_its_status_and_no_key(caller: FakeCaller) -> None:
    events: list[Any] = []
    send: Any = {name: lambda event, _: events.append(event) for name in ("before_send", "before_send_transaction")}
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, **send)
    with sentry_sdk.start_transaction(name="test"):
        sentry_sdk.capture_exception(caller.call(UNCONNECTED))
    error, transaction = events
    assert error["exception"]["values"][-1]["type"] == "CarrierError"
    assert transaction["spans"][0]["data"]["http.response.status_code"] == 400
    assert "'client':" in repr(error), "the event should have the local variables"
    assert caller.fake.api_key not in repr(events)
