"""The workers of a bulk run, in threads and in tasks: packages in, outcomes out as they complete."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, cast

from .bulk import Outcome, Package, ends_the_run, is_reported
from .connections import AsyncConnections, Connections
from .exceptions import ClientStateError
from .retry import Run

# How far the packages are read ahead, in multiples of the concurrency.
AHEAD = 2

_LEAVE = object()


def stream(
    packages: Iterable[Package], concurrency: int, connections: Connections, start: Callable[..., None]
) -> Generator[Outcome]:
    """Start packages in threads; yield their outcomes. The packages are read in the caller's thread."""
    run = connections.begin_run()
    try:
        source = iter(packages)  # held here alone, so that it is let go in the caller's thread
        crew = _Threads(concurrency, partial(start, run=run), partial(connections.end_run, run), run)
        while crew.feed(source):
            yield from crew.outcome()
        if crew.failure is not None:
            raise crew.failure
        if crew.dropped or not crew.exhausted:
            connections.check_open()
    finally:
        connections.end_run(run)


class _Threads:
    """The workers of a threaded run. They are daemons: who leaves a run does not wait for a server that hangs."""

    def __init__(self, concurrency: int, start: Callable[[Any], None], end_run: Callable[[], None], run: Run):
        self.failure: BaseException | None = None
        self.exhausted = False
        self.dropped = False  # whether a package that was read has not been dealt with
        self._most = concurrency
        self._flying = 0
        self._workers = 0
        self._given, self._ended = SimpleQueue[Any](), SimpleQueue[tuple[Any, BaseException | None]]()
        self._start, self._end_run, self._run = start, end_run, run
        self._process = os.getpid()
        run.on_end = self._dismiss

    def feed(self, source: Iterator[Package]) -> int:
        """Hand packages to the workers, unless an outcome waits; return how many are with them."""
        if os.getpid() != self._process:
            raise ClientStateError("this run belongs to the process that this one was forked from: begin another one")
        while self._flying < AHEAD * self._most and self._ended.empty() and not self._is_ending():
            try:
                package = next(source)
            except StopIteration:
                self.exhausted = True
            except Exception as error:
                self.failure = error
            else:
                self._given.put(package)
                self._flying += 1
                if self._workers < min(self._flying, self._most):
                    self._hire()
        if self._run.over.is_set():
            self._take_back()
        return self._flying

    def _hire(self) -> None:
        try:
            threading.Thread(target=self._work, name="shipengine-tracking", daemon=True).start()
            self._workers += 1
        except RuntimeError:  # this process can have no thread more: those that work will do
            if not self._workers:
                raise
            self._most = self._workers

    def _take_back(self) -> None:
        # The run may have ended while the source took its time: a package behind the word to leave is nobody's.
        with suppress(Empty):
            while True:
                if self._given.get_nowait() is not _LEAVE:
                    self._flying -= 1
                    self.dropped = True
        self._dismiss()

    def outcome(self) -> Iterator[Outcome]:
        """Wait for a worker; yield the outcome if there is one."""
        package, error = self._ended.get()
        self._flying -= 1
        if error is not None and self.failure is None and ends_the_run(error):
            self.failure = error
        elif error is None or is_reported(error):
            yield Outcome(package, error)
        else:
            self.dropped = True

    def _is_ending(self) -> bool:
        return self.exhausted or self.failure is not None or self._run.over.is_set()

    def _dismiss(self) -> None:
        self._given.put(_LEAVE)

    def _work(self) -> None:
        while (package := self._given.get()) is not _LEAVE:
            failure = None
            try:
                self._start(package)
            except BaseException as error:
                failure = error
                if ends_the_run(error):
                    self._end_run()
            self._ended.put((package, failure))
        self._dismiss()  # the others too, those that come late as well


async def stream_async(
    packages: Iterable[Package] | AsyncIterable[Package],
    concurrency: int,
    connections: AsyncConnections,
    start: Callable[..., Coroutine[Any, Any, None]],
) -> AsyncGenerator[Outcome]:
    """Start packages in tasks; yield their outcomes."""
    read, run = _reader(packages), connections.begin_run()
    crew = _Tasks(read, concurrency, partial(start, run=run), partial(connections.end_run, run), run)
    del packages, read  # held by the crew alone, so that the source is let go when the run ends
    tasks = [asyncio.create_task(crew.work()) for _ in range(concurrency)]
    try:
        for task in tasks:
            task.add_done_callback(crew.left)
        working = concurrency
        while working:
            outcome = await crew.outcomes.get()
            if outcome is None:
                working -= 1
            else:
                crew.room.release()
                yield outcome
        if crew.failure is not None:
            raise crew.failure
        if crew.dropped or not crew.exhausted:
            connections.check_open()
    finally:
        connections.end_run(run)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        crew.read = None


def _reader(packages: Iterable[Package] | AsyncIterable[Package]) -> Callable[[], Awaitable[Package]]:
    if isinstance(packages, AsyncIterable):
        return aiter(packages).__anext__
    source = iter(packages)

    async def read() -> Package:
        for package in source:
            return package
        raise StopAsyncIteration

    return read


class _Tasks:
    """The workers of an asynchronous run. They read the packages by turns, so that outcomes need not wait for them."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Package]] | None,
        concurrency: int,
        start: Callable[[Any], Coroutine[Any, Any, None]],
        end_run: Callable[[], None],
        run: Run,
    ):
        self.outcomes = asyncio.Queue[Outcome | None]()  # `room` bounds it; None for a worker that has left
        self.room = asyncio.Semaphore(AHEAD * concurrency)
        self.failure: BaseException | None = None
        self.exhausted = False
        self.dropped = False  # whether a package that was read has not been dealt with
        self.read: Any = read  # until the run ends
        self._turn = asyncio.Lock()
        self._idle = set[asyncio.Task[Any]]()
        self._start, self._end_run, self._run = start, end_run, run
        run.on_end = self._dismiss

    async def work(self) -> None:
        """Start one package after another."""
        while (package := await self._next()) is not _LEAVE and not self._run.over.is_set():
            try:
                await self._start(package)
                self.outcomes.put_nowait(Outcome(package))
            except Exception as error:
                self._note(package, error)

    async def _next(self) -> Any:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._idle.add(task)
        try:
            await self.room.acquire()
            async with self._turn:
                if self.exhausted or self.failure or self._run.over.is_set():
                    return _LEAVE
                return await self.read()
        except StopAsyncIteration:
            self.exhausted = True
        except Exception as error:
            self.failure = error
        finally:
            self._idle.discard(task)
        return _LEAVE

    def _note(self, package: Any, error: Exception) -> None:
        if self.failure is None and ends_the_run(error):
            self.failure = error
            self._end_run()
        elif is_reported(error):
            self.outcomes.put_nowait(Outcome(package, error))
            return
        else:
            self.dropped = True
        self.room.release()

    def _dismiss(self) -> None:
        for task in self._idle:  # the next package may be long in coming
            task.cancel()

    def left(self, task: asyncio.Task[Any]) -> None:
        """Note that a worker has left."""
        ended = asyncio.CancelledError() if task.cancelled() else task.exception()
        if ended is not None and not self._run.over.is_set():  # not by us: the source, a transport, or a sweep of tasks
            self.failure = self.failure or ended
            self._end_run()
        self.outcomes.put_nowait(None)
