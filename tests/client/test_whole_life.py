"""The whole life of a subscription: register, start, receive, get, stop. `make demo` shows that no update follows."""

from __future__ import annotations

import pytest

from shipengine_tracking import NotFoundError
from shipengine_tracking.testing import FakeShipEngine, Response
from shipengine_tracking.webhooks import StatusCode, Verifier
from support import NUMBER, PACKAGE, Caller, wait_until


def test_life_of_a_subscription(caller: Caller) -> None:
    with FakeShipEngine(journey=["AC", "IT"]) as fake, FakeShipEngine() as receiver, caller.client(fake) as client:
        receiver.enqueue(*[Response.of(204)] * 2)
        webhook = client.create_webhook(receiver.url, headers={"X-Secret": "shared"})
        assert client.list_webhooks() == [webhook]

        client.start(**PACKAGE)
        wait_until(lambda: len(receiver.requests) == 2)
        verifier = Verifier(base_url=fake.url)
        updates = [verifier.verify(request.headers, request.body).data for request in receiver.requests]
        assert [update.status_code for update in updates] == [StatusCode.AC, StatusCode.IT]
        assert {update.tracking_number for update in updates} == {NUMBER}
        assert {request.headers["X-Secret"] for request in receiver.requests} == {"shared"}

        state = client.get(**PACKAGE)
        assert state == updates[-1]
        assert len(state.events) == 2

        client.stop(**PACKAGE)
        assert fake.subscriptions == []
        with pytest.raises(NotFoundError):
            client.stop(**PACKAGE)
        client.delete_webhook(webhook.webhook_id)
        client.start(**PACKAGE)
        assert len(receiver.requests) == len(fake.deliveries) == 2
