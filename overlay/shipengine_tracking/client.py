"""The clients: TrackingClient for threads, AsyncTrackingClient for tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from typing import Self

import httpx

from shipengine_tracking_generated.api.tracking import start_tracking

from ._client import Client
from .bulk import Outcome, Package, arguments, check_packages
from .connections import AsyncConnections, Connections
from .crews import stream, stream_async
from .keys import AsyncKeySet, KeySet
from .retry import Run
from .webhooks import TOLERANCE, AsyncVerifier, Verifier


class TrackingClient(Client[httpx.BaseTransport]):
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
        query = self._package_query(tracking_number=tracking_number, carrier_code=carrier_code, carrier_id=carrier_id)
        self._connections.call(start_tracking.sync_detailed, query)

    def start_many(self, packages: Iterable[Package], *, concurrency: int = 8) -> Generator[Outcome]:
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
        self._connections.call(start_tracking.sync_detailed, self._package_query(**arguments(package)), run)

    def webhook_verifier(self, *, tolerance: float = TOLERANCE) -> Verifier:
        """Return a verifier of what ShipEngine sends to your webhook.

        It fetches the API's public keys, without sending yours, when a delivery names one that the client has not: at
        most once a minute, whatever is asked of it. Where that fails, so that nobody can tell who has signed, `verify`
        raises its `APIError` or `APIConnectionError`: answer the delivery with any 5xx, and ShipEngine repeats it.

        Args:
            tolerance: How many seconds a delivery may be old, or ahead of this machine's clock.

        Raises:
            ImportError: `cryptography` is not installed; the text says how to.
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


class AsyncTrackingClient(Client[httpx.AsyncBaseTransport]):
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
        query = self._package_query(tracking_number=tracking_number, carrier_code=carrier_code, carrier_id=carrier_id)
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
        await self._connections.call(start_tracking.asyncio_detailed, self._package_query(**arguments(package)), run)

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
