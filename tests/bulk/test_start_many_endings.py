"""How a run of `start_many` ends early: account errors, leaving the loop, closing the client, cancellation, forks."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from runs import SOURCES, accept, collect, numbers, packages, requested, run

from shipengine_tracking import (
    AccountError,
    AsyncTrackingClient,
    AuthenticationError,
    ClientStateError,
    Package,
    RateLimitError,
    ServerError,
    TrackingClient,
)
from shipengine_tracking.testing import FakeShipEngine, Response
from support import PACKAGE, BlockingClient, Caller, PausedShipEngine, assert_takes, wait_until, worker_threads

HANG = Response(b"", "hang")
TRIAL_EXPIRED = {"errors": [{"error_code": "trial_expired"}]}


def waits(status: int) -> Response:
    return Response.of(status, headers={"Retry-After": "60"})


async def stalled_source() -> AsyncIterator[Package]:
    """Yield two packages, then stall for a minute."""
    for package in packages(2):
        yield package
    await asyncio.sleep(60)


@contextmanager
def closing_when(client: Any, condition: Callable[[], object]) -> Iterator[None]:
    """Close a client from another thread, or from another task, when the condition is true."""

    def close() -> None:
        wait_until(condition)
        if isinstance(client, BlockingClient):
            asyncio.run_coroutine_threadsafe(client.client.aclose(), client.runner.get_loop())
        else:
            client.close()

    closer = threading.Thread(target=close)
    closer.start()
    yield
    closer.join()


# --- failures that end the run --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "error_class"),
    [
        pytest.param(lambda: httpx.Response(401), AuthenticationError, id="401"),
        pytest.param(lambda: httpx.Response(403, json=TRIAL_EXPIRED), AccountError, id="403"),
        pytest.param(lambda: httpx.Response(429, headers={"Retry-After": "91"}), RateLimitError, id="429"),
        pytest.param(RuntimeError, RuntimeError, id="exception of the transport"),
    ],
)
def test_failure_that_concerns_all_packages_ends_the_run(
    failure: Callable[[], Any], error_class: type[Exception], caller: Caller
) -> None:
    serve = Mock(side_effect=[httpx.Response(204), httpx.Response(204), failure()])
    transport = httpx.MockTransport(serve)
    outcomes, raised = run(caller, None, packages(100), concurrency=1, api_key="TEST_key", transport=transport)
    assert type(raised) is error_class
    assert numbers(outcomes) == ["000000", "000001"]
    assert serve.call_count == 3


@pytest.mark.parametrize(
    ("responses", "outcomes"),
    [
        pytest.param([Response.of(401), *[Response.of(204, delay=1.5)] * 3], [type(None)] * 3, id="successes"),
        pytest.param([Response.of(401), Response.of(401, delay=1.5)], [AuthenticationError], id="401"),
        pytest.param([waits(503), Response.of(401, delay=0.5)], [ServerError], id="503 that waits for a retry"),
        pytest.param([waits(429), Response.of(401, delay=0.5)], [], id="429 that waits for a retry"),
    ],
)
def test_account_error_is_raised_after_the_outcomes_in_flight(
    responses: list[Response], outcomes: list[type], caller: Caller
) -> None:
    with PausedShipEngine(resume_after=len(responses)) as fake, assert_takes(0):
        fake.enqueue(*responses)
        given, raised = run(caller, fake, packages(100), concurrency=len(responses), max_retries=3)
        assert len(fake.requests) == len(responses)
    assert isinstance(raised, AuthenticationError)
    assert [type(outcome.error) for outcome in given] == outcomes


def test_exit_in_a_worker_thread_is_raised_in_the_callers_thread() -> None:
    transport = httpx.MockTransport(lambda _: sys.exit(7))
    with TrackingClient("TEST_key", transport=transport) as client, pytest.raises(SystemExit):
        list(client.start_many(packages(100)))


def test_async_start_many_needs_a_running_event_loop() -> None:
    stream = AsyncTrackingClient("TEST_key").start_many(packages(1))
    with pytest.raises(ClientStateError, match="asyncio"):
        stream.asend(None).send(None)


# --- leaving the loop -----------------------------------------------------------------------------------------------


def test_leaving_the_loop_sends_nothing_more(caller: Caller) -> None:
    with PausedShipEngine(unpaused=["000000"]) as fake:
        with caller.client(fake) as client:
            assert next(client.start_many(packages(1000), concurrency=4)).ok
            fake.resume.set()
            wait_until(lambda: not worker_threads())
        assert len(fake.requests) <= 1 + 4  # four more packages were waiting for a thread or a task


@pytest.mark.parametrize(
    "response",
    [pytest.param(waits(429), id="429"), pytest.param(waits(503), id="503"), pytest.param(HANG, id="hanging server")],
)
def test_leaving_the_loop_does_not_wait(response: Response, fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(Response.of(204), *[response] * 8)
    with assert_takes(0):
        with caller.client(fake, timeout=60, max_retries=3) as client:
            assert next(client.start_many(packages(1000))).ok
        if response is HANG:
            fake.close()
        wait_until(lambda: not worker_threads())


def test_exit_of_the_interpreter_does_not_wait_for_a_hanging_server(fake: FakeShipEngine) -> None:
    program = f"""
