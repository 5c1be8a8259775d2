"""Registering webhooks: list, create, update and delete, through both clients and a real socket."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from leaks import found
from shipengine_tracking import (
    APIConnectionError,
    APIError,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    Webhook,
)
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, Response, error
from support import KEY, Caller

URL = "https://example.com/shipengine"
INVALID_URLS = (
    None, "", 7, "example.com", "ftp://example.com", "https://", "https://a b", "http:///x", "https://a\ud800",
)  # fmt: skip
NOT_FOUND = error(404, "invalid_identifier", "There is no such webhook.")


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)


class Calls:
    """Calls an operation of either client with any arguments; an exception is a result."""

    def __init__(self, caller: Caller, **settings: Any):
        self._caller, self._settings = caller, settings

    def __call__(self, operation: str, *arguments: Any, **keywords: Any) -> Any:
        try:
            with self._caller.client(**self._settings) as client:
                return getattr(client, operation)(*arguments, **keywords)
        except Exception as failure:
            return failure


@pytest.fixture
def call(caller: Caller, fake: FakeShipEngine) -> Calls:
    return Calls(caller, api_key=fake.api_key, base_url=fake.url)


def test_webhook_is_created_listed_updated_and_deleted(call: Calls, fake: FakeShipEngine) -> None:
    assert call("list_webhooks") == []
    webhook = call("create_webhook", URL, headers={"X-Shop": "books"}, name="Tracking")
    assert type(webhook) is Webhook
    assert (webhook.url, webhook.event, webhook.name) == (URL, "track", "Tracking")
    assert webhook.to_dict()["headers"] == [{"key": "X-Shop", "value": "books"}]
    assert call("list_webhooks") == [webhook]
    assert call("update_webhook", webhook.webhook_id, url=URL + "/2", headers={}) is None
    (updated,) = call("list_webhooks")
    assert (updated.url, updated.headers, updated.name) == (URL + "/2", [], "Tracking")
    assert call("delete_webhook", webhook.webhook_id) is None
    assert fake.webhooks == []


def test_only_given_members_are_sent(call: Calls, fake: FakeShipEngine) -> None:
    webhook = call("create_webhook", URL, event="batch")
    call("update_webhook", webhook.webhook_id, name="")
    call("update_webhook", webhook.webhook_id, headers={"A": "b"})
    assert [json.loads(request.body) for request in fake.requests] == [
        {"event": "batch", "url": URL},
        {"name": ""},
        {"headers": [{"key": "A", "value": "b"}]},
    ]
    assert fake.requests[0].headers["Content-Type"] == "application/json"


def test_second_webhook_of_an_event_is_a_conflict(call: Calls) -> None:
    call("create_webhook", URL)
    failure = call("create_webhook", URL + "/2")
    assert type(failure) is InvalidRequestError
    assert (failure.status_code, failure.code) == (409, "webhook_event_type_conflict")


@pytest.mark.parametrize(
    ("operation", "arguments"), [("update_webhook", {"name": "x"}), ("delete_webhook", {})], ids=["update", "delete"]
)
def test_unknown_webhook_is_not_found(operation: str, arguments: dict[str, Any], call: Calls) -> None:
    assert type(call(operation, "se-1", **arguments)) is NotFoundError


@pytest.mark.parametrize(
    ("operation", "arguments", "keywords", "name"),
    [
        *(pytest.param("create_webhook", [url], {}, "url", id=f"url {at}") for at, url in enumerate(INVALID_URLS)),
        pytest.param("create_webhook", [URL], {"event": ""}, "event", id="empty event"),
        pytest.param("create_webhook", [URL], {"event": 7}, "event", id="number as event"),
        pytest.param("create_webhook", [URL], {"name": 7}, "name", id="number as name"),
        pytest.param("create_webhook", [URL], {"headers": [("a", "b")]}, "headers", id="pairs as headers"),
        pytest.param("create_webhook", [URL], {"headers": {"a": 1}}, "headers", id="number in headers"),
        pytest.param("create_webhook", [URL], {"headers": {"a": "b\r\nc: d"}}, "headers", id="line break in headers"),
        pytest.param("update_webhook", ["se-1"], {}, "url, headers and name", id="nothing to change"),
        pytest.param("update_webhook", ["se-1"], {"url": "x"}, "url", id="url of an update"),
        *(
            pytest.param("delete_webhook", [identifier], {}, "webhook_id", id=f"webhook_id {at}")
            for at, identifier in enumerate((None, "", 7, "1", "SE-1", "se-1\n", "se-1/../x", "se-" + "1" * 23))
        ),
        pytest.param("update_webhook", ["x"], {"name": "x"}, "webhook_id", id="webhook_id of an update"),
    ],
)
def test_invalid_argument_is_rejected_before_sending(
    operation: str, arguments: list[Any], keywords: dict[str, Any], name: str, call: Calls, fake: FakeShipEngine
) -> None:
    failure = call(operation, *arguments, **keywords)
    assert type(failure) is InvalidArgumentError
    assert str(failure).startswith(name)
    assert fake.requests == []


@pytest.mark.parametrize("name", ["webhook_id", "url", "event"])
@pytest.mark.parametrize("value", [{}, {"value": None}, {"value": 7}], ids=["missing", "null", "number"])
def test_created_webhook_without_a_required_member_is_an_api_error(
    name: str, value: dict[str, Any], call: Calls, fake: FakeShipEngine
) -> None:
    webhook = {"webhook_id": "se-1", "url": URL, "event": "track"}
    del webhook[name]
    fake.enqueue(Response.of(200, {**webhook, **({name: value["value"]} if value else {})}))
    failure = call("create_webhook", URL)
    assert type(failure) is APIError
    assert (failure.status_code, failure.attempts) == (200, 1)


@pytest.mark.parametrize("body", ["{}", "null", "7", "", "<html></html>", '[{"webhook_id": "se-1"', "[NaN]"])
def test_list_that_is_not_an_array_is_an_api_error(body: str, call: Calls, fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(200, body))
    failure = call("list_webhooks")
    assert type(failure) is APIError
    assert (failure.status_code, failure.body) == (200, body.encode())


def test_listed_webhooks_of_any_shape_are_kept(call: Calls, fake: FakeShipEngine) -> None:
    listed: list[Any] = [{}, {"headers": [{"key": "a"}, 7], "store_id": "x", "event": "TRACK", "webhook_id": 1}, None]
    fake.enqueue(Response.of(200, listed))
    first, second = call("list_webhooks")
    assert (first.webhook_id, first.headers, first.name) == (None, None, None)
    assert (second.store_id, second.event, [header.value for header in second.headers]) == (None, "track", [None])
    assert second.to_dict() == {"url": None, "name": None, **listed[1], "event": "track"}


@pytest.mark.parametrize(
    ("response", "requests"),
    [
        pytest.param(Response.of(429), 2, id="429"),
        pytest.param(Response.of(503, headers={"Retry-After": "0"}), 2, id="503 with Retry-After"),
        pytest.param(Response.of(503), 1, id="503"),
        pytest.param(Response.of(500), 1, id="500"),
        pytest.param(Response.of(502), 1, id="502"),
        pytest.param(Response(b"", "reset"), 1, id="reset"),
    ],
)
def test_creation_is_repeated_only_if_it_was_not_processed(
    response: Response, requests: int, caller: Caller, fake: FakeShipEngine
) -> None:
    fake.enqueue(response)
    result = Calls(caller, api_key=fake.api_key, base_url=fake.url, max_retries=3)("create_webhook", URL)
    assert isinstance(result, Webhook if requests == 2 else ServerError | APIConnectionError)
    assert len(fake.requests) == requests


def test_creation_is_repeated_after_a_failure_to_connect(caller: Caller) -> None:
    failures = [httpx.ConnectError("no"), httpx.ConnectTimeout("late")]

    def respond(_: httpx.Request) -> httpx.Response:
        if failures:
            raise failures.pop()
        return httpx.Response(200, json={"webhook_id": "se-1", "url": URL, "event": "track"})

    call = Calls(caller, api_key=KEY, transport=httpx.MockTransport(respond), max_retries=3)
    assert call("create_webhook", URL).webhook_id == "se-1"


@pytest.mark.parametrize(
    "lost", [pytest.param(Response(b"", "reset"), id="reset"), pytest.param(Response.of(504), id="504")]
)
def test_deletion_succeeds_if_a_lost_attempt_was_processed(
    lost: Response, caller: Caller, fake: FakeShipEngine
) -> None:
    fake.enqueue(lost, NOT_FOUND)
    call = Calls(caller, api_key=fake.api_key, base_url=fake.url, max_retries=1)
    assert call("delete_webhook", "se-1") is None


def test_log_does_not_show_the_body_of_a_request(call: Calls, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "shipengine_tracking"):
        webhook = call("create_webhook", URL, headers={"X-Secret": "shared-secret"})
        call("update_webhook", webhook.webhook_id, headers={"X-Secret": "shared-secret"})
    assert "shared-secret" not in caplog.text
    assert webhook.webhook_id in caplog.text


def test_error_of_a_registration_does_not_show_the_key(caller: Caller) -> None:
    with FakeShipEngine(api_key=KEY) as fake:
        fake.enqueue(Response.of(200, f"<html>{KEY}</html>"))
        failure = Calls(caller, api_key=KEY, base_url=fake.url)("create_webhook", URL)
    assert type(failure) is APIError
    assert not found(failure, KEY)
