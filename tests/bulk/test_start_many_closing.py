"""Closing the client during a run of `start_many`, and after its last outcome."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
from runs import Runner, close, numbers, packages, worker_threads

from shipengine_tracking import (
    AsyncTrackingClient,
    AuthenticationError,
    ClientStateError,
    Outcome,
    Package,
    TrackingClient,
)
from shipengine_tracking.testing import FakeShipEngine, Response
from support import takes, wait_until

REPETITIONS = 200


@pytest.fixture(params=["sync", "async"])
def runner(request: pytest.FixtureRequest) -> Runner:
    return Runner(request.param)


@pytest.fixture(autouse=True)
def _no_threads_remain() -> Iterator[None]:
    yield
    wait_until(lambda: not worker_threads())


def generator(given: list[Package]) -> Iterator[Package]:
    yield from given


async def async_generator(given: list[Package]) -> AsyncIterator[Package]:
    for package in given:
        yield package


async def slow_async_generator(given: list[Package]) -> AsyncIterator[Package]:
    for package in given:
        await asyncio.sleep(0)
        yield package
        await asyncio.sleep(0.001)


SOURCES = [
    pytest.param("sync", list, id="sync-list"),
    pytest.param("sync", generator, id="sync-generator"),
    pytest.param("async", list, id="async-list"),
    pytest.param("async", generator, id="async-generator"),
    pytest.param("async", async_generator, id="async-asynchronous"),
    pytest.param("async", slow_async_generator, id="async-slow"),
]


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_closing_after_the_last_outcome_is_never_an_error(
    kind: str, source: Callable[[list[Package]], Iterable[Package] | AsyncIterable[Package]], concurrency: int
) -> None:
    for repetition in range(REPETITIONS):
        count = 1 + repetition % 8

        def close_after_last(client: Any, outcomes: list[Outcome], count: int = count) -> Any:
            return close(client) if len(outcomes) == count else None

        outcomes, error = Runner(kind).run(
            None,
            source(packages(count)),
            concurrency=concurrency,
            on_outcome=close_after_last,
            api_key="TEST_key",
            transport=httpx.MockTransport(lambda _: httpx.Response(204)),
        )
        assert (len(outcomes), error) == (count, None)


def test_closing_after_the_last_outcome_over_sockets_is_not_an_error(fake: FakeShipEngine, runner: Runner) -> None:
    for _ in range(20):
        outcomes, error = runner.run(
            fake, packages(3), on_outcome=lambda client, outcomes: close(client) if len(outcomes) == 3 else None
        )
        assert (len(outcomes), error) == (3, None)


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_closing_before_the_last_outcome_is_always_an_error(
    kind: str, source: Callable[[list[Package]], Iterable[Package] | AsyncIterable[Package]], concurrency: int
) -> None:
    for repetition in range(REPETITIONS):
        count = 1 + repetition % 8
        sent: list[httpx.Request] = []

        def close_before_last(client: Any, outcomes: list[Outcome], count: int = count) -> Any:
            return close(client) if len(outcomes) == count else None

        def serve(request: httpx.Request, sent: list[httpx.Request] = sent) -> httpx.Response:
            sent.append(request)
            return httpx.Response(204)

        outcomes, error = Runner(kind).run(
            None,
            source(packages(count + 7)),
            concurrency=concurrency,
            on_outcome=close_before_last,
            api_key="TEST_key",
            transport=httpx.MockTransport(serve),
        )
        # A call that was sent has an outcome.
        assert len(outcomes) == len(sent)
        assert type(error) is (ClientStateError if len(outcomes) < count + 7 else type(None))


def test_closing_reports_the_calls_in_flight(fake: FakeShipEngine, runner: Runner) -> None:
    """All packages were read, and some of them were not sent."""
    fake.enqueue(Response.of(204), *[Response.of(204, delay=0.5)] * 6)
    outcomes, error = runner.run(
        fake, packages(7), on_outcome=lambda client, outcomes: close(client) if len(outcomes) == 1 else None
    )
    assert isinstance(error, ClientStateError)
    assert 1 <= len(fake.requests) < 7
    assert sorted(dict(request.query)["tracking_number"] for request in fake.requests) == numbers(outcomes)


def test_closed_client_ends_its_runs_and_begins_none(fake: FakeShipEngine) -> None:
    client = TrackingClient(fake.api_key, base_url=fake.url)
    stream, unused = client.start_many(packages(1000)), client.start_many(packages(1000))
    assert next(stream).ok
    client.close()
    with pytest.raises(ClientStateError):
        assert all(outcome.ok for outcome in stream)
    with pytest.raises(ClientStateError):
        next(unused)
    with pytest.raises(ClientStateError):
        client.start_many(packages(1))
    assert len(fake.requests) < 100

    async def main() -> None:
        client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
        stream, unused = client.start_many(packages(1000)), client.start_many(packages(1000))
        assert (await anext(stream)).ok
        await client.aclose()
        with pytest.raises(ClientStateError):
            assert all([outcome.ok async for outcome in stream])
        with pytest.raises(ClientStateError):
            await anext(unused)
        with pytest.raises(ClientStateError):
            client.start_many(packages(1))

    asyncio.run(main())


async def close_when(condition: Callable[[], object], stream_of: Callable[[AsyncTrackingClient], Any], url: str) -> int:
    """Close a client when the condition is true; return the number of outcomes of its run, which must fail."""
    client = AsyncTrackingClient("TEST_key", base_url=url)
    outcomes: list[Outcome] = []

    async def consume() -> None:
        async for outcome in stream_of(client):
            outcomes.append(outcome)  # noqa: PERF401 the outcomes before an exception count

    consumer = asyncio.create_task(consume())
    await asyncio.to_thread(wait_until, condition)
    await client.aclose()
    with takes(0), pytest.raises(ClientStateError):
        await consumer
    assert len(asyncio.all_tasks()) == 1
    return len(outcomes)


def test_closing_ends_a_call_that_waits_for_the_rate_limit(runner: Runner) -> None:
    """No call is in flight and no package is left: only the waiting call shows that the run is not complete."""
    with FakeShipEngine(api_key="TEST_key") as fake:
        fake.enqueue(Response.of(429, headers={"Retry-After": "60"}))
        if runner.kind == "async":
            asyncio.run(close_when(lambda: fake.requests, lambda client: client.start_many(packages(1)), fake.url))
        else:
            with TrackingClient(fake.api_key, base_url=fake.url) as client:

                def close_later() -> None:
                    wait_until(lambda: fake.requests)
                    client.close()

                closer = threading.Thread(target=close_later)
                closer.start()
                with takes(0), pytest.raises(ClientStateError):
                    list(client.start_many(packages(1)))
                closer.join()
        assert len(fake.requests) == 1


@pytest.mark.parametrize("delay", [0.0, 0.5])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_closing_does_not_wait_for_a_slow_asynchronous_source(concurrency: int, delay: float) -> None:
    class Slow:
        read = 0

        def __aiter__(self) -> AsyncIterator[Package]:
            return self

        async def __anext__(self) -> Package:
            self.read += 1
            if self.read > 2:
                await asyncio.sleep(60)
            return packages(2)[self.read - 1]

    with FakeShipEngine(api_key="TEST_key") as fake:
        fake.enqueue(*[Response.of(204, delay=delay)] * 2)
        source = Slow()
        count = asyncio.run(
            close_when(
                lambda: source.read > 2 and bool(fake.requests),
                lambda client: client.start_many(source, concurrency=concurrency),
                fake.url,
            )
        )
        assert count == len(fake.requests)


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("end", ["rejected", "closed"])
def test_run_may_end_while_a_source_blocks(end: str, concurrency: int, fake: FakeShipEngine) -> None:
    client = TrackingClient(fake.api_key, base_url=fake.url)

    def source() -> Iterator[Package]:
        yield from packages(concurrency)
        wait_until(lambda: fake.requests)
        if end == "closed":
            client.close()
        time.sleep(0.5)  # the next page arrives when the run is over
        yield from packages(50)

    fake.enqueue(*[Response.of(401 if end == "rejected" else 204, delay=0.2)] * concurrency)
    outcomes: list[Outcome] = []
    with client, takes(0), pytest.raises(AuthenticationError if end == "rejected" else ClientStateError):
        outcomes.extend(client.start_many(source(), concurrency=concurrency))
    assert len(fake.requests) <= concurrency
    assert len(outcomes) == len(fake.requests) - (end == "rejected")
    assert all(outcome.ok == (end == "closed") for outcome in outcomes)


@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_package_that_is_none_counts_as_a_package_left(kind: str, source: Callable[[Any], Any]) -> None:
    given: list[Any] = [*packages(3), None]
    outcomes, error = Runner(kind).run(
        None,
        source(given),
        concurrency=1,
        on_outcome=lambda client, outcomes: close(client) if len(outcomes) == 3 else None,
        api_key="TEST_key",
        transport=httpx.MockTransport(lambda _: httpx.Response(204)),
    )
    assert len(outcomes) == (4 if error is None else 3)
    assert isinstance(error, ClientStateError | None)
