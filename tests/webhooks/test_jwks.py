"""Fetching the public keys from the fake server: when, how often, by whom, and what happens if it fails."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from json import JSONDecodeError
from typing import Any

import httpx
import pytest
from deliveries import KEY_ID
from freezegun import freeze_time

from shipengine_tracking import InvalidArgumentError, ShipEngineError
from shipengine_tracking.testing import FakeShipEngine, Request, Response
from shipengine_tracking.webhooks import (
    AsyncVerifier,
    InvalidSignatureError,
    KeysUnavailableError,
    StaleTimestampError,
    TrackingEvent,
    Verifier,
)
from support import PausedShipEngine, takes, wait_until

BODY = b'{"resource_type": "API_TRACK", "data": {"tracking_number": "1Z"}}'
DAY = 86_400.0
FORGED = {KEY_ID: "forged"}

Advance = Callable[[float], None]


def sign(fake: FakeShipEngine) -> dict[str, str]:
    """Sign at the time of `time.time`, which the fake does not use."""
    return fake.sign(BODY, str(int(time.time())))


def fetches(fake: FakeShipEngine) -> int:
    return sum(request.path == "/jwks" for request in fake.requests)


class Receiver:
    """Verifies deliveries with one of the two verifiers; the asynchronous one has a new event loop for each."""

    def __init__(self, kind: str, fake: FakeShipEngine, url: str | None = None):
        self._fake = fake
        self._verifier: Any = (Verifier if kind == "sync" else AsyncVerifier)(base_url=url or fake.url)

    def verify(self, headers: dict[str, str] | None = None) -> TrackingEvent | ShipEngineError:
        """Verify a delivery; return the event or the exception."""
        headers = sign(self._fake) if headers is None else headers
        try:
            event: Any = self._verifier.verify(headers, BODY)
            return event if isinstance(event, TrackingEvent) else asyncio.run(event)
        except ShipEngineError as error:
            return error

    def is_accepted(self, headers: dict[str, str] | None = None) -> bool:
        """Return whether the verifier accepts a delivery, or else rejects its signature."""
        result = self.verify(headers)
        assert isinstance(result, TrackingEvent | InvalidSignatureError)
        return isinstance(result, TrackingEvent)


@pytest.fixture(params=["sync", "async"])
def receiver(request: pytest.FixtureRequest, fake: FakeShipEngine) -> Receiver:
    return Receiver(request.param, fake)


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Set the clock forward, or back."""
    shift, real = 0.0, time.time

    def move(seconds: float) -> None:
        nonlocal shift
        shift += seconds

    monkeypatch.setattr("time.time", lambda: real() + shift)
    return move


# --- when keys are fetched ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verifier_class", [Verifier, AsyncVerifier])
def test_verifier_needs_no_api_key_and_fetches_nothing_when_made(verifier_class: Any, fake: FakeShipEngine) -> None:
    assert "SHIPENGINE_API_KEY" not in os.environ
    verifier_class()
    verifier_class(base_url=fake.url)
    assert fake.requests == []


def test_keys_are_fetched_once_without_an_api_key(fake: FakeShipEngine, receiver: Receiver, advance: Advance) -> None:
    for _ in range(3):
        assert receiver.is_accepted()
        advance(61)
    (request,) = fake.requests
    assert (request.method, request.target, request.body) == ("GET", "/jwks", b"")
    assert not {"api-key", "authorization", "on-behalf-of", "cookie"} & request.headers.keys()


def test_delivery_that_cannot_be_genuine_fetches_nothing(fake: FakeShipEngine, receiver: Receiver) -> None:
    assert isinstance(receiver.verify({}), InvalidSignatureError)
    assert isinstance(receiver.verify(fake.sign(BODY, "2020-01-01T00:00:00Z")), StaleTimestampError)
    assert fake.requests == []


def test_new_key_is_fetched_and_the_old_one_stays_valid(
    fake: FakeShipEngine, receiver: Receiver, advance: Advance
) -> None:
    old = sign(fake)
    assert receiver.is_accepted(old)
    fake.rotate_key()
    advance(61)
    assert receiver.is_accepted()
    assert receiver.is_accepted(old)
    assert fetches(fake) == 2


def test_unknown_key_ids_cause_one_fetch_a_minute(fake: FakeShipEngine, receiver: Receiver, advance: Advance) -> None:
    assert receiver.is_accepted()
    advance(59)
    assert not receiver.is_accepted(sign(fake) | FORGED)
    assert fetches(fake) == 1
    for minute in range(1, 4):
        advance(60)
        for number in range(20):
            assert not receiver.is_accepted(sign(fake) | {KEY_ID: f"forged {minute} {number}"})
        assert receiver.is_accepted()
        assert fetches(fake) == minute + 1


