"""The clients: TrackingClient for threads, AsyncTrackingClient for tasks."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from typing import Generic, Self, TypeVar

import httpx

from shipengine_tracking_generated.api.tracking import start_tracking

from ._arguments import count, settings, start_query
from .bulk import Outcome, Package, arguments, check_packages
from .connections import AsyncConnections, Connections
from .crews import stream, stream_async
from .exceptions import InvalidArgumentError
from .keys import AsyncKeySet, KeySet
from .retry import Run
from .webhooks import TOLERANCE, AsyncVerifier, Verifier

_Transport = TypeVar("_Transport", httpx.BaseTransport, httpx.AsyncBaseTransport)


class _Client(Generic[_Transport]):
    _transport_kind: type

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
        transport: _Transport | None = None,
    ):
        """Make a client.

        Args:
            api_key: Your ShipEngine API key; if None, the environment's `SHIPENGINE_API_KEY`.
            base_url: Where the API is; if None, the environment's `SHIPENGINE_BASE_URL`, else
                `https://api.shipengine.com`. Accounts hosted in the EU use `https://api.eu.shipengine.com`.
            timeout: Seconds for each of: to connect, to send, to wait for the next bytes, to wait for one of the
                `max_connections`. An `httpx.Timeout` sets them apart.
            deadline: Seconds for one attempt in all; no single wait is longer either. An AsyncTrackingClient keeps it
                to the moment. A TrackingClient looks at it whenever a part of an answer's body arrives, so an attempt
                may take one wait longer, and a server that drips the head of an answer, byte by byte, is beyond it.
            max_retries: How often a call is sent again after a connection failure, a time-out, or a status of 408, 429,
                500, 502 to 504 or 520 to 526. 0 sends each call once.
            max_wait: Seconds that one call may wait in all, between its attempts and for the account's rate limit. If
                the server asks for more, the call ends at once, with `retry_after`.
            max_connections: How many calls may be in flight at the same time; others wait for their turn.
            requests_per_minute: Paces the calls of this client: never more than so many answers in any 60 seconds.
                None leaves it to the answers' own headers. ShipEngine allows an account 200 in production and 20 in the
                sandbox, all its programs together.
            on_behalf_of: For partners: the account to act for, sent as `On-Behalf-Of`.
            transport: An httpx transport to send through, such as an `httpx.MockTransport` in tests.

        Raises:
            InvalidArgumentError: There is no key, or an argument cannot be right.
        """
        try:
            self._settings = settings(
                api_key=api_key,
                base_url=base_url,
                timeout=timeout,
                deadline=deadline,
                max_retries=max_retries,
                max_wait=max_wait,
                max_connections=max_connections,
                requests_per_minute=requests_per_minute,
                on_behalf_of=on_behalf_of,
                transport=transport,
                transport_kind=self._transport_kind,
                environ=os.environ,
            )
        except InvalidArgumentError as error:
            api_key = None  # tools that print the local variables of frames would show it
            raise error.with_traceback(None)  # noqa: B904 it is the same error
        self._connect()

    @abstractmethod
    def _connect(self) -> None: ...

    def _start_query(self, **arguments: str | None) -> dict[str, str]:
        return start_query(**arguments, base_url=self._settings.base_url)

    def _workers(self, concurrency: int) -> int:
        return min(count("concurrency", concurrency, 1), self._settings.max_connections)

    def __repr__(self) -> str:
        address = f" of {self._settings.base_url}" if hasattr(self, "_settings") else ", not made"
        return f"<{type(self).__name__}{address}>"


class TrackingClient(_Client[httpx.BaseTransport]):
    """Subscribes packages to ShipEngine's tracking updates. Threads may share one; close it after use."""

    _transport_kind = httpx.BaseTransport

    def _connect(self) -> None:
        self._connections = Connections(self._settings)
        self._keys = KeySet(self._settings, self._connections.check_open)

    def start(self, *, tracking_number: str, carrier_code: str | None = None, carrier_id: str | None = None) -> None:
        """Subscribe a package to tracking updates: ShipEngine tells your webhook whenever it moves.

        Returning means that ShipEngine has answered 204. Register the webhook first, or nobody is told. Keys that
        start with `TEST_` belong to the sandbox, which sends no tracking webhooks.

        Args:
            tracking_number: The carrier's number of the package, sent exactly as given.
            carrier_code: ShipEngine's code of the carrier, such as `ups` or `stamps_com`. USPS, UPS and FedEx can be
                tracked right away; other carriers must be connected to the account.
            carrier_id: One of the account's connected carriers, such as `se-28529731`: instead of `carrier_code`, or
                beside it.

        Raises:
            InvalidArgumentError: An argument cannot be right; nothing was sent.
            ClientStateError: The client is closed; nothing was sent.
            APIError: ShipEngine refuses; the subclass says what the caller can do about it.
            APIConnectionError: No whole answer arrived; the package may or may not be tracked.

        Source: ShipEngine's API reference, `POST /v1/tracking/start`.
        """
        query = self._start_query(tracking_number=tracking_number, carrier_code=carrier_code, carrier_id=carrier_id)
        self._connections.call(start_tracking.sync_detailed, query)

    def start_many(self, packages: Iterable[Package], *, concurrency: int = 8) -> Iterator[Outcome]:
        """Subscribe many packages, several at a time; yield what became of each as it completes.

        The packages are read as they are needed, in the caller's thread, at most a few times `concurrency` ahead.
        What fails for one package is its outcome's `error`. Waiting for the account's rate limit is no failure: it
        uses up neither `max_retries` nor `max_wait`, however long the run. Leaving the loop, or closing the client, has
        nothing more sent. A package that has not been yielded may or may not be tracked; it can be run again.

        Args:
            packages: Any iterable of `Package`. Each is sent as given, also when one stands in it twice.
            concurrency: How many calls may be in flight at a time, within the client's `max_connections`.

        Raises:
            InvalidArgumentError: `packages` or `concurrency` cannot be right; nothing was sent.
            ClientStateError: The client is closed, or was closed amid the run.
            AuthenticationError, AccountError: The account needs attention. Nothing more was sent, the outcomes of what
                was in flight have been yielded.
            RateLimitError: The same, for a server that asks to wait for longer than `max_wait`.
            Exception: What `packages` itself raised, after the outcomes of what was in flight.
        """
        check_packages(packages, Iterable)
        workers = self._workers(concurrency)
        self._connections.check_open()
        return stream(packages, workers, self._connections, self._start_one)

    def _start_one(self, package: object, run: Run) -> None:
        self._connections.call(start_tracking.sync_detailed, self._start_query(**arguments(package)), run)

    def webhook_verifier(self, *, tolerance: float = TOLERANCE) -> Verifier:
        """Return a verifier of what ShipEngine sends to your webhook.

        It fetches the API's public keys, without sending yours, when a delivery names one that the client has not: at
        most once a minute, whatever is asked of it. Where that fails, so that nobody can tell who has signed, `verify`
        raises its `APIError` or `APIConnectionError`: answer the delivery with any 5xx, and ShipEngine repeats it.

        Args:
            tolerance: How many seconds a delivery may be old, or ahead of this machine's clock.
        """
        return Verifier(self._keys.lookup, tolerance=tolerance)

    def close(self) -> None:
        """Close the connections. Closing twice is fine; a call after it is a ClientStateError."""
        self._connections.close()

    def __enter__(self) -> Self:
        self._connections.check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncTrackingClient(_Client[httpx.AsyncBaseTransport]):
    """The same for asyncio. The tasks of one event loop may share one; close it after use, in that loop."""

    _transport_kind = httpx.AsyncBaseTransport

    def _connect(self) -> None:
        self._connections = AsyncConnections(self._settings)
        self._keys = AsyncKeySet(self._settings, self._connections.check_open)

    async def start(
        self, *, tracking_number: str, carrier_code: str | None = None, carrier_id: str | None = None
    ) -> None:
        """Subscribe a package to tracking updates, as `TrackingClient.start` does.

        Raises:
            ClientStateError: The client is closed, or was used in another event loop before; nothing was sent.
        """
        query = self._start_query(tracking_number=tracking_number, carrier_code=carrier_code, carrier_id=carrier_id)
        await self._connections.call(start_tracking.asyncio_detailed, query)

    def start_many(
        self, packages: Iterable[Package] | AsyncIterable[Package], *, concurrency: int = 8
    ) -> AsyncGenerator[Outcome]:
        """Subscribe many packages, several at a time, as `TrackingClient.start_many` does.

        `packages` may be asynchronous too. The stream has `aclose()`; to leave its loop early and at once, use
        `contextlib.aclosing`.
        """
        check_packages(packages, (Iterable, AsyncIterable))
        workers = self._workers(concurrency)
        self._connections.check_open()
        return stream_async(packages, workers, self._connections, self._start_one)

    async def _start_one(self, package: object, run: Run) -> None:
        await self._connections.call(start_tracking.asyncio_detailed, self._start_query(**arguments(package)), run)

    def webhook_verifier(self, *, tolerance: float = TOLERANCE) -> AsyncVerifier:
        """Return a verifier as `TrackingClient.webhook_verifier` does: `await verifier.verify(headers, body)`."""
        return AsyncVerifier(self._keys.lookup, tolerance=tolerance)

    async def aclose(self) -> None:
        """Close the connections. Closing twice is fine; a call after it is a ClientStateError."""
        await self._connections.close()

    async def __aenter__(self) -> Self:
        self._connections.check_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
