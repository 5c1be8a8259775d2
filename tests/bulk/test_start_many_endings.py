"""The ways in which a run of `start_many` ends early: account errors, leaving the loop, Ctrl-C, forks."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress

import httpx
import pytest
from runs import Runner, numbers, packages, subscribed, worker_threads

from faults import RandomFaults
from shipengine_tracking import (
    AccountError,
    AsyncTrackingClient,
    AuthenticationError,
    ClientStateError,
    Outcome,
    Package,
    RateLimitError,
    ServerError,
    ShipEngineError,
    TrackingClient,
)
from shipengine_tracking.testing import FakeShipEngine, Response, error
from support import PACKAGE, takes, wait_until

HANG = Response(b"", "hang")


@pytest.fixture(params=["sync", "async"])
def runner(request: pytest.FixtureRequest) -> Runner:
    return Runner(request.param)


@pytest.fixture(autouse=True)
def _no_threads_remain() -> Iterator[None]:
    yield
    wait_until(lambda: not worker_threads())


@pytest.mark.parametrize(
    ("response", "error_class"),
    [
        pytest.param(Response.of(401), AuthenticationError, id="401"),
        pytest.param(error(403, "trial_expired", "Over."), AccountError, id="403"),
        pytest.param(Response.of(429, headers={"Retry-After": "91"}), RateLimitError, id="429"),
    ],
)
def test_account_error_ends_the_run(
    fake: FakeShipEngine, runner: Runner, response: Response, error_class: type[ShipEngineError]
) -> None:
    fake.enqueue(Response.of(204), Response.of(204), response)
    outcomes, raised = runner.run(fake, packages(100), concurrency=1)
    assert type(raised) is error_class
    assert numbers(outcomes) == ["000000", "000001"]
    assert len(fake.requests) == 3


def test_account_error_is_raised_after_the_outcomes_in_flight(fake: FakeShipEngine, runner: Runner) -> None:
    fake.enqueue(Response.of(401, delay=0.5), *[Response.of(204, delay=2)] * 3)
    outcomes, raised = runner.run(fake, packages(100), concurrency=4)
    assert isinstance(raised, AuthenticationError)
    rejected, *accepted = [dict(request.query)["tracking_number"] for request in fake.requests]
    assert numbers(outcomes) == sorted(accepted)
    assert len(accepted) == 3
    assert rejected not in numbers(outcomes)


@pytest.mark.parametrize("status", [401, 503])
def test_failure_in_flight_when_the_run_ends_is_an_outcome(fake: FakeShipEngine, runner: Runner, status: int) -> None:
    fake.enqueue(Response.of(status, delay=1.5), Response.of(401, delay=0.5))
    outcomes, raised = runner.run(fake, packages(100), concurrency=2, max_retries=3)
    assert isinstance(raised, AuthenticationError)
    assert [type(outcome.error) for outcome in outcomes] == [AuthenticationError if status == 401 else ServerError]


@pytest.mark.parametrize("status", [429, 503])
def test_call_that_waits_for_a_retry_is_not_sent_after_the_end(
    fake: FakeShipEngine, runner: Runner, status: int
) -> None:
    fake.enqueue(Response.of(status, headers={"Retry-After": "60"}, delay=0.2), Response.of(401, delay=0.5))
    with takes(0):
        outcomes, raised = runner.run(fake, packages(100), concurrency=2, max_retries=3)
    assert isinstance(raised, AuthenticationError)
    assert [type(outcome.error) for outcome in outcomes] == ([ServerError] if status == 503 else [])
    assert len(fake.requests) == 2


def test_async_account_error_does_not_wait_for_a_slow_source(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        yield packages(1)[0]
        await asyncio.sleep(60)

    fake.enqueue(Response.of(401))
    with takes(0):
        outcomes, raised = Runner("async").run(fake, source())
    assert isinstance(raised, AuthenticationError)
    assert outcomes == []


def test_exception_of_the_transport_ends_the_run(runner: Runner) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if "000005" in str(request.url):
            raise RuntimeError
        return httpx.Response(204)

    transport = httpx.MockTransport(serve)
    outcomes, raised = runner.run(None, packages(100), concurrency=1, api_key="TEST_key", transport=transport)
    assert isinstance(raised, RuntimeError)
    assert len(outcomes) == 5


def test_exit_in_a_worker_thread_is_raised_in_the_callers_thread() -> None:
    def serve(_: httpx.Request) -> httpx.Response:
        raise SystemExit(7)

    with TrackingClient("TEST_key", transport=httpx.MockTransport(serve)) as client, pytest.raises(SystemExit):
        list(client.start_many(packages(100)))


def test_source_that_cannot_begin_leaves_a_usable_client(fake: FakeShipEngine, runner: Runner) -> None:
    class Broken:
        def __iter__(self) -> Iterator[Package]:
            raise KeyError

    assert isinstance(runner.run(fake, Broken())[1], KeyError)
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        with pytest.raises(KeyError):
            next(client.start_many(Broken()))
        assert len(list(client.start_many(packages(3)))) == 3


def test_async_start_many_needs_asyncio(fake: FakeShipEngine) -> None:
    stream = AsyncTrackingClient(fake.api_key, base_url=fake.url).start_many(packages(1))
    with pytest.raises(ClientStateError, match="asyncio"):
        stream.asend(None).send(None)


# --- leaving the loop -----------------------------------------------------------------------------------------------


def test_leaving_the_loop_sends_nothing_more(runner: Runner) -> None:
    with RandomFaults({"slow": 1.0}, delay=0.05) as fake:
        outcomes, _ = runner.run(fake, packages(1000), first=3)
        assert len(outcomes) == 3
        sent = len(fake.requests)
        assert sent <= 3 + 2 * 4
        time.sleep(0.3)
        assert len(fake.requests) == sent


@pytest.mark.parametrize("status", [429, 503])
def test_leaving_the_loop_ends_calls_that_wait(fake: FakeShipEngine, runner: Runner, status: int) -> None:
    waits = Response.of(status, headers={"Retry-After": "60"}, delay=0.1)
    fake.enqueue(Response.of(204), *[waits] * 4)
    with takes(0):
        outcomes, _ = runner.run(fake, packages(1000), first=1, max_retries=3, concurrency=2)
        wait_until(lambda: not worker_threads())
    assert len(outcomes) == 1


def test_leaving_the_loop_does_not_wait_for_a_hanging_server(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(204), *[HANG] * 8)
    with TrackingClient(fake.api_key, base_url=fake.url, timeout=60) as client, takes(0):
        for _ in client.start_many(packages(9)):
            break
    fake.close()

    async def main() -> None:
        async with AsyncTrackingClient(other.api_key, base_url=other.url, timeout=60) as client:
            async with aclosing(client.start_many(packages(9))) as stream:
                async for _ in stream:
                    break
            assert len(asyncio.all_tasks()) == 1

    with FakeShipEngine() as other, takes(0):
        other.enqueue(Response.of(204), *[HANG] * 8)
        asyncio.run(main())


def test_exit_of_the_interpreter_does_not_wait_for_a_hanging_server(fake: FakeShipEngine) -> None:
    program = f"""
