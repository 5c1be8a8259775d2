"""Calls through bad weather, over real sockets: retries, time-outs, cancelling, logs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

import soak
import virtual
from conftest import PACKAGE, Caller
from leaks import found
from shipengine_tracking import (
    APIConnectionError,
    APITimeoutError,
    AsyncTrackingClient,
    CarrierError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
    ShipEngineError,
    TrackingClient,
    retry,
)
from shipengine_tracking.testing import Answer, FakeShipEngine, RateLimit, Weather

BUSY = Answer.of(503)
RESET = Answer(b"", "reset")
HEAD = b"HTTP/1.1 500 X\r\nRequest-Id: 7\r\nContent-Length: 9999\r\n\r\n"


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses between attempts short."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)


@contextmanager
def takes(least: float, most: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began <= most


def limited(retry_after: float) -> Answer:
    return Answer.of(429, headers={"Retry-After": str(retry_after)})


# --- retries --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("brief")
def test_tried_again_until_it_works(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(BUSY, RESET, limited(0))
    assert caller.ask(fake, max_retries=3) is None
    assert len(fake.requests) == 4
    assert len({request.target for request in fake.requests}) == 1
    assert len(fake.subscriptions) == 1


@pytest.mark.usefixtures("brief")
def test_three_retries_are_the_default(fake: FakeShipEngine) -> None:
    fake.script(*[BUSY] * 3, Answer.of(502))
    with TrackingClient(fake.api_key, base_url=fake.url) as client, pytest.raises(ServerError, match="502") as caught:
        client.start(**PACKAGE)
    assert caught.value.attempts == 4
    assert caught.value.__context__ is None
    assert len(fake.requests) == 4


@pytest.mark.usefixtures("brief")
def test_a_lost_connection_at_the_end(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(*[RESET] * 3)
    ended = caller.ask(fake, max_retries=2)
    assert type(ended) is APIConnectionError
    assert ended.attempts == 3


def test_what_is_the_callers_to_mend_is_sent_once(fake: FakeShipEngine, caller: Caller) -> None:
    for status in (302, 400, 401, 403, 404, 409, 501):
        fake.script(Answer.of(status))
        assert getattr(caller.ask(fake, max_retries=3), "attempts", None) == 1
    assert len(fake.requests) == 7


def test_the_server_asks_for_more_than_the_budget(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(limited(91))
    with takes(0, 2):
        ended = caller.ask(fake, max_retries=3)
    assert type(ended) is RateLimitError
    assert (ended.retry_after, ended.attempts) == (91.0, 1)


def test_the_next_call_is_held_back_too(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(limited(60))
    first, second = caller.calls(PACKAGE, PACKAGE, api_key=fake.api_key, base_url=fake.url, max_retries=3, max_wait=30)
    assert isinstance(first, RateLimitError)
    assert isinstance(second, RateLimitError)
    assert (first.attempts, second.attempts) == (1, 0)
    assert str(second).startswith("not sent: the account's calls are used up for another ")
    assert 58 < (second.retry_after or 0) <= 60
    assert str(second.__cause__) == str(first)
    assert len(fake.requests) == 1


def test_a_retry_that_is_held_back_does_not_hide_what_came_before(
    fake: FakeShipEngine, caller: Caller, brief: None
) -> None:
    """The first attempt has subscribed the package, but its answer came too late."""
    fake.weather = Weather({"slow": 1.0}, delay=1.0)
    ended = caller.ask(fake, max_retries=3, requests_per_minute=1, max_wait=2.0, timeout=0.3)
    assert type(ended) is APITimeoutError
    assert ended.attempts == len(fake.subscriptions) == 1
    (note,) = ended.__notes__
    assert note.startswith("The retry: not sent again: requests_per_minute=1 lets no more calls through for another ")


def test_a_retry_after_a_429_that_is_held_back_says_how_long(fake: FakeShipEngine, caller: Caller, brief: None) -> None:
    fake.script(limited(0))
    ended = caller.ask(fake, max_retries=3, requests_per_minute=1, max_wait=2.0)
    assert type(ended) is RateLimitError
    assert str(ended).startswith("not sent again: requests_per_minute=1 lets no more calls through for another ")
    assert 50 < (ended.retry_after or 0) <= 60
    assert ended.attempts == len(fake.requests) == 1


def test_no_waiting_at_all(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(limited(1))
    ended = caller.ask(fake, max_retries=3, max_wait=0)
    assert isinstance(ended, RateLimitError)


def test_threads_are_held_back_together(fake: FakeShipEngine) -> None:
    fake.script(limited(1))
    with TrackingClient(fake.api_key, base_url=fake.url) as client, takes(0.9, 3):
        crew = [threading.Thread(target=client.start, kwargs=PACKAGE)]
        crew[0].start()
        while not fake.requests:
            time.sleep(0.001)
        time.sleep(0.1)
        crew += [threading.Thread(target=client.start, kwargs=PACKAGE) for _ in range(9)]
        for thread in crew[1:]:
            thread.start()
        time.sleep(0.5)
        assert len(fake.requests) == 1
        for thread in crew:
            thread.join()
    assert len(fake.subscriptions) == 10
    assert len(fake.requests) == 11


def test_calls_in_flight_and_connections_are_bounded() -> None:
    with FakeShipEngine(weather=Weather({"slow": 1.0}, delay=0.02)) as fake:
        with TrackingClient(fake.api_key, base_url=fake.url, max_connections=3) as client:
            crew = [threading.Thread(target=client.start, kwargs=PACKAGE) for _ in range(30)]
            with takes(0.2, 5):
                for thread in crew:
                    thread.start()
                for thread in crew:
                    thread.join()
        assert len(fake.subscriptions) == 30
        assert fake.connections == 3


def test_waiting_for_a_connection_has_a_time_out(fake: FakeShipEngine) -> None:
    async def run() -> None:
        fake.script(Answer(b"", "hang"))
        timeout = httpx.Timeout(30, pool=0.3)
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url, max_connections=1, timeout=timeout) as client:
            first = asyncio.create_task(client.start(**PACKAGE))
            await asyncio.sleep(0.1)
            with pytest.raises(APITimeoutError, match=r"no connection became free within 0\.3") as caught:
                await client.start(**PACKAGE)
            assert caught.value.attempts == 0
            first.cancel()
            await asyncio.wait([first])

    asyncio.run(run())
    assert len(fake.requests) == 1


def test_a_connection_that_was_closed_while_idle(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(Answer.of(204, then="close"))
    ended = caller.calls(PACKAGE, PACKAGE, PACKAGE, api_key=fake.api_key, base_url=fake.url, pause=0.05)
    assert ended == [None] * 3
    assert len(fake.requests) == 3


# --- time-outs ------------------------------------------------------------------------------------------------------


def test_a_body_that_drips(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(Answer(HEAD, drip=b"x" * 200))
    with takes(0.3, 2):
        ended = caller.ask(fake, deadline=0.3)
    assert type(ended) is APITimeoutError
    assert "no whole answer within 0.3 s" in str(ended)
    assert (ended.status_code, ended.request_id) == (500, "7")
    assert not found(ended, fake.api_key)


@pytest.mark.parametrize("answer", [Answer(b"", "hang"), Answer(HEAD, "hang")])
def test_silence_beyond_the_deadline(fake: FakeShipEngine, caller: Caller, answer: Answer) -> None:
    fake.script(answer)
    with takes(0.3, 2):
        ended = caller.ask(fake, deadline=0.3, timeout=30)
    assert type(ended) is APITimeoutError
    assert ended.__cause__ is not None
    assert not found(ended, fake.api_key)


def test_a_head_that_drips(fake: FakeShipEngine) -> None:
    fake.script(Answer(b"", drip=HEAD))
    with takes(0.3, 2):
        ended = Caller("async").ask(fake, deadline=0.3)
    assert type(ended) is APITimeoutError
    assert ended.status_code is None


@pytest.mark.usefixtures("brief")
def test_the_deadline_is_that_of_one_attempt(fake: FakeShipEngine, caller: Caller) -> None:
    fake.script(Answer(HEAD, drip=b"x" * 200))
    with takes(0.3, 3):
        assert caller.ask(fake, deadline=0.3, max_retries=1) is None
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadline", 0), ("deadline", None), ("deadline", "60"), ("max_retries", -1), ("max_retries", 1.5),
        ("max_retries", True), ("max_wait", -1), ("max_wait", None), ("max_wait", float("nan")),
        ("max_connections", 0), ("max_connections", "9"), ("requests_per_minute", 0), ("requests_per_minute", 1.5),
    ],
)  # fmt: skip
def test_impossible_settings(caller: Caller, name: str, value: object) -> None:
    ended: Callable[..., object] = caller.client_class
    with pytest.raises(ValueError, match=rf"^{name} must be (seconds|a whole number)"):
        ended("TEST_key", **{name: value})


# --- cancelling -----------------------------------------------------------------------------------------------------


@contextmanager
def nobody_accepts() -> Iterator[str]:
    """Yield the address of a server whose queue of connections is full: connecting takes for ever."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        time.sleep(0.05)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for one in waiting:
            one.close()