from shipengine_tracking import Package, TrackingClient
with TrackingClient({fake.api_key!r}, base_url={fake.url!r}, timeout=60) as client:
    for outcome in client.start_many([Package(tracking_number=str(n), carrier_code="ups") for n in range(9)]):
        break
"""
    fake.enqueue(Response.of(204), *[HANG] * 8)
    with assert_takes(0, 30):
        subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_async_account_error_does_not_wait_for_a_slow_source(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(204), Response.of(401))
    with assert_takes(0):
        outcomes, raised = run(Caller("async"), fake, stalled_source(), concurrency=1)
    assert isinstance(raised, AuthenticationError)
    assert numbers(outcomes) == ["000000"]


def test_leaving_an_async_run_does_not_wait_for_a_slow_source(fake: FakeShipEngine) -> None:
    with assert_takes(0), Caller("async").client(fake) as client:
        assert next(client.start_many(stalled_source())).ok


@pytest.mark.parametrize("end", ["left", "rejected"])
def test_source_is_closed_at_once_in_the_callers_thread(end: str, fake: FakeShipEngine, caller: Caller) -> None:
    closed_in: list[threading.Thread] = []

    def source() -> Iterator[Package]:
        try:
            yield from packages(100)
        finally:
            closed_in.append(threading.current_thread())

    fake.enqueue(Response.of(204), Response.of(401))
    gc.disable()  # so that only the end of the run closes it
    try:
        with caller.client(fake) as client:
            stream = client.start_many(source(), concurrency=1)
            assert next(stream).ok
            if end == "left":
                stream.close()
            else:
                assert isinstance(collect(stream)[1], AuthenticationError)
        assert closed_in == [threading.current_thread()]
    finally:
        gc.enable()


def test_leaving_an_async_loop_without_closing_the_stream_ends_the_run(fake: FakeShipEngine) -> None:
    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            async for _ in client.start_many(packages(1000)):
                break
            loop = asyncio.get_running_loop()
            await asyncio.to_thread(wait_until, lambda: len(asyncio.all_tasks(loop)) == 1)

    asyncio.run(main())
    assert len(fake.requests) < 100


def test_garbage_collection_of_streams_at_any_moment_does_not_deadlock(fake: FakeShipEngine) -> None:
    before = gc.get_threshold()
    gc.set_threshold(50)
    try:
        with assert_takes(0, 50), TrackingClient(fake.api_key, base_url=fake.url) as client:
            for _ in range(30):
                cycle: list[Any] = [client.start_many(packages(100))]  # the next collection, in any line, finds it
                cycle.append(cycle)
                next(cycle[0])
            assert len(list(client.start_many(packages(50)))) == 50
            del cycle
    finally:
        gc.set_threshold(*before)
        gc.collect()


# --- closing the client ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rest", [pytest.param([], id="after the last outcome"), pytest.param(packages(7), id="with packages left")]
)
@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_closing_is_an_error_only_if_a_package_has_no_outcome(
    kind: str, source: Callable[[list[Any]], Any], rest: list[Any]
) -> None:
    for repetition in range(80):
        count, concurrency = 1 + repetition // 2 % 8, (1, 3)[repetition % 2]
        given, serve = [*packages(count), *rest], Mock(side_effect=accept)
        with Caller(kind).client(api_key="TEST_key", transport=httpx.MockTransport(serve)) as client:
            stream = client.start_many(source(given), concurrency=concurrency)
            outcomes = [next(stream) for _ in range(count)]
            client.close()
            others, error = collect(stream)
        outcomes += others
        assert sum(outcome.ok for outcome in outcomes) == serve.call_count  # a call that was sent has an outcome
        assert type(error) is (type(None) if len(outcomes) == len(given) else ClientStateError)


def test_closing_reports_the_calls_in_flight_and_sends_nothing_more(caller: Caller) -> None:
    """All packages of the first run were read, and some of them were not sent. The other run has not begun."""
    with PausedShipEngine(unpaused=["000000"]) as fake, caller.client(fake) as client:
        stream, unused = client.start_many(packages(7), concurrency=4), client.start_many(packages(7))
        first = next(stream)
        client.close()
        fake.resume.set()
        outcomes, error = collect(stream)
        assert isinstance(error, ClientStateError)
        with pytest.raises(ClientStateError):
            next(unused)
        assert len(fake.requests) <= 1 + 4
        assert sorted(requested(fake)) == numbers([first, *outcomes])


def test_closing_ends_a_call_that_waits_for_the_rate_limit(fake: FakeShipEngine, caller: Caller) -> None:
    """No call is in flight and no package is left: only the waiting call shows that the run is not complete."""
    fake.enqueue(Response.of(429, headers={"Retry-After": "60"}))
    with caller.client(fake) as client, closing_when(client, lambda: fake.requests), assert_takes(0):
        assert isinstance(collect(client.start_many(packages(1)))[1], ClientStateError)
    assert len(fake.requests) == 1


def test_closing_does_not_wait_for_a_slow_asynchronous_source(fake: FakeShipEngine) -> None:
    with Caller("async").client(fake) as client, closing_when(client, lambda: len(fake.requests) == 2), assert_takes(0):
        outcomes, error = collect(client.start_many(stalled_source()))
    assert isinstance(error, ClientStateError)
    assert len(outcomes) == 2


# --- cancellation and Ctrl-C ----------------------------------------------------------------------------------------


def test_ctrl_c_ends_a_run_of_threads(fake: FakeShipEngine) -> None:
    fake.enqueue(HANG)

    def interrupt() -> None:
        wait_until(lambda: fake.requests)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    with TrackingClient(fake.api_key, base_url=fake.url, timeout=60) as client:
        interrupter.start()
        with assert_takes(0), pytest.raises(KeyboardInterrupt):
            list(client.start_many(packages(1), concurrency=4))
        interrupter.join()
        fake.close()
    assert len(fake.requests) == 1


def test_cancelling_the_consumer_cancels_the_tasks(fake: FakeShipEngine) -> None:
    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url, timeout=60) as client:
            consumer = asyncio.create_task(anext(client.start_many(packages(1000), concurrency=4)))
            await asyncio.to_thread(wait_until, lambda: len(fake.requests) == 4)
            consumer.cancel()
            with assert_takes(0), pytest.raises(asyncio.CancelledError):
                await consumer
            assert len(asyncio.all_tasks()) == 1
            await client.start(**PACKAGE)

    fake.enqueue(*[HANG] * 4)
    asyncio.run(main())
    assert len(fake.requests) == 5


@pytest.mark.parametrize("place", ["source", "transport"])
def test_cancellation_inside_a_run_does_not_look_complete(place: str) -> None:
    async def source() -> AsyncIterator[Package]:
        for package in packages(20):
            yield package
        if place == "source":
            raise asyncio.CancelledError

    responses = [httpx.Response(204) if place == "source" or at != 5 else asyncio.CancelledError for at in range(20)]
    transport = httpx.MockTransport(Mock(side_effect=responses))
    with assert_takes(0), pytest.raises(asyncio.CancelledError):
        run(Caller("async"), None, source(), api_key="TEST_key", transport=transport)


# --- forks ----------------------------------------------------------------------------------------------------------


def test_client_is_usable_in_a_child_process_but_its_runs_are_not(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        stream = client.start_many(packages(50))
        next(stream)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads, which is what is tested
            child = os.fork()
        if child == 0:
            try:
                outcomes, raised = collect(stream)
                assert (outcomes, type(raised)) == ([], ClientStateError)
                os._exit(0 if sum(outcome.ok for outcome in client.start_many(packages(20))) == 20 else 1)
            finally:
                os._exit(2)
        assert len(list(stream)) == 49
        with assert_takes(0):
            _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    assert len(fake.subscriptions) == 50 + 20
