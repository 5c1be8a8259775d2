"""Many packages: order of events, ends of every kind, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import virtual
from conftest import PACKAGE
from shipengine_tracking import (
    AccountError,
    APIConnectionError,
    AsyncTrackingClient,
    AuthenticationError,
    CarrierError,
    ClientStateError,
    InvalidArgumentError,
    Outcome,
    Package,
    RateLimitError,
    ServerError,
    ShipEngineError,
    TrackingClient,
    retry,
)
from shipengine_tracking import bulk as run_rules
from shipengine_tracking.gates import ReentrantEvent
from shipengine_tracking.testing import Answer, FakeShipEngine, RateLimit, Weather, error
from test_weather import takes

ACCOUNT = error(403, "trial_expired", "Over.")


def packages(count: int) -> list[Package]:
    return [Package(tracking_number=f"{number:06}", carrier_code="ups") for number in range(count)]


class Bulk:
    """Runs a bulk run, sync or async, and returns its outcomes and what it raised."""

    def __init__(self, kind: str):
        self.kind = kind

    def run(
        self, fake: FakeShipEngine, source: Any, *, concurrency: int = 4, first: int | None = None, **settings: Any
    ) -> tuple[list[Outcome], Exception | None]:
        settings = {"max_retries": 0, "api_key": fake.api_key, "base_url": fake.url, **settings}
        if self.kind == "async":
            return asyncio.run(self._async(source, concurrency, first, settings))
        outcomes: list[Outcome] = []
        with TrackingClient(**settings) as client:
            try:
                for outcome in itertools.islice(client.start_many(source, concurrency=concurrency), first):
                    outcomes.append(outcome)  # noqa: PERF402 what came before an exception counts
            except Exception as raised:
                return outcomes, raised
        return outcomes, None

    async def _async(
        self, source: Any, concurrency: int, first: int | None, settings: dict[str, Any]
    ) -> tuple[list[Outcome], Exception | None]:
        outcomes: list[Outcome] = []
        async with AsyncTrackingClient(**settings) as client:
            try:
                async with aclosing(client.start_many(source, concurrency=concurrency)) as stream:
                    async for outcome in stream:
                        outcomes.append(outcome)
                        if len(outcomes) == first:
                            break
            except Exception as raised:
                return outcomes, raised
        assert len(asyncio.all_tasks()) == 1
        return outcomes, None


@pytest.fixture(params=["sync", "async"])
def bulk(request: pytest.FixtureRequest) -> Bulk:
    return Bulk(request.param)


def numbers(outcomes: Iterable[Outcome]) -> list[str]:
    return sorted(outcome.package.tracking_number for outcome in outcomes)


def recorded(fake: FakeShipEngine) -> list[str]:
    return sorted(subscription.tracking_number for subscription in fake.subscriptions)


def no_thread_remains() -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not [thread for thread in threading.enumerate() if thread.name.startswith("shipengine-tracking")]:
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(autouse=True)
def _nothing_remains() -> Iterator[None]:
    yield
    assert no_thread_remains()


# --- the good run ---------------------------------------------------------------------------------------------------


def test_every_package_has_one_outcome(fake: FakeShipEngine, bulk: Bulk) -> None:
    given = packages(50)
    outcomes, raised = bulk.run(fake, given)
    assert raised is None
    assert all(outcome.ok and outcome.error is None for outcome in outcomes)
    assert sorted(outcomes, key=lambda outcome: outcome.package.tracking_number) == [Outcome(one) for one in given]
    assert recorded(fake) == numbers(outcomes)
    assert len(fake.requests) == 50
    assert fake.connections <= 4


@pytest.mark.parametrize("source", [[], (), iter(()), dict[str, str]().keys()])
def test_no_packages(fake: FakeShipEngine, bulk: Bulk, source: Any) -> None:
    assert bulk.run(fake, source) == ([], None)


def test_an_asynchronous_source(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        for package in packages(20):
            await asyncio.sleep(0)
            yield package

    outcomes, raised = Bulk("async").run(fake, source())
    assert raised is None
    assert numbers(outcomes) == numbers(map(Outcome, packages(20)))


def test_outcomes_come_as_they_complete(fake: FakeShipEngine, bulk: Bulk) -> None:
    fake.script(Answer.of(204, delay=0.5))
    outcomes, _ = bulk.run(fake, packages(4), concurrency=2)
    assert dict(fake.requests[0].query)["tracking_number"] == outcomes[-1].package.tracking_number


def test_an_outcome_need_not_wait_for_the_next_package(fake: FakeShipEngine) -> None:
    async def slow() -> AsyncIterator[Package]:
        yield packages(1)[0]
        await asyncio.sleep(30)

    with takes(0, 3):
        outcomes, _ = Bulk("async").run(fake, slow(), first=1)
    assert len(outcomes) == 1


def test_repeats_are_sent_as_given(fake: FakeShipEngine, bulk: Bulk) -> None:
    outcomes, _ = bulk.run(fake, packages(1) * 7)
    assert len(outcomes) == len(fake.requests) == len(fake.subscriptions) == 7


def test_packages_are_read_lazily(fake: FakeShipEngine, bulk: Bulk) -> None:
    read = 0

    def source() -> Iterator[Package]:
        nonlocal read
        for number in itertools.count():
            read = number + 1
            yield Package(tracking_number=str(number), carrier_code="ups")

    outcomes, raised = bulk.run(fake, source(), first=10, concurrency=4)
    assert (len(outcomes), raised) == (10, None)
    assert read <= 10 + 3 * 4


def test_only_so_many_packages_are_read_ahead(fake: FakeShipEngine, bulk: Bulk) -> None:
    fake.script(Answer(b"", "hang"), Answer(b"", "hang"))
    given = iter(packages(50))
    outcomes, _ = bulk.run(fake, given, concurrency=2, timeout=0.3, first=1)
    assert len(outcomes) == 1
    # Twice the concurrency; tasks go on reading while the caller has the first outcome.
    assert len(list(given)) >= 50 - 4 - (bulk.kind == "async")


def test_the_workers_of_a_threaded_run_are_daemons(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        for _ in client.start_many(packages(20), concurrency=3):
            crew = [thread for thread in threading.enumerate() if thread.name == "shipengine-tracking"]
            assert len(crew) <= 3
            assert all(thread.daemon for thread in crew)


@pytest.mark.parametrize(
    ("failure", "attempts", "is_reported"),
    [
        (CarrierError(400), 1, True),
        (InvalidArgumentError("no"), 0, True),
        (RateLimitError(429), 0, False),  # at the gate: it was not sent
        (RateLimitError(429), 1, True),
        (ClientStateError("closed"), 0, False),
        (RuntimeError(), 0, False),
    ],
)
def test_whose_failure_it_is(failure: Exception, attempts: int, is_reported: bool) -> None:
    if isinstance(failure, ShipEngineError):
        failure.attempts = attempts
    assert run_rules.is_reported(failure) == is_reported


class Odd:
    """A source that raises, or ends, and could go on."""

    def __init__(self, *steps: Package | type[Exception]):
        self.steps = list(steps)

    def __iter__(self) -> Odd:
        return self

    def __next__(self) -> Package:
        return self._step(StopIteration)

    def __aiter__(self) -> Odd:
        return self

    async def __anext__(self) -> Package:
        return self._step(StopAsyncIteration)

    def _step(self, end: type[Exception]) -> Package:
        step = self.steps.pop(0)
        if not isinstance(step, Package):
            raise end if step is StopIteration else step
        return step


@pytest.mark.parametrize("end", [RuntimeError, StopIteration])
def test_a_source_is_not_asked_again(end: type[Exception], fake: FakeShipEngine, bulk: Bulk) -> None:
    source = Odd(*packages(2), end, *packages(9))
    outcomes, raised = bulk.run(fake, source, concurrency=4)
    assert len(outcomes) == 2
    assert type(raised) is (RuntimeError if end is RuntimeError else type(None))
    assert len(source.steps) == 9


def test_closing_the_client_with_the_last_outcome_is_fine(fake: FakeShipEngine, bulk: Bulk) -> None:
    async def run_it() -> None:
        count = 0
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            async for _ in client.start_many(packages(3)):
                count += 1
                if count == 3:
                    await client.aclose()

    if bulk.kind == "async":
        asyncio.run(run_it())
        return
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        for count, _ in enumerate(client.start_many(packages(3)), 1):
            if count == 3:
                client.close()


def test_no_more_in_flight_than_said() -> None:
    for kind in ("sync", "async"):
        with FakeShipEngine(weather=Weather({"slow": 1.0}, delay=0.02)) as fake:
            Bulk(kind).run(fake, packages(30), concurrency=5, max_connections=3)
            assert fake.connections == 3
        with FakeShipEngine(weather=Weather({"slow": 1.0}, delay=0.02)) as fake:
            Bulk(kind).run(fake, packages(30), concurrency=5)
            assert fake.connections == 5


def test_eight_are_in_flight_if_nothing_is_said(bulk: Bulk) -> None:
    async def run_it(**settings: Any) -> None:
        async with AsyncTrackingClient(**settings) as client:
            assert len([outcome async for outcome in client.start_many(packages(40))]) == 40

    with FakeShipEngine(weather=Weather({"slow": 1.0}, delay=0.05)) as fake:
        if bulk.kind == "async":
            asyncio.run(run_it(api_key=fake.api_key, base_url=fake.url))
        else:
            with TrackingClient(fake.api_key, base_url=fake.url) as client:
                assert len(list(client.start_many(packages(40)))) == 40
        assert fake.connections == 8


# --- failures of a package ------------------------------------------------------------------------------------------


def test_a_failure_of_a_package_is_its_outcome(fake: FakeShipEngine, bulk: Bulk) -> None:
    given: list[Any] = packages(3)
    given[1:1] = [
        Package(tracking_number="x", carrier_code="seko"),
        Package(tracking_number="", carrier_code="ups"),
        Package(tracking_number="x"),
        Package(tracking_number=7, carrier_code="ups"),  # type: ignore[arg-type]
        "no package",
        None,
        {"tracking_number": "1"},
    ]
    outcomes, raised = bulk.run(fake, given, concurrency=1)
    assert raised is None
    assert [outcome.package for outcome in outcomes] == given
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds == [type(None), CarrierError, *[InvalidArgumentError] * 6, type(None), type(None)]
    assert str(outcomes[5].error) == "packages must yield Package, not str: wrap it in Package(…)"
    assert [outcome.ok for outcome in outcomes] == [True, *[False] * 7, True, True]


@pytest.mark.parametrize("answer", [Answer.of(400), Answer.of(404), Answer.of(500), Answer(b"", "reset")])
def test_it_goes_on_after_a_failure(fake: FakeShipEngine, bulk: Bulk, answer: Answer) -> None:
    fake.script(answer)
    outcomes, raised = bulk.run(fake, packages(10))
    assert raised is None
    assert sum(outcome.ok for outcome in outcomes) == 9
    assert len(outcomes) == 10


def test_retries_are_those_of_single_calls(fake: FakeShipEngine, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    fake.script(*[Answer.of(503)] * 3)
    outcomes, _ = bulk.run(fake, packages(1), max_retries=2)
    assert isinstance(outcomes[0].error, ServerError)
    assert outcomes[0].error.attempts == 3


# --- what ends a run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.of(401), AuthenticationError),
        (ACCOUNT, AccountError),
        (Answer.of(429, headers={"Retry-After": "91"}), RateLimitError),
    ],
)
def test_a_failure_of_the_account_ends_the_run(
    fake: FakeShipEngine, bulk: Bulk, answer: Answer, kind: type[ShipEngineError]
) -> None:
    fake.script(Answer.of(204), Answer.of(204), answer)
    outcomes, raised = bulk.run(fake, packages(100), concurrency=1)
    assert type(raised) is kind
    assert numbers(outcomes) == ["000000", "000001"]
    assert len(fake.requests) == 3


def test_what_is_in_flight_is_reported_first(bulk: Bulk) -> None:
    with FakeShipEngine(weather=Weather({"slow": 1.0}, delay=0.3)) as fake:
        fake.script(Answer.of(401, delay=0.1))
        outcomes, raised = bulk.run(fake, packages(100), concurrency=4)
        assert isinstance(raised, AuthenticationError)
        assert len(outcomes) == len(fake.requests) - 1 == 3
        assert recorded(fake) == numbers(outcomes)


def test_who_waits_is_not_sent_after_the_end(fake: FakeShipEngine, bulk: Bulk) -> None:
    fake.script(Answer.of(503, headers={"Retry-After": "30"}), Answer.of(401, delay=0.2))
    with takes(0, 3):
        outcomes, raised = bulk.run(fake, packages(100), concurrency=2, max_retries=3)
    assert isinstance(raised, AuthenticationError)
    assert outcomes == []
    assert len(fake.requests) == 2


def failing(count: int) -> Iterator[Package]:
    yield from packages(count)
    raise KeyError("of the source")


def test_a_source_that_raises(fake: FakeShipEngine, bulk: Bulk) -> None:
    outcomes, raised = bulk.run(fake, failing(10))
    assert isinstance(raised, KeyError)
    assert len(outcomes) == len(fake.requests) == 10


def test_the_next_package_need_not_come_for_the_run_to_end(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        yield packages(1)[0]
        await asyncio.sleep(30)

    fake.script(Answer.of(401))
    with takes(0, 3):
        outcomes, raised = Bulk("async").run(fake, source())
    assert isinstance(raised, AuthenticationError)
    assert outcomes == []


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("end", ["refused", "closed"])
def test_a_run_that_ends_while_its_source_takes_its_time(end: str, concurrency: int, fake: FakeShipEngine) -> None:
    client = TrackingClient("another" if end == "refused" else fake.api_key, base_url=fake.url)

    def source() -> Iterator[Package]:
        yield from packages(concurrency)
        while not client._connections.closed and not (end == "refused" and fake.requests):
            time.sleep(0.01)
        time.sleep(0.3)  # the next page comes when the run is over
        yield from packages(50)

    if end == "closed":
        fake.script(*[Answer.of(204, delay=0.2)] * concurrency)
        threading.Timer(0.1, client.close).start()
    outcomes: list[Outcome] = []
    with client, takes(0, 5), pytest.raises(AuthenticationError if end == "refused" else ClientStateError):
        outcomes.extend(client.start_many(source(), concurrency=concurrency))
    assert len(fake.requests) <= concurrency
    if end == "closed":
        assert numbers(outcomes) == numbers(map(Outcome, packages(len(fake.requests))))
    else:
        assert all(isinstance(outcome.error, AuthenticationError) for outcome in outcomes)


@pytest.mark.parametrize("source", [None, 7, "text", b"bytes", packages(1)[0]])
def test_impossible_packages(fake: FakeShipEngine, bulk: Bulk, source: Any) -> None:
    _, raised = bulk.run(fake, source)
    assert isinstance(raised, InvalidArgumentError)
    kind = type(source).__name__
    assert str(raised) == f"packages must be an iterable of Package, not {kind}: one package goes into a list"


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True, None])
def test_impossible_concurrency(fake: FakeShipEngine, bulk: Bulk, concurrency: Any) -> None:
    _, raised = bulk.run(fake, packages(1), concurrency=concurrency)
    assert isinstance(raised, InvalidArgumentError)
    assert str(raised) == "concurrency must be a whole number, 1 or more"


# --- leaving early --------------------------------------------------------------------------------------------------


def test_leaving_the_loop(bulk: Bulk) -> None:
    with FakeShipEngine(weather=Weather({"slow": 1.0}, delay=0.05)) as fake:
        outcomes, _ = bulk.run(fake, packages(1000), first=3)
        assert len(outcomes) == 3
        assert no_thread_remains()
        sent = len(fake.requests)
        assert sent <= 3 + 2 * 4
        time.sleep(0.2)
        assert len(fake.requests) == sent


def test_leaving_ends_who_waits(fake: FakeShipEngine, bulk: Bulk) -> None:
    fake.script(Answer.of(204), *[Answer.of(503, headers={"Retry-After": "30"})] * 4)
    with takes(0, 3):
        outcomes, _ = bulk.run(fake, packages(1000), first=1, max_retries=3, concurrency=2)
        assert no_thread_remains()
    assert len(outcomes) == 1


def test_leaving_ends_who_waits_at_the_gate(fake: FakeShipEngine, bulk: Bulk) -> None:
    fake.script(Answer.of(204), Answer.of(429, headers={"Retry-After": "30"}, delay=0.1))
    with takes(0, 3):
        outcomes, _ = bulk.run(fake, packages(1000), first=1, concurrency=2)
        assert no_thread_remains()
    assert len(outcomes) == 1


def test_a_stream_that_nobody_reads(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        client.start_many(packages(10))
        stream = client.start_many(packages(1000))
        assert next(stream).ok
        del stream
        gc.collect()
        assert no_thread_remains()

    async def run() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            client.start_many(packages(10))
            async for outcome in client.start_many(packages(1000)):
                assert outcome.ok
                break
            for _ in range(100):
                await asyncio.sleep(0.05)
                if len(asyncio.all_tasks()) == 1:
                    break
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_ctrl_c(fake: FakeShipEngine) -> None:
    fake.script(Answer(b"", "hang"))
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with takes(0, 2), pytest.raises(KeyboardInterrupt):
            for _ in client.start_many(packages(1), concurrency=4):
                pass
        timer.join()
        sent = len(fake.requests)
        fake.end()
    assert sent == 1


def test_cancelling(fake: FakeShipEngine) -> None:
    async def run() -> None:
        fake.script(*[Answer(b"", "hang")] * 4)
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:

            async def consume() -> None:
                async for _ in client.start_many(packages(1000), concurrency=4):
                    pass

            with takes(0, 2), pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(consume(), 0.3)
            assert len(asyncio.all_tasks()) == 1
            await client.start(**PACKAGE)

    asyncio.run(run())
    assert len(fake.requests) == 5


def test_closing_the_client_ends_its_streams(fake: FakeShipEngine) -> None:
    client = TrackingClient(fake.api_key, base_url=fake.url)
    stream = client.start_many(packages(1000))
    assert next(stream).ok
    client.close()
    with pytest.raises(ClientStateError):
        assert all(outcome.ok for outcome in stream)
    assert len(fake.requests) < 20
    with pytest.raises(ClientStateError):
        client.start_many(packages(1))

    async def run() -> None:
        client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
        stream = client.start_many(packages(1000))
        assert (await anext(stream)).ok
        await client.aclose()
        with pytest.raises(ClientStateError):
            assert all([outcome.ok async for outcome in stream])
        with pytest.raises(ClientStateError):
            client.start_many(packages(1))

    asyncio.run(run())


def test_a_stream_that_a_close_has_cut_short_does_not_look_complete(fake: FakeShipEngine) -> None:
    """All packages have been read, and some of them not been sent."""
    fake.script(Answer.of(204), *[Answer.of(204, delay=0.3)] * 6)
    client = TrackingClient(fake.api_key, base_url=fake.url)

    def close_it(outcome: Outcome) -> None:
        client.close()

    with pytest.raises(ClientStateError, match="closed"):
        list(map(close_it, client.start_many(packages(7), concurrency=4)))
    assert 1 <= len(fake.requests) < 7

    async def run() -> None:
        client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
        async for outcome in client.start_many(packages(7), concurrency=4):
            assert outcome.ok
            await client.aclose()

    with FakeShipEngine(api_key=fake.api_key) as fake:
        fake.script(Answer.of(204), *[Answer.of(204, delay=0.3)] * 6)
        with pytest.raises(ClientStateError, match="closed"):
            asyncio.run(run())
        assert 1 <= len(fake.requests) < 7


def test_a_call_that_the_close_has_stopped_at_the_gate_is_missing(fake: FakeShipEngine, bulk: Bulk) -> None:
    """No call in flight, nothing left to read: only the one that waits shows that the run is not complete."""
    fake.script(Answer.of(429, headers={"Retry-After": "30"}))
    with takes(0, 5):
        if bulk.kind == "sync":
            client = TrackingClient(fake.api_key, base_url=fake.url)
            timer = threading.Timer(0.3, client.close)
            timer.start()
            with pytest.raises(ClientStateError, match="closed"):
                list(client.start_many(packages(1)))
            timer.join()
            return

        async def run() -> None:
            client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
            asyncio.get_running_loop().call_later(0.3, lambda: closing.append(asyncio.create_task(client.aclose())))
            with pytest.raises(ClientStateError, match="closed"):
                assert [outcome async for outcome in client.start_many(packages(1))] == []

        closing: list[asyncio.Task[None]] = []
        asyncio.run(run())


@pytest.mark.parametrize("concurrency", [1, 3])
def test_closing_amid_a_call_does_not_have_its_worker_wait_for_the_source(
    concurrency: int, fake: FakeShipEngine
) -> None:
    fake.script(*[Answer.of(204, delay=0.4)] * 2)

    class Endless:
        given = 0

        def __aiter__(self) -> AsyncIterator[Package]:
            return self

        async def __anext__(self) -> Package:
            self.given += 1
            if self.given > 2:
                await asyncio.sleep(30)
            return packages(2)[self.given - 1]

    async def run() -> None:
        client = AsyncTrackingClient(fake.api_key, base_url=fake.url)

        async def consume() -> list[Outcome]:
            return [outcome async for outcome in client.start_many(Endless(), concurrency=concurrency)]

        reading = asyncio.create_task(consume())
        await asyncio.sleep(0.2)
        await client.aclose()
        with takes(0, 3), pytest.raises(ClientStateError):
            await reading

    asyncio.run(run())


@pytest.mark.parametrize("end", ["left", "complete"])
def test_an_asynchronous_source_is_let_go_at_the_end(end: str, fake: FakeShipEngine) -> None:
    ended: list[str] = []

    def source() -> Iterator[Package]:
        try:
            yield from packages(100 if end != "complete" else 3)
        finally:
            ended.append(end)

    async def run() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            async with aclosing(client.start_many(source(), concurrency=2)) as stream:
                async for _ in stream:
                    if end == "left":
                        break
            del stream
            for _ in range(5):
                await asyncio.sleep(0)
            assert ended == [end]

    gc.disable()  # so that nothing but the end lets it go
    try:
        asyncio.run(run())
    finally:
        gc.enable()


def test_closing_ends_a_stream_that_waits_for_its_source(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        yield packages(1)[0]
        await asyncio.sleep(30)

    async def run() -> None:
        client = AsyncTrackingClient(fake.api_key, base_url=fake.url)

        async def consume() -> list[Outcome]:
            return [outcome async for outcome in client.start_many(source())]

        reading = asyncio.create_task(consume())
        await asyncio.sleep(0.2)
        await client.aclose()
        with takes(0, 1), pytest.raises(ClientStateError):
            await reading
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_run_that_is_cancelled_within_does_not_look_complete(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        for package in packages(3):
            yield package
        raise asyncio.CancelledError

    async def of_source() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            assert not [outcome async for outcome in client.start_many(source()) if not outcome.ok]

    async def of_transport() -> None:
        async def serve(request: httpx.Request) -> httpx.Response:
            if "000005" in str(request.url):
                raise asyncio.CancelledError
            return httpx.Response(204)

        async with AsyncTrackingClient("TEST_key", transport=httpx.MockTransport(serve)) as client:
            assert not [outcome async for outcome in client.start_many(packages(20)) if not outcome.ok]

    for way in (of_source, of_transport):
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(way())


def test_a_source_that_swallows_the_cancelling(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        for package in packages(10_000):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)
            yield package

    with takes(0, 3):
        outcomes, raised = Bulk("async").run(fake, source(), first=3)
    assert (len(outcomes), raised) == (3, None)


def test_leaving_while_a_server_hangs_does_not_keep_the_process(fake: FakeShipEngine) -> None:
    program = f"""
