"""Fetching the public keys from the fake server: when, how often, and what happens if it fails."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from json import JSONDecodeError
from multiprocessing import get_context
from typing import Any
from unittest import mock

import httpx
import pytest
from deliveries import HEADERS, VERIFIERS, verify
from freezegun import freeze_time

from shipengine_tracking import InvalidArgumentError, InvalidSignatureError, KeysUnavailableError
from shipengine_tracking.testing import FakeShipEngine, Response
from shipengine_tracking.webhooks import AsyncVerifier, TrackingEvent, Verifier
from support import PausedShipEngine, assert_takes, slow_server, wait_until

BODY = b'{"resource_type": "API_TRACK", "data": {"tracking_number": "1Z"}}'
DAY = 86_400.0
KEY_ID = HEADERS[0]
FORGED = {KEY_ID: "forged"}

Advance = Callable[[float], None]


def sign(fake: FakeShipEngine) -> dict[str, str]:
    """Sign at the time of `time.time`, which the fake does not use."""
    return fake.sign(BODY, str(int(time.time())))


def is_accepted(verifier: Any, headers: dict[str, str]) -> bool:
    """Return whether a verifier accepts a delivery, or else rejects its signature."""
    result = verify(headers, BODY, verifier)
    assert isinstance(result, TrackingEvent | InvalidSignatureError)
    return isinstance(result, TrackingEvent)


def fetches(fake: FakeShipEngine) -> int:
    return sum(request.path == "/jwks" for request in fake.requests)


@pytest.fixture
def fake() -> Iterator[PausedShipEngine]:
    """A fake server that does not respond while `resume` is cleared."""
    with PausedShipEngine() as server:
        server.resume.set()
        yield server


@pytest.fixture(params=VERIFIERS)
def verifier(request: pytest.FixtureRequest, fake: FakeShipEngine) -> Any:
    return VERIFIERS[request.param](base_url=fake.url)


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Set the clock forward."""
    shifts, real = list[float](), time.time
    monkeypatch.setattr("time.time", lambda: real() + sum(shifts))
    return shifts.append


# --- when keys are fetched ------------------------------------------------------------------------------------------


def test_keys_are_fetched_on_first_use_and_for_a_new_key_without_an_api_key(
    fake: FakeShipEngine, verifier: Any, advance: Advance
) -> None:
    assert fake.requests == []
    old = sign(fake)
    for _ in range(3):
        assert is_accepted(verifier, old)
        advance(61)
    fake.rotate_key()
    assert is_accepted(verifier, sign(fake))
    assert is_accepted(verifier, old)
    assert [(request.method, request.target, request.body) for request in fake.requests] == [("GET", "/jwks", b"")] * 2
    assert not {"api-key", "authorization", "on-behalf-of", "cookie"} & fake.requests[0].headers.keys()
    assert fake.requests[0].headers["accept-encoding"] == "identity"


def test_delivery_that_cannot_be_genuine_fetches_nothing(fake: FakeShipEngine, verifier: Any) -> None:
    for headers in ({}, fake.sign(BODY, "2020-01-01T00:00:00Z")):
        assert not isinstance(verify(headers, BODY, verifier), TrackingEvent)
    assert fake.requests == []


def test_given_keys_are_never_fetched(fake: FakeShipEngine) -> None:
    verifier = Verifier(httpx.get(f"{fake.url}/jwks", trust_env=False).json(), base_url=fake.url)
    assert is_accepted(verifier, sign(fake))
    assert not is_accepted(verifier, sign(fake) | FORGED)
    assert fetches(fake) == 1


def test_unknown_key_ids_cause_one_fetch_a_minute(fake: FakeShipEngine, verifier: Any, advance: Advance) -> None:
    assert is_accepted(verifier, sign(fake))
    advance(50)
    assert not is_accepted(verifier, sign(fake) | FORGED)
    assert fetches(fake) == 1
    for minute in (1, 2):
        advance(60)
        for number in range(20):
            assert not is_accepted(verifier, sign(fake) | {KEY_ID: f"forged {minute} {number}"})
        assert is_accepted(verifier, sign(fake))
        assert fetches(fake) == minute + 1


