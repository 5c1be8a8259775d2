from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
import trustme
from hypothesis import settings

from shipengine_tracking import _models
from shipengine_tracking.testing import FakeShipEngine
from support import Caller, ascii_id, wait_until, worker_threads

# How many cases all the property tests try. They are the same each time, except in `make fuzz`.
for profile, cases in {"quick": 2_000, "slow": 10_000, "fuzz": 200_000}.items():
    settings.register_profile(
        profile, max_examples=cases, derandomize=profile != "fuzz", database=None, deadline=None, print_blob=True
    )
settings.load_profile("quick")


def pytest_make_parametrize_id(val: object) -> str | None:
    return ascii_id(val if isinstance(val, str) else repr(val)) if isinstance(val, str | bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "\\" in item.nodeid:  # mutmut would count every mutant of what it tests as killed
            raise pytest.UsageError(f"pytest cannot select a test with a backslash in its ID: {item.nodeid}")


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with one certificate authority: loading all that httpx trusts takes 15 ms for each client."""
    path = tmp_path_factory.mktemp("authorities") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(autouse=True)
def _isolate_from_the_machine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, authorities: str
) -> None:
    if request.node.get_closest_marker("network"):
        return
    for name in list(os.environ):
        if name.startswith("SHIPENGINE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", authorities)


@pytest.fixture(autouse=True)
def _handle_sigint() -> Iterator[None]:
    """Restore the handler of SIGINT: a shell in the background makes its children ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _clear_caches() -> None:
    """Clear the caches, so that each test runs the code it uses: mutmut needs this to choose the tests of a mutant."""
    _models._converters.cache_clear()


@pytest.fixture(autouse=True)
def _no_worker_threads_remain() -> Iterator[None]:
    yield
    wait_until(lambda: not worker_threads())


@pytest.fixture
def chicago(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set another local time zone."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "CST6")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def fake() -> Iterator[FakeShipEngine]:
    with FakeShipEngine(connected={"se-28529731": "dhl_express"}) as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)