def idle(client: TrackingClient | AsyncTrackingClient) -> bool:
    gate = client._connections._gate.state
    return gate.in_flight == 0 and not gate.queue and gate.probe is None


def test_cancelled_while_connecting() -> None:
    async def run(url: str) -> None:
        async with AsyncTrackingClient("TEST_key", base_url=url) as client:
            with takes(0, 2), pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.start(**PACKAGE), 0.2)
            assert idle(client)

    with nobody_accepts() as url:
        asyncio.run(run(url))


@pytest.mark.parametrize(
    "answer",
    [Answer(b"", "hang"), Answer(HEAD, "hang"), Answer.of(503, headers={"Retry-After": "20"}), limited(20)],
    ids=["before the head", "amid the body", "between attempts", "after a 429"],
)
def test_cancelled(fake: FakeShipEngine, answer: Answer) -> None:
    async def run() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            fake.script(answer)
            with takes(0, 2), pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.start(**PACKAGE), 0.2)
            assert idle(client)
            client._connections._gate.state.shut_until = 0.0  # the wait itself is not what is tested
            await client.start(**PACKAGE)
            assert idle(client)
        assert len(asyncio.all_tasks()) == 1

    before = soak.left_over()
    asyncio.run(run())
    assert len(fake.requests) == 2
    fake.end()
    assert soak.left_over() <= before


