"""`start_many`: outcomes, sources, concurrency, failures of single packages, and waiting for the rate limit."""

from __future__ import annotations

import asyncio
import itertools
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from runs import SOURCES, accept, numbers, packages, requested, run

import virtual_time
from shipengine_tracking import (
    APIConnectionError,
    AsyncTrackingClient,
    CarrierError,
    InvalidArgumentError,
    NotFoundError,
    Outcome,
    Package,
    ServerError,
)
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, RateLimit, Response
from support import Caller, PausedShipEngine, worker_threads


def test_start_many_yields_one_outcome_for_each_package(fake: FakeShipEngine, caller: Caller) -> None:
    given = packages(50) + packages(1) * 3  # duplicates are sent as given
    outcomes, error = run(caller, fake, given)
    assert error is None
    assert all(outcome.ok for outcome in outcomes)
    assert numbers(outcomes) == numbers(map(Outcome, given)) == sorted(requested(fake))


def test_start_many_sends_all_members_of_a_package_except_its_reference(fake: FakeShipEngine, caller: Caller) -> None:
    members = {"tracking_number": "1Z é/&", "carrier_code": "dhl_express", "carrier_id": "se-28529731"}
    package = Package(**members, reference={"order": [7]})
    outcomes, error = run(caller, fake, [package])
    assert (outcomes, error) == ([Outcome(package)], None)
    assert outcomes[0].package is package
    assert dict(fake.requests[0].query) == members


def test_outcomes_are_yielded_as_they_complete(caller: Caller) -> None:
    given = packages(4)
    with PausedShipEngine(unpaused=numbers(map(Outcome, given[1:]))) as fake, caller.client(fake) as client:
        stream = client.start_many(given, concurrency=2)
        assert numbers(next(stream) for _ in range(3)) == ["000001", "000002", "000003"]
        fake.resume.set()
        assert list(stream) == [Outcome(given[0])]


def test_several_runs_share_one_client(fake: FakeShipEngine, caller: Caller) -> None:
    with caller.client(fake) as client:
        left, *others = (client.start_many(packages(20), concurrency=3) for _ in range(3))
        next(left)
        left.close()
        pairs = list(zip(*others, strict=True))
    assert len(pairs) == 20
    assert all(one.ok and other.ok for one, other in pairs)


# --- sources --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "source"), SOURCES)
@pytest.mark.parametrize("count", [0, 30])
def test_source_of_any_kind_is_read_in_the_callers_thread(
    count: int, kind: str, source: Callable[[Any], Any], fake: FakeShipEngine
) -> None:
    threads = set[threading.Thread]()

    def given() -> Iterator[Package]:
        for package in packages(count):
            threads.add(threading.current_thread())
            yield package

    outcomes, error = run(Caller(kind), fake, source(given()))
    assert (numbers(outcomes), error) == (numbers(map(Outcome, packages(count))), None)
    assert threads <= {threading.current_thread()}


def test_endless_source_is_read_at_most_twice_the_concurrency_ahead(fake: FakeShipEngine, caller: Caller) -> None:
    read = 0

    def source() -> Iterator[Package]:
        nonlocal read
        for read in itertools.count(1):
            yield Package(tracking_number=str(read), carrier_code="ups")

    fake.enqueue(*[Response(b"", "hang")] * 2)
    with caller.client(fake, timeout=0.5) as client:
        next(client.start_many(source(), concurrency=2))
    # Tasks continue to read while the caller has the first outcome, and read one package more when the run ends.
    assert read <= 4 + 2 * (caller.kind == "async")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_the_number_of_packages(caller: Caller) -> None:
    def peak(total: int) -> int:
        """Return the highest number of bytes in use during a run."""
        source = (Package(tracking_number=str(number), carrier_code="ups") for number in range(total))
        tracemalloc.start()
        try:
            with caller.client(api_key="TEST_key", transport=httpx.MockTransport(accept)) as client:
                assert sum(outcome.ok for outcome in client.start_many(source)) == total
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    growth = peak(50_000) - peak(1_000)
    assert growth < 3_000_000, f"{growth:,} bytes"  # reference cycles that are not collected yet; 60 bytes a package


