"""Many packages: any iterable in, outcomes out as they complete, never more than a few of either in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any, cast

from attrs import frozen

from .connections import AsyncConnections, Connections
from .exceptions import (
    AccountError,
    AuthenticationError,
    ClientStateError,
    InvalidArgumentError,
    RateLimitError,
    ShipEngineError,
)
from .retry import Stopped

# How far the packages are read ahead, in multiples of the concurrency.
AHEAD = 2

# What fails for one package because of the account, or of the client, would fail for every other one.
ENDS_THE_RUN = (AuthenticationError, AccountError, RateLimitError, ClientStateError)


@frozen(kw_only=True)
class Package:
    """A package to start tracking: the arguments of `start`, which checks them."""

    tracking_number: str
    carrier_code: str | None = None
    carrier_id: str | None = None


@frozen
class Outcome:
    """What became of one package: `error` is None if it is tracked now. `package` is the value as it was given."""

    package: Package
    error: ShipEngineError | None = None

    @property
    def ok(self) -> bool:
        """Whether the package is tracked now."""
        return self.error is None


def check_packages(packages: object, kinds: type | tuple[type, ...]) -> None:
    """Refuse what packages cannot be read from."""
    if isinstance(packages, str | bytes | Package) or not isinstance(packages, kinds):
        raise InvalidArgumentError(
            f"packages must be an iterable of Package, not {type(packages).__name__}: one package goes into a list"
        )


def arguments(package: object) -> dict[str, Any]:
    """Return the arguments of `start` that a package stands for."""
    if not isinstance(package, Package):
        raise InvalidArgumentError(f"packages must yield Package, not {type(package).__name__}: wrap it in Package(…)")
    return {
        "tracking_number": package.tracking_number,
        "carrier_code": package.carrier_code,
        "carrier_id": package.carrier_id,
    }


def stream(
    packages: Iterable[Package], concurrency: int, connections: Connections, start: Callable[..., None]
) -> Iterator[Outcome]:
    """Start packages in threads; yield their outcomes. The packages are read in the caller's thread."""
    run = connections.begin_run()
    crew = _Threads(packages, concurrency, partial(start, run=run), partial(connections.end_run, run))
    try:
        while crew.feed():
            yield from crew.outcome()
    finally:
        connections.end_run(run)
        crew.pool.shutdown(wait=False, cancel_futures=True)
    if crew.failure is not None:
        raise crew.failure


class _Threads:
    """The workers of a threaded run."""

    def __init__(
        self, packages: Iterable[Package], concurrency: int, start: Callable[[Any], None], end_run: Callable[[], None]
    ):
        self.pool = ThreadPoolExecutor(concurrency, "shipengine-tracking")
        self.failure: Exception | None = None
        self._source = iter(packages)
        self._exhausted = False
        self._flying, self._most = 0, AHEAD * concurrency
        self._ended = SimpleQueue[Future[tuple[Any, Exception | None]]]()
        self._start, self._end_run = start, end_run

    def feed(self) -> int:
        """Hand packages to the workers, unless an outcome waits; return how many are with them."""
        while self._flying < self._most and self._ended.empty() and not (self._exhausted or self.failure):
            try:
                package = next(self._source)
            except StopIteration:
                self._exhausted = True
            except Exception as error:
                self.failure = error
            else:
                self.pool.submit(self._work, package).add_done_callback(self._ended.put)
                self._flying += 1
        return self._flying

    def outcome(self) -> Iterator[Outcome]:
        """Wait for a worker; yield the outcome if there is one."""
        package, error = self._ended.get().result()
        self._flying -= 1
        if error is not None and self.failure is None and _ends_the_run(error):
            self.failure = error
        elif error is None or _is_reported(error):
            yield Outcome(package, cast("ShipEngineError | None", error))

    def _work(self, package: Any) -> tuple[Any, Exception | None]:
        try:
            self._start(package)
        except Exception as error:
            if _ends_the_run(error):
                self._end_run()
            return package, error
        return package, None


def _ends_the_run(error: Exception) -> bool:
    return isinstance(error, ENDS_THE_RUN) or not isinstance(error, ShipEngineError | Stopped)


def _is_reported(error: Exception) -> bool:
    # Not what the end of the run has kept from being sent: that package has not been dealt with.
    return isinstance(error, ShipEngineError) and (error.attempts > 0 or not _ends_the_run(error))


async def stream_async(
    packages: Iterable[Package] | AsyncIterable[Package],
    concurrency: int,
    connections: AsyncConnections,
    start: Callable[..., Coroutine[Any, Any, None]],
) -> AsyncGenerator[Outcome]:
    """Start packages in tasks; yield their outcomes."""
    run = connections.begin_run()
    crew = _Tasks(packages, concurrency, partial(start, run=run), partial(connections.end_run, run))
    tasks = [asyncio.create_task(crew.work()) for _ in range(concurrency)]
    for task in tasks:
        task.add_done_callback(crew.left)
    try:
        working = concurrency
        while working:
            outcome = await crew.outcomes.get()
            if outcome is None:
                working -= 1
            else:
                crew.room.release()
                yield outcome
    finally:
        connections.end_run(run)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if crew.failure is not None:
        raise crew.failure


async def _aiter(packages: Iterable[Package]) -> AsyncIterator[Package]:
    for package in packages:
        yield package


class _Tasks:
    """The workers of an asynchronous run. They read the packages by turns, so that outcomes need not wait for them."""

    def __init__(
        self,
        packages: Iterable[Package] | AsyncIterable[Package],
        concurrency: int,
        start: Callable[[Any], Coroutine[Any, Any, None]],
        end_run: Callable[[], None],
    ):
        self.outcomes = asyncio.Queue[Outcome | None]()  # `room` bounds it; None for a worker that has left
        self.room = asyncio.Semaphore(AHEAD * concurrency)
        self.failure: BaseException | None = None
        self._source = aiter(packages) if isinstance(packages, AsyncIterable) else _aiter(packages)
        self._exhausted = False
        self._turn = asyncio.Lock()
        self._reader: asyncio.Task[Any] | None = None
        self._start, self._end_run = start, end_run

    async def work(self) -> None:
        """Start one package after another."""
        while True:
            await self.room.acquire()
            async with self._turn:
                if self._exhausted or self.failure:
                    return
                self._reader = asyncio.current_task()
                try:
                    package = await anext(self._source)
                except StopAsyncIteration:
                    self._exhausted = True
                    return
                except Exception as error:
                    self.failure = error
                    return
                finally:
                    self._reader = None
            try:
                await self._start(package)
                self.outcomes.put_nowait(Outcome(package))
            except Exception as error:
                self._note(package, error)

    def _note(self, package: Any, error: Exception) -> None:
        if self.failure is None and _ends_the_run(error):
            self.room.release()
            self.failure = error
            self._end_run()
            if self._reader is not None:  # the next package may be long in coming
                self._reader.cancel()
        elif _is_reported(error):
            self.outcomes.put_nowait(Outcome(package, cast("ShipEngineError", error)))
        else:
            self.room.release()

    def left(self, task: asyncio.Task[Any]) -> None:
        """Note that a worker has left."""
        if not task.cancelled() and task.exception():
            self.failure = self.failure or task.exception()
        self.outcomes.put_nowait(None)