def test_cancelled_at_the_gate(fake: FakeShipEngine) -> None:
    async def run() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            fake.script(limited(20))
            first = asyncio.create_task(client.start(**PACKAGE))
            await asyncio.sleep(0.1)
            crew = [asyncio.create_task(client.start(**PACKAGE)) for _ in range(5)]
            await asyncio.sleep(0.05)
            for task in (first, *crew):
                task.cancel()
            with takes(0, 1):
                assert all(
                    isinstance(end, asyncio.CancelledError)
                    for end in await asyncio.gather(first, *crew, return_exceptions=True)
                )
            assert idle(client)

    asyncio.run(run())
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [Answer(b"", "hang"), Answer(HEAD, "hang"), Answer.of(503, headers={"Retry-After": "20"})],
    ids=["before the head", "amid the body", "between attempts"],
)
def test_ctrl_c(fake: FakeShipEngine, answer: Answer) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        fake.script(answer)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with takes(0, 2), pytest.raises(KeyboardInterrupt):
            client.start(**PACKAGE)
        timer.join()
        assert idle(client)
        client.start(**PACKAGE)
    assert len(fake.requests) == 2


def test_ctrl_c_at_the_gate(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url, max_retries=0) as client:
        fake.script(limited(20))
        with pytest.raises(RateLimitError):
            client.start(**PACKAGE)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with takes(0, 2), pytest.raises(KeyboardInterrupt):
            client.start(**PACKAGE)
        timer.join()
        assert idle(client)
    assert len(fake.requests) == 1


def test_closing_ends_those_who_wait(fake: FakeShipEngine) -> None:
    ended: list[BaseException] = []
    client = TrackingClient(fake.api_key, base_url=fake.url)

    def call() -> None:
        try:
            client.start(**PACKAGE)
        except ShipEngineError as error:
            ended.append(error)

    fake.script(limited(1))
    crew = [threading.Thread(target=call) for _ in range(4)]
    for thread in crew:
        thread.start()
        time.sleep(0.1)
    assert len(fake.requests) == 1
    client.close()
    with takes(0, 2):
        for thread in crew:
            thread.join()
    assert sorted(type(error).__name__ for error in ended) == [*["ClientStateError"] * 3, "RateLimitError"]


def test_cancelled_when_its_turn_comes(fake: FakeShipEngine) -> None:
    async def run(turns: int) -> None:
        fake.script(Answer(b"", "hang"))
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url, max_connections=1) as client:
            first, second = (asyncio.create_task(client.start(**PACKAGE)) for _ in range(2))
            await asyncio.sleep(0.05)
            first.cancel()
            await asyncio.wait([first])
            for _ in range(turns):
                await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            assert idle(client)

    for turns in range(3):
        asyncio.run(run(turns))


