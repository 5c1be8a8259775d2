"""Right and wrong uses, as the type checkers of users see them. Never run: `make types` and test_wheel.py check it.

A wrong use names the error that mypy and pyright report. Both fail if the error is gone.
"""
# A wrong use counts as one error; what follows from it does not count.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from datetime import datetime
from typing import Any, assert_type

import httpx

import shipengine_tracking
from shipengine_tracking import AsyncTrackingClient, Outcome, Package, TrackingClient, exceptions, testing, webhooks


def use(*values: object) -> None: ...


def clients() -> None:
    TrackingClient("key", timeout=httpx.Timeout(5, connect=1))
    TrackingClient(transport=httpx.MockTransport(lambda _: httpx.Response(204)))
    TrackingClient(timeout="5")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    TrackingClient(retries=3)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    TrackingClient("key", "https://api.shipengine.com")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    TrackingClient(transport=httpx.AsyncHTTPTransport())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    AsyncTrackingClient(transport=httpx.HTTPTransport())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with AsyncTrackingClient():  # type: ignore[attr-defined] # pyright: ignore[reportGeneralTypeIssues]
        pass
    with TrackingClient() as client:
        assert_type(client, TrackingClient)


def calls(client: TrackingClient) -> None:
    client.start(tracking_number="1Z", carrier_id="se-28529731")
    client.start("1Z", "ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.start(carrier_code="ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.start(tracking_number=1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.start(tracking_number="1Z", carrier="ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    result = client.start(tracking_number="1Z")  # type: ignore[func-returns-value]
    assert_type(result, None)
    client.stop("1Z")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    assert_type(client.get(tracking_number="1Z", carrier_code="ups"), webhooks.TrackingInformation)
    assert_type(client.list_webhooks(), list[shipengine_tracking.Webhook])
    assert_type(client.create_webhook("https://example.com", headers={"X-Secret": "1"}), shipengine_tracking.Webhook)
    client.update_webhook("se-1", headers=[("X-Secret", "1")])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def awaited_calls(client: AsyncTrackingClient) -> None:
    await client.stop(tracking_number="1Z", carrier_code="ups")
    assert_type(await client.get(tracking_number="1Z", carrier_code="ups"), webhooks.TrackingInformation)
    assert_type(await client.list_webhooks(), list[shipengine_tracking.Webhook])
    client.start(tracking_number="1Z")  # type: ignore[unused-coroutine] # pyright: ignore[reportUnusedCoroutine]
    await TrackingClient().start(tracking_number="1Z")  # type: ignore[func-returns-value, misc] # pyright: ignore[reportGeneralTypeIssues]
    async with client as same:
        assert_type(same, AsyncTrackingClient)
    client.close()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    await client.aclose()


def runs(client: TrackingClient, endless: Iterator[Package], later: AsyncIterator[Package]) -> None:
    assert_type(client.start_many([Package(tracking_number="1Z")]), Generator[Outcome])
    client.start_many(later)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.start_many(["1Z"])  # type: ignore[list-item] # pyright: ignore[reportArgumentType]
    client.start_many(Package(tracking_number="1Z"))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.start_many(endless, 2)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    Package("1Z", "ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    for outcome in client.start_many(endless, concurrency=2):
        assert_type(outcome.ok, bool)
        assert_type(outcome.package.carrier_code, str | None)
        assert_type(outcome.package.reference, Any)
        assert_type(outcome.error, exceptions.ShipEngineError | None)
        use(outcome.error.attempts)  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
        outcome.error = None  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]


async def runs_in_tasks(client: AsyncTrackingClient, given: list[Package], later: AsyncIterator[Package]) -> None:
    assert_type(client.start_many(given), AsyncGenerator[Outcome, None])
    list(client.start_many(later))  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]
    async for outcome in client.start_many(later):
        assert_type(outcome.package, Package)


def errors(error: exceptions.APIError, lost: exceptions.APIConnectionError) -> None:
    assert_type(error.code, shipengine_tracking.ErrorCode | str | None)
    assert_type(error.type, shipengine_tracking.ErrorType | str | None)
    assert_type(error.source, shipengine_tracking.ErrorSource | str | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.request_id, str | None)
    assert_type((error.status_code, error.body, error.has("trial_expired")), tuple[int, bytes, bool])
    assert_type(error.headers, httpx.Headers)
    use(error.errors[0].error_code, error.code == shipengine_tracking.ErrorCode.TRIAL_EXPIRED)
    use(error.status)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    use(shipengine_tracking.ErrorCode.TRIAL_ENDED)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    use(error.message.upper())  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    assert_type(lost.status_code, int | None)
    use(lost.body)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    timeout: type[TimeoutError] = exceptions.APITimeoutError
    value: type[ValueError] = exceptions.InvalidArgumentError
    response: type[exceptions.APIError] = exceptions.NotFoundError
    response = exceptions.APIConnectionError  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    use(timeout, value, response)


def deliveries(verifier: webhooks.Verifier, headers: dict[str, str], body: bytes) -> None:
    assert_type(verifier.verify(headers, body), webhooks.TrackingEvent)
    verifier.verify(httpx.Headers(headers), body.decode())
    verifier.verify(list(headers.items()), None)
    verifier.verify(headers, {"data": {}})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    verifier.verify(headers)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    webhooks.Verifier({"keys": []}, base_url="https://api.eu.shipengine.com", tolerance=60)
    webhooks.Verifier("https://api.shipengine.com/jwks")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert_type(webhooks.parse(body.decode()), webhooks.TrackingEvent)
    webhooks.parse({"data": {}})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


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
    use(event.data.tracking_number.upper())  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    use(event.data.status_code == webhooks.StatusCode.DE, event.data.status_code == "DE")
    use(event.data.number)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def rejected_deliveries(invalid: exceptions.InvalidPayloadError, other: exceptions.OtherEventError) -> None:
    assert_type((invalid.http_status, invalid.body), tuple[int, bytes])
    assert_type(other.document, Mapping[str, Any])


def fake_server() -> None:
    with testing.FakeShipEngine({"se-1": "ups"}, rate_limit=testing.RateLimit(20)) as fake:
        assert_type(fake, testing.FakeShipEngine)
        assert_type(fake.subscriptions, list[testing.Subscription])
        assert_type(fake.update("1Z", "DE"), testing.Update)
        assert_type(fake.deliver("1Z", status_code="DE", to=fake.url), testing.Delivery)
        fake.enqueue(testing.Response.of(502, "Bad gateway"), testing.Response(b"", then="reset"))
        fake.enqueue(502)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        testing.Response(b"", then="explode")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        testing.FakeShipEngine("ups")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
