"""Bulk runs with either client."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Any

from shipengine_tracking import AsyncTrackingClient, Outcome, Package, TrackingClient
from shipengine_tracking.testing import FakeShipEngine
from support import wait_until


def packages(count: int) -> list[Package]:
    """Return packages with different tracking numbers."""
    return [Package(tracking_number=f"{number:06}", carrier_code="ups") for number in range(count)]


def numbers(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the sorted tracking numbers of outcomes."""
    return sorted(outcome.package.tracking_number for outcome in outcomes)


def subscribed(fake: FakeShipEngine) -> list[str]:
    """Return the sorted tracking numbers that a fake server has accepted."""
    return sorted(subscription.tracking_number for subscription in fake.subscriptions)


def worker_threads() -> list[threading.Thread]:
    """Return the threads of all runs."""
    return [thread for thread in threading.enumerate() if thread.name == "shipengine-tracking"]


class Runner:
    """Runs `start_many` with one of the two clients.

    `run` returns the outcomes, and the exception that ended the run. `first` leaves the loop after so many outcomes;
    `on_outcome` is called, or awaited, with the client and the outcomes so far.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self.client_class: Any = TrackingClient if kind == "sync" else AsyncTrackingClient

    def run(
        self,
        fake: FakeShipEngine | None,
        source: Any,
        *,
        concurrency: int | None = 4,
        first: int | None = None,
        on_outcome: Callable[[Any, list[Outcome]], object] | None = None,
        **settings: Any,
    ) -> tuple[list[Outcome], BaseException | None]:
        settings = {"max_retries": 0, **settings}
        if fake is not None:
            settings = {"api_key": fake.api_key, "base_url": fake.url, **settings}
        options = {} if concurrency is None else {"concurrency": concurrency}
        run = self._run_sync if self.kind == "sync" else self._run_in_loop
        return run(source, options, first, on_outcome or (lambda client, outcomes: None), settings)

    @staticmethod
    def _run_sync(
        source: Any, options: dict[str, Any], first: int | None, on_outcome: Any, settings: dict[str, Any]
    ) -> tuple[list[Outcome], BaseException | None]:
        outcomes: list[Outcome] = []
        with TrackingClient(**settings) as client:
            try:
                for outcome in itertools.islice(client.start_many(source, **options), first):
                    outcomes.append(outcome)
                    on_outcome(client, outcomes)
            except Exception as error:
                return outcomes, error
        wait_until(lambda: not worker_threads())
        return outcomes, None

    def _run_in_loop(self, *arguments: Any) -> tuple[list[Outcome], BaseException | None]:
        return asyncio.run(self._run_async(*arguments))

    @staticmethod
    async def _run_async(
        source: Any, options: dict[str, Any], first: int | None, on_outcome: Any, settings: dict[str, Any]
    ) -> tuple[list[Outcome], BaseException | None]:
        outcomes: list[Outcome] = []
        async with AsyncTrackingClient(**settings) as client:
            try:
                async with aclosing(client.start_many(source, **options)) as stream:
                    async for outcome in stream:
                        outcomes.append(outcome)
                        if (result := on_outcome(client, outcomes)) is not None:
                            await result
                        if len(outcomes) == first:
                            break
            except Exception as error:
                return outcomes, error
        assert len(asyncio.all_tasks()) == 1
        return outcomes, None


def close(client: Any) -> Any:
    """Close a client; return what must be awaited, if anything."""
    return client.close() if isinstance(client, TrackingClient) else client.aclose()


class UnusualSource:
    """A synchronous and asynchronous iterator that raises, or ends, and could go on."""

    def __init__(self, *steps: Package | type[Exception]):
        self.steps = list(steps)

    def __iter__(self) -> Iterator[Package]:
        return self

    def __next__(self) -> Package:
        return self._step(StopIteration)

    def _step(self, end: type[Exception]) -> Package:
        step = self.steps.pop(0)
        if not isinstance(step, Package):
            raise end if step is StopIteration else step
        return step


class UnusualAsyncSource(UnusualSource):
    """The asynchronous kind."""

    __iter__ = None  # type: ignore[assignment]

    def __aiter__(self) -> AsyncIterator[Package]:
        return self

    async def __anext__(self) -> Package:
        return self._step(StopAsyncIteration)