def test_withdrawn_key_is_trusted_for_a_day_and_until_the_refresh_ends(
    fake: PausedShipEngine, verifier: Any, advance: Advance
) -> None:
    assert is_accepted(verifier, sign(fake))
    old = fake.sign(BODY, str(int(time.time() + DAY)))
    fake.rotate_key(keep=False)
    fake.resume.clear()
    advance(DAY - 120)
    assert is_accepted(verifier, old)
    assert fetches(fake) == 1
    advance(120)
    assert all(is_accepted(verifier, old) for _ in range(5))  # the first of them starts the refresh
    wait_until(lambda: fetches(fake) == 2)
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    fake.resume.set()
    wait_until(lambda: not is_accepted(verifier, old))
    assert is_accepted(verifier, sign(fake))
    assert fetches(fake) == 2


def test_keys_are_fetched_while_freezegun_stops_the_clock_or_sets_it_back(fake: FakeShipEngine, verifier: Any) -> None:
    for moment in ("2026-03-14", "2026-03-15", "2020-01-01"):
        fake.rotate_key(keep=False)
        with freeze_time(moment):
            assert is_accepted(verifier, sign(fake))
    assert fetches(fake) == 3


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "cause"),
    [
        pytest.param(Response.of(503, "<html>Bad gateway</html>"), httpx.HTTPStatusError, id="503"),
        pytest.param(Response.of(200, "<html>Welcome to our hotel</html>"), JSONDecodeError, id="captive-portal"),
        pytest.param(Response.of(200, {"keys": None}), InvalidArgumentError, id="null-keys"),
        pytest.param(Response.of(200, {"keys": []}), ValueError, id="no-keys"),
        pytest.param(Response.of(200, "x" * 1_000_001), ValueError, id="too-long"),
        pytest.param(Response(b"", "close"), httpx.RemoteProtocolError, id="closed"),
    ],
)
def test_failed_fetch_is_keys_unavailable_for_a_minute_and_known_keys_stay(
    response: Response, cause: type[Exception], fake: FakeShipEngine, verifier: Any, advance: Advance
) -> None:
    fake.enqueue(response)
    for _ in range(2):
        error = verify(sign(fake), BODY, verifier)
        assert isinstance(error, KeysUnavailableError)
        assert error.http_status == 503
        assert type(error.__cause__) is cause
    assert fetches(fake) == 1
    advance(60)
    assert is_accepted(verifier, sign(fake))
    fake.enqueue(response)
    advance(DAY)
    assert is_accepted(verifier, sign(fake))
    wait_until(lambda: isinstance(verify(sign(fake) | FORGED, BODY, verifier), KeysUnavailableError))
    assert is_accepted(verifier, sign(fake))
    assert fetches(fake) == 3


