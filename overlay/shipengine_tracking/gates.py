"""Waiting at the gate, in threads and in tasks: what the gate decides, done."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue

from ._arguments import Settings
from ._gate import Gate, Waiter
from .exceptions import ClientStateError
from .retry import Call

clock = time.monotonic
MINUTE = 60.0


class ReentrantEvent:
    """What a threading.Event is, but it may be set amid its own `wait`.

    A stream that is collected as garbage ends its run, in whatever thread and wherever that may be at the time.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._bell = SimpleQueue[None]()

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        if not self._is_set:
            self._is_set = True
            self._bell.put(None)

    def clear(self) -> None:
        """Have the next `wait` wait again. Only for an event that one thread waits for."""
        self._is_set = False
        with suppress(Empty):
            while True:
                self._bell.get_nowait()

    def wait(self, seconds: float) -> None:
        """Wait until it is set, but for no longer than this."""
        if not self._is_set:
            with suppress(Empty):
                self._bell.get(timeout=seconds)
                self._bell.put(None)  # for the next who waits


class _Shell:
    _make_event: type[ReentrantEvent] | type[asyncio.Event]

    def __init__(self, settings: Settings, check_open: Callable[[], None]):
        self.state = Gate(settings.max_connections, settings.requests_per_minute, MINUTE)
        self._settings = settings
        self._check_open = check_open

    def waiter(self, call: Call) -> Waiter:
        """Return a call's place at the gate; whatever comes, let it `leave`."""
        call.sent = False
        pool = self._settings.timeout.pool
        patience = self._settings.max_wait - (0.0 if call.run else call.waited)
        slot_patience = inf if pool is None else pool
        return Waiter(self._make_event, patience, slot_patience, call.attempts > 0, call.run is not None)

    def _ask(self, call: Call, waiter: Waiter) -> float:
        call.check_run()  # first: who closes a client ends its runs
        self._check_open()
        now = clock()
        pause = self.state.enter(waiter, now)
        if not pause:
            call.passed_after(waiter.waited(now))
        return pause


class ThreadGate(_Shell):
    """The gate of a TrackingClient."""

    _make_event = ReentrantEvent

    def __init__(self, settings: Settings, check_open: Callable[[], None]):
        super().__init__(settings, check_open)
        self._lock = threading.RLock()  # for the reason of a ReentrantEvent

    def enter(self, call: Call, waiter: Waiter) -> None:
        """Wait until a call may be sent."""
        while True:
            with self._lock:
                pause = self._ask(call, waiter)
            if not pause:
                return
            waiter.event.wait(pause)
            waiter.event.clear()

    def leave(self, waiter: Waiter, ended: Mapping[str, str] | BaseException) -> None:
        """Note how it ended, sent or not. A second time does nothing."""
        with self._lock:
            self.state.leave(waiter, clock(), ended)

    def wake_all(self) -> None:
        """Have all who wait ask again."""
        with self._lock:
            self.state.wake_all()


class TaskGate(_Shell):
    """The gate of an AsyncTrackingClient. One event loop needs no lock."""

    _make_event = asyncio.Event

    async def enter(self, call: Call, waiter: Waiter) -> None:
        """Wait until a call may be sent."""
        while pause := self._ask(call, waiter):
            await sleep_unless(waiter.event, pause)
            waiter.event.clear()

    def leave(self, waiter: Waiter, ended: Mapping[str, str] | BaseException) -> None:
        """Note how it ended, sent or not. A second time does nothing."""
        self.state.leave(waiter, clock(), ended)

    def wake_all(self) -> None:
        """Have all who wait ask again."""
        self.state.wake_all()


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that runs."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ClientStateError("this client runs under asyncio only") from None


async def sleep_unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep, but for no longer than until the event is set."""
    # Not asyncio.wait_for: on Python 3.11 it can lose a cancellation that comes together with the event.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
