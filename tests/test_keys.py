"""The public keys, over real sockets: fetched when they are needed, and no oftener."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from leaks import found
from shipengine_tracking import (
    APIConnectionError,
    APIError,
    AsyncTrackingClient,
    ClientStateError,
    InvalidArgumentError,
    InvalidSignatureError,
    ServerError,
    ShipEngineError,
    TrackingClient,
    _forks,
    keys,
)
from shipengine_tracking.testing import Answer, FakeShipEngine
from shipengine_tracking.webhooks import TrackingEvent

BODY = b'{"resource_type": "API_TRACK", "data": {"tracking_number": "1Z"}}'
KEY_ID = "x-shipengine-rsa-sha256-key-id"


def now() -> str:
    return datetime.now(UTC).isoformat()


class Receiver:
    """Verifies deliveries with one client, sync or async, in one event loop."""

    def __init__(self, kind: str, fake: FakeShipEngine, **settings: Any):
        settings = {"api_key": fake.api_key, "base_url": fake.url, "on_behalf_of": "se-1", **settings}
        self._fake = fake
        self._runner = asyncio.Runner()
        if kind == "sync":
            self._client: TrackingClient | AsyncTrackingClient = TrackingClient(**settings)
        else:
            self._client = AsyncTrackingClient(**settings)

    def verify(self, headers: dict[str, str] | None = None, **options: float) -> TrackingEvent | ShipEngineError:
        headers = self._fake.sign(BODY, now()) if headers is None else headers
        try:
            if isinstance(self._client, TrackingClient):
                return self._client.webhook_verifier(**options).verify(headers, BODY)
            return self._runner.run(self._client.webhook_verifier(**options).verify(headers, BODY))
        except ShipEngineError as error:
            return error

    def keys_kept(self) -> int:
        return len(self._client._keys._known._keys._found)

    def settle(self, fake: FakeShipEngine, count: int) -> None:
        """Wait for a fetch that nobody waits for."""
        deadline = time.monotonic() + 10
        while fetches(fake) < count and time.monotonic() < deadline:
            self._runner.run(asyncio.sleep(0.01))
        self._runner.run(asyncio.sleep(0.1))

    def close(self) -> None:
        if isinstance(self._client, TrackingClient):
            self._client.close()
        else:
            self._runner.run(self._client.aclose())

    def end(self) -> None:
        self.close()
        self._runner.close()


Open = Callable[..., Receiver]


@pytest.fixture(params=["sync", "async"])
def receiver(request: pytest.FixtureRequest) -> Iterator[Open]:
    opened: list[Receiver] = []

    def open_one(fake: FakeShipEngine, **settings: Any) -> Receiver:
        opened.append(Receiver(request.param, fake, **settings))
        return opened[-1]

    yield open_one
    for one in opened:
        one.end()


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass, on a machine that has been up for days."""
    passed = 1_000_000.0

    def let_pass(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(keys, "clock", lambda: time.monotonic() + passed)
    return let_pass


def fetches(fake: FakeShipEngine) -> int:
    return sum(request.path == "/jwks" for request in fake.requests)


def test_one_fetch_for_many_deliveries(fake: FakeShipEngine, receiver: Open, hours: Callable[[float], None]) -> None:
    own = receiver(fake)
    for _ in range(3):
        assert isinstance(own.verify(), TrackingEvent)
        hours(61)
    own.settle(fake, 1)
    (request,) = fake.requests
    assert (request.method, request.target, request.body) == ("GET", "/jwks", b"")
    assert not {"api-key", "authorization", "on-behalf-of", "cookie"} & {name.lower() for name in request.headers}
    assert not any(fake.api_key in value for value in request.headers.values())


def test_what_cannot_be_genuine_fetches_nothing(fake: FakeShipEngine, receiver: Open) -> None:
    own = receiver(fake)
    assert isinstance(own.verify({}), InvalidSignatureError)
    old = {**fake.sign(BODY, "2020-01-01T00:00:00Z")}
    assert isinstance(own.verify(old), ShipEngineError)
    assert fetches(fake) == 0
    assert isinstance(own.verify(old, tolerance=86_400), ShipEngineError)


def test_a_tolerance_is_checked(fake: FakeShipEngine, receiver: Open) -> None:
    with pytest.raises(InvalidArgumentError, match="tolerance"):
        raise_it(receiver(fake).verify(tolerance=-1))


def raise_it(error: object) -> None:
    assert isinstance(error, BaseException)
    raise error


def test_a_new_key_is_fetched(fake: FakeShipEngine, receiver: Open, hours: Callable[[float], None]) -> None:
    own = receiver(fake)
    old = fake.sign(BODY, now())
    assert isinstance(own.verify(), TrackingEvent)
    fake.rotate_key()
    hours(61)
    assert isinstance(own.verify(), TrackingEvent)
    assert isinstance(own.verify(old), TrackingEvent)
    assert fetches(fake) == 2


def test_when_a_fetch_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(keys, "clock", lambda: now)
    known = keys._Known()
    assert known.is_due("k")
    known.begin()
    known.note(APIError(200, {}, b'{"keys": [{"kty": "RSA", "kid": "k", "n": "%s", "e": "AQAB"}]}' % (b"_" * 342)))
    assert known.has("k")
    for later, is_due in ((59.9, False), (60.0, True)):
        now = 1_000_000.0 + later
        assert (known.is_due("k"), known.is_due("another")) == (False, is_due)
    for later, is_due in ((86_400.0, False), (86_400.1, True)):
        now = 1_000_000.0 + later
        assert (known.is_due("k"), known.is_due("another")) == (is_due, True)


def test_strangers_cannot_make_it_fetch(fake: FakeShipEngine, receiver: Open, hours: Callable[[float], None]) -> None:
    own = receiver(fake)
    assert isinstance(own.verify(), TrackingEvent)
    hours(59)
    assert isinstance(own.verify({**fake.sign(BODY, now()), KEY_ID: "made up"}), InvalidSignatureError)
    assert fetches(fake) == 1
    for minute in range(1, 4):
        hours(60)
        for number in range(20):
            refused = own.verify({**fake.sign(BODY, now()), KEY_ID: f"made up {minute} {number}"})
            assert isinstance(refused, InvalidSignatureError)
        assert isinstance(own.verify(), TrackingEvent)
        assert fetches(fake) == minute + 1
    assert own.keys_kept() == 1


def test_a_withdrawn_key_is_not_believed_for_ever(
    fake: FakeShipEngine, receiver: Open, hours: Callable[[float], None]
) -> None:
    own = receiver(fake)
    old = fake.sign(BODY, now())
    assert isinstance(own.verify(old), TrackingEvent)
    fake.rotate_key(keep=False)
    hours(24 * 3600 - 10)
    assert isinstance(own.verify(old), TrackingEvent)
    assert fetches(fake) == 1
    hours(20)
    assert isinstance(own.verify(old), TrackingEvent)  # nobody waits while the set is fetched anew
    own.settle(fake, 2)
    assert isinstance(own.verify(old), InvalidSignatureError)
    assert fetches(fake) == 2


def test_a_delivery_with_a_known_key_waits_for_no_fetch(
    fake: FakeShipEngine, receiver: Open, hours: Callable[[float], None]
) -> None:
    own = receiver(fake)
    known = fake.sign(BODY, now())
    assert isinstance(own.verify(known), TrackingEvent)
    hours(24 * 3600)
    fake.script(Answer(b"", "hang"))
    for _ in range(5):
        began = time.monotonic()
        assert isinstance(own.verify(known), TrackingEvent)
        assert time.monotonic() - began < 1
        assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    own.settle(fake, 2)
    assert fetches(fake) == 2


def test_where_no_thread_can_start_the_keys_that_are_there_will_do(
    fake: FakeShipEngine, hours: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        verifier, headers = client.webhook_verifier(), fake.sign(BODY, now())
        verifier.verify(headers, BODY)
        hours(24 * 3600)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            assert verifier.verify(headers, BODY)
            assert verifier.verify(headers, BODY)
        assert fetches(fake) == 1
        fake.rotate_key()
        assert verifier.verify(fake.sign(BODY, now()), BODY)  # and the lock is nobody's
        assert fetches(fake) == 2


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_a_fetch_that_is_interrupted_leaves_nothing_behind(
    interruption: type[BaseException], fake: FakeShipEngine
) -> None:
    transport, interruptions = httpx.HTTPTransport(), [interruption()]

    class Interrupted(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if interruptions:
                raise interruptions.pop()
            return transport.handle_request(request)

    headers = fake.sign(BODY, now())
    with TrackingClient(fake.api_key, base_url=fake.url, transport=Interrupted()) as client:
        with pytest.raises(interruption):
            client.webhook_verifier().verify(headers, BODY)
        assert client.webhook_verifier().verify(headers, BODY)
    transport.close()


def test_a_fetch_that_ends_while_a_key_is_looked_up() -> None:
    class Fetching(keys._Known):
        def has(self, key_id: str) -> bool:
            self._failure = None  # as another thread does, just now
            return super().has(key_id)

    known = Fetching()
    known.begin()
    with pytest.raises(APIConnectionError, match="the fetch has not ended"):
        known.look_up("k1")


def test_an_async_client_without_its_event_loop(fake: FakeShipEngine) -> None:
    verifier = AsyncTrackingClient(fake.api_key, base_url=fake.url).webhook_verifier()
    headers = fake.sign(BODY, now())
    with pytest.raises(ClientStateError, match=r"^this client runs under asyncio only$"):
        verifier.verify(headers, BODY).send(None)
    assert asyncio.run(verifier.verify(headers, BODY))


BAD = [
    Answer.of(503, "<html>Bad gateway</html>"),
    Answer.of(204),
    Answer.of(200, "<html>Welcome to our hotel</html>"),
    Answer.of(200, {"keys": None}),
    Answer.of(200, []),
    Answer.of(200, b"\xff"),
    Answer.of(200, {"keys": ["x" * 1_100_000]}),
    Answer.of(302, headers={"Location": "http://127.0.0.1:1/"}),
    Answer.of(429, {"request_id": "a", "errors": []}, {"Retry-After": "1"}),
    Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "close"),
    Answer(b"", "reset"),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_fetch_that_fails(bad: Answer, fake: FakeShipEngine, receiver: Open, hours: Callable[[float], None]) -> None:
    own = receiver(fake)
    fake.script(bad)
    for _ in range(2):  # nobody can tell, now and for a minute
        ended = own.verify()
        assert isinstance(ended, APIError | APIConnectionError)
        assert isinstance(ended.__cause__, httpx.TransportError) == isinstance(ended, APIConnectionError)
        assert ended.__notes__ == ["while fetching ShipEngine's public keys from /jwks, to verify a delivery"]
        if bad.data == Answer.of(204).data:
            assert isinstance(ended, APIError)
            assert ended.status_code == 204
        ended.add_note("of this delivery")
    assert fetches(fake) == 1
    hours(60)
    assert isinstance(own.verify(), TrackingEvent)
    fake.rotate_key()
    fake.script(bad)
    hours(60)
    old = fake.sign(BODY, now())
    assert isinstance(own.verify(old), APIError | APIConnectionError)
    assert fetches(fake) == 3


def test_keys_are_kept_when_a_fetch_fails(fake: FakeShipEngine, receiver: Open, hours: Callable[[float], None]) -> None:
    own = receiver(fake)
    known = fake.sign(BODY, now())
    for count in range(1, 4):
        assert isinstance(own.verify(known), TrackingEvent)
        own.settle(fake, count)
        fake.script(Answer.of(500))
        hours(25 * 3600)
    assert isinstance(own.verify(known), TrackingEvent)
    own.settle(fake, 4)
    assert isinstance(own.verify(known), TrackingEvent)
    assert fetches(fake) == 4


def test_a_fetch_has_a_deadline(fake: FakeShipEngine, receiver: Open) -> None:
    own = receiver(fake, timeout=0.2, deadline=0.3)
    fake.script(Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "hang"))
    began = time.monotonic()
    assert isinstance(own.verify(), APIConnectionError)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(("deadline", "of_a_fetch"), [(60.0, 10.0), (3.0, 3.0)])
def test_a_fetch_takes_no_longer_than_whoever_delivers_waits(deadline: float, of_a_fetch: float) -> None:
    for kind in (TrackingClient, AsyncTrackingClient):
        assert kind("TEST_key", deadline=deadline)._keys._settings.deadline == of_a_fetch


def test_a_closed_client(fake: FakeShipEngine, receiver: Open) -> None:
    own = receiver(fake)
    known = fake.sign(BODY, now())
    assert isinstance(own.verify(known), TrackingEvent)
    own.close()
    assert isinstance(own.verify(known), TrackingEvent)  # which takes no network
    assert isinstance(own.verify({**known, KEY_ID: "unknown"}), InvalidSignatureError)


def test_a_client_closed_before_the_first(fake: FakeShipEngine, receiver: Open) -> None:
    own = receiver(fake)
    own.close()
    assert isinstance(own.verify(), ClientStateError)
    assert fake.requests == []


def test_through_a_transport_of_the_callers(fake: FakeShipEngine) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/jwks"
        assert "api-key" not in request.headers
        return httpx.Response(500)

    with TrackingClient(fake.api_key, transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(ServerError) as caught:
            client.webhook_verifier().verify(fake.sign(BODY, now()), BODY)
        assert not found(caught.value, fake.api_key)

    async def ask() -> None:
        async with AsyncTrackingClient(fake.api_key, transport=httpx.MockTransport(refuse)) as client:
            with pytest.raises(ServerError):
                await client.webhook_verifier().verify(fake.sign(BODY, now()), BODY)

    asyncio.run(ask())


def test_threads_wait_for_one_fetch(fake: FakeShipEngine) -> None:
    headers = fake.sign(BODY, now())
    with TrackingClient(fake.api_key, base_url=fake.url) as client, ThreadPoolExecutor(20) as crew:
        verify = client.webhook_verifier().verify
        events = list(crew.map(lambda _: verify(headers, BODY), range(100)))
    assert len(events) == 100
    assert fetches(fake) == 1


def test_tasks_wait_for_one_fetch_and_one_who_leaves_does_not_end_it(fake: FakeShipEngine) -> None:
    headers = fake.sign(BODY, now())
    fake.script(Answer.of(200, fake._signer.jwks(), delay=0.2))

    async def ask() -> list[TrackingEvent]:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            verify = client.webhook_verifier().verify
            first = asyncio.create_task(verify(headers, BODY))
            await asyncio.sleep(0.05)
            first.cancel()
            events = await asyncio.gather(*(verify(headers, BODY) for _ in range(50)))
            with pytest.raises(asyncio.CancelledError):
                await first
            return events

    assert len(asyncio.run(ask())) == 50
    assert fetches(fake) == 1


def test_one_event_loop_after_the_other(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a function in a cloud does, which runs a loop for each delivery."""
    client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
    verify = client.webhook_verifier().verify
    for day in range(3):
        monkeypatch.setattr(keys, "clock", lambda day=day: time.monotonic() + day * 90_000)
        assert asyncio.run(verify(fake.sign(BODY, now()), BODY))
        fake.rotate_key(keep=False)
    asyncio.run(client.aclose())


def test_a_fetch_that_is_cancelled_leaves_nothing_behind(fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            verify = client.webhook_verifier().verify
            await verify(fake.sign(BODY, now()), BODY)
            monkeypatch.setattr(keys, "clock", lambda: time.monotonic() + 90_000)
            await verify(fake.sign(BODY, now()), BODY)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            fake.rotate_key()
            monkeypatch.setattr(keys, "clock", lambda: time.monotonic() + 91_000)
            await verify(fake.sign(BODY, now()), BODY)

    asyncio.run(main())


def test_where_nobody_waits_for_a_fetch_nobody_hears_of_a_transport_that_breaks(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[object] = []
    answers = iter([httpx.Response(200, json=fake._signer.jwks())])

    def serve(_: httpx.Request) -> httpx.Response:
        try:
            return next(answers)
        except StopIteration:
            raise RuntimeError("a mistake in the transport") from None

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        async with AsyncTrackingClient(fake.api_key, transport=httpx.MockTransport(serve)) as client:
            verify = client.webhook_verifier().verify
            for day in range(2):
                monkeypatch.setattr(keys, "clock", lambda day=day: time.monotonic() + day * 90_000)
                await verify(fake.sign(BODY, now()), BODY)
            fetch, client._keys._fetching = client._keys._fetching, None
            assert fetch is not None
            await asyncio.wait([fetch])
            del fetch
            gc.collect()

    asyncio.run(main())
    assert complaints == []


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_transport_that_breaks_is_asked_once_a_minute(kind: str, fake: FakeShipEngine) -> None:
    asked: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise RuntimeError("a mistake in the transport")

    own = Receiver(kind, fake, transport=httpx.MockTransport(serve))
    with pytest.raises(RuntimeError):
        own.verify()
    for _ in range(10):  # nobody can tell
        ended = own.verify()
        assert isinstance(ended, APIConnectionError)
        assert str(ended) == "the fetch has not ended"
        assert ended.__notes__ == ["while fetching ShipEngine's public keys from /jwks, to verify a delivery"]
    own.end()
    assert len(asked) == 1


def test_a_fetch_that_ends_with_its_event_loop_is_the_next_ones_to_make(fake: FakeShipEngine) -> None:
    fake.script(Answer.of(200, fake._signer.jwks(), delay=1.0))
    client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
    verify = client.webhook_verifier().verify

    async def leave() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(verify(fake.sign(BODY, now()), BODY), 0.1)

    asyncio.run(leave())
    assert asyncio.run(verify(fake.sign(BODY, now()), BODY)).data.tracking_number == "1Z"
    asyncio.run(client.aclose())


@contextmanager
def amid_a_fetch(fake: FakeShipEngine) -> Iterator[tuple[Callable[[], TrackingEvent], threading.Thread]]:
    """Yield a way to verify a delivery, and a thread that does so and waits for the keys."""
    fake.script(Answer.of(200, fake._signer.jwks(), delay=1.0))
    headers = fake.sign(BODY, now())
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        verify = partial(client.webhook_verifier().verify, headers, BODY)
        first = threading.Thread(target=verify)
        first.start()
        while fetches(fake) == 0:
            time.sleep(0.01)
        yield verify, first
        first.join()


def test_another_process_does_not_wait_for_this_ones_fetch(fake: FakeShipEngine) -> None:
    """What a fork amid a fetch does, in this process."""
    with amid_a_fetch(fake) as (verify, first):
        _forks._after_fork()
        assert verify()
        assert first.is_alive()
    assert fetches(fake) == 2


def test_a_fork_amid_a_fetch(fake: FakeShipEngine) -> None:
    with amid_a_fetch(fake) as (verify, first):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking amid threads, which is what is tested
            child = os.fork()
        if child == 0:
            try:
                os._exit(0 if verify() else 1)
            finally:
                os._exit(2)
        first.join()
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