def test_closing_ends_the_pauses_between_attempts(fake: FakeShipEngine) -> None:
    async def run() -> None:
        fake.script(Answer.of(503, headers={"Retry-After": "20"}))
        client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
        call = asyncio.create_task(client.start(**PACKAGE))
        await asyncio.sleep(0.1)
        await client.aclose()
        with takes(0, 1), pytest.raises(ServerError) as caught:
            await call
        assert caught.value.__notes__ == ["The retry: this client is closed: make a new one"]

    asyncio.run(run())
    client = TrackingClient(fake.api_key, base_url=fake.url)
    fake.script(Answer.of(503, headers={"Retry-After": "20"}))
    timer = threading.Timer(0.2, client.close)
    timer.start()
    with takes(0, 1), pytest.raises(ServerError) as caught:
        client.start(**PACKAGE)
    timer.join()
    assert caught.value.__notes__ == ["The retry: this client is closed: make a new one"]
    assert caught.value.attempts == 1


@pytest.mark.parametrize("answer", [Answer.of(204, delay=0.2), Answer.of(400, delay=0.2)])
def test_what_is_in_flight_is_closed_when_it_ends(fake: FakeShipEngine, answer: Answer) -> None:
    before = soak.left_over()
    with FakeShipEngine(api_key=fake.api_key) as other:
        other.script(answer)
        client = TrackingClient(other.api_key, base_url=other.url)
        timer = threading.Timer(0.1, client.close)
        timer.start()
        with suppress(InvalidRequestError):
            client.start(**PACKAGE)
        timer.join()

    async def run() -> None:
        other.script(answer)
        client = AsyncTrackingClient(other.api_key, base_url=other.url)
        call = asyncio.create_task(client.start(**PACKAGE))
        await asyncio.sleep(0.1)
        await client.aclose()
        await asyncio.wait([call])
        call.exception()

    with FakeShipEngine(api_key=fake.api_key) as other:
        asyncio.run(run())
    assert soak.left_over() == before