def test_withdrawn_key_is_trusted_for_a_day(fake: FakeShipEngine, receiver: Receiver, advance: Advance) -> None:
    assert receiver.is_accepted()
    old = fake.sign(BODY, str(int(time.time() + DAY)))
    fake.rotate_key(keep=False)
    advance(DAY - 10)
    assert receiver.is_accepted(old)
    assert fetches(fake) == 1
    advance(20)
    assert receiver.is_accepted(old)  # this delivery starts the refresh, and does not wait for it
    wait_until(lambda: not receiver.is_accepted(old))
    assert receiver.is_accepted()
    assert fetches(fake) == 2


def test_delivery_with_a_known_key_does_not_wait_for_the_refresh(advance: Advance) -> None:
    with PausedShipEngine() as fake:
        fake.resume.set()
        receivers = [Receiver("sync", fake), Receiver("async", fake)]
        assert all(receiver.is_accepted() for receiver in receivers)
        fake.resume.clear()
        advance(DAY)
        assert all(receiver.is_accepted() for receiver in receivers for _ in range(5))
        wait_until(lambda: fetches(fake) == 4)
        assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


def test_fetches_go_on_after_the_clock_was_set_back(fake: FakeShipEngine, receiver: Receiver, advance: Advance) -> None:
    assert receiver.is_accepted()
    fake.rotate_key()
    advance(-3600)
    assert receiver.is_accepted()
    assert fetches(fake) == 2


def test_keys_are_fetched_while_freezegun_stops_the_clock(fake: FakeShipEngine, receiver: Receiver) -> None:
    for moment in ("2026-03-14", "2026-03-15", "2020-01-01"):
        fake.rotate_key(keep=False)
        with freeze_time(moment):
            assert receiver.is_accepted()
    assert fetches(fake) == 3


# --- failures -------------------------------------------------------------------------------------------------------

FAILURES = [
    pytest.param(Response.of(503, "<html>Bad gateway</html>"), httpx.HTTPStatusError, id="503"),
    pytest.param(Response.of(429, {"errors": []}, {"Retry-After": "1"}), httpx.HTTPStatusError, id="429"),
    pytest.param(Response.of(302, headers={"Location": "http://127.0.0.1:1/"}), httpx.HTTPStatusError, id="redirect"),
    pytest.param(Response.of(204), JSONDecodeError, id="204"),
    pytest.param(Response.of(200, "<html>Welcome to our hotel</html>"), JSONDecodeError, id="captive-portal"),
    pytest.param(Response.of(200, b"\xff"), UnicodeDecodeError, id="not-UTF-8"),
    pytest.param(Response.of(200, b"[" * 100_000), RecursionError, id="deep"),
    pytest.param(Response.of(200, {"keys": None}), ValueError, id="null-keys"),
    pytest.param(Response.of(200, []), ValueError, id="array"),
    pytest.param(Response.of(200, {"keys": ["x" * 1_100_000]}), ValueError, id="too-long"),
    pytest.param(Response(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "close"), httpx.TransportError, id="cut"),
    pytest.param(Response(b"", "reset"), httpx.TransportError, id="reset"),
    pytest.param(Response(b"nonsense\r\n\r\n", "close"), httpx.TransportError, id="not-HTTP"),
]


@pytest.mark.parametrize(("response", "cause"), FAILURES)
def test_failed_fetch_is_keys_unavailable_for_a_minute(
    response: Response, cause: type[Exception], fake: FakeShipEngine, receiver: Receiver, advance: Advance
) -> None:
    fake.enqueue(response)
    for _ in range(2):
        error = receiver.verify()
        assert isinstance(error, KeysUnavailableError)
        assert error.http_status == 503
        assert isinstance(error.__cause__, cause)
        assert len(str(error).splitlines()) == 1
    assert fetches(fake) == 1
    advance(60)
    assert receiver.is_accepted()
    assert fetches(fake) == 2


def test_refused_connection_is_keys_unavailable(fake: FakeShipEngine, receiver: Receiver) -> None:
    headers = sign(fake)
    fake.close()
    error = receiver.verify(headers)
    assert isinstance(error, KeysUnavailableError)
    assert isinstance(error.__cause__, httpx.ConnectError)


def test_keys_are_kept_when_a_refresh_fails(fake: FakeShipEngine, receiver: Receiver, advance: Advance) -> None:
    assert receiver.is_accepted()
    for count in range(2, 5):
        advance(DAY + 3600)
        fake.enqueue(Response.of(500))
        assert receiver.is_accepted()
        wait_until(lambda count=count: fetches(fake) == count)
        wait_until(lambda: isinstance(receiver.verify(sign(fake) | FORGED), KeysUnavailableError))
        assert receiver.is_accepted()
    assert fetches(fake) == 4