def test_source_that_raises_ends_the_run_after_all_outcomes(fake: FakeShipEngine, caller: Caller) -> None:
    source = Mock(side_effect=[*packages(2), KeyError, *packages(9)])
    outcomes, error = run(caller, fake, iter(source, None))
    assert isinstance(error, KeyError)
    assert len(outcomes) == len(fake.requests) == 2
    assert source.call_count == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"packages": 7}, "not int", id="int"),
        pytest.param({"packages": "text"}, "not str", id="str"),
        pytest.param({"packages": b"bytes"}, "not bytes", id="bytes"),
        pytest.param({"packages": packages(1)[0]}, "not Package", id="a single package"),
        pytest.param({"packages": [], "concurrency": 0}, "^concurrency must", id="concurrency"),
    ],
)
def test_invalid_argument_of_start_many_is_rejected_at_once(
    arguments: dict[str, Any], message: str, caller: Caller
) -> None:
    with caller.client(api_key="TEST_key") as client, pytest.raises(InvalidArgumentError, match=message):
        client.start_many(**arguments)


# --- concurrency ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "settings", "calls"),
    [
        pytest.param({"concurrency": 5}, {}, 5, id="concurrency"),
        pytest.param({"concurrency": 5}, {"max_connections": 3}, 3, id="max_connections"),
        pytest.param({}, {}, 8, id="default"),
    ],
)
def test_as_many_calls_are_in_flight_as_allowed(
    options: dict[str, Any], settings: dict[str, Any], calls: int, caller: Caller
) -> None:
    with PausedShipEngine(resume_after=calls) as fake, caller.client(fake, **settings) as client:
        for outcome in client.start_many(packages(40), **options):
            assert outcome.ok
            assert len(worker_threads()) == (calls if caller.kind == "sync" else 0)
        assert fake.connections == calls


# --- failures and rate limits ---------------------------------------------------------------------------------------


def test_failure_of_a_package_is_its_outcome_and_the_run_continues(fake: FakeShipEngine, caller: Caller) -> None:
    given: list[Any] = [
        *packages(3),
        Package(tracking_number="x", carrier_code="seko"),
        Package(tracking_number="", carrier_code="ups"),
        Package(tracking_number="x"),
        Package(tracking_number=7, carrier_code="ups"),  # type: ignore[arg-type]
        "not a package",
        None,
        packages(4)[3],
    ]
    fake.enqueue(Response.of(404), Response.of(500), Response(b"", "reset"))
    outcomes, error = run(caller, fake, given, concurrency=1)
    assert error is None
    assert [outcome.package for outcome in outcomes] == given
    assert [type(outcome.error) for outcome in outcomes] == [
        NotFoundError, ServerError, APIConnectionError, CarrierError, *[InvalidArgumentError] * 5, type(None),
    ]  # fmt: skip
    assert [outcome.ok for outcome in outcomes] == [False] * 9 + [True]


def test_429_does_not_count_as_a_retry(fake: FakeShipEngine, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)
    fake.enqueue(*[Response.of(429, headers={"Retry-After": "0"})] * 6)
    outcomes, error = run(caller, fake, packages(3), max_retries=0)
    assert error is None
    assert [outcome.ok for outcome in outcomes] == [True] * 3
    assert len(fake.requests) == 9


def test_run_far_longer_than_max_wait_completes(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 packages, 20 a minute: 49 minutes, in virtual time."""
    limit = RateLimit(20, 60.0)

    async def main() -> float:
        loop = asyncio.get_running_loop()

        async def serve(_: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0.02)
            is_allowed, told = limit.count(loop.time())
            return httpx.Response(204 if is_allowed else 429, headers=told)

        began = loop.time()
        async with AsyncTrackingClient("TEST_key", transport=httpx.MockTransport(serve)) as client:
            assert all([outcome.ok async for outcome in client.start_many(packages(1000), concurrency=50)])
        return loop.time() - began

    assert 49 * 60 <= virtual_time.run(main(), monkeypatch) <= 49 * 60 * 1.05


# --- Package --------------------------------------------------------------------------------------------------------


def test_package_is_a_value_with_any_reference() -> None:
    package = Package(tracking_number="1Z", carrier_code="ups")
    other = Package(tracking_number="1Z", carrier_code="ups", reference={"order": 7})
    assert package == Package(tracking_number="1Z", carrier_code="ups", carrier_id=None, reference=None) != other
    assert hash(package) == hash(other)
