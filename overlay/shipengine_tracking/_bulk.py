"""Many packages: `start_many` in threads and in tasks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Any

from attrs import field, frozen

from shipengine_tracking_generated.api.tracking import start_tracking

from ._config import package_params
from ._http.drivers import AsyncDriver, Driver
from ._http.flow import Operation, RunEnded
from .exceptions import (
    AccountError,
    AuthenticationError,
    ClientStateError,
    InvalidArgumentError,
    RateLimitError,
    ShipEngineError,
)

START = Operation[None](start_tracking)
PREFETCH = 2  # packages read ahead, in multiples of the concurrency
# Seconds to wait for the end of the source after the client was closed. If the source ends, the run is complete.
SOURCE_END_TIMEOUT = 0.5
# If a call fails with one of these, all other calls would fail too.
RUN_ENDING_ERRORS = (AuthenticationError, AccountError, RateLimitError)


@frozen(kw_only=True)
class Package:
    """A package to start tracking: the arguments of `start`, which validates them.

    `reference` is any value of your own, such as an order or a line number. It is not sent; the `Outcome` has it.
    """

    tracking_number: str
    carrier_code: str | None = None
    carrier_id: str | None = None
    reference: Any = field(default=None, hash=False)  # it may not be hashable

    def check(self) -> None:
        """Raise InvalidArgumentError if `start` would reject the arguments. Nothing is sent."""
        _params(self)


@frozen
class Outcome:
    """The result for one package: `error` is None if ShipEngine has started to track it."""

    package: Package
    error: ShipEngineError | None = None

    @property
    def ok(self) -> bool:
        """Whether ShipEngine has started to track the package."""
        return self.error is None


def check_packages(packages: object, kinds: tuple[type, ...]) -> None:
    """Raise InvalidArgumentError unless packages is an iterable that can yield packages."""
    if isinstance(packages, str | bytes | Package) or not isinstance(packages, kinds):
        raise InvalidArgumentError(
            f"packages must be an iterable of Package, not {type(packages).__name__}: put a single package into a list"
        )


def _params(package: object) -> dict[str, str]:
    if not isinstance(package, Package):
        raise InvalidArgumentError(f"packages must yield Package, not {type(package).__name__}: wrap it in Package(…)")
    return package_params(package.tracking_number, package.carrier_code, package.carrier_id)


def _ends_run(error: BaseException) -> bool:
    """Return whether the failure of one call ends the run."""
    return isinstance(error, RUN_ENDING_ERRORS) or not isinstance(error, ShipEngineError)


class BulkProgress:
    """The progress of a run, and the error that ends it."""

    def __init__(self, driver: Driver | AsyncDriver):
        self.run = driver.begin_run()
        self.end = partial(driver.end_run, self.run)
        self.failure: BaseException | None = None  # raised when the outcomes have been yielded
        self.is_exhausted = False  # whether the end of the packages was read
        self.is_incomplete = False  # whether a package was read that has no outcome

    @property
    def may_read(self) -> bool:
        """Whether to read more packages."""
        return not (self.is_exhausted or self.is_incomplete or self.failure is not None)

    def outcome(self, package: Package, error: BaseException | None) -> Outcome | None:
        """Return the outcome of a package, or None if its error is raised for the whole run."""
        if error is None or (isinstance(error, ShipEngineError) and not _ends_run(error)):
            return Outcome(package, error)
        if self.failure is None and not isinstance(error, RunEnded):
            self.failure = error
            return None
        if isinstance(error, ShipEngineError) and error.attempts:
            return Outcome(package, error)  # it was in flight when another failure ended the run
        self.is_incomplete = True
        return None

    def check_complete(self) -> None:
        """Raise the failure of the run, or ClientStateError if a package has no outcome because of `close`."""
        if self.failure is not None:
            raise self.failure
        if self.is_incomplete or not self.is_exhausted:
            raise ClientStateError("this client was closed before the run was complete: make a new one")


class _ThreadRun:
    """The worker threads of a run. The packages are read in the caller's thread.

    They are daemon threads fed by queues, not a `ThreadPoolExecutor`: at exit, the interpreter joins the threads of an
    executor, so a server that hangs would delay the exit.
    """

    def __init__(self, driver: Driver, source: Iterator[Package], concurrency: int):
        self.progress = BulkProgress(driver)
        self.pending = 0  # packages without a result
        self._source: Any = source
        self._driver, self._concurrency = driver, concurrency
        self._thread_count = 0
        self._process = os.getpid()
        self._todo: SimpleQueue[tuple[Any] | None] = SimpleQueue()  # (package,), or None to end one thread
        self._done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def submit(self) -> None:
        """Read packages and give them to the threads, until enough are pending or a result has arrived."""
        if os.getpid() != self._process:
            raise ClientStateError("this run belongs to the parent process: call start_many in each process")
        try:
            while self.progress.may_read and self.pending < self._max_pending and self._done.empty():
                package = next(self._source)
                if self._thread_count < min(self.pending + 1, self._concurrency):
                    threading.Thread(target=self._work, name="shipengine-tracking", daemon=True).start()
                    self._thread_count += 1
                self._todo.put((package,))
                self.pending += 1
        except StopIteration:
            self.progress.is_exhausted = True
        except Exception as error:  # raised when the outcomes have been yielded
            self.progress.failure = error

    @property
    def _max_pending(self) -> int:
        # After the client was closed, try to read one more package: if the source has ended, the run is complete.
        return 1 if self.progress.run.has_ended else PREFETCH * self._concurrency

    def result(self) -> tuple[Any, BaseException | None]:
        """Wait until a thread is done with a package; return the package and its error."""
        result = self._done.get()
        self.pending -= 1
        return result

    def close(self) -> None:
        """Release the source, and end the threads when they are done with what was submitted."""
        self._source = None
        for _ in range(self._thread_count):
            self._todo.put(None)

    def _work(self) -> None:
        while (item := self._todo.get()) is not None:
            error: BaseException | None = None
            try:
                self._driver.call(START, _params(item[0]), self.progress.run)
            except BaseException as failure:  # passed on in the result
                error = failure
                if _ends_run(error):
                    self.progress.end()
            self._done.put((item[0], error))


def run_in_threads(driver: Driver, packages: Iterable[Package], concurrency: int) -> Generator[Outcome]:
    """Start packages in threads; yield their outcomes."""
    threads = _ThreadRun(driver, iter(packages), concurrency)
    del packages  # the traceback of an exception would keep them
    progress = threads.progress
    try:
        threads.submit()
        while threads.pending:
            if outcome := progress.outcome(*threads.result()):
                yield outcome
            threads.submit()
        progress.check_complete()
    finally:
        progress.end()
        threads.close()


class _TaskRun:
    """The tasks of a run: one reads the packages, the others make the calls. A slow source does not delay outcomes."""

    def __init__(self, driver: AsyncDriver, read_one: Callable[[], Awaitable[Package]], concurrency: int):
        self.progress = BulkProgress(driver)
        self._read_one: Any = read_one
        self._driver, self._active_workers = driver, concurrency
        self._read_permits = asyncio.Semaphore(PREFETCH * concurrency)  # one for each package, released with its result
        self._todo = asyncio.Queue[tuple[Any] | None]()  # (package,), or None to end one worker
        self._results = asyncio.Queue[tuple[Any, BaseException | None] | None]()  # None: a worker has ended
        self._reader = asyncio.create_task(self._read())
        self._workers = [asyncio.create_task(self._work()) for _ in range(concurrency)]
        self.progress.run.on_end = self._stop
        # Not in a `finally` of the tasks: a task that is cancelled before its first step never runs it.
        self._reader.add_done_callback(self._stop)
        for worker in self._workers:
            worker.add_done_callback(lambda _: self._results.put_nowait(None))

    def _stop(self, _: object = None) -> None:
        # `_read` tries to read one more package: if the source has ended, the run is complete.
        self._read_permits.release()
        for _ in self._workers:
            self._todo.put_nowait(None)

    async def _read(self) -> None:
        progress = self.progress
        try:
            while progress.may_read:
                await self._read_permits.acquire()
                self._todo.put_nowait((await self._read_one(),))
                progress.is_incomplete = progress.is_incomplete or progress.run.has_ended
        except StopAsyncIteration:
            progress.is_exhausted = True
        except Exception as error:  # raised when the outcomes have been yielded
            progress.failure = progress.failure or error

    async def _work(self) -> None:
        while (item := await self._todo.get()) is not None:
            error: Exception | None = None
            try:
                await self._driver.call(START, _params(item[0]), self.progress.run)
            except Exception as failure:  # passed on in the result
                error = failure
                if _ends_run(error):
                    self.progress.end()
            self._results.put_nowait((item[0], error))

    async def result(self) -> tuple[Any, BaseException | None] | None:
        """Wait until a worker is done with a package; return the package and its error, or None after the last."""
        while self._active_workers:
            if (result := await self._results.get()) is not None:
                self._read_permits.release()
                return result
            self._active_workers -= 1
        return None

    async def finish(self) -> None:
        """After the last result, wait until it is known whether there are more packages."""
        await asyncio.gather(*self._workers)  # raises if a worker was cancelled from outside
        if self.progress.failure is None:
            await asyncio.wait([self._reader], timeout=SOURCE_END_TIMEOUT)
            if self._reader.done():
                self._reader.result()  # raises if it was cancelled from outside

    async def close(self) -> None:
        """Cancel all tasks, wait until they have ended, and release the source."""
        tasks = [self._reader, *self._workers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._read_one = None


async def run_in_tasks(
    driver: AsyncDriver, packages: Iterable[Package] | AsyncIterable[Package], concurrency: int
) -> AsyncGenerator[Outcome]:
    """Start packages in tasks; yield their outcomes."""
    driver.check_loop()
    tasks = _TaskRun(driver, _package_reader(packages), concurrency)
    del packages  # the traceback of an exception would keep them
    progress = tasks.progress
    try:
        while (result := await tasks.result()) is not None:
            if outcome := progress.outcome(*result):
                yield outcome
        await tasks.finish()
        progress.check_complete()
    finally:
        progress.end()
        await tasks.close()


def _package_reader(packages: Iterable[Package] | AsyncIterable[Package]) -> Callable[[], Awaitable[Package]]:
    """Return a function that reads the next package, or raises StopAsyncIteration."""
    if isinstance(packages, AsyncIterable):
        return aiter(packages).__anext__
    source = iter(packages)

    # Not an asynchronous generator: the event loop would close the source later.
    async def read_one() -> Package:
        for package in source:
            return package
        raise StopAsyncIteration

    return read_one
