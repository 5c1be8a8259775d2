"""The connections of a client: one for each call in flight, and the idle ones."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from .connection import KEEPALIVE, AsyncConnection, Connection

C = TypeVar("C", bound=Connection | AsyncConnection)


class ConnectionPool(Generic[C]):
    """A LIFO pool, so that few connections do the work and the others become old enough to be closed.

    Each connection is an httpx client of its own. httpcore searches its whole pool at every step of a call: with 50
    calls in flight, one shared `httpx.AsyncClient` makes 3 to 6 times fewer calls per second.

    If the connections share the caller's transport, closing any of them closes that transport. So `release` returns
    no connections, and `close` returns exactly one.
    """

    def __init__(self, new_connection: Callable[[], C], *, has_shared_transport: bool):
        self._new_connection = new_connection
        self._has_shared_transport = has_shared_transport
        self._lock = threading.Lock()
        self._idle = deque[tuple[float, C]]()  # least recently used first
        self._is_closed = False

    def add(self, connection: C) -> None:
        """Add an unused connection."""
        self._idle.append((time.monotonic(), connection))

    def acquire(self) -> C:
        """Return an idle connection or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()[1]
        return self._new_connection()

    def release(self, connection: C) -> list[C]:
        """Take a connection back; return the connections that the caller must close."""
        with self._lock:
            if self._is_closed or not connection.exchange.is_reusable:
                return [] if self._has_shared_transport else [connection]
            now, expired = time.monotonic(), list[C]()
            self._idle.append((now, connection))
            while not 0 <= now - self._idle[0][0] <= KEEPALIVE:  # if the clock was set back, they expire too
                expired.append(self._idle.popleft()[1])
            return [] if self._has_shared_transport else expired

    def close(self) -> list[C]:
        """Stop keeping connections; return those that the caller must close."""
        with self._lock:
            self._is_closed = True
            idle = [connection for _, connection in self._idle]
            self._idle.clear()
            return [self._new_connection()] if self._has_shared_transport else idle
