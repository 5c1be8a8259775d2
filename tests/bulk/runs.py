"""What the tests of `start_many` share: packages, sources, and how a run ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest

from shipengine_tracking import Outcome, Package
from shipengine_tracking.testing import FakeShipEngine
from support import Caller


def packages(count: int) -> list[Package]:
    """Return packages with different tracking numbers."""
    return [Package(tracking_number=f"{number:06}", carrier_code="ups") for number in range(count)]


def numbers(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the sorted tracking numbers of outcomes."""
    return sorted(outcome.package.tracking_number for outcome in outcomes)


def requested(fake: FakeShipEngine) -> list[str]:
    """Return the tracking numbers of all requests, in their order."""
    return [dict(request.query)["tracking_number"] for request in fake.requests]


def accept(_: httpx.Request) -> httpx.Response:
    """Respond to a request of a mock transport as ShipEngine does."""
    return httpx.Response(204)


def collect(stream: Iterable[Outcome]) -> tuple[list[Outcome], Exception | None]:
    """Return the outcomes of a run, and the exception that ended it."""
    outcomes: list[Outcome] = []
    try:
        for outcome in stream:
            outcomes.append(outcome)  # noqa: PERF402 the outcomes before an exception count
    except Exception as error:
        return outcomes, error
    return outcomes, None


def run(
    caller: Caller, fake: FakeShipEngine | None, source: Any, *, concurrency: int = 4, **settings: Any
) -> tuple[list[Outcome], Exception | None]:
    """Start all packages of a source with a new client; return the outcomes, and the exception that ended the run."""
    with caller.client(fake, **settings) as client:
        return collect(client.start_many(source, concurrency=concurrency))


async def slow_async_generator(given: Iterable[Package]) -> AsyncIterator[Package]:
    for package in given:
        await asyncio.sleep(0)
        yield package
        await asyncio.sleep(0.001)


SOURCES = [
    pytest.param("sync", iter, id="sync"),
    pytest.param("async", iter, id="async"),
    pytest.param("async", slow_async_generator, id="async-slow"),
]
