"""The way of a call: through the gate, out over a connection of its own, and out again if that failed.

Free slots lie on a stack, last in first out, so that few connections do the work. The gate bounds their number.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any, Generic, TypeVar

from tenacity import AsyncRetrying, Retrying

from ._arguments import Settings
from ._forks import survives_forks
from ._seam import Seam
from .exceptions import APIConnectionError, APIError, ClientStateError, ShipEngineError
from .gates import ReentrantEvent, TaskGate, ThreadGate, running_loop, sleep_unless
from .retry import Call, Run, engine
from .slots import AsyncLent, AsyncSlot, Lent, Slot

clock = time.monotonic

# How an attempt has ended that has not.
NOTHING: Mapping[str, str] | BaseException = {}

_S = TypeVar("_S", Slot, AsyncSlot)
_E = TypeVar("_E", Retrying, AsyncRetrying)


class _Shared(Generic[_S]):
    """What both kinds of connections do alike."""

    _wake_waiting: Callable[[], None]
    _over: ReentrantEvent | asyncio.Event  # ends the pauses of calls between their attempts

    def __init__(self, settings: Settings, new_slot: Callable[[], _S]):
        self.closed = False
        self._settings = settings
        self._runs = set[Run]()
        self._new_slot: Callable[[], _S] = new_slot
        self._free: list[_S] = [new_slot()]  # one now, so that settings out of order are found now

    def check_open(self) -> None:
        """Refuse the use of a closed client."""
        if self.closed:
            raise ClientStateError("this client is closed: make a new one")

    def end_run(self, run: Run) -> None:
        """Have nothing more sent for a run: its calls that wait end at once."""
        run.end()
        self._runs.discard(run)
        self._wake_waiting()

    def _engine(self, kind: Callable[..., _E], sleep: Callable[[float], object]) -> _E:
        settings = self._settings
        return engine(
            kind, max_retries=settings.max_retries, max_wait=settings.max_wait, sleep=sleep, random=random.random
        )

    def _take(self) -> _S:
        try:
            return self._free.pop()
        except IndexError:
            return self._new_slot()

    def _end(self) -> list[_S]:
        self.closed, free, self._free = True, self._free, []
        self._over.set()
        for run in self._runs.copy():
            run.end()
        self._wake_waiting()
        return free


class Connections(_Shared[Slot]):
    """What a TrackingClient sends through."""

    def __init__(self, settings: Settings):
        super().__init__(settings, partial(Slot, Seam(settings, settings.transport and Lent(settings.transport))))
        self._begin()
        survives_forks(self)

    def begin_anew(self) -> None:
        """Have the calls of this process, which was forked, gates and connections of their own."""
        self._free = []
        self._begin()

    def _begin(self) -> None:
        self._gate = ThreadGate(self._settings, self.check_open)
        self._wake_waiting = self._gate.wake_all
        self._lock = threading.Lock()
        self._over = ReentrantEvent()
        self._retrying = self._engine(Retrying, self._over.wait)

    def call(self, operation: Callable[..., Any], query: Mapping[str, str], run: Run | None = None) -> None:
        """Make a call, over as many attempts as the policy allows; return if it ended in the 204."""
        call = Call(operation, query, run)
        try:
            try:
                return self._attempt(call)
            except (APIError, APIConnectionError) as error:
                call.failed = error
            (run.retrying if run else self._retrying)(self._attempt, call)
        except ShipEngineError as error:
            raise call.ended_by(error)  # noqa: B904 its cause stays

    def begin_run(self) -> Run:
        """Return a run; `end_run` ends it."""
        self.check_open()
        run = Run(ReentrantEvent())
        run.retrying = self._engine(Retrying, run.over.wait)
        self._runs.add(run)
        return run

    def _attempt(self, call: Call) -> None:
        call.raise_first_failure()
        waiter, started, ended = self._gate.waiter(call), clock(), NOTHING
        try:
            self._gate.enter(call, waiter)
            started = clock()
            ended = self._send(call)
        except BaseException as error:
            ended = error
            raise
        finally:
            self._gate.leave(waiter, ended)
            call.log_attempt(ended, clock() - started)

    def _send(self, call: Call) -> Mapping[str, str]:
        slot, is_sound = self._take(), False
        try:
            headers = slot.send(call)
            is_sound = True
        except APIError:
            is_sound = True  # a whole answer leaves its connection in order
            raise
        finally:
            self._give_back(slot, is_sound)
        return headers

    def _give_back(self, slot: Slot, is_sound: bool) -> None:
        with self._lock:
            if is_sound and not self.closed:
                self._free.append(slot)
                return
        slot.close()

    def close(self) -> None:
        """Close what is idle; what is in flight is closed when it ends. A second time does nothing."""
        with self._lock:
            if self.closed:
                return
            free = self._end()
        with ExitStack() as stack:  # whatever one of them raises, the others are closed
            if self._settings.transport is not None:
                stack.callback(self._settings.transport.close)
            for slot in free:
                stack.callback(slot.close)


class AsyncConnections(_Shared[AsyncSlot]):
    """What an AsyncTrackingClient sends through."""

    def __init__(self, settings: Settings):
        seam = Seam(settings, settings.transport and AsyncLent(settings.transport))
        super().__init__(settings, partial(AsyncSlot, seam))
        self._gate = TaskGate(settings, self.check_open)
        self._wake_waiting = self._gate.wake_all
        self._over = asyncio.Event()
        self._retrying = self._engine(AsyncRetrying, partial(sleep_unless, self._over))
        self._loop: asyncio.AbstractEventLoop | None = None

    async def call(self, operation: Callable[..., Any], query: Mapping[str, str], run: Run | None = None) -> None:
        """Make a call, over as many attempts as the policy allows; return if it ended in the 204."""
        call = Call(operation, query, run)
        try:
            self._check_loop()
            try:
                return await self._attempt(call)
            except (APIError, APIConnectionError) as error:
                call.failed = error
            await (run.retrying if run else self._retrying)(self._attempt, call)
        except ShipEngineError as error:
            raise call.ended_by(error)  # noqa: B904 its cause stays

    def _check_loop(self) -> None:
        running = running_loop()
        # The first call decides: a client may be made before any loop runs.
        self._loop = self._loop or running
        if self._loop is not running:
            raise ClientStateError("this client belongs to another event loop: make one in each loop")

    def begin_run(self) -> Run:
        """Return a run; `end_run` ends it."""
        self.check_open()
        self._check_loop()
        run = Run(asyncio.Event())
        run.retrying = self._engine(AsyncRetrying, partial(sleep_unless, run.over))
        self._runs.add(run)
        return run

    async def _attempt(self, call: Call) -> None:
        call.raise_first_failure()
        waiter, started, ended = self._gate.waiter(call), clock(), NOTHING
        try:
            await self._gate.enter(call, waiter)
            started = clock()
            ended = await self._send(call)
        except BaseException as error:
            ended = error
            raise
        finally:
            self._gate.leave(waiter, ended)
            call.log_attempt(ended, clock() - started)

    async def _send(self, call: Call) -> Mapping[str, str]:
        slot, is_sound = self._take(), False
        try:
            headers = await slot.send(call)
            is_sound = True
        except APIError:
            is_sound = True  # a whole answer leaves its connection in order
            raise
        finally:
            if is_sound and not self.closed:
                self._free.append(slot)
            else:
                await slot.close()
        return headers

    async def close(self) -> None:
        """Close what is idle; what is in flight is closed when it ends. A second time does nothing."""
        if self.closed:
            return
        self._check_loop()
        async with AsyncExitStack() as stack:  # whatever one of them raises, or is cancelled, the others are closed
            if self._settings.transport is not None:
                stack.push_async_callback(self._settings.transport.aclose)
            for slot in self._end():
                stack.push_async_callback(slot.close)