def test_a_fork_has_connections_of_its_own(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        client.start(**PACKAGE)
        child = os.fork()
        if child == 0:
            try:
                for _ in range(20):
                    with suppress(CarrierError):
                        client.start(tracking_number="1Z", carrier_code="seko")
            finally:
                os._exit(0)
        for _ in range(20):
            client.start(**PACKAGE)
        os.waitpid(child, 0)
    assert len(fake.subscriptions) == 21
    assert len(fake.requests) == 41
    assert fake.connections == 2


def test_a_fork_while_a_lock_is_held(fake: FakeShipEngine) -> None:
    """By a thread that the new process does not have."""
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        connections = client._connections
        with connections._lock, connections._gate._lock:
            child = os.fork()
        if child == 0:
            signal.alarm(10)
            with suppress(BaseException):
                assert list(client.start_many([])) == []
                client.start(**PACKAGE)
                client.close()
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        client.start(**PACKAGE)
    assert fake.connections == 2


def test_the_budget_of_a_call_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two waits of 40 s, one between attempts and one at the gate, are within 90 s; a third is not."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        answers = iter([40, 40, 40])

        async def serve(_: httpx.Request) -> httpx.Response:
            return httpx.Response(429, headers={"Retry-After": str(next(answers))})

        async with AsyncTrackingClient("TEST_key", transport=httpx.MockTransport(serve), max_retries=9) as client:
            began = loop.time()
            with pytest.raises(RateLimitError) as caught:
                await client.start(**PACKAGE)
            assert caught.value.attempts == 3
            assert loop.time() - began == pytest.approx(80, abs=1)
            # The gate is shut for 40 s more. A call that has waited there has that much less for its own retries.
            answers = iter([40, 40])
            began = loop.time()
            with pytest.raises(RateLimitError) as caught:
                await client.start(**PACKAGE)
            assert caught.value.attempts == 2
            assert loop.time() - began == pytest.approx(80, abs=1)

    virtual.run(main(), monkeypatch)


def test_what_a_call_has_waited_is_gone_from_its_patience_at_the_gate(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        gate = client._connections._gate
        assert gate.waiter(retry.Call(print, {}, waited=60.0)).patience == 30.0
        assert gate.waiter(retry.Call(print, {}, retry.Run(threading.Event()), waited=60.0)).patience == 90.0


CREWS = [soak.with_threads, soak.with_tasks, soak.with_start_many, soak.with_start_many_async]


@pytest.mark.parametrize("crew", CREWS)
def test_the_soaks_crews(crew: Callable[..., soak.Run], fake: FakeShipEngine) -> None:
    fake.script(Answer.of(400))
    run = soak.timed(crew, 20, 4, fake, max_retries=0)
    assert run.ended == {"success": 19, "InvalidRequestError": 1}
    assert (run.attempts, len(run.succeeded), len(fake.subscriptions)) == (20, 19, 19)
    ratio, refused = soak.against_a_limit(crew, RateLimit(200, 6.0), 4, calls=20)
    assert 0 < ratio < 0.5
    assert refused == 0
    assert soak.memory() > 1


def test_the_pauses_of_a_client_are_random(fake: FakeShipEngine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "shipengine_tracking")
    fake.script(*[Answer.of(503)] * 6)
    with TrackingClient(fake.api_key, base_url=fake.url, max_retries=1) as client:
        for _ in range(3):
            with pytest.raises(ServerError):
                client.start(**PACKAGE)
    pauses = {record.getMessage().partition(" in ")[2] for record in caplog.records if "retry" in record.getMessage()}
    assert len(pauses) > 1


# --- logs -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("brief")
def test_the_log(fake: FakeShipEngine, caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "shipengine_tracking")
    number = PACKAGE["tracking_number"]
    message = f"{number} and {fake.api_key}"
    body = {"request_id": "7", "errors": [{"error_code": "unspecified", "message": message}]}
    fake.script(Answer.of(503, body), RESET)
    assert caller.ask(fake, max_retries=3) is None
    lines = [
        (record.levelname, record.getMessage()) for record in caplog.records if record.name == "shipengine_tracking"
    ]
    name = "start_tracking tracking_number='…6152' carrier_code='stamps_com'"
    expected = [
        ("DEBUG", f"{name}: attempt 1: ServerError 503 unspecified [request id 7] in "),
        ("WARNING", f"{name}: retry 1 of 3 in 0.00 s after ServerError 503 unspecified [request id 7]"),
        ("DEBUG", f"{name}: attempt 2: APIConnectionError (ReadError) in "),
        ("WARNING", f"{name}: retry 2 of 3 in 0.00 s after APIConnectionError (ReadError)"),
        ("DEBUG", f"{name}: attempt 3: 204 in "),
    ]
    assert [level for level, _ in lines] == [level for level, _ in expected]
    for (_, line), (_, start) in zip(lines, expected, strict=True):
        assert line.startswith(start)
        if start.endswith(" in "):
            assert 0 <= float(line.removeprefix(start).removesuffix(" s")) < 5
        assert number not in line
        assert fake.api_key not in line


CALL = """
import sys
from shipengine_tracking import TrackingClient, retry

retry.FIRST_PAUSE = 0.001
with TrackingClient(sys.argv[1], base_url=sys.argv[2]) as client:
    client.start(tracking_number="1Z", carrier_code="ups")
"""


def test_by_default_nothing_is_printed(fake: FakeShipEngine) -> None:
    fake.script(BUSY)
    command = [sys.executable, "-c", CALL, fake.api_key, fake.url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert len(fake.requests) == 2


# --- all at once ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(("crew", "workers"), [(soak.with_threads, 16), (soak.with_tasks, 50)])
def test_soak(crew: Callable[..., soak.Run], workers: int) -> None:
    run = soak.through_bad_weather(crew, 80, workers)
    assert run.ended["success"] > 60
    assert run.attempts > 100


def test_the_fakes_weather_is_the_same_for_the_same_seed() -> None:
    def course(seed: int) -> list[str | None]:
        weather = Weather(soak.TROUBLES, seed)
        return [weather.strikes() for _ in range(1000)]

    assert course(1) == course(1) != course(2)
    for name in soak.TROUBLES:
        assert 60 < course(1).count(name) < 140


def test_the_fakes_limit(caller: Caller) -> None:
    settings: dict[str, Any] = {"max_retries": 0, "max_wait": 0}
    with FakeShipEngine(rate_limit=RateLimit(3, 60.0)) as fake:
        ended = caller.calls(*[PACKAGE] * 5, api_key=fake.api_key, base_url=fake.url, **settings)
        assert ended[:3] == [None] * 3
        assert all(isinstance(end, RateLimitError) and end.attempts == 0 for end in ended[3:])
        assert len(fake.requests) == 3
    with FakeShipEngine(rate_limit=RateLimit(3, 60.0, headers=False)) as fake:
        ended = caller.calls(*[PACKAGE] * 5, api_key=fake.api_key, base_url=fake.url, **settings)
        assert isinstance(ended[3], RateLimitError)
        assert ended[3].retry_after == 60.0
        assert ended[3].code == "rate_limit_exceeded"
        assert "ratelimit-limit" not in ended[3].headers
        assert len(fake.requests) == 4
    with FakeShipEngine(rate_limit=RateLimit(1, 60.0, retry_after=False)) as fake:
        fake.script(Answer.of(400))
        first, _, third = caller.calls(*[PACKAGE] * 3, api_key=fake.api_key, base_url=fake.url, **settings)
        assert isinstance(first, InvalidRequestError)
        assert isinstance(third, RateLimitError)
        assert third.attempts == 0
