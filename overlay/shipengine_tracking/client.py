"""The clients: TrackingClient for threads, AsyncTrackingClient for asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Mapping
from typing import Any, Generic, Self, TypeVar

import httpx

from shipengine_tracking_generated.api.tracking import get_tracking_log, stop_tracking
from shipengine_tracking_generated.api.webhooks import create_webhook, delete_webhook, list_webhooks, update_webhook
from shipengine_tracking_generated.models import CreateWebhookRequest, UpdateWebhookRequest

from ._bulk import START, Outcome, Package, check_packages, run_in_tasks, run_in_threads
from ._config import ClientConfig, check_integer, check_webhook_id, package_params, webhook_body
from ._http.drivers import AsyncDriver, Driver
from ._http.flow import Operation
from ._models import TrackingInformation, Webhook
from .exceptions import InvalidArgumentError

_T = TypeVar("_T", httpx.BaseTransport, httpx.AsyncBaseTransport)

STOP = Operation[None](stop_tracking, is_removal=True)
GET = Operation(get_tracking_log, load=TrackingInformation.from_json)
LIST_WEBHOOKS = Operation(list_webhooks, load=Webhook.list_from_json)
CREATE_WEBHOOK = Operation(create_webhook, load=Webhook.from_json, is_idempotent=False)
UPDATE_WEBHOOK = Operation[None](update_webhook)
DELETE_WEBHOOK = Operation[None](delete_webhook, is_removal=True)


class _BaseClient(Generic[_T]):
    """What both clients share: the constructor and its validation."""

    _transport_class: type
    _driver_class: Callable[[ClientConfig], Any]
    _driver: Any

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        deadline: float = 60.0,
        max_retries: int = 3,
        max_wait: float = 90.0,
        max_connections: int = 100,
        requests_per_minute: int | None = None,
        on_behalf_of: str | None = None,
        transport: _T | None = None,
    ):
        """Make a client.

        Args:
            api_key: Your ShipEngine API key; by default the environment variable SHIPENGINE_API_KEY.
            base_url: The address of the API; by default the environment variable SHIPENGINE_BASE_URL, or else
                `https://api.shipengine.com`. For users in Europe, ShipEngine recommends
                `https://api.eu.shipengine.com`.
            timeout: Seconds for each of: connecting, sending, waiting for the next bytes, and waiting until fewer than
                `max_connections` calls are in flight. An `httpx.Timeout` sets them separately.
            deadline: Seconds for one whole attempt. AsyncTrackingClient enforces it exactly. TrackingClient checks it
                only when a part of the response body arrives, so an attempt can take several timeouts longer. It does
                not end an attempt while the server sends the response headers slowly, a few bytes at a time.
            max_retries: How many times a call is retried after a connection failure, a timeout, or a status of 408,
                429, 500, 502 to 504 or 520 to 526. 0 sends each call once.
            max_wait: Seconds that one call may wait in total: between attempts, for the account's rate limit and for
                a connection. If the server asks for more, the call fails at once, with `retry_after`.
            max_connections: How many calls may be in flight at the same time.
            requests_per_minute: How many calls this client makes in any minute at most. By default only the response
                headers limit them. ShipEngine allows an account 200 calls a minute in production and 20 in the
                sandbox, for all programs together.
            on_behalf_of: For partners: the account to act for, sent as `On-Behalf-Of`.
            transport: An httpx transport to send through, such as an `httpx.MockTransport` in tests.

        Raises:
            InvalidArgumentError: The API key is missing, or an argument is not valid.
        """
        try:
            if transport is not None and not isinstance(transport, self._transport_class):
                raise InvalidArgumentError(f"transport must be an httpx.{self._transport_class.__name__}")
            limits = max_retries, max_wait, max_connections, requests_per_minute
            self._config = ClientConfig(api_key, base_url, timeout, deadline, *limits, on_behalf_of, transport)
            self._driver = self._driver_class(self._config)
        except InvalidArgumentError as error:
            api_key = None  # error reporters show the local variables of frames
            raise error.with_traceback(None)  # noqa: B904 it is the same error

    def __repr__(self) -> str:
        config = getattr(self, "_config", None)  # error reporters also show a client whose arguments are not valid
        return f"<{type(self).__name__} of {config.base_url}>" if config else f"<{type(self).__name__}, not ready>"


class TrackingClient(_BaseClient[httpx.BaseTransport]):
    """A client for ShipEngine's tracking subscriptions. Threads may share it; close it after use."""

    _transport_class, _driver_class = httpx.BaseTransport, Driver
    _driver: Driver

    def start(self, *, tracking_number: str, carrier_code: str | None = None, carrier_id: str | None = None) -> None:
        """Start tracking a package: from now on ShipEngine sends updates about it to your webhook.

        Register the webhook first. API keys that start with `TEST_` belong to the sandbox, which sends no updates.
        ShipEngine ends the updates after delivery (`DE`) or a delivery exception (`EX`).

        Args:
            tracking_number: The carrier's tracking number, sent exactly as given.
            carrier_code: ShipEngine's carrier code, such as `ups` or `stamps_com`. According to ShipEngine's
                guide, USPS, UPS and FedEx need no connection to your account; every other carrier does.
            carrier_id: The ID of a carrier that is connected to the account, such as `se-28529731`. Pass it instead of
                `carrier_code`, or together with it.

        Raises:
            InvalidArgumentError: An argument is not valid; nothing was sent.
            ClientStateError: The client is closed; nothing was sent.
            APIError: ShipEngine rejected the call. The subclass says what to do.
            APIConnectionError: No complete response arrived; ShipEngine may or may not have processed the call.

        Source: ShipEngine's API reference, `POST /v1/tracking/start`, version 1.1.202604070904.
        """
        self._driver.call(START, package_params(tracking_number, carrier_code, carrier_id))

    def stop(self, *, tracking_number: str, carrier_code: str | None = None, carrier_id: str | None = None) -> None:
        """Stop tracking a package. The arguments and exceptions are those of `start`.

        A 404 after an attempt whose response was lost counts as success: the lost attempt has stopped the tracking.

        Source: ShipEngine's API reference, `POST /v1/tracking/stop`.
        """
        self._driver.call(STOP, package_params(tracking_number, carrier_code, carrier_id))

    def get(
        self, *, tracking_number: str, carrier_code: str | None = None, carrier_id: str | None = None
    ) -> TrackingInformation:
        """Return the state of a package and its events, newest first.

        A member is None if it is null or missing, or if it has an undocumented type; in the last case
        `additional_properties` has the value. The arguments and exceptions are those of `start`. According to
        ShipEngine this needs the Advanced plan or higher.

        Source: ShipEngine's API reference, `GET /v1/tracking`.
        """
        params = package_params(tracking_number, carrier_code, carrier_id)
        return self._driver.call(GET, params)

    def list_webhooks(self) -> list[Webhook]:
        """Return all webhooks of the account, for all events. The exceptions are those of `start`."""
        return self._driver.call(LIST_WEBHOOKS, {})

    def create_webhook(
        self, url: str, *, event: str = "track", headers: Mapping[str, str] | None = None, name: str | None = None
    ) -> Webhook:
        """Register a URL for an event. The exceptions are those of `start`.

        ShipEngine accepts one URL per event. It rejects a second one with an InvalidRequestError whose code is
        `webhook_event_type_conflict`. The client retries only if the request was certainly not processed (a failure to
        connect, a 429, a 503 with `Retry-After`), because otherwise the retry could cause this conflict. After any
        other failure, check `list_webhooks()`: the webhook may be registered.

        Args:
            url: The address of your receiver, which ShipEngine must be able to reach.
            event: What ShipEngine sends to the URL: `track` for tracking updates.
            headers: Headers that ShipEngine sends with each delivery.
            name: A name of your choice.

        Source: ShipEngine's API reference, `POST /v1/environment/webhooks`.
        """
        return self._driver.call(CREATE_WEBHOOK, _new_webhook(url, event, headers, name))

    def update_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        """Change the URL, the headers or the name of a webhook; `headers={}` removes all headers.

        The exceptions are those of `start`. ShipEngine does not document what happens to members that are not sent.
        """
        self._driver.call(UPDATE_WEBHOOK, _webhook_changes(webhook_id, url, headers, name))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook. The exceptions are those of `start`.

        A 404 after an attempt whose response was lost counts as success: the lost attempt has deleted the webhook.
        """
        self._driver.call(DELETE_WEBHOOK, {"webhook_id": check_webhook_id(webhook_id)})

    def start_many(self, packages: Iterable[Package], *, concurrency: int = 8) -> Generator[Outcome]:
        """Start tracking many packages, several at a time; yield the outcome of each as soon as it is known.

        The packages are read in the caller's thread when they are needed, at most a few times `concurrency` ahead.
        If a call fails, the error is in the outcome. Waiting for the account's rate limit does not count as a retry, or
        towards `max_wait`. Leaving the loop ends the run at once; closing the client ends it when the calls in flight
        have ended. A package without an outcome may or may not be tracked; it can be started again.

        Args:
            packages: Any iterable of `Package`. Duplicates are sent twice.
            concurrency: How many calls may be in flight at the same time, at most the client's `max_connections`.

        Raises:
            InvalidArgumentError: `packages` or `concurrency` is not valid; nothing was sent.
            ClientStateError: The client is closed, or was closed during the run.
            AuthenticationError, AccountError: The account needs attention. Raised after the outcomes of the calls that
                were in flight.
            RateLimitError: The server asks to wait longer than `max_wait`. Raised in the same way.
            Exception: What `packages` raised. Raised in the same way.
        """
        check_packages(packages, (Iterable,))
        check_integer("concurrency", concurrency, 1)
        self._driver.check_open()
        return run_in_threads(self._driver, packages, min(concurrency, self._config.max_connections))

    def close(self) -> None:
        """Close the connections. Closing twice is fine; a later call raises ClientStateError."""
        self._driver.close()

    def __enter__(self) -> Self:
        self._driver.check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncTrackingClient(_BaseClient[httpx.AsyncBaseTransport]):
    """A client for asyncio. The tasks of one event loop may share it; close it after use, in that loop."""

    _transport_class, _driver_class = httpx.AsyncBaseTransport, AsyncDriver
    _driver: AsyncDriver

    async def start(
        self, *, tracking_number: str, carrier_code: str | None = None, carrier_id: str | None = None
    ) -> None:
        """Start tracking a package, as `TrackingClient.start` does.

        Raises:
            ClientStateError: The client is closed, or belongs to another event loop; nothing was sent.
        """
        await self._driver.call(START, package_params(tracking_number, carrier_code, carrier_id))

    async def stop(
        self, *, tracking_number: str, carrier_code: str | None = None, carrier_id: str | None = None
    ) -> None:
        """Stop tracking a package, as `TrackingClient.stop` does."""
        await self._driver.call(STOP, package_params(tracking_number, carrier_code, carrier_id))

    async def get(
        self, *, tracking_number: str, carrier_code: str | None = None, carrier_id: str | None = None
    ) -> TrackingInformation:
        """Return the state of a package and its events, as `TrackingClient.get` does."""
        params = package_params(tracking_number, carrier_code, carrier_id)
        return await self._driver.call(GET, params)

    async def list_webhooks(self) -> list[Webhook]:
        """Return all webhooks of the account, as `TrackingClient.list_webhooks` does."""
        return await self._driver.call(LIST_WEBHOOKS, {})

    async def create_webhook(
        self, url: str, *, event: str = "track", headers: Mapping[str, str] | None = None, name: str | None = None
    ) -> Webhook:
        """Register a URL for an event, as `TrackingClient.create_webhook` does."""
        return await self._driver.call(CREATE_WEBHOOK, _new_webhook(url, event, headers, name))

    async def update_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        """Change a webhook, as `TrackingClient.update_webhook` does."""
        await self._driver.call(UPDATE_WEBHOOK, _webhook_changes(webhook_id, url, headers, name))

    async def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook, as `TrackingClient.delete_webhook` does."""
        await self._driver.call(DELETE_WEBHOOK, {"webhook_id": check_webhook_id(webhook_id)})

    def start_many(
        self, packages: Iterable[Package] | AsyncIterable[Package], *, concurrency: int = 8
    ) -> AsyncGenerator[Outcome]:
        """Start tracking many packages, several at a time, as `TrackingClient.start_many` does.

        `packages` may also be asynchronous. To leave the loop early and end the run at once, use
        `contextlib.aclosing`.
        """
        check_packages(packages, (Iterable, AsyncIterable))
        check_integer("concurrency", concurrency, 1)
        self._driver.check_open()
        return run_in_tasks(self._driver, packages, min(concurrency, self._config.max_connections))

    async def aclose(self) -> None:
        """Close the connections. Closing twice is fine; a later call raises ClientStateError."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        self._driver.check_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _new_webhook(url: object, event: object, headers: object, name: object) -> dict[str, Any]:
    if not isinstance(event, str) or not event:
        raise InvalidArgumentError("event is not valid: pass an event such as 'track'")
    members = webhook_body(url="" if url is None else url, headers=headers, name=name)
    return {"body": CreateWebhookRequest.from_dict({"event": event, **members})}


def _webhook_changes(webhook_id: object, url: object, headers: object, name: object) -> dict[str, Any]:
    members = webhook_body(url=url, headers=headers, name=name)
    if not members:
        raise InvalidArgumentError("url, headers and name are all missing: pass at least one of them")
    return {"webhook_id": check_webhook_id(webhook_id), "body": UpdateWebhookRequest.from_dict(members)}