def test_known_key_is_used_when_no_thread_can_be_started(
    fake: FakeShipEngine, receiver: Receiver, advance: Advance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    assert receiver.is_accepted()
    advance(DAY)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert receiver.is_accepted()
        error = receiver.verify(sign(fake) | FORGED)
        assert isinstance(error, KeysUnavailableError)
        assert isinstance(error.__cause__, RuntimeError)
    fake.rotate_key()
    assert receiver.is_accepted()


class SlowFirstResponse(FakeShipEngine):
    """Responds to the first request when `resume` is set, with the keys of the time of the request."""

    def __init__(self) -> None:
        super().__init__()
        self.resume = threading.Event()

    def respond(self, request: Request) -> Response:
        response = super().respond(request)
        if len(self.requests) == 1:
            self.resume.wait(60)
        return response


def test_fetch_that_hangs_is_replaced_after_a_minute(advance: Advance) -> None:
    with SlowFirstResponse() as fake, ThreadPoolExecutor(1) as threads:
        receiver = Receiver("sync", fake)
        first = threads.submit(receiver.is_accepted, sign(fake))
        wait_until(lambda: fetches(fake) == 1)
        fake.rotate_key(keep=False)
        advance(61)
        assert receiver.is_accepted()
        fake.resume.set()
        assert not first.result(60)  # signed with the old key, which the second fetch did not find
        assert receiver.is_accepted()
        assert fetches(fake) == 2


@contextmanager
def dripping_server(head: bytes) -> Iterator[str]:
    """Run a server that sends a head at once, and then byte after byte; yield its URL."""
    closed = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=respond, args=server.accept()[:1], daemon=True).start()

    def respond(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(head)
            while not closed.wait(0.2):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        closed.set()
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
def test_dripping_response_is_keys_unavailable_after_10_seconds(fake: FakeShipEngine) -> None:
    def verify(kind: str, url: str) -> None:
        with takes(9.99, 25.0):
            error = Receiver(kind, fake, url).verify()
        assert isinstance(error, KeysUnavailableError)
        assert error.__cause__ is not None

    head, body = b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    with dripping_server(head) as first, dripping_server(body) as second, ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(verify, kind, url) for kind in ("sync", "async") for url in (first, second)]
        for call in calls:
            call.result(60)


# --- the address ----------------------------------------------------------------------------------------------------