from shipengine_tracking import Package, TrackingClient
with TrackingClient({fake.api_key!r}, base_url={fake.url!r}) as client:
    for outcome in client.start_many([Package(tracking_number=str(n), carrier_code="ups") for n in range(9)]):
        break
"""
    fake.script(Answer.of(204), *[Answer(b"", "hang")] * 8)
    with takes(0, 5):
        subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_a_stream_that_is_garbage_ends_wherever_that_is(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        stream = client.start_many(packages(100))
        next(stream)
        with takes(0, 2), client._connections._gate._lock:
            stream.close()


def test_a_stream_that_is_garbage_where_its_thread_just_begins_to_wait() -> None:
    """Set amid its own wait, an event of threading's would wait for itself."""
    event = ReentrantEvent()
    bell = event._bell

    def get(timeout: float) -> None:
        event.set()  # as the end of a stream does
        bell.get(timeout=timeout)

    event._bell = SimpleNamespace(get=get, put=bell.put)  # type: ignore[assignment]
    with takes(0, 2):
        event.wait(10)
    assert event.is_set()


def test_an_event_wakes_all_who_wait() -> None:
    event = ReentrantEvent()
    with takes(0, 5), ThreadPoolExecutor(5) as crew:
        waits = [crew.submit(event.wait, 10) for _ in range(5)]
        time.sleep(0.1)
        assert not any(one.done() for one in waits)
        event.set()
    with takes(0, 1):
        event.wait(10)
    event.clear()
    event.clear()
    assert not event.is_set()
    with takes(0.2, 1):
        event.wait(0.2)


