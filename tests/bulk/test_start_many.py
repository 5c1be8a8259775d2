"""`start_many`: outcomes, sources, and failures of single packages."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from runs import Runner, UnusualAsyncSource, UnusualSource, numbers, packages, subscribed, worker_threads

import virtual
from faults import RandomFaults
from shipengine_tracking import (
    APIConnectionError,
    AsyncTrackingClient,
    CarrierError,
    InvalidArgumentError,
    Outcome,
    Package,
    RateLimitError,
    ServerError,
    TrackingClient,
)
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, RateLimit, Response
from support import takes, wait_until


@pytest.fixture(params=["sync", "async"])
def runner(request: pytest.FixtureRequest) -> Runner:
    return Runner(request.param)


@pytest.fixture(autouse=True)
def _no_threads_remain() -> Iterator[None]:
    yield
    wait_until(lambda: not worker_threads())


def test_start_many_yields_one_outcome_for_each_package(fake: FakeShipEngine, runner: Runner) -> None:
    given = packages(50)
    outcomes, error = runner.run(fake, given)
    assert error is None
    assert all(outcome.ok and outcome.error is None for outcome in outcomes)
    assert sorted(outcomes, key=lambda outcome: outcome.package.tracking_number) == [Outcome(one) for one in given]
    assert subscribed(fake) == numbers(outcomes)
    assert len(fake.requests) == 50
    assert fake.connections <= 4


def test_start_many_sends_all_members_of_a_package_but_its_reference(fake: FakeShipEngine, runner: Runner) -> None:
    reference = {"order": [7]}
    package = Package(
        tracking_number="1Z é/&", carrier_code="dhl_express", carrier_id="se-28529731", reference=reference
    )
    outcomes, error = runner.run(fake, [package])
    assert (error, outcomes) == (None, [Outcome(package)])
    assert outcomes[0].package.reference is reference
    query = {"tracking_number": "1Z é/&", "carrier_code": "dhl_express", "carrier_id": "se-28529731"}
    assert dict(fake.requests[0].query) == query


@pytest.mark.parametrize("source", [[], (), iter(()), dict[str, str]().keys()], ids=["list", "tuple", "iter", "keys"])
def test_start_many_without_packages_yields_nothing(fake: FakeShipEngine, runner: Runner, source: Any) -> None:
    assert runner.run(fake, source) == ([], None)


def test_async_start_many_accepts_an_asynchronous_source(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        for package in packages(20):
            await asyncio.sleep(0)
            yield package

    outcomes, error = Runner("async").run(fake, source())
    assert error is None
    assert numbers(outcomes) == numbers(map(Outcome, packages(20)))


def test_outcomes_are_yielded_as_they_complete(runner: Runner) -> None:
    with FakeShipEngine() as fake:
        fake.enqueue(Response.of(204, delay=2))
        outcomes, _ = runner.run(fake, packages(4), concurrency=2)
        assert dict(fake.requests[0].query)["tracking_number"] == outcomes[-1].package.tracking_number


def test_async_outcome_does_not_wait_for_a_slow_source(fake: FakeShipEngine) -> None:
    async def source() -> AsyncIterator[Package]:
        yield packages(1)[0]
        await asyncio.sleep(60)

    with takes(0):
        outcomes, _ = Runner("async").run(fake, source(), first=1)
    assert len(outcomes) == 1


def test_duplicates_are_sent_as_given(fake: FakeShipEngine, runner: Runner) -> None:
    outcomes, _ = runner.run(fake, packages(1) * 7)
    assert len(outcomes) == len(fake.requests) == len(fake.subscriptions) == 7


def test_endless_source_is_read_lazily(fake: FakeShipEngine, runner: Runner) -> None:
    read = 0

    def source() -> Iterator[Package]:
        nonlocal read
        for read in itertools.count(1):
            yield Package(tracking_number=str(read), carrier_code="ups")

    outcomes, error = runner.run(fake, source(), first=10, concurrency=4)
    assert (len(outcomes), error) == (10, None)
    assert read <= 10 + 3 * 4


def test_at_most_twice_the_concurrency_is_read_ahead(fake: FakeShipEngine, runner: Runner) -> None:
    fake.enqueue(*[Response(b"", "hang")] * 2)
    given = iter(packages(50))
    outcomes, _ = runner.run(fake, given, concurrency=2, timeout=0.5, first=1)
    assert len(outcomes) == 1
    # Tasks continue to read while the caller has the first outcome, and read one package more when the run ends.
    assert len(list(given)) >= 50 - 4 - 2 * (runner.kind == "async")


def test_sync_source_is_read_in_the_callers_thread(fake: FakeShipEngine, runner: Runner) -> None:
    threads = set[threading.Thread]()

    def source() -> Iterator[Package]:
        for package in packages(30):
            threads.add(threading.current_thread())
            yield package

    assert len(runner.run(fake, source())[0]) == 30
    assert threads == {threading.current_thread()}


def test_worker_threads_are_few_daemons(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        for _ in client.start_many(packages(20), concurrency=3):
            threads = worker_threads()
            assert len(threads) <= 3
            assert all(thread.daemon for thread in threads)


@pytest.mark.parametrize("end", [RuntimeError, StopIteration])
@pytest.mark.parametrize(
    ("kind", "source_class"), [("sync", UnusualSource), ("async", UnusualSource), ("async", UnusualAsyncSource)]
)
def test_source_is_not_read_after_its_end(
    end: type[Exception], kind: str, source_class: type[UnusualSource], fake: FakeShipEngine
) -> None:
    source = source_class(*packages(2), end, *packages(9))
    outcomes, error = Runner(kind).run(fake, source, concurrency=4)
    assert len(outcomes) == 2
    assert type(error) is (RuntimeError if end is RuntimeError else type(None))
    assert len(source.steps) == 9


def test_source_that_raises_ends_the_run_after_all_outcomes(fake: FakeShipEngine, runner: Runner) -> None:
    def source() -> Iterator[Package]:
        yield from packages(10)
        raise KeyError("of the source")

    outcomes, error = runner.run(fake, source())
    assert isinstance(error, KeyError)
    assert len(outcomes) == len(fake.requests) == 10


@pytest.mark.parametrize(
    ("concurrency", "settings", "connections"),
    [
        pytest.param(5, {}, 5, id="concurrency"),
        pytest.param(5, {"max_connections": 3}, 3, id="max_connections"),
        pytest.param(None, {}, 8, id="default"),
    ],
)
def test_as_many_calls_are_in_flight_as_allowed(
    runner: Runner, concurrency: int | None, settings: dict[str, Any], connections: int
) -> None:
    with RandomFaults({"slow": 1.0}, delay=0.1) as fake:
        outcomes, _ = runner.run(fake, packages(40), concurrency=concurrency, **settings)
        assert len(outcomes) == 40
        assert fake.connections == connections


def test_several_runs_share_one_client(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        streams = [client.start_many(packages(20), concurrency=3) for _ in range(3)]
        next(streams[0])
        streams[0].close()
        assert [len(list(stream)) for stream in streams] == [0, 20, 20]

    async def main() -> None:
        async def consume(client: AsyncTrackingClient) -> int:
            return len([outcome async for outcome in client.start_many(packages(20), concurrency=3) if outcome.ok])

        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            assert await asyncio.gather(*[consume(client) for _ in range(3)]) == [20] * 3

    asyncio.run(main())


@pytest.mark.parametrize(
    "source", [None, 7, "text", b"bytes", packages(1)[0]], ids=lambda source: type(source).__name__
)
def test_source_of_another_type_is_rejected(fake: FakeShipEngine, runner: Runner, source: Any) -> None:
    _, error = runner.run(fake, source)
    assert isinstance(error, InvalidArgumentError)
    assert "packages" in str(error)
    assert type(source).__name__ in str(error)


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True, "4"])
def test_invalid_concurrency_is_rejected(fake: FakeShipEngine, runner: Runner, concurrency: Any) -> None:
    _, error = runner.run(fake, packages(1), concurrency=concurrency)
    assert isinstance(error, InvalidArgumentError)
    assert "concurrency" in str(error)


def test_failure_of_a_package_is_its_outcome(fake: FakeShipEngine, runner: Runner) -> None:
    given: list[Any] = packages(3)
    given[1:1] = [
        Package(tracking_number="x", carrier_code="seko"),
        Package(tracking_number="", carrier_code="ups"),
        Package(tracking_number="x"),
        Package(tracking_number=7, carrier_code="ups"),  # type: ignore[arg-type]
        "not a package",
        None,
        {"tracking_number": "1"},
    ]
    outcomes, error = runner.run(fake, given, concurrency=1)
    assert error is None
    assert [outcome.package for outcome in outcomes] == given
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds == [type(None), CarrierError, *[InvalidArgumentError] * 6, type(None), type(None)]
    assert [outcome.ok for outcome in outcomes] == [True, *[False] * 7, True, True]


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response.of(400), id="400"),
        pytest.param(Response.of(404), id="404"),
        pytest.param(Response.of(500), id="500"),
        pytest.param(Response(b"", "reset"), id="reset"),
    ],
)
def test_run_continues_after_a_failure(fake: FakeShipEngine, runner: Runner, response: Response) -> None:
    fake.enqueue(response)
    outcomes, error = runner.run(fake, packages(10))
    assert error is None
    assert sum(outcome.ok for outcome in outcomes) == 9
    assert len(outcomes) == 10


def test_run_retries_like_single_calls(fake: FakeShipEngine, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)
    fake.enqueue(*[Response.of(503)] * 3)
    outcomes, _ = runner.run(fake, packages(1), max_retries=2)
    assert isinstance(outcomes[0].error, ServerError)
    assert outcomes[0].error.attempts == 3


@pytest.mark.parametrize("max_retries", [0, 1])
def test_429_does_not_count_as_a_retry(
    fake: FakeShipEngine, runner: Runner, max_retries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)
    fake.enqueue(*[Response.of(429, headers={"Retry-After": "0"})] * 6)
    outcomes, error = runner.run(fake, packages(3), max_retries=max_retries)
    assert error is None
    assert all(outcome.ok for outcome in outcomes)
    assert len(fake.requests) == 9


def test_429_without_retry_after_is_backed_off_from(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        served = 0

        async def serve(_: httpx.Request) -> httpx.Response:
            nonlocal served
            served += 1
            return httpx.Response(204 if asyncio.get_running_loop().time() > began + 300 else 429)

        began = asyncio.get_running_loop().time()
        transport = httpx.MockTransport(serve)
        async with AsyncTrackingClient("TEST_key", transport=transport, max_wait=0.1, max_retries=0) as client:
            assert all([outcome.ok async for outcome in client.start_many(packages(8))])
        return served

    assert virtual.run(main(), monkeypatch) < 8 * 300 / 2


@pytest.mark.parametrize(("retry_after", "count"), [pytest.param(89, 20, id="89"), pytest.param(91, 1, id="91")])
def test_rate_limit_error_is_raised_only_beyond_max_wait(
    retry_after: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses = [httpx.Response(204), httpx.Response(429, headers={"Retry-After": str(retry_after)})]
    outcomes: list[Outcome] = []

    async def main() -> None:
        transport = httpx.MockTransport(lambda _: responses.pop(0) if responses else httpx.Response(204))
        async with AsyncTrackingClient("TEST_key", transport=transport, max_wait=90) as client:
            async for outcome in client.start_many(packages(20), concurrency=1):
                outcomes.append(outcome)  # noqa: PERF401 the outcomes before an exception count

    with nullcontext() if count == 20 else pytest.raises(RateLimitError) as caught:
        virtual.run(main(), monkeypatch)
    assert len(outcomes) == count
    assert all(outcome.ok for outcome in outcomes)
    assert caught is None or caught.value.retry_after == retry_after


@pytest.mark.parametrize("headers", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_run_far_longer_than_max_wait_completes(monkeypatch: pytest.MonkeyPatch, headers: bool) -> None:
    """1,000 packages, 20 a minute: 49 minutes, in virtual time."""
    limit = RateLimit(20, 60.0, headers=headers)

    async def main() -> float:
        loop = asyncio.get_running_loop()

        async def serve(_: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0.02)
            is_allowed, told = limit.count(loop.time())
            return httpx.Response(204 if is_allowed else 429, headers=told)

        began = loop.time()
        async with AsyncTrackingClient("TEST_key", transport=httpx.MockTransport(serve)) as client:
            async for outcome in client.start_many(packages(1000), concurrency=50):
                assert outcome.ok
        return loop.time() - began

    took = virtual.run(main(), monkeypatch)
    assert 49 * 60 <= took <= 49 * 60 * 1.05


def test_package_and_outcome_are_values() -> None:
    package = Package(tracking_number="1Z", carrier_code="ups")
    assert package == Package(tracking_number="1Z", carrier_code="ups", carrier_id=None, reference=None)
    assert hash(package) == hash(Package(tracking_number="1Z", carrier_code="ups"))
    assert not Outcome(package, APIConnectionError("x")).ok
    assert "tracking_number='1Z'" in repr(Outcome(package))
    with pytest.raises(AttributeError):
        package.tracking_number = "2"  # type: ignore[misc]


@pytest.mark.parametrize("reference", [{"order": 1}, [1], object(), 7, time], ids=lambda value: type(value).__name__)
def test_package_with_any_reference_is_hashable(reference: object) -> None:
    package = Package(tracking_number="1Z", carrier_code="ups", reference=reference)
    assert package.reference is reference
    assert package in {package}
    assert package != Package(tracking_number="1Z", carrier_code="ups")
