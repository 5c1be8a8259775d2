"""Right and wrong uses, as the type checkers of users see them. Never run: `make types` and test_wheel.py check it.

A wrong use names the error that mypy and pyright report. Both complain if the error is gone.
"""
# A wrong use counts as one error; what follows from it does not count.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from datetime import datetime
from typing import Any, assert_type

import httpx

from shipengine_tracking import (
    APIConnectionError,
    APIError,
    AsyncTrackingClient,
    ErrorCode,
    ErrorSource,
    ErrorType,
    InvalidPayloadError,
    OtherEventError,
    Outcome,
    Package,
    ShipEngineError,
    TrackingClient,
    TrackingInformation,
    WebhookError,
    exceptions,
    webhooks,
)
from shipengine_tracking.testing import (
    Delivery,
    FakeShipEngine,
    RateLimit,
    Response,
    Subscription,
    Update,
    pytest_plugin,
)


def use(*values: object) -> None: ...


def a_client() -> None:
    TrackingClient()
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


def a_call(client: TrackingClient) -> None:
    client.start(tracking_number="1Z", carrier_code="ups")
    client.start(tracking_number="1Z", carrier_id="se-28529731")
    client.start("1Z", "ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.start(carrier_code="ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.start(tracking_number=1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.start(tracking_number="1Z", carrier="ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    result = client.start(tracking_number="1Z")  # type: ignore[func-returns-value]
    assert_type(result, None)
    client.stop(tracking_number="1Z", carrier_code="ups")
    client.stop("1Z")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    assert_type(client.get(tracking_number="1Z", carrier_code="ups"), TrackingInformation)


async def an_awaited_call(client: AsyncTrackingClient) -> None:
    await client.start(tracking_number="1Z", carrier_code="ups")
    await client.stop(tracking_number="1Z", carrier_code="ups")
    assert_type(await client.get(tracking_number="1Z", carrier_code="ups"), TrackingInformation)
    client.start(tracking_number="1Z", carrier_code="ups")  # type: ignore[unused-coroutine] # pyright: ignore[reportUnusedCoroutine]
    await TrackingClient().start(tracking_number="1Z")  # type: ignore[func-returns-value, misc] # pyright: ignore[reportGeneralTypeIssues]
    async with client as same:
        assert_type(same, AsyncTrackingClient)
    client.close()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    await client.aclose()


def many_packages(client: TrackingClient, endless: Iterator[Package], later: AsyncIterator[Package]) -> None:
    assert_type(client.start_many([Package(tracking_number="1Z")]), Generator[Outcome])
    client.start_many(endless, concurrency=2)
    client.start_many(later)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.start_many(["1Z"])  # type: ignore[list-item] # pyright: ignore[reportArgumentType]
    client.start_many(Package(tracking_number="1Z"))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.start_many(endless, 2)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    for outcome in client.start_many(endless):
        assert_type(outcome, Outcome)


async def many_packages_async(
    client: AsyncTrackingClient, endless: Iterator[Package], later: AsyncIterator[Package]
) -> None:
    assert_type(client.start_many(endless), AsyncGenerator[Outcome, None])
    for _ in client.start_many(later):  # type: ignore[attr-defined] # pyright: ignore[reportGeneralTypeIssues]
        pass
    async for outcome in client.start_many(later):
        assert_type(outcome.package, Package)


def an_outcome(outcome: Outcome) -> None:
    assert_type(outcome.ok, bool)
    assert_type(outcome.error, ShipEngineError | None)
    use(outcome.error.attempts)  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    if isinstance(outcome.error, APIError):
        assert_type(outcome.error.status_code, int)
    outcome.error = None  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]


def a_package(package: Package) -> None:
    Package(tracking_number="1Z", carrier_code="ups", reference={"order": 7})
    Package("1Z", "ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    assert_type(package.carrier_code, str | None)
    assert_type(package.reference, Any)
    package.carrier_code = "ups"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]


def an_api_error(error: APIError) -> None:
    assert_type(error.code, ErrorCode | str | None)
    assert_type(error.type, ErrorType | str | None)
    assert_type(error.source, ErrorSource | str | None)
    assert_type(error.message, str | None)
    assert_type(error.carrier_code, str | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.request_id, str | None)
    assert_type(error.body, bytes)
    assert_type(error.has("trial_expired"), bool)
    assert_type(error.headers, httpx.Headers)
    use(error.errors[0].error_code, error.code == ErrorCode.TRIAL_EXPIRED)
    use(error.status)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    use(ErrorCode.TRIAL_ENDED)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    use(error.message.upper())  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]


def the_tree_of_exceptions() -> list[type[ShipEngineError]]:
    responses: list[type[APIError]] = [
        exceptions.AuthenticationError,
        exceptions.AccountError,
        exceptions.NotFoundError,
        exceptions.RateLimitError,
        APIConnectionError,  # type: ignore[list-item] # pyright: ignore[reportAssignmentType]
    ]
    timeouts: list[type[TimeoutError]] = [exceptions.APITimeoutError]
    values: list[type[ValueError]] = [exceptions.InvalidArgumentError]
    states: list[type[RuntimeError]] = [exceptions.ClientStateError]
    use(timeouts, values, states)
    return [WebhookError, *responses]


def no_response(error: APIConnectionError) -> None:
    assert_type(error.status_code, int | None)
    use(error.body)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def a_delivery(verifier: webhooks.Verifier, headers: dict[str, str], body: bytes) -> None:
    assert_type(verifier.verify(headers, body), webhooks.TrackingEvent)
    verifier.verify(httpx.Headers(headers), body)
    verifier.verify(list(headers.items()), body)
    verifier.verify(headers, body.decode())
    verifier.verify(headers, None)
    verifier.verify(headers, {"data": {}})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    verifier.verify(headers)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    webhooks.Verifier()
    webhooks.Verifier({"keys": []}, tolerance=60)
    webhooks.Verifier(base_url="https://api.eu.shipengine.com")
    webhooks.Verifier("https://api.shipengine.com/jwks")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def a_delivery_async(verifier: webhooks.AsyncVerifier, headers: dict[str, str], body: bytes) -> None:
    assert_type(await verifier.verify(headers, body), webhooks.TrackingEvent)
    use(verifier.verify(headers, body).data)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def an_event(event: webhooks.TrackingEvent) -> None:
    assert_type(event.data.tracking_number, str | None)
    assert_type(event.last_moved, datetime | None)
    assert_type(event.to_dict(), dict[str, Any])
    for move in event.data.events or []:
        assert_type(move.description, str | None)
        assert_type(webhooks.parse_date(move.occurred_at), datetime | None)
        use(move.occurred_at.year)  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    use(event.data.tracking_number.upper())  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    use(event.data.status_code == webhooks.StatusCode.DE, event.data.status_code == "DE")
    use(event.data.number)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def an_event_unverified(body: bytes) -> None:
    assert_type(webhooks.parse(body), webhooks.TrackingEvent)
    assert_type(webhooks.parse(body.decode()), webhooks.TrackingEvent)
    webhooks.parse({"data": {}})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def a_rejected_delivery(error: WebhookError) -> int:
    if isinstance(error, InvalidPayloadError):
        assert_type(error.body, bytes)
    if isinstance(error, OtherEventError):
        assert_type(error.document, Mapping[str, Any])
    if isinstance(error, webhooks.KeysUnavailableError):
        assert_type(error.__cause__, BaseException | None)
    return error.http_status


def the_fake_server() -> None:
    with FakeShipEngine({"se-1": "ups"}, rate_limit=RateLimit(20)) as fake:
        assert_type(fake, FakeShipEngine)
        assert_type(fake.subscriptions, list[Subscription])
        assert_type(fake.update("1Z", "DE"), Update)
        assert_type(fake.deliver("1Z", status_code="DE", to=fake.url), Delivery)
        fake.enqueue(Response.of(502, "Bad gateway"), Response(b"", then="reset"))
        fake.enqueue(502)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        Response(b"", then="explode")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        FakeShipEngine("ups")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        TrackingClient(fake.api_key, base_url=fake.url)
    use(pytest_plugin.fake_shipengine)