def test_known_key_is_used_when_no_thread_can_be_started(
    fake: FakeShipEngine, verifier: Any, advance: Advance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_accepted(verifier, sign(fake))
    advance(DAY)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", mock.Mock(side_effect=RuntimeError("can't start new thread")))
        assert is_accepted(verifier, sign(fake))
        assert isinstance(verify(sign(fake) | FORGED, BODY, verifier), KeysUnavailableError)
    fake.rotate_key()
    assert is_accepted(verifier, sign(fake))


def test_fetch_that_hangs_is_replaced_after_a_minute(fake: PausedShipEngine, advance: Advance) -> None:
    fake.resume.clear()
    verifier = Verifier(base_url=fake.url)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(verify, sign(fake), BODY, verifier)
        wait_until(lambda: fetches(fake) == 1)
        fake.rotate_key(keep=False)
        advance(61)
        second = threads.submit(is_accepted, verifier, sign(fake))
        wait_until(lambda: fetches(fake) == 2)
        fake.resume.set()
        assert second.result(60)
        assert not isinstance(first.result(60), TrackingEvent)  # the second fetch has not found its key
    assert is_accepted(verifier, sign(fake))
    assert fetches(fake) == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", VERIFIERS)
def test_response_that_arrives_slowly_is_keys_unavailable_after_10_seconds(kind: str, fake: FakeShipEngine) -> None:
    with slow_server(b"HTTP/1.1 200 OK\r\nX: ") as url, assert_takes(9.9, 25.0):
        assert isinstance(verify(sign(fake), BODY, VERIFIERS[kind](base_url=url)), KeysUnavailableError)


# --- the address ----------------------------------------------------------------------------------------------------


def test_module_level_verifier_follows_the_environment(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier()
    with FakeShipEngine() as other:
        other.rotate_key(keep=False)
        for server, foreign in ((fake, other), (other, fake), (fake, other)):
            monkeypatch.setenv("SHIPENGINE_BASE_URL", server.url + "/")
            assert not is_accepted(verifier, sign(foreign))
            assert is_accepted(verifier, sign(server))
        assert (fetches(fake), fetches(other)) == (2, 1)
        assert is_accepted(Verifier(base_url=other.url + "/"), sign(other))  # the argument wins


def test_malformed_base_url_is_an_invalid_argument(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgumentError, match="base_url"):
        Verifier(base_url="")
    verifier = Verifier()
    monkeypatch.setenv("SHIPENGINE_BASE_URL", "http://api.shipengine.com")
    for _ in range(2):
        error = verify(sign(fake), BODY, verifier)
        assert isinstance(error, InvalidArgumentError)
        assert "SHIPENGINE_BASE_URL" in str(error)
    monkeypatch.setenv("SHIPENGINE_BASE_URL", fake.url)
    assert is_accepted(verifier, sign(fake))


def test_capital_letters_in_the_address_keep_tls(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = mock.Mock(side_effect=httpx.ConnectError("not in a test"))
    monkeypatch.setattr(httpx, "stream", stream)
    monkeypatch.setenv("SHIPENGINE_BASE_URL", "HTTPS://API.ShipEngine.com/")
    assert isinstance(verify(sign(fake), BODY, Verifier()), KeysUnavailableError)
    assert stream.call_args.args == ("GET", "https://api.shipengine.com/jwks")
    assert stream.call_args.kwargs.items() >= {"verify": True, "trust_env": True}.items()


# --- threads, tasks and processes -----------------------------------------------------------------------------------


def test_many_threads_or_event_loops_wait_for_one_fetch(fake: PausedShipEngine, verifier: Any) -> None:
    fake.resume.clear()
    with ThreadPoolExecutor(100) as threads:
        calls = [threads.submit(is_accepted, verifier, sign(fake)) for _ in range(100)]
        wait_until(lambda: fetches(fake) == 1)
        fake.resume.set()
        assert all(call.result(60) for call in calls)
    assert fetches(fake) == 1


def test_fetch_outlives_a_cancelled_task_and_its_loop(fake: PausedShipEngine, caplog: pytest.LogCaptureFixture) -> None:
    verifier, headers = AsyncVerifier(base_url=fake.url), sign(fake)

    async def cancel_the_first_of(count: int) -> None:
        first, *others = [asyncio.create_task(verifier.verify(headers, BODY)) for _ in range(count)]
        await asyncio.sleep(0)  # they wait for the fetch now
        first.cancel()
        if others:
            fake.resume.set()
            await asyncio.gather(*others)

    fake.resume.clear()
    asyncio.run(cancel_the_first_of(1))
    asyncio.run(cancel_the_first_of(50))
    assert fetches(fake) == 1
    assert not [record for record in caplog.records if record.name.startswith(("asyncio", "concurrent"))]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # about forking with threads, as is tested here
def test_forked_process_does_not_wait_for_the_fetch_of_its_parent(fake: PausedShipEngine, verifier: Any) -> None:
    fake.resume.clear()
    verify_once = partial(is_accepted, verifier, sign(fake))
    with ThreadPoolExecutor() as threads:
        parent = threads.submit(verify_once)
        wait_until(lambda: fetches(fake) == 1)
        child = get_context("fork").Process(target=lambda: sys.exit(not verify_once()), daemon=True)
        child.start()
        wait_until(lambda: fetches(fake) == 2)
        fake.resume.set()
        child.join(60)
        assert child.exitcode == 0
        assert parent.result(60)
