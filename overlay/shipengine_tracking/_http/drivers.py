"""The drivers of `Call.flow`, for threads and for asyncio, and the state that all calls of a client share."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import cached_property, partial
from queue import Empty, SimpleQueue
from typing import Any, Generic

import httpx

from .._config import ClientConfig
from .._fork import reset_after_fork
from ..exceptions import ClientStateError, InvalidArgumentError
from .connection import AsyncConnection, Connection, client_options
from .flow import Call, Operation, RunEnded, T
from .pool import C, ConnectionPool
from .rate_limit import RateLimiter


class BulkRun:
    """The calls of one `start_many`, which end together."""

    def __init__(self) -> None:
        self.has_ended = False
        self.on_end: Callable[[], object] | None = None


class BaseDriver(Generic[C]):
    """The state that all calls of a client share."""

    _connection_class: type[C]
    _new_wakeup_queue: Callable[[], Any]

    def __init__(self, config: ClientConfig):
        self.config = config
        self.is_closed = False
        self.reset()
        reset_after_fork(self)
        self._pool.add(self._new_connection())  # so that unusable settings are found now

    @cached_property
    def _options(self) -> dict[str, Any]:
        return client_options(self.config)

    def _new_connection(self) -> C:
        outer = sys.exception()
        try:
            # httpx reads the proxy settings from the environment for each connection.
            return self._connection_class(self.config, self._options)
        except (httpx.InvalidURL, ValueError, OSError, ImportError) as error:
            self.config.auth.redact_exception(error, outer)
            raise InvalidArgumentError(
                f"the proxy or certificate settings in the environment cannot be used ({error}): check HTTPS_PROXY, "
                "ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
            ) from error

    def reset(self) -> None:
        """Start without calls and connections. A forked process must not use those of its parent."""
        self._calls = set[Call]()
        self._runs = set[BulkRun]()
        limits = self.config.max_connections, self.config.requests_per_minute
        self._limiter = RateLimiter(*limits, self._new_wakeup_queue)
        has_shared_transport = self.config.transport is not None
        self._pool = ConnectionPool[C](self._new_connection, has_shared_transport=has_shared_transport)

    def check_open(self) -> None:
        """Raise ClientStateError if the client is closed."""
        if self.is_closed:
            raise ClientStateError("this client is closed: make a new one")

    def begin_run(self) -> BulkRun:
        """Return a new run. `end_run` must be called for it."""
        self.check_open()
        run = BulkRun()
        self._runs.add(run)
        return run

    def end_run(self, run: BulkRun) -> None:
        """Send nothing more for a run. Takes no lock, because the garbage collector may call it at any moment."""
        if not run.has_ended:
            run.has_ended = True
            self._runs.discard(run)
            if run.on_end is not None:
                run.on_end()
            self._wake_all()

    def _wake_all(self) -> None:
        for call in self._calls.copy():
            if call.waiter.wakeup_queue is not None:
                call.waiter.wakeup_queue.put_nowait(None)

    def _begin(self, operation: Operation[Any], params: Mapping[str, Any], run: BulkRun | None) -> Call:
        check = self.check_open if run is None else partial(self._check_run, run)
        call = Call(operation, params, self.config, self._limiter, check, in_run=run is not None)
        self._calls.add(call)
        return call

    def _check_run(self, run: BulkRun) -> None:
        if run.has_ended or self.is_closed:  # `_close` sets `is_closed` a moment before it ends the runs
            raise RunEnded("the run of start_many has ended")

    def _close(self) -> list[C]:
        """End all calls that wait; return the connections that the caller must close."""
        self.is_closed = True
        for run in self._runs.copy():
            self.end_run(run)
        self._wake_all()
        return self._pool.close()


class Driver(BaseDriver[Connection]):
    """Makes calls for threads."""

    _connection_class, _new_wakeup_queue = Connection, SimpleQueue

    def call(self, operation: Operation[T], params: Mapping[str, Any], run: BulkRun | None = None) -> T:
        """Make a call; return the model of its response."""
        call, result = self._begin(operation, params, run), None
        flow = call.flow()
        try:
            while True:
                try:
                    step = flow.send(result)
                except StopIteration as stop:
                    return stop.value  # type: ignore[no-any-return]
                result = self._send(call) if step is None else _wait(call.waiter.wakeup_queue, step)
        finally:
            flow.close()
            self._calls.discard(call)

    def _send(self, call: Call) -> Any:
        connection = self._pool.acquire()
        try:
            result = connection.perform(call.operation, call.params)
        except BaseException:
            for unused in self._pool.release(connection):
                # An interruption such as Ctrl-C can leave a lock of httpcore held, and `close` waits for it.
                threading.Thread(target=unused.close, daemon=True).start()
            raise
        for unused in self._pool.release(connection):
            unused.close()
        return result

    def close(self) -> None:
        """Close the idle connections. Those in use are closed when their calls end."""
        if self.is_closed:
            return
        with ExitStack() as stack:  # if closing one of them raises, the others are still closed
            for connection in self._close():
                stack.callback(connection.close)


def _wait(wakeup_queue: SimpleQueue[None], seconds: float) -> bool:
    """Sleep for this many seconds, or until a wake-up; return whether there was one."""
    with suppress(Empty):
        wakeup_queue.get(timeout=seconds)
        return True
    return False


class AsyncDriver(BaseDriver[AsyncConnection]):
    """Makes calls for the tasks of one event loop."""

    _connection_class, _new_wakeup_queue = AsyncConnection, asyncio.Queue
    _loop: asyncio.AbstractEventLoop | None = None

    def check_loop(self) -> None:
        """Raise ClientStateError unless this is the event loop of the first call."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise ClientStateError("an AsyncTrackingClient needs a running asyncio event loop") from None
        self._loop = self._loop or running
        if self._loop is not running:
            raise ClientStateError("this client belongs to another event loop: make one client in each loop")

    async def call(self, operation: Operation[T], params: Mapping[str, Any], run: BulkRun | None = None) -> T:
        """Make a call; return the model of its response."""
        self.check_loop()
        call, result = self._begin(operation, params, run), None
        flow = call.flow()
        try:
            while True:
                try:
                    step = flow.send(result)
                except StopIteration as stop:
                    return stop.value  # type: ignore[no-any-return]
                result = await (self._send(call) if step is None else _wait_async(call.waiter.wakeup_queue, step))
        finally:
            flow.close()
            self._calls.discard(call)

    async def _send(self, call: Call) -> Any:
        connection = self._pool.acquire()
        try:
            return await connection.perform(call.operation, call.params)
        finally:
            for unused in self._pool.release(connection):
                await unused.aclose()

    async def close(self) -> None:
        """Close the idle connections. Those in use are closed when their calls end."""
        if self.is_closed:
            return
        self.check_loop()
        async with AsyncExitStack() as stack:  # if closing one of them raises, the others are still closed
            for connection in self._close():
                stack.push_async_callback(connection.aclose)


async def _wait_async(wakeup_queue: asyncio.Queue[None], seconds: float) -> bool:
    """Sleep for this many seconds, or until a wake-up; return whether there was one."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wakeup_queue.get()
            return True
    return False
