"""The operations: the life of a subscription, `get` and the webhooks, and retries of `stop`, create and delete."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shipengine_tracking import (
    APIConnectionError,
    APIError,
    InvalidArgumentError,
    NotFoundError,
    ServerError,
    TrackingInformation,
    Webhook,
)
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, Response, error
from shipengine_tracking.webhooks import StatusCode, Verifier
from support import NUMBER, PACKAGE, Caller, wait_until

URL = "https://example.com/shipengine"
WEBHOOK = {"webhook_id": "se-1", "url": URL, "event": "track"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("start", "stop", "get"), PACKAGE),
    "list_webhooks": {},
    "create_webhook": {"url": URL},
    "delete_webhook": {"webhook_id": "se-1"},
}


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)


def call(caller: Caller, fake: FakeShipEngine, operation: str, *responses: Response, **settings: Any) -> Any:
    """Return the result or exception of a call that gets these responses."""
    fake.enqueue(*responses)
    return caller.call_fake(fake, ARGUMENTS[operation], operation=operation, **settings)


def test_life_of_a_subscription(caller: Caller) -> None:
    with FakeShipEngine(journey=["AC", "IT"]) as fake, FakeShipEngine() as receiver, caller.client(fake) as client:
        receiver.enqueue(*[Response.of(204)] * 2)
        webhook = client.create_webhook(URL, headers={"X-Secret": "shared"}, name="Tracking")
        assert type(webhook) is Webhook
        assert client.list_webhooks() == [webhook]
        client.update_webhook(webhook.webhook_id, url=receiver.url)
        (updated,) = client.list_webhooks()
        assert (updated.url, updated.event, updated.name) == (receiver.url, "track", "Tracking")

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
        assert client.list_webhooks() == []


# --- what arrives


def test_get_keeps_values_of_any_type(fake: FakeShipEngine, caller: Caller) -> None:
    sent = {
        "tracking_number": 7,
        "carrier_id": 28529731.0,
        "status_code": "de",
        "status_description": "half a character: \ud800",
        "ship_date": "by end of day",
        "actual_delivery_date": "2026-03-12T09:26:53Z",
        "of_tomorrow": {"a": [1]},
    }
    state = call(caller, fake, "get", Response.of(200, {**sent, "events": [{"signer": "Ann"}, 7]}))
    assert type(state) is TrackingInformation
    assert (state.tracking_number, state.carrier_id, state.status_code) == (None, 28529731, StatusCode.DE)
    assert state.ship_date == "by end of day"
    assert state.actual_delivery_date == datetime(2026, 3, 12, 9, 26, 53, tzinfo=UTC)
    (event,) = state.events or []
    assert (event.signer, event.occurred_at) == ("Ann", None)
    assert state.additional_properties.keys() == {"tracking_number", "of_tomorrow", "events"}
    expected = {**sent, "status_code": "DE", "actual_delivery_date": "2026-03-12T09:26:53+00:00"}
    assert {name: state.to_dict()[name] for name in sent} == expected


def test_listed_webhooks_of_any_shape_are_kept(fake: FakeShipEngine, caller: Caller) -> None:
    listed: list[Any] = [{}, {"headers": [{"key": "a"}, 7], "store_id": "x", "event": "TRACK", "webhook_id": 1}, None]
    first, second = call(caller, fake, "list_webhooks", Response.of(200, listed))
    assert (first.webhook_id, first.headers, first.name) == (None, None, None)
    assert (second.store_id, second.event, [header.value for header in second.headers]) == (None, "track", [None])
    assert second.to_dict() == {"url": None, "name": None, **listed[1], "event": "track"}


@pytest.mark.parametrize(
    ("operation", "response"),
    [
        pytest.param("get", Response.of(200, "<html>Hello</html>"), id="get, HTML"),
        pytest.param("get", Response.of(200, "[]"), id="get, an array"),
        pytest.param("get", Response.of(200, '{"carrier_id": NaN}'), id="get, NaN"),
        pytest.param("get", Response.of(200, b"\xff\xfe{}"), id="get, not UTF-8"),
        pytest.param("get", Response.of(200, "[" * 100_000), id="get, deep nesting"),
        pytest.param("get", Response.of(206, '{"tracking_number": "1Z"}'), id="get, 206"),
        pytest.param("get", Response.of(204), id="get, 204"),
        pytest.param("list_webhooks", Response.of(200, "{}"), id="list, an object"),
        *(
            pytest.param("create_webhook", Response.of(200, {**WEBHOOK, name: None}), id=f"create, no {name}")
            for name in WEBHOOK
        ),
    ],
)
def test_undocumented_success_is_an_api_error(
    operation: str, response: Response, fake: FakeShipEngine, caller: Caller
) -> None:
    failure = call(caller, fake, operation, response, max_retries=3)
    assert type(failure) is APIError
    assert failure.status_code == int(response.data.split()[1])
    assert response.data.endswith(b"\r\n\r\n" + failure.body)
    assert failure.attempts == 1


# --- what is sent


def test_only_given_members_of_a_webhook_are_sent_and_not_logged(
    caller: Caller, fake: FakeShipEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "shipengine_tracking")
    with caller.client(fake) as client:
        webhook = client.create_webhook(URL, event="batch")
        client.update_webhook(webhook.webhook_id, name="")
        client.update_webhook(webhook.webhook_id, headers={"X-Secret": "shared"})
        client.update_webhook(webhook.webhook_id, headers={})
    assert [json.loads(request.body) for request in fake.requests] == [
        {"event": "batch", "url": URL},
        {"name": ""},
        {"headers": [{"key": "X-Secret", "value": "shared"}]},
        {"headers": []},
    ]
    assert fake.requests[0].headers["Content-Type"] == "application/json"
    assert webhook.webhook_id in caplog.text
    assert "shared" not in caplog.text


@pytest.mark.parametrize(
    ("operation", "arguments", "name"),
    [
        *(
            pytest.param("create_webhook", {"url": url}, "url", id=f"url {at}")
            for at, url in enumerate((None, 7, "example.com", "ftp://example.com", "https://", "https://a\ud800"))
        ),
        pytest.param("create_webhook", {"event": ""}, "event", id="empty event"),
        pytest.param("create_webhook", {"event": 7}, "event", id="number as event"),
        pytest.param("create_webhook", {"name": 7}, "name", id="number as name"),
        pytest.param("create_webhook", {"headers": [("a", "b")]}, "headers", id="pairs as headers"),
        pytest.param("create_webhook", {"headers": {"a": 1}}, "headers", id="number in headers"),
        pytest.param("create_webhook", {"headers": {"a": "b\r\nc: d"}}, "headers", id="line break in headers"),
        pytest.param("update_webhook", {"webhook_id": "se-1"}, "url, headers and name", id="nothing to change"),
        pytest.param("update_webhook", {"webhook_id": "x", "name": "x"}, "webhook_id", id="webhook_id of an update"),
        pytest.param("delete_webhook", {"webhook_id": None}, "webhook_id", id="no webhook_id"),
        pytest.param("delete_webhook", {"webhook_id": "se-1/../x"}, "webhook_id", id="path as webhook_id"),
    ],
)
def test_invalid_argument_of_a_webhook_is_rejected_before_sending(
    operation: str, arguments: dict[str, Any], name: str, caller: Caller, fake: FakeShipEngine
) -> None:
    defaults = {"url": URL} if operation == "create_webhook" else {}
    failure = caller.call_fake(fake, defaults | arguments, operation=operation)
    assert type(failure) is InvalidArgumentError
    assert str(failure).startswith(name)
    assert fake.requests == []


# --- what is sent again

RESET = Response(b"", "reset")


@pytest.mark.parametrize(
    ("response", "requests"),
    [
        pytest.param(Response.of(429), 2, id="429"),
        pytest.param(Response.of(503, headers={"Retry-After": "0"}), 2, id="503 with Retry-After"),
        pytest.param(Response.of(503), 1, id="503"),
        pytest.param(Response.of(502, headers={"Retry-After": "0"}), 1, id="502 with Retry-After"),
        pytest.param(RESET, 1, id="reset"),
    ],
)
def test_creation_is_retried_only_if_it_was_not_processed(
    response: Response, requests: int, caller: Caller, fake: FakeShipEngine
) -> None:
    result = call(caller, fake, "create_webhook", response, max_retries=3)
    assert isinstance(result, Webhook if requests == 2 else ServerError | APIConnectionError)
    assert len(fake.requests) == requests


@pytest.mark.parametrize(
    ("operation", "first", "result_class"),
    [
        pytest.param("stop", RESET, type(None), id="stop, reset"),
        *(pytest.param("stop", Response.of(lost), type(None), id=f"stop, {lost}") for lost in (502, 504, 520, 524)),
        *(pytest.param("stop", Response.of(other), NotFoundError, id=f"stop, {other}") for other in (429, 503, 522)),
        pytest.param("delete_webhook", RESET, type(None), id="delete, reset"),
        pytest.param("start", RESET, NotFoundError, id="start, reset"),
        pytest.param("get", RESET, NotFoundError, id="get, reset"),
    ],
)
def test_404_of_a_removal_is_a_success_only_after_a_lost_response(
    operation: str, first: Response, result_class: type, fake: FakeShipEngine, caller: Caller
) -> None:
    result = call(caller, fake, operation, first, error(404, "not_found", "Not tracked."), max_retries=1)
    assert type(result) is result_class
    assert len(fake.requests) == 2
