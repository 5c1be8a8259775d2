"""Right and wrong uses, as the type checkers of users see them. Never run: `make types` and test_wheel check it.

A wrong use says what mypy and pyright report. Both are told to complain where that error no longer comes.
"""
# A wrong use is one error, not also that of what follows from it.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from datetime import datetime
from typing import assert_type

import httpx

from shipengine_tracking import (
    APIConnectionError,
    APIError,
    AsyncTrackingClient,
    ErrorCode,
    ErrorSource,
    ErrorType,
    InvalidPayloadError,
    Outcome,
    Package,
    ShipEngineError,
    TrackingClient,
    WebhookError,
    exceptions,
    webhooks,
)
from shipengine_tracking.testing import Answer, Delivery, FakeShipEngine, RateLimit, Subscription, Weather


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
    answer = client.start(tracking_number="1Z")  # type: ignore[func-returns-value]
    assert_type(answer, None)


async def an_awaited_call(client: AsyncTrackingClient) -> None:
    await client.start(tracking_number="1Z", carrier_code="ups")
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
    Package("1Z", "ups")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    assert_type(package.carrier_code, str | None)
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
    assert_type(error.headers.get("retry-after"), str | None)
    use(error.errors[0].error_code, error.code == ErrorCode.TRIAL_EXPIRED)
    use(error.status)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    use(ErrorCode.TRIAL_ENDED)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    use(error.message.upper())  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]


def the_tree_of_exceptions() -> list[type[ShipEngineError]]:
    refusals: list[type[APIError]] = [
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
    return [WebhookError, *refusals]


def no_answer(error: APIConnectionError) -> None:
    assert_type(error.status_code, int | None)
    use(error.body)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def a_delivery(client: TrackingClient, headers: dict[str, str], body: bytes) -> None:
    verifier = client.webhook_verifier(tolerance=60)
    assert_type(verifier, webhooks.Verifier)
    assert_type(verifier.verify(headers, body), webhooks.TrackingEvent)
    verifier.verify(httpx.Headers(headers), body)
    verifier.verify(list(headers.items()), body)
    verifier.verify(headers, "text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    verifier.verify(headers)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    webhooks.Verifier({"keys": []})
    webhooks.Verifier(lambda key_id: {"keys": [key_id]}, clock=lambda: 0.0)
    webhooks.Verifier("https://api.shipengine.com/jwks")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def a_delivery_async(client: AsyncTrackingClient, headers: dict[str, str], body: bytes) -> None:
    verifier = client.webhook_verifier()
    assert_type(await verifier.verify(headers, body), webhooks.TrackingEvent)
    use(verifier.verify(headers, body).data)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def an_event(event: webhooks.TrackingEvent) -> None:
    if event.data.tracking_number:  # neither None nor UNSET: both are false
        assert_type(event.data.tracking_number, str)
    for move in event.data.events or []:
        assert_type(webhooks.parse_date(move.occurred_at), datetime | None)
        use(move.occurred_at.year)  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    use(event.data.tracking_number.upper())  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    use(event.data.status_code == webhooks.StatusCode.DE, event.data.status_code == "DE")
    use(event.data.number)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def an_event_unverified(body: bytes) -> None:
    assert_type(webhooks.parse(body), webhooks.TrackingEvent)
    assert_type(webhooks.parse(body.decode()), webhooks.TrackingEvent)
    webhooks.parse({"data": {}})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def a_refused_delivery(error: WebhookError) -> int:
    if isinstance(error, InvalidPayloadError):
        assert_type(error.body, bytes)
    return error.http_status


def the_fake() -> None:
    with FakeShipEngine({"se-1": "ups"}, rate_limit=RateLimit(20), weather=Weather({"slow": 0.5})) as fake:
        assert_type(fake, FakeShipEngine)
        assert_type(fake.subscriptions, list[Subscription])
        assert_type(fake.deliver("1Z", status_code="DE", to=fake.url), Delivery)
        fake.script(Answer.of(502, "Bad gateway"), Answer(b"", then="reset"))
        fake.script(502)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        Answer(b"", then="explode")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        FakeShipEngine("ups")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        TrackingClient(fake.api_key, base_url=fake.url)
