"""ShipEngine's public keys: fetched when a delivery names one that is not known, and kept."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import Callable
from contextlib import closing
from math import inf
from typing import Any, cast

from ._answers import read_json
from ._arguments import Settings, seconds
from ._seam import Seam
from ._signature import AnyHeaders, KeyRing, check_signature, is_key_set, read_signature
from .connections import AsyncConnections
from .exceptions import APIError, ShipEngineError
from .retry import Call
from .slots import AsyncLent, AsyncSlot, Lent, Slot
from .webhooks import TrackingEvent, parse

clock = time.monotonic

# Whatever is asked: else strangers who make up key ids would have us call ShipEngine without end.
SECONDS_BETWEEN_FETCHES = 60.0
# A key that ShipEngine has withdrawn is not believed for longer.
LONGEST_USE = 86_400.0

_NOTE = "while fetching ShipEngine's public keys from /jwks, to verify a delivery"


class _Known:
    """What has been fetched."""

    def __init__(self) -> None:
        self._keys = KeyRing(None)
        self._failure: ShipEngineError | None = None
        self._tried = self._fetched = -inf

    def has(self, key_id: str) -> bool:
        """Return whether the key is there."""
        return bool(self._keys.find(key_id))

    def is_due(self, key_id: str) -> bool:
        """Return whether to fetch before looking for a key."""
        now = clock()
        if now - self._tried < SECONDS_BETWEEN_FETCHES:
            return False
        return not self.has(key_id) or now - self._fetched > LONGEST_USE

    def note(self, result: ShipEngineError) -> None:
        """Note how a fetch has ended: in an answer, or without one. One that fails leaves the keys as they are."""
        self._tried, self._failure = clock(), result
        keys = read_json(result.body) if isinstance(result, APIError) and result.status_code == 200 else None
        if is_key_set(keys):
            self._keys, self._failure, self._fetched = KeyRing(cast("Any", keys)), None, self._tried
        else:
            result.add_note(_NOTE)

    def look_up(self, key_id: str) -> KeyRing:
        """Return the set. If it has not the key, and could not be fetched, nobody can tell who has signed."""
        if self._failure is not None and not self.has(key_id):
            failure = copy.copy(self._failure)
            failure.__cause__ = self._failure.__cause__
            raise failure
        return self._keys


class KeySet:
    """The keys, for threads."""

    def __init__(self, settings: Settings, check_open: Callable[[], None]):
        self._known = _Known()
        self._settings = settings
        self._check_open = check_open
        self._lock = threading.Lock()

    def lookup(self, key_id: str) -> KeyRing:
        """Return a set that has the key, if ShipEngine has it."""
        if self._known.is_due(key_id) and self._lock.acquire(blocking=not self._known.has(key_id)):
            try:
                if self._known.is_due(key_id):  # and has not been fetched by another thread meanwhile
                    self._check_open()
                    self._known.note(self._fetch())
            finally:
                self._lock.release()
        return self._known.look_up(key_id)

    def _fetch(self) -> ShipEngineError:
        # A slot takes every answer that is not the 204 for an exception, with all that a fetch needs: status and body.
        try:
            transport = self._settings.transport and Lent(self._settings.transport)
            with closing(Slot(Seam(self._settings, transport, is_keyless=True))) as slot:
                return APIError(204, slot.send(Call(_get, {})))
        except ShipEngineError as error:
            return error.with_traceback(None)


def _get(client: Any) -> Any:
    return client.get_httpx_client().get("/jwks")


class AsyncKeySet:
    """The same for asyncio."""

    def __init__(self, settings: Settings, connections: AsyncConnections):
        self._known = _Known()
        self._settings = settings
        self._connections = connections
        self._fetching: asyncio.Task[None] | None = None

    async def lookup(self, key_id: str) -> KeyRing:
        """Return a set that has the key, if ShipEngine has it."""
        if self._known.is_due(key_id):
            self._connections.check_open()
            self._connections.check_loop()
            if self._fetching is None:
                self._fetching = asyncio.create_task(self._fetch())
            if not self._known.has(key_id):
                await asyncio.shield(self._fetching)  # others wait for it too: a caller who leaves does not end it
        return self._known.look_up(key_id)

    async def _fetch(self) -> None:
        try:
            transport = self._settings.transport and AsyncLent(self._settings.transport)
            slot = AsyncSlot(Seam(self._settings, transport, is_keyless=True))
            try:
                self._known.note(APIError(204, await slot.send(Call(_get_async, {}))))
            finally:
                await slot.close()
        except ShipEngineError as error:
            self._known.note(error.with_traceback(None))
        finally:
            self._fetching = None


async def _get_async(client: Any) -> Any:
    return await client.get_async_httpx_client().get("/jwks")


class AsyncVerifier:
    """`webhooks.Verifier` for asyncio, with keys that are fetched. `AsyncTrackingClient.webhook_verifier` makes it."""

    def __init__(self, keys: AsyncKeySet, *, tolerance: float):
        self._keys = keys
        self._tolerance = seconds("tolerance", tolerance, or_none_at_all=True)

    async def verify(self, headers: AnyHeaders, body: bytes) -> TrackingEvent:
        """Return the event that a delivery brings, as `webhooks.Verifier.verify` does."""
        signed = read_signature(headers, body, self._tolerance, time.time())
        check_signature(signed, await self._keys.lookup(signed.key_id))
        return parse(signed.body)
