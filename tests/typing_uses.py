"""Right and wrong uses, as the type checkers of users see them. Never run: `make types` and test_wheel.py check it.

A wrong use names the error that mypy and pyright report. Both fail if the error is gone.
"""
# pyright: strict
# A wrong use counts as one error; what follows from it does not count.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from datetime import datetime
from typing import Any, assert_type

import httpx

import shipengine_tracking
from shipengine_tracking import AsyncTrackingClient, Outcome, Package, TrackingClient, exceptions, testing, webhooks


def use(*values: object) -> None: ...


def clients() -> None:
    TrackingClient(timeout="5")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    TrackingClient("key", "https://api.shipengine.com")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    TrackingClient(transport=httpx.AsyncHTTPTransport())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with AsyncTrackingClient():  # type: ignore[attr-defined] # pyright: ignore[reportGeneralTypeIssues]
        pass
    with TrackingClient() as client:
        assert_type(client, TrackingClient)


def calls(client: TrackingClient) -> None:
    client.start("1Z", "ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.start(tracking_number=1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    result = client.start(tracking_number="1Z")  # type: ignore[func-returns-value]
    assert_type(result, None)
    assert_type(client.get(tracking_number="1Z", carrier_code="ups"), webhooks.TrackingInformation)
    assert_type(client.list_webhooks(), list[shipengine_tracking.Webhook])
    assert_type(client.create_webhook("https://example.com", headers={"X-Secret": "1"}), shipengine_tracking.Webhook)
    client.update_webhook("se-1", headers=[("X-Secret", "1")])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def awaited_calls(client: AsyncTrackingClient) -> None:
    assert_type(await client.get(tracking_number="1Z", carrier_code="ups"), webhooks.TrackingInformation)
    client.start(tracking_number="1Z")  # type: ignore[unused-coroutine] # pyright: ignore[reportUnusedCoroutine]
    async with client as same:
        assert_type(same, AsyncTrackingClient)
    client.close()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def runs(client: TrackingClient, endless: Iterator[Package], later: AsyncIterator[Package]) -> None:
    assert_type(client.start_many([Package(tracking_number="1Z")]), Generator[Outcome])
    client.start_many(later)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.start_many(["1Z"])  # type: ignore[list-item] # pyright: ignore[reportArgumentType]
    client.start_many(Package(tracking_number="1Z"))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    for outcome in client.start_many(endless, concurrency=2):
        assert_type(outcome.ok, bool)
        assert_type(outcome.package.carrier_code, str | None)
        assert_type(outcome.package.reference, Any)
        assert_type(outcome.error, exceptions.ShipEngineError | None)


async def runs_in_tasks(client: AsyncTrackingClient, given: list[Package], later: AsyncIterator[Package]) -> None:
    assert_type(client.start_many(given), AsyncGenerator[Outcome, None])
    assert_type(client.start_many(later), AsyncGenerator[Outcome, None])
    list(client.start_many(later))  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]


def errors(error: exceptions.APIError) -> None:
    assert_type(error.code, shipengine_tracking.ErrorCode | str | None)
    assert_type(error.retry_after, float | None)
    assert_type((error.status_code, error.body, error.has("trial_expired")), tuple[int, bytes, bool])
    assert_type(error.headers, httpx.Headers)
    use(error.errors[0].error_code, error.code == shipengine_tracking.ErrorCode.TRIAL_EXPIRED)


def deliveries(verifier: webhooks.Verifier, headers: dict[str, str], body: bytes) -> None:
    assert_type(verifier.verify(headers, body), webhooks.TrackingEvent)
    verifier.verify(headers, {"data": {}})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    webhooks.Verifier("https://api.shipengine.com/jwks")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert_type(webhooks.parse(body.decode()), webhooks.TrackingEvent)


async def deliveries_in_tasks(verifier: webhooks.AsyncVerifier, headers: dict[str, str], body: bytes) -> None:
    assert_type(await verifier.verify(headers, body), webhooks.TrackingEvent)
    use(verifier.verify(headers, body).data)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def events(event: webhooks.TrackingEvent) -> None:
    assert_type(event.data.tracking_number, str | None)
    assert_type(event.last_moved, datetime | None)
    assert_type(event.to_dict(), dict[str, Any])
    for move in event.data.events or []:
        assert_type(webhooks.parse_date(move.occurred_at), datetime | None)
        use(move.occurred_at.year)  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    use(event.data.status_code == webhooks.StatusCode.DE, event.data.status_code == "DE")


def fake_server() -> None:
    with testing.FakeShipEngine({"se-1": "ups"}, rate_limit=testing.RateLimit(20)) as fake:
        assert_type(fake, testing.FakeShipEngine)
        assert_type(fake.update("1Z", "DE"), testing.Update)
        fake.enqueue(testing.Response.of(502, "Bad gateway"), testing.Response(b"", then="reset"))
        testing.Response(b"", then="explode")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