def test_module_level_verifier_follows_the_environment(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier()
    with FakeShipEngine() as other:
        other.rotate_key(keep=False)
        for server in (fake, other, fake):
            monkeypatch.setenv("SHIPENGINE_BASE_URL", server.url + "/")
            assert verifier.verify(sign(server), BODY)
        with pytest.raises(InvalidSignatureError):
            verifier.verify(sign(other), BODY)
        assert (fetches(fake), fetches(other)) == (2, 1)


def test_base_url_of_the_argument_wins_over_the_environment(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPENGINE_BASE_URL", "http://127.0.0.1:1")
    assert Verifier(base_url=fake.url + "/").verify(sign(fake), BODY)


def test_malformed_base_url_is_an_invalid_argument(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("", "ftp://x", "http://api.shipengine.com", "https://api.shipengine.com/v1", 7):
        with pytest.raises(InvalidArgumentError, match="base_url"):
            Verifier(base_url=url)  # type: ignore[arg-type]
    verifier = Verifier()
    monkeypatch.setenv("SHIPENGINE_BASE_URL", "http://api.shipengine.com")
    for _ in range(2):
        with pytest.raises(InvalidArgumentError, match="SHIPENGINE_BASE_URL"):
            verifier.verify(sign(fake), BODY)
    monkeypatch.setenv("SHIPENGINE_BASE_URL", fake.url)
    assert verifier.verify(sign(fake), BODY)


def test_given_keys_are_never_fetched(fake: FakeShipEngine) -> None:
    headers = sign(fake)
    verifier = Verifier(httpx.get(f"{fake.url}/jwks", trust_env=False).json(), base_url=fake.url)
    assert verifier.verify(headers, BODY)
    with pytest.raises(InvalidSignatureError):
        verifier.verify(headers | FORGED, BODY)
    assert fetches(fake) == 1


# --- threads, tasks and processes -----------------------------------------------------------------------------------


def test_200_threads_wait_for_one_fetch() -> None:
    with PausedShipEngine() as fake, ThreadPoolExecutor(200) as threads:
        verify = partial(Verifier(base_url=fake.url).verify, sign(fake), BODY)
        calls = [threads.submit(verify) for _ in range(200)]
        wait_until(lambda: fetches(fake) == 1)
        fake.resume.set()
        assert all(call.result(60) for call in calls)
        assert fetches(fake) == 1


def test_50_tasks_wait_for_one_fetch_though_one_is_cancelled() -> None:
    async def main(fake: PausedShipEngine) -> None:
        verifier, headers = AsyncVerifier(base_url=fake.url), sign(fake)
        tasks = [asyncio.create_task(verifier.verify(headers, BODY)) for _ in range(50)]
        await asyncio.sleep(0)  # all tasks wait now
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        assert tasks[0].cancelled()
        fake.resume.set()
        assert len(await asyncio.gather(*tasks[1:])) == 49

    with PausedShipEngine() as fake:
        asyncio.run(main(fake))
        assert fetches(fake) == 1


def test_verifier_is_used_from_many_event_loops_at_once() -> None:
    with PausedShipEngine() as fake, ThreadPoolExecutor(20) as threads:
        verifier, headers = AsyncVerifier(base_url=fake.url), sign(fake)
        calls = [threads.submit(lambda: asyncio.run(verifier.verify(headers, BODY))) for _ in range(20)]
        wait_until(lambda: fetches(fake) == 1)
        fake.resume.set()
        assert all(call.result(60) for call in calls)
        assert fetches(fake) == 1


def test_fetch_outlives_the_event_loop_that_started_it(caplog: pytest.LogCaptureFixture) -> None:
    with PausedShipEngine() as fake:
        verifier, headers = AsyncVerifier(base_url=fake.url), sign(fake)

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(verifier.verify(headers, BODY), 0.05)

        asyncio.run(give_up())
        fake.resume.set()
        assert asyncio.run(verifier.verify(headers, BODY))
        assert fetches(fake) == 1
    assert not [record for record in caplog.records if record.name.startswith(("asyncio", "concurrent"))]


def fork(work: Callable[[], object]) -> int:
    """Run a function in a forked process; return the process ID. It exits with 0 if the result is true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads, which is what is tested
        child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return child


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_forked_process_does_not_wait_for_the_fetch_of_its_parent(kind: str) -> None:
    with PausedShipEngine() as fake, ThreadPoolExecutor(1) as threads:
        receiver, headers = Receiver(kind, fake), sign(fake)
        first = threads.submit(receiver.is_accepted, headers)
        wait_until(lambda: fetches(fake) == 1)
        child = fork(lambda: receiver.is_accepted(headers))
        wait_until(lambda: fetches(fake) == 2)
        fake.resume.set()
        assert exit_code(child) == 0
        assert first.result(60)


def test_fork_in_the_middle_of_a_verification_leaves_no_lock_behind(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, headers, real = Receiver("sync", fake), sign(fake), time.time
    assert receiver.is_accepted(headers)
    calls, resume = list[float](), threading.Event()

    def stop_at_the_second_call() -> float:
        if threading.current_thread() is thread:
            calls.append(real())
            if len(calls) == 2:
                resume.wait(60)
        return real()

    thread = threading.Thread(target=receiver.is_accepted, args=[headers])
    monkeypatch.setattr("time.time", stop_at_the_second_call)
    thread.start()
    try:
        wait_until(lambda: len(calls) == 2)
        assert exit_code(fork(lambda: receiver.is_accepted(headers))) == 0
    finally:
        resume.set()
        thread.join(60)


def test_forked_processes_fetch_new_keys_themselves(fake: FakeShipEngine, receiver: Receiver) -> None:
    """As gunicorn does with --preload."""
    assert receiver.is_accepted()
    fake.rotate_key()
    assert [exit_code(fork(receiver.is_accepted)) for _ in range(2)] == [0, 0]
    assert fetches(fake) == 3


def test_capital_letters_in_the_address_do_not_turn_off_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[dict[str, Any]] = []

    def stream(_method: str, url: str, **options: Any) -> Any:
        requested.append({"url": url, **options})
        raise httpx.ConnectError("not in a test")

    monkeypatch.setattr(httpx, "stream", stream)
    monkeypatch.setenv("SHIPENGINE_BASE_URL", "HTTPS://API.ShipEngine.com/")
    with FakeShipEngine() as fake, pytest.raises(KeysUnavailableError):
        Verifier().verify(*fake.update("1Z"))
    (options,) = requested
    assert (options["url"], options["verify"], options["trust_env"]) == ("https://api.shipengine.com/jwks", True, True)


def test_key_set_without_usable_keys_does_not_replace_the_known_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeShipEngine() as fake:
        verifier = Verifier(base_url=fake.url)
        assert verifier.verify(*fake.update("1Z"))
        now = time.time() + 2 * 86_400
        monkeypatch.setattr("time.time", lambda: now)
        fake.enqueue(Response.of(200, {"keys": []}))
        assert verifier.verify(*fake.update("1Z"))
        wait_until(lambda: len(fake.requests) == 2)
        assert verifier.verify(*fake.update("1Z"))