def test_a_fork_amid_a_run(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        outcomes = client.start_many(packages(50))
        next(outcomes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking amid threads, which is what is tested
            child = os.fork()
        if child == 0:
            try:
                list(outcomes)
            except ClientStateError as error:
                os._exit(0 if str(error).startswith("this run belongs to the process that this one was forked") else 1)
            finally:
                os._exit(2)
        assert len(list(outcomes)) == 49
        with takes(0, 5):
            _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert sorted(recorded(fake)) == sorted(numbers(map(Outcome, packages(50))))


def test_where_no_thread_more_can_start_those_that_work_will_do(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, really = 2, threading.Thread.start

    def start(thread: threading.Thread) -> None:
        nonlocal left
        if thread.name == "shipengine-tracking":
            if left == 0:
                raise RuntimeError("can't start new thread")
            left -= 1
        really(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        assert len(list(client.start_many(packages(50)))) == 50
        with pytest.raises(RuntimeError, match="can't start new thread"):
            list(client.start_many(packages(50)))
        assert not client._connections._runs
    assert len(recorded(fake)) == 50


def test_the_source_is_let_go_in_the_callers_thread(fake: FakeShipEngine) -> None:
    ended_in: list[threading.Thread] = []

    class Source:
        def __iter__(self) -> Iterator[Package]:
            try:
                yield from packages(100)
            finally:
                ended_in.append(threading.current_thread())

    fake.script(Answer.of(204), *[Answer.of(204, delay=0.2)] * 8)
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        for _ in client.start_many(Source()):
            break
        gc.collect()
        assert ended_in == [threading.current_thread()]
    with TrackingClient("another", base_url=fake.url) as client:
        with pytest.raises(AuthenticationError):
            list(client.start_many(Source()))
        gc.collect()
        assert ended_in == [threading.current_thread()] * 2


def test_a_run_that_cannot_begin(fake: FakeShipEngine) -> None:
    class Broken:
        def __iter__(self) -> Iterator[Package]:
            raise KeyError

    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        with pytest.raises(KeyError):
            next(client.start_many(Broken()))
        assert not client._connections._runs
    stream = AsyncTrackingClient(fake.api_key, base_url=fake.url).start_many(packages(1))
    with pytest.raises(ClientStateError, match=r"^this client runs under asyncio only$"):
        stream.asend(None).send(None)


def test_what_fails_in_flight_at_the_end_is_reported(fake: FakeShipEngine, bulk: Bulk) -> None:
    fake.script(Answer.of(503, delay=0.3), Answer.of(401, delay=0.1))
    outcomes, raised = bulk.run(fake, packages(100), concurrency=2, max_retries=3)
    assert isinstance(raised, AuthenticationError)
    assert [type(outcome.error) for outcome in outcomes] == [ServerError]


# --- the account's limit --------------------------------------------------------------------------------------------


def test_waiting_for_the_limit_is_no_failure(fake: FakeShipEngine, bulk: Bulk) -> None:
    busy = Answer.of(429, headers={"Retry-After": "0"})
    fake.script(*[busy] * 6)
    outcomes, raised = bulk.run(fake, packages(3), max_retries=1)
    assert raised is None
    assert all(outcome.ok for outcome in outcomes)
    assert len(fake.requests) == 9


@pytest.mark.slow
def test_waits_of_other_kinds_do_not_count_for_the_limit(fake: FakeShipEngine, bulk: Bulk) -> None:
    fake.script(Answer.of(503, headers={"Retry-After": "2"}), Answer.of(429, headers={"Retry-After": "3"}, delay=1.5))
    outcomes, raised = bulk.run(fake, packages(2), concurrency=2, max_retries=3, max_wait=4)
    assert raised is None
    assert all(outcome.ok for outcome in outcomes)


def test_a_429_that_announces_nothing_is_backed_off_from(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        served = 0

        async def serve(_: httpx.Request) -> httpx.Response:
            nonlocal served
            served += 1
            return httpx.Response(204 if asyncio.get_running_loop().time() > began + 300 else 429)

        began = asyncio.get_running_loop().time()
        transport = httpx.MockTransport(serve)
        async with AsyncTrackingClient("TEST_key", transport=transport, max_wait=0.1) as client:
            assert all([outcome.ok async for outcome in client.start_many(packages(8))])
        return served

    assert virtual.run(main(), monkeypatch) < 8 * 300 / 2


@pytest.mark.parametrize("headers", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_run_far_longer_than_any_patience(monkeypatch: pytest.MonkeyPatch, headers: bool) -> None:
    """1,000 packages, 20 a minute: 49 minutes, in virtual time."""
    limit = RateLimit(20, 60.0, headers=headers)

    async def main() -> float:
        loop = asyncio.get_running_loop()

        async def serve(_: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0.02)
            passes, told = limit.count(loop.time())
            return httpx.Response(204 if passes else 429, headers=told)

        began = loop.time()
        async with AsyncTrackingClient("TEST_key", transport=httpx.MockTransport(serve)) as client:
            async for outcome in client.start_many(packages(1000), concurrency=50):
                assert outcome.ok
        return loop.time() - began

    took = virtual.run(main(), monkeypatch)
    assert 49 * 60 <= took <= 49 * 60 * 1.05


# --- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(bulk: Bulk) -> None:
    def count(total: int) -> int:
        transport = httpx.MockTransport(lambda _: httpx.Response(204))
        source = (Package(tracking_number=str(number), carrier_code="ups") for number in range(total))
        tracemalloc.start()
        try:
            run: Callable[[], int] = lambda: _drain(bulk.kind, transport, source)  # noqa: E731
            assert run() == total
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    count(100)
    assert count(800) - count(100) < 300_000


def _drain(kind: str, transport: httpx.MockTransport, source: Iterable[Package]) -> int:
    async def run() -> int:
        done = 0
        async with AsyncTrackingClient("TEST_key", transport=transport) as client:
            async for outcome in client.start_many(source):
                done += outcome.ok
        return done

    if kind == "async":
        return asyncio.run(run())
    with TrackingClient("TEST_key", transport=transport) as client:
        return sum(outcome.ok for outcome in client.start_many(source))


# --- the values -----------------------------------------------------------------------------------------------------


def test_package_and_outcome() -> None:
    package = Package(tracking_number="1Z", carrier_code="ups")
    assert package == Package(tracking_number="1Z", carrier_code="ups", carrier_id=None)
    assert hash(package) == hash(Package(tracking_number="1Z", carrier_code="ups"))
    assert repr(Outcome(package)) == (
        "Outcome(package=Package(tracking_number='1Z', carrier_code='ups', carrier_id=None), error=None)"
    )
    assert not Outcome(package, APIConnectionError("x")).ok
    with pytest.raises(AttributeError):
        package.tracking_number = "2"  # type: ignore[misc]
    assert re.match("Package", repr(package))
