"""ShipEngine's public keys: fetched when a delivery names one that is not known, and kept."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import Callable
from contextlib import closing
from math import inf
from typing import Any

from attrs import evolve

from ._answers import read_json
from ._arguments import Settings
from ._forks import survives_forks
from ._seam import Seam
from ._signature import KeyRing, is_key_set
from .exceptions import APIConnectionError, APIError, ShipEngineError
from .gates import running_loop
from .retry import Call
from .slots import AsyncLent, AsyncSlot, Lent, Slot

clock = time.monotonic

# Whatever is asked: else strangers who make up key ids would have us call ShipEngine without end.
SECONDS_BETWEEN_FETCHES = 60.0
# Then the set is fetched anew, so that a key that ShipEngine has withdrawn is not believed for ever.
LONGEST_USE = 86_400.0

# So that a delivery does not wait for longer than whoever has sent it.
LONGEST_FETCH = 10.0

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
        """Return whether to fetch for this key."""
        now = clock()
        if now - self._tried < SECONDS_BETWEEN_FETCHES:
            return False
        return not self.has(key_id) or now - self._fetched > LONGEST_USE

    def begin(self) -> None:
        """Note that a fetch begins. Until it has ended, nobody can tell who has signed with a key that is not there."""
        self._tried, self._failure = clock(), APIConnectionError("the fetch has not ended")

    def forget(self) -> None:
        """Forget a fetch that will not end here."""
        self._tried = -inf

    def note(self, result: ShipEngineError) -> None:
        """Note how a fetch has ended: in an answer, or without one. One that fails leaves the keys as they are."""
        self._failure = result
        keys = read_json(result.body) if isinstance(result, APIError) and result.status_code == 200 else None
        if is_key_set(keys):
            self._keys, self._failure, self._fetched = KeyRing(keys), None, clock()

    def look_up(self, key_id: str) -> KeyRing:
        """Return the set. If it has not the key, and could not be fetched, nobody can tell who has signed."""
        failed = self._failure  # once: another thread may be fetching
        if failed is not None and not self.has(key_id):
            failure = copy.copy(failed)
            failure.__cause__ = failed.__cause__
            failure.add_note(_NOTE)
            raise failure
        return self._keys


class KeySet:
    """The keys, for threads."""

    def __init__(self, settings: Settings, check_open: Callable[[], None]):
        self._known = _Known()
        self._settings = _in_time(settings)
        self._check_open = check_open
        self._lock = threading.Lock()
        survives_forks(self)

    def begin_anew(self) -> None:
        """Have this process, which was forked, fetch for itself: whoever fetches is in the other one."""
        self._lock = threading.Lock()
        self._known.forget()

    def lookup(self, key_id: str) -> Any:
        """Return a `KeyRing` that has the key, if ShipEngine has it."""
        if not self._known.has(key_id):
            with self._lock:  # which is held by whoever fetches
                if self._known.is_due(key_id):
                    self._fetch()
        elif self._known.is_due(key_id) and self._lock.acquire(blocking=False):
            try:
                threading.Thread(target=self._fetch_and_release, args=(self._lock,), daemon=True).start()
            except RuntimeError:  # no thread more: the keys that are there will do for this delivery
                self._lock.release()
        return self._known.look_up(key_id)

    def _fetch_and_release(self, lock: threading.Lock) -> None:
        try:
            self._fetch()
        finally:
            lock.release()

    def _fetch(self) -> None:
        # A slot takes every answer that is not the 204 for an exception, with all that a fetch needs: status and body.
        self._known.begin()
        try:
            self._check_open()
            transport = self._settings.transport and Lent(self._settings.transport)
            with closing(Slot(Seam(self._settings, transport, is_keyless=True))) as slot:
                self._known.note(APIError(204, slot.send(Call(_get, {}))))
        except ShipEngineError as error:
            self._known.note(error.with_traceback(None))
        except (KeyboardInterrupt, SystemExit):
            self._known.forget()
            raise


def _in_time(settings: Settings) -> Settings:
    return evolve(settings, deadline=min(settings.deadline, LONGEST_FETCH))


def _get(client: Any) -> Any:
    return client.get_httpx_client().get("/jwks")


class AsyncKeySet:
    """The same for asyncio. It may be used in several event loops, one after the other."""

    def __init__(self, settings: Settings, check_open: Callable[[], None]):
        self._known = _Known()
        self._settings = _in_time(settings)
        self._check_open = check_open
        self._fetching: asyncio.Task[None] | None = None

    async def lookup(self, key_id: str) -> Any:
        """Return a `KeyRing` that has the key, if ShipEngine has it."""
        loop = running_loop()
        if self._known.is_due(key_id):
            self._known.begin()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(_leave)
        fetching = self._fetching
        if fetching is not None and not fetching.done() and fetching.get_loop() is loop and not self._known.has(key_id):
            await asyncio.shield(fetching)  # others wait for it too: a caller who leaves does not end it
        return self._known.look_up(key_id)

    async def _fetch(self) -> None:
        try:
            self._check_open()
            transport = self._settings.transport and AsyncLent(self._settings.transport)
            slot = AsyncSlot(Seam(self._settings, transport, is_keyless=True))
            try:
                self._known.note(APIError(204, await slot.send(Call(_get_async, {}))))
            finally:
                await slot.close()
        except ShipEngineError as error:
            self._known.note(error.with_traceback(None))
        except asyncio.CancelledError:
            self._known.forget()  # its event loop ends: the next one fetches for itself
            raise


def _leave(fetch: asyncio.Task[None]) -> None:
    # Those who wait are told what a transport of the caller's has raised; where nobody does, asyncio would complain.
    _ = fetch.cancelled() or fetch.exception()


async def _get_async(client: Any) -> Any:
    return await client.get_async_httpx_client().get("/jwks")
