"""The rate limiter as pure state: the test passes the time."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import httpx
import pytest

from shipengine_tracking import APIConnectionError, APIError, RateLimitError
from shipengine_tracking._http.rate_limit import MAX_BLOCK, MAX_SLEEP, Delay, RateLimiter, Waiter

LOST = APIConnectionError("reset")


def new_limiter(max_in_flight: int = 100, per_minute: int | None = None) -> RateLimiter:
    return RateLimiter(max_in_flight, per_minute, SimpleQueue)


def response(remaining: object = None, reset: object = None) -> httpx.Response:
    names = {"RateLimit-Remaining": remaining, "RateLimit-Reset": reset}
    headers = {name: str(value) for name, value in names.items() if value is not None}
    return httpx.Response(204, headers=httpx.Headers(headers, "utf-8"))


OK = response()


def rejection(retry_after: float | None, remaining: object = None, reset: object = None) -> RateLimitError:
    error = RateLimitError(429, response(remaining, reset).headers)
    error.retry_after = retry_after
    return error


def send(limiter: RateLimiter, now: float) -> Waiter:
    """Let a call through that nothing delays."""
    waiter = Waiter()
    assert limiter.acquire(waiter, now) is None
    return waiter


def queue(limiter: RateLimiter, now: float, count: int) -> list[Waiter]:
    """Queue calls that have to wait."""
    waiters = [Waiter() for _ in range(count)]
    for waiter in waiters:
        assert limiter.acquire(waiter, now) is not None
    return waiters


def can_send(limiter: RateLimiter, now: float) -> bool:
    """Return whether a new call would be let through, without changing the limiter."""
    waiter = Waiter()
    is_sent = limiter.acquire(waiter, now) is None
    if is_sent:
        waiter.sent_at = None
        limiter.in_flight.remove(waiter)
        limiter.probe = None if limiter.probe is waiter else limiter.probe
    limiter.release(waiter, now)
    return is_sent


def replay(limiter: RateLimiter, *exchanges: tuple[float, float, Any]) -> None:
    """Replay exchanges: when each was sent, when it ended, and its result. Calls are sent before others end."""
    waiters: dict[int, Waiter] = {}
    moments = [(sent, 0, index) for index, (sent, _, _) in enumerate(exchanges)]
    moments += [(ended, 1, index) for index, (_, ended, _) in enumerate(exchanges)]
    for now, is_end, index in sorted(moments):
        if is_end:
            limiter.release(waiters[index], now, exchanges[index][2])
        else:
            waiters[index] = send(limiter, now)


@pytest.mark.parametrize(
    ("exchanges", "blocked", "free"),
    [
        pytest.param([(0, 1, rejection(7))], (1, 7.9), 8, id="429 with Retry-After"),
        pytest.param([(0, 0, rejection(1e9))], (0, MAX_BLOCK - 0.1), MAX_BLOCK, id="absurd Retry-After"),
        pytest.param([(0, 0, rejection(None, 0, 6))], (0, 5.9), 6, id="429 with the window only"),
        pytest.param([(0, 0, response(0, 90))], (0, 89.9), 90, id="the longest window"),
        pytest.param([(0, 0, rejection(7)), (0, 1, OK)], (1, 6.9), 7, id="responses of calls in flight"),
        pytest.param([(0, 0, rejection(6)), (0, 1, rejection(6))], (1, 5.9), 6, id="the same moment twice"),
        pytest.param([(0, 0, rejection(30)), (0, 0, rejection(6))], (0, 29.9), 30, id="a later and an earlier moment"),
        pytest.param([(0, 0, rejection(7)), (7, 7, OK)], (), 7, id="success of the probe"),
        pytest.param([(0, 0, rejection(7)), (7, 7.5, APIError(400))], (), 7.5, id="400 of the probe"),
        pytest.param([(0, 0, rejection(7)), (7, 7, rejection(1))], (7, 7.9), 8, id="429 of the probe"),
        pytest.param(
            [(0, 0, rejection(7)), (0, 7.2, rejection(30)), (7, 7.5, OK)], (7.5, 37.1), 37.2, id="late 429 of another"
        ),
        pytest.param([(0, 0, response(5, 60)), (0, 1, response(0, 2))], (), 1, id="late response of an old window"),
        pytest.param([(0, 0, response(9, 60)), (0, 0, response(0, 59))], (0, 58.9), 59, id="a rounded window"),
        pytest.param([(0, 0.3, response(1, 60)), (0, 0.4, response(0, 60))], (0.4, 60.2), 60.3, id="a used-up window"),
    ],
)
def test_limiter_blocks_all_calls_until_the_announced_moment(
    exchanges: list[tuple[float, float, Any]], blocked: tuple[float, ...], free: float
) -> None:
    limiter = new_limiter()
    replay(limiter, *exchanges)
    for now in blocked:
        assert not can_send(limiter, now)
    send(limiter, free)
    assert can_send(limiter, free) is (not blocked)  # after a block, one call is the probe


@pytest.mark.parametrize(
    ("remaining", "reset"),
    [("-1", "60"), ("0", "1.5"), ("0", "0"), ("0", "91"), ("0", None), (None, "60"), ("\u0660", "\u0666\u0660")],
)
def test_limiter_ignores_headers_that_are_not_valid(remaining: object, reset: object) -> None:
    limiter = new_limiter()
    replay(limiter, (0, 0, response(remaining, reset)))
    send(limiter, 0)
    assert can_send(limiter, 0)


@pytest.mark.parametrize(
    ("exchanges", "now"),
    [
        pytest.param([(0, 0, rejection(None))], 0, id="429 that announces nothing"),
        pytest.param([(0, 0, rejection(7)), (7, 7.5, LOST)], 7.5, id="lost probe"),
        pytest.param([(0, 0, rejection(7)), (7, 7.5, None)], 7.5, id="interrupted probe"),
    ],
)
def test_limiter_sends_one_probe_at_a_time(exchanges: list[tuple[float, float, Any]], now: float) -> None:
    limiter = new_limiter()
    replay(limiter, *exchanges)
    send(limiter, now)
    assert not can_send(limiter, now)


@pytest.mark.parametrize(
    ("exchanges", "now", "calls"),
    [
        pytest.param([(0, 0, response(1, 60)), (0, 0.5, response(9, 60))], 0.6, 1, id="the lowest value counts"),
        pytest.param([(0, 0, response(2, 60)), (0, 0, response(9, 61))], 0, 2, id="a second apart is one window"),
        pytest.param([(0, 0, response(0, 5)), (5, 5.1, response(2, 5))], 5.2, 2, id="a new window has new calls"),
        pytest.param(
            [(0, 0.1, response(1, 60)), (0, 5, response(150, 60))], 5, 1, id="a late response is of its window"
        ),
        pytest.param([(0, 0, response(3, 60)), (1, 1, LOST)], 2, 2, id="a lost response may have counted"),
        pytest.param([(0, 0, response(200, 60)), (0, 0, response(1, 60))], 0, 1, id="one call for this process"),
    ],
)
def test_limiter_knows_how_many_calls_a_window_has_left(
    exchanges: list[tuple[float, float, Any]], now: float, calls: int
) -> None:
    limiter = new_limiter()
    replay(limiter, *exchanges)
    for _ in range(calls):
        send(limiter, now)
    assert not can_send(limiter, now)


def test_limiter_remembers_other_processes_until_a_new_window_has_responses() -> None:
    limiter = new_limiter()
    replay(limiter, (0, 0, response(100, 5)), (0, 0, response(96, 5)), (5, 5, response(20, 5)))
    in_flight = [send(limiter, 5) for _ in range(4)]  # 3 + (3 + 2) * 3 < 20 < 4 + (4 + 2) * 3
    assert not can_send(limiter, 5)
    limiter.release(in_flight[0], 5, response(19, 5))
    for _ in range(16):
        send(limiter, 5)
    assert not can_send(limiter, 5)


@pytest.mark.parametrize(
    ("exchanges", "sent", "now", "delay"),
    [
        pytest.param([(0, 0, rejection(50))], [], 20, Delay(30, "rate limit", 30), id="429"),
        pytest.param([(0, 0, rejection(100))], [], 0, Delay(MAX_BLOCK, "rate limit", 100), id="the longest block"),
        pytest.param([(0, 0, rejection(100))], [90], 90, Delay(MAX_SLEEP, "rate limit"), id="behind a probe"),
        pytest.param([(0, 0, response(1, 5))], [0.5], 1, Delay(4, "rate limit"), id="window that others may leave"),
    ],
)
def test_first_in_the_queue_sleeps_until_it_may_be_sent(
    exchanges: list[tuple[float, float, Any]], sent: list[float], now: float, delay: Delay
) -> None:
    limiter = new_limiter()
    replay(limiter, *exchanges)
    for moment in sent:
        send(limiter, moment)
    assert limiter.acquire(Waiter(), now) == delay
    # The others are woken when they become first.
    assert limiter.acquire(Waiter(), now) == Delay(MAX_SLEEP, delay.reason, delay.min_wait)


def test_permit_is_available_again_a_minute_after_the_response() -> None:
    limiter = new_limiter(per_minute=2)
    in_flight = [send(limiter, 0) for _ in range(2)]
    waiter = Waiter()
    assert limiter.acquire(waiter, 0) == Delay(MAX_SLEEP, "requests_per_minute")
    limiter.release(in_flight[0], 1, OK)
    limiter.release(in_flight[1], 2, LOST)
    limiter.release(in_flight[1], 3)  # has been released
    limiter.release(Waiter(), 3)  # was not sent
    assert limiter.acquire(waiter, 11) == Delay(50, "requests_per_minute", 50)
    assert limiter.acquire(waiter, 60.9) is not None
    assert limiter.acquire(waiter, 61) is None
    assert not can_send(limiter, 61.9)
    assert can_send(limiter, 62)


def test_queue_is_first_come_first_served() -> None:
    limiter = new_limiter(max_in_flight=1)
    in_flight = send(limiter, 0)
    waiters = queue(limiter, 0, 3)
    limiter.release(in_flight, 1, OK)
    assert [waiter.wakeup_queue.qsize() for waiter in waiters] == [1, 0, 0]
    assert limiter.acquire(waiters[2], 1) is not None
    assert limiter.acquire(Waiter(), 1) == Delay(MAX_SLEEP, "max_connections")
    assert limiter.acquire(waiters[0], 1) is None


@pytest.mark.parametrize("is_sent", [True, False], ids=["sent", "gave up"])
def test_call_that_leaves_the_queue_wakes_the_next(is_sent: bool) -> None:
    limiter = new_limiter(max_in_flight=2)
    in_flight = [send(limiter, 0) for _ in range(2)]
    first, second = queue(limiter, 0, 2)
    for waiter in in_flight:
        limiter.release(waiter, 1, OK)
    assert (first.wakeup_queue.qsize(), second.wakeup_queue.qsize()) == (1, 0)
    if is_sent:
        assert limiter.acquire(first, 1) is None
    else:
        limiter.release(first, 1)
    assert second.wakeup_queue.qsize() == 1
    assert limiter.acquire(second, 1) is None


@pytest.mark.parametrize("result", [rejection(60), response(0, 60), response(1, 60)])
def test_limiter_forgets_all_times_if_the_clock_is_set_back(result: object) -> None:
    limiter = new_limiter(per_minute=1)
    replay(limiter, (1e9, 1e9, result))
    assert not can_send(limiter, 1e9)
    replay(limiter, (0, 0, OK))
    assert not can_send(limiter, 59)  # the permit of this call
    assert can_send(limiter, 60)


def test_release_undoes_an_interrupted_acquire() -> None:
    """Ctrl-C can interrupt `acquire` between any two lines."""
    limiter = new_limiter(max_in_flight=1)
    limiter.release(Waiter(is_queued=True), 1)  # is not in the queue
    limiter.release(Waiter(sent_at=1), 1)  # is not counted as in flight
    waiter = send(limiter, 1)
    waiter.is_queued = True
    limiter.release(waiter, 1)
    assert can_send(limiter, 1)