from shipengine_tracking import Package, TrackingClient
with TrackingClient({fake.api_key!r}, base_url={fake.url!r}, timeout=60) as client:
    for outcome in client.start_many([Package(tracking_number=str(n), carrier_code="ups") for n in range(9)]):
        break
"""
    fake.enqueue(Response.of(204), *[HANG] * 8)
    with takes(0, 30):
        subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_ctrl_c_ends_a_run_of_threads(fake: FakeShipEngine) -> None:
    fake.enqueue(HANG)

    def interrupt() -> None:
        wait_until(lambda: fake.requests)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    with TrackingClient(fake.api_key, base_url=fake.url, timeout=60) as client:
        interrupter.start()
        with takes(0), pytest.raises(KeyboardInterrupt):
            list(client.start_many(packages(1), concurrency=4))
        interrupter.join()
        fake.close()
    assert len(fake.requests) == 1


def test_cancelling_the_consumer_cancels_the_tasks(fake: FakeShipEngine) -> None:
    fake.enqueue(*[HANG] * 4)

    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url, timeout=60) as client:

            async def consume() -> list[Outcome]:
                return [outcome async for outcome in client.start_many(packages(1000), concurrency=4)]

            consumer = asyncio.create_task(consume())
            await asyncio.to_thread(wait_until, lambda: len(fake.requests) == 4)
            consumer.cancel()
            with takes(0), pytest.raises(asyncio.CancelledError):
                await consumer
            assert len(asyncio.all_tasks()) == 1
            await client.start(**PACKAGE)

    asyncio.run(main())
    assert len(fake.requests) == 5


def test_source_that_swallows_the_cancellation_is_left(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        for package in packages(10_000):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)
            yield package

    with takes(0):
        outcomes, raised = Runner("async").run(fake, source(), first=3)
    assert (len(outcomes), raised) == (3, None)


@pytest.mark.parametrize("place", ["source", "transport"])
def test_cancellation_inside_a_run_does_not_look_complete(place: str) -> None:
    async def source() -> AsyncIterator[Package]:
        for package in packages(20):
            yield package
        if place == "source":
            raise asyncio.CancelledError

    async def serve(request: httpx.Request) -> httpx.Response:
        if place == "transport" and "000005" in str(request.url):
            raise asyncio.CancelledError
        return httpx.Response(204)

    for concurrency in (1, 8):
        with takes(0), pytest.raises(asyncio.CancelledError):
            Runner("async").run(
                None, source(), concurrency=concurrency, api_key="TEST_key", transport=httpx.MockTransport(serve)
            )


def test_run_whose_tasks_are_cancelled_before_their_first_step_ends() -> None:
    async def main() -> None:
        async def consume(client: AsyncTrackingClient) -> list[Outcome]:
            return [outcome async for outcome in client.start_many(packages(3))]

        transport = httpx.MockTransport(lambda _: httpx.Response(204))
        async with AsyncTrackingClient("TEST_key", transport=transport) as client:
            consumer = asyncio.create_task(consume(client))
            before = asyncio.all_tasks()
            await asyncio.sleep(0)  # the consumer begins the run
            started = asyncio.all_tasks() - before
            assert started
            for task in started:
                task.cancel()
            with takes(0), pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(consumer, 60)

    asyncio.run(main())


# --- garbage, sources, forks ----------------------------------------------------------------------------------------


def test_garbage_collected_stream_ends_its_run(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        client.start_many(packages(10))
        stream = client.start_many(packages(1000))
        assert next(stream).ok
        del stream
        gc.collect()
        wait_until(lambda: not worker_threads())

    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            client.start_many(packages(10))
            async for outcome in client.start_many(packages(1000)):
                assert outcome.ok
                break
            await asyncio.to_thread(wait_until, lambda: len(asyncio.all_tasks(loop)) <= 2)  # with the one that waits

    loop = asyncio.new_event_loop()
    with asyncio.Runner(loop_factory=lambda: loop) as event_loop:
        event_loop.run(main())
    assert len(fake.requests) < 100


def test_garbage_collection_of_streams_at_any_moment_does_not_deadlock(fake: FakeShipEngine) -> None:
    class Cycle:
        """Garbage that the next collection finds, in any thread and in any line."""

        def __init__(self, stream: Iterator[Outcome]):
            self.stream, self.itself = stream, self

    before = gc.get_threshold()
    gc.set_threshold(50)
    try:
        with takes(0, 50), TrackingClient(fake.api_key, base_url=fake.url) as client:
            for _ in range(30):
                stream = client.start_many(packages(100))
                next(stream)
                Cycle(stream)
                del stream
            assert len(list(client.start_many(packages(50)))) == 50
    finally:
        gc.set_threshold(*before)
    gc.collect()


@pytest.mark.parametrize("end", ["left", "complete", "rejected"])
def test_source_is_closed_at_once_in_the_callers_thread(fake: FakeShipEngine, runner: Runner, end: str) -> None:
    closed_in: list[threading.Thread] = []

    class Source:
        def __iter__(self) -> Iterator[Package]:
            try:
                yield from packages(3 if end == "complete" else 100)
            finally:
                closed_in.append(threading.current_thread())

    fake.enqueue(Response.of(401 if end == "rejected" else 204), *[Response.of(204, delay=0.2)] * 2)
    gc.disable()  # so that only the end of the run closes it
    try:
        _, raised = runner.run(fake, Source(), first=1 if end == "left" else None, concurrency=2)
        assert isinstance(raised, AuthenticationError if end == "rejected" else type(None))
        assert closed_in == [threading.current_thread()]
    finally:
        gc.enable()


def test_run_belongs_to_the_process_that_began_it(fake: FakeShipEngine) -> None:
    read: list[Package] = []

    def source() -> Iterator[Package]:
        for package in packages(50):
            read.append(package)
            yield package

    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        outcomes = client.start_many(source())
        next(outcomes)
        before = len(read)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is tested
            child = os.fork()
        if child == 0:
            try:
                list(outcomes)
            except ClientStateError:
                os._exit(0 if len(read) == before else 1)
            finally:
                os._exit(2)
        assert len(list(outcomes)) == 49
        with takes(0):
            _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    assert subscribed(fake) == numbers(map(Outcome, packages(50)))


def test_client_is_usable_in_a_child_process_forked_during_a_run(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        outcomes = client.start_many(packages(20))
        next(outcomes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is tested
            child = os.fork()
        if child == 0:
            try:
                os._exit(0 if sum(outcome.ok for outcome in client.start_many(packages(20))) == 20 else 1)
            finally:
                os._exit(2)
        assert len(list(outcomes)) == 19
        with takes(0):
            _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    assert len(fake.subscriptions) == 40
