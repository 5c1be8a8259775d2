from __future__ import annotations

import asyncio
import os
import signal
import string
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from hypothesis import settings

from shipengine_tracking import AsyncTrackingClient, TrackingClient, _shape, _signature
from shipengine_tracking.testing import FakeShipEngine

PACKAGE = {"tracking_number": "9361269903502070406152", "carrier_code": "stamps_com"}

# How many cases all the properties try together. The same each time, but for `make fuzz`: a test that fails now and
# then is no use to those who have changed something else.
for profile, cases in {"quick": 2_000, "slow": 10_000, "fuzz": 200_000}.items():
    settings.register_profile(
        profile, max_examples=cases, derandomize=profile != "fuzz", database=None, deadline=None, print_blob=True
    )
settings.load_profile("quick")


def plain(text: str) -> str:
    """Return a text as the id of a test: pytest does not find a test by an id that holds a backslash."""
    return quote(text, string.punctuation.replace("\\", "") + " ", errors="surrogatepass")


def pytest_make_parametrize_id(val: object) -> str | None:
    return plain(val if isinstance(val, str) else repr(val)) if isinstance(val, str | bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "\\" in item.nodeid:  # mutmut would take every mutant of what it tests for killed
            raise pytest.UsageError(f"no test can be named by this id, make it plain(): {item.nodeid}")


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of one authority: to load all that httpx trusts takes 15 ms for each client of a test."""
    path = tmp_path_factory.mktemp("authorities") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, authorities: str
) -> None:
    if request.node.get_closest_marker("network"):
        return
    for name in list(os.environ):
        if name.startswith("SHIPENGINE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", authorities)


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Undo what a shell in the background does: it has its children ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _no_cache_of_another_test() -> None:
    """Have each test run what it uses: mutmut tries a function's mutants with the tests that have run it."""
    for cached in (_shape._members, _signature._load, _signature._cryptography):
        cached.cache_clear()


@pytest.fixture
def chicago(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put this machine into another time zone."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "CST6")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def fake() -> Iterator[FakeShipEngine]:
    with FakeShipEngine(connected={"se-28529731": "dhl_express"}) as server:
        yield server


class Caller:
    """Makes calls with one client, sync or async, and returns how each ended."""

    def __init__(self, kind: str):
        self.kind = kind
        self.client_class: type[TrackingClient | AsyncTrackingClient] = (
            TrackingClient if kind == "sync" else AsyncTrackingClient
        )

    def calls(self, *packages: dict[str, Any], pause: float = 0, **settings: Any) -> list[Exception | None]:
        settings = {"max_retries": 0, **settings}
        if self.kind == "sync":
            ended: list[Exception | None] = []
            with TrackingClient(**settings) as client:
                for package in packages:
                    ended.append(self._sync(client, package))
                    time.sleep(pause)
            return ended
        return asyncio.run(self._async(packages, pause, settings))

    def call(self, package: dict[str, Any] = PACKAGE, **settings: Any) -> Exception | None:
        return self.calls(package, **settings)[0]

    def ask(self, fake: FakeShipEngine, package: dict[str, Any] = PACKAGE, **settings: Any) -> Exception | None:
        return self.call(package, api_key=fake.api_key, base_url=fake.url, **settings)

    @staticmethod
    def _sync(client: TrackingClient, package: dict[str, Any]) -> Exception | None:
        try:
            client.start(**package)
        except Exception as error:
            return error
        return None

    @staticmethod
    async def _async(
        packages: tuple[dict[str, Any], ...], pause: float, settings: dict[str, Any]
    ) -> list[Exception | None]:
        ended: list[Exception | None] = []
        async with AsyncTrackingClient(**settings) as client:
            for package in packages:
                try:
                    await client.start(**package)
                    ended.append(None)
                except Exception as error:
                    ended.append(error)
                await asyncio.sleep(pause)
        return ended


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)
