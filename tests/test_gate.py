"""The gate's decisions, on a clock that the test holds."""

from __future__ import annotations

import threading
from math import inf

import httpx
import pytest
from attrs import evolve

from shipengine_tracking import APIConnectionError, APIError, APITimeoutError, RateLimitError, TrackingClient
from shipengine_tracking._gate import LONGEST_CLOSURE, Gate, Waiter
from shipengine_tracking.gates import TaskGate, ThreadGate
from shipengine_tracking.retry import Call, Run


def waiter(patience: float = 90.0, slot_patience: float = 30.0) -> Waiter:
    return Waiter(threading.Event, patience, slot_patience)


def passed(gate: Gate, now: float) -> Waiter:
    """Let a call through that nothing holds back."""
    one = waiter()
    assert gate.enter(one, now) == 0
    return one


def told(remaining: object, reset: object) -> dict[str, str]:
    return {"ratelimit-remaining": str(remaining), "ratelimit-reset": str(reset)}


def limited(retry_after: float | None, headers: dict[str, str] | None = None) -> RateLimitError:
    error = RateLimitError(429, headers)
    error.retry_after = retry_after
    return error


def goes(gate: Gate, now: float) -> bool:
    """Whether a call that asks now would go; it is not left there."""
    one = waiter()
    went = gate.enter(one, now) == 0
    if went:
        gate.in_flight -= 1
        if gate.probe is one:
            gate.probe = None
    else:
        gate.give_up(one)
    return went


def test_an_open_gate_lets_all_through() -> None:
    gate = Gate(100)
    for _ in range(100):
        passed(gate, 0.0)
    assert gate.in_flight == 100


def test_a_429_shuts_it_for_all_until_the_announced_moment() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 1.0, limited(7.0))
    assert not goes(gate, 1.0)
    assert not goes(gate, 7.9)
    assert goes(gate, 8.0)


def test_then_one_goes_first_and_its_answer_opens() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(7.0))
    probe = passed(gate, 7.0)
    assert not goes(gate, 7.5)
    gate.leave(probe, 7.5, {})
    assert goes(gate, 7.5)
    for _ in range(50):
        passed(gate, 7.5)


def test_an_answer_at_the_very_moment_opens_too() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(7.0))
    gate.leave(passed(gate, 7.0), 7.0, {})
    passed(gate, 7.0)
    assert goes(gate, 7.0)


@pytest.mark.parametrize("status", [400, 500, 302])
def test_any_whole_answer_opens(status: int) -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(7.0))
    gate.leave(passed(gate, 7.0), 7.5, APIError.from_answer(status, {}, b"", body_truncated=False))
    passed(gate, 7.5)
    assert goes(gate, 7.5)


@pytest.mark.parametrize("end", [APIConnectionError("x"), KeyboardInterrupt()])
def test_no_whole_answer_leaves_it_half_open(end: BaseException) -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(7.0))
    gate.leave(passed(gate, 7.0), 7.5, end)
    passed(gate, 7.5)
    assert not goes(gate, 7.5)


def test_another_429_shuts_it_again() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(7.0))
    gate.leave(passed(gate, 7.0), 7.5, limited(3.0))
    assert not goes(gate, 10.4)
    assert goes(gate, 10.5)


def test_another_429_at_the_very_moment_shuts_it_again() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(7.0))
    gate.leave(passed(gate, 7.0), 7.0, limited(1.0))
    assert not goes(gate, 7.9)
    assert goes(gate, 8.0)


def test_all_can_be_woken() -> None:
    gate = Gate(1)
    passed(gate, 0.0)
    line = [waiter() for _ in range(2)]
    for one in line:
        gate.enter(one, 0.0)
    gate.wake_all()
    assert all(one.event.is_set() for one in line)


def test_who_is_interrupted_in_coming_is_in_nobodys_way() -> None:
    """A Ctrl-C may strike between the place in the line and the event."""
    gate = Gate(1)
    flight, struck, waits = passed(gate, 0.0), waiter(), waiter()
    gate.queue.append(struck)
    gate.enter(waits, 0.0)
    gate.wake_all()
    gate.leave(flight, 1.0, limited(95.0))
    assert waits.event.is_set()
    gate.leave(struck, 1.0, KeyboardInterrupt())
    assert list(gate.queue) == [waits]


def test_calls_in_flight_do_not_open_it() -> None:
    gate = Gate(100)
    first, second = passed(gate, 0.0), passed(gate, 0.0)
    gate.leave(first, 0.0, limited(7.0))
    gate.leave(second, 1.0, {})
    assert not goes(gate, 6.9)


def test_at_most_as_many_are_in_flight_as_are_left() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, told(3, 60))
    flight = [passed(gate, 0.1) for _ in range(3)]
    assert not goes(gate, 0.2)
    gate.leave(flight.pop(), 0.3, told(2, 60))
    assert not goes(gate, 0.3)
    for one, left in zip(flight, (1, 0), strict=True):
        gate.leave(one, 0.4, told(left, 60))
    assert not goes(gate, 59.9)
    assert goes(gate, 60.4)


def test_the_lowest_remaining_of_a_window_counts() -> None:
    gate = Gate(100)
    first, second, third = (passed(gate, 0.0) for _ in range(3))
    gate.leave(first, 0.0, told(1, 60))
    gate.leave(second, 0.5, told(9, 60))
    gate.leave(third, 0.5, told(9, 60))
    passed(gate, 0.6)
    assert not goes(gate, 0.6)


def test_a_new_window_brings_new_calls() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, told(0, 5))
    probe = passed(gate, 5.0)
    gate.leave(probe, 5.1, told(2, 5))
    passed(gate, 5.2)
    passed(gate, 5.2)
    assert not goes(gate, 5.2)


def test_an_answer_of_a_window_gone_by_says_nothing() -> None:
    gate = Gate(100)
    late = passed(gate, 0.0)
    gate.leave(passed(gate, 0.0), 0.0, told(5, 60))
    gate.leave(late, 1.0, told(0, 2))
    assert goes(gate, 1.0)


def test_when_the_window_has_ended_nothing_is_known() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, told(1, 5))
    passed(gate, 4.0)
    assert not goes(gate, 4.9)
    assert goes(gate, 5.0)


def test_an_answer_without_headers_may_have_counted() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, told(3, 60))
    gate.leave(passed(gate, 1.0), 1.0, APIConnectionError("x"))
    passed(gate, 2.0)
    passed(gate, 2.0)
    assert not goes(gate, 2.0)


def test_of_two_tellings_of_one_moment_the_less_rounded_counts() -> None:
    gate = Gate(100)
    first, second = passed(gate, 0.0), passed(gate, 0.0)
    gate.leave(first, 0.0, limited(6.0))
    gate.leave(second, 1.0, limited(6.0))
    assert goes(gate, 6.0)


def test_tellings_a_whole_second_apart_are_of_one_window() -> None:
    gate = Gate(100)
    first, second, third = (passed(gate, 0.0) for _ in range(3))
    gate.leave(first, 0.0, told(2, 60))
    gate.leave(second, 0.0, told(9, 61))
    passed(gate, 0.0)
    assert not goes(gate, 0.0)
    gate.leave(third, 0.0, told(0, 59))
    assert not goes(gate, 58.9)
    assert goes(gate, 59.0)


def test_of_two_moments_the_later_counts() -> None:
    gate = Gate(100)
    first, second = passed(gate, 0.0), passed(gate, 0.0)
    gate.leave(first, 0.0, limited(30.0))
    gate.leave(second, 0.0, limited(6.0))
    assert not goes(gate, 29.9)


@pytest.mark.parametrize(
    "headers",
    [
        told("", ""), told("-1", "60"), told("0", "-60"), told("zero", "60"), told("0", "soon"), told("0", "1.5"),
        told("0", "1790000000"), told("0", "9" * 400), told("0", "91"), {"ratelimit-remaining": "0"},
        {"ratelimit-reset": "60"}, told("9" * 400, "60"), told("\u0660", "\u0666\u0660"), told("0", "0"),
    ],
)  # fmt: skip
def test_headers_that_make_no_sense_block_nobody(headers: dict[str, str]) -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, headers)
    passed(gate, 0.0)
    passed(gate, 0.0)
    gate.leave(passed(gate, 0.0), 0.0, told(5, 60))
    assert goes(gate, 0.0)


def test_a_429_that_announces_nothing_lets_one_call_try() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(None))
    passed(gate, 0.0)
    assert not goes(gate, 0.0)


def test_a_429_may_announce_by_the_window_alone() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(None, told(0, 6)))
    assert not goes(gate, 5.9)
    assert goes(gate, 6.0)


def test_no_header_shuts_it_for_long() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(1e9))
    with pytest.raises(RateLimitError):
        gate.enter(waiter(), LONGEST_CLOSURE - 0.1)
    assert goes(gate, LONGEST_CLOSURE)


def test_who_cannot_wait_that_long_hears_why() -> None:
    gate = Gate(100)
    cause = RateLimitError(429, {"Retry-After": "60", "Request-Id": "7"}, b"{}")
    gate.leave(passed(gate, 0.0), 0.0, cause)
    with pytest.raises(RateLimitError, match=r"^not sent: the account's calls are used up for another 50 s$") as caught:
        gate.enter(waiter(patience=49.0), 10.0)
    assert caught.value.retry_after == 50.0
    assert caught.value.attempts == 0
    assert caught.value.__cause__ is cause
    assert caught.value is not cause
    assert (caught.value.status_code, caught.value.request_id, caught.value.body) == (429, "7", b"{}")
    assert not gate.queue
    assert gate.enter(waiter(patience=50.0), 10.0) > 0


def test_who_cannot_wait_for_the_pace_hears_why_at_once() -> None:
    gate = Gate(100, per_minute=1)
    gate.leave(passed(gate, 0.0), 0.0, {})
    with pytest.raises(RateLimitError, match=r"for another 59 s$"):
        gate.enter(waiter(patience=58.0), 1.0)
    assert gate.enter(waiter(patience=59.0), 1.0) > 0


def test_when_it_is_half_open_the_announced_moment_no_longer_counts() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(LONGEST_CLOSURE + 10))
    passed(gate, LONGEST_CLOSURE)
    assert gate.enter(waiter(patience=5.0), LONGEST_CLOSURE) == 5.0


def test_who_waits_looks_every_half_minute() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(50.0))
    waits = waiter()
    assert gate.enter(waits, 0.0) == 30.0
    assert gate.enter(waits, 30.0) == 20.0


def test_who_leaves_unsent_makes_room() -> None:
    gate = Gate(1)
    flight = passed(gate, 0.0)
    line = [waiter() for _ in range(2)]
    for one in line:
        gate.enter(one, 0.0)
    gate.leave(line[0], 0.5, KeyboardInterrupt())
    gate.leave(flight, 1.0, {})
    assert gate.enter(line[1], 1.0) == 0


def test_the_longest_window_that_there_is() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, told(0, 90))
    assert not goes(gate, 89.9)
    assert goes(gate, 90.0)


def test_who_waits_hears_of_a_longer_wait() -> None:
    gate = Gate(100)
    first, second = passed(gate, 0.0), passed(gate, 0.0)
    gate.leave(first, 0.0, limited(5.0))
    waits = waiter()
    gate.enter(waits, 0.0)
    waits.event.clear()
    gate.leave(second, 0.0, limited(100.0))
    assert waits.event.is_set()
    with pytest.raises(RateLimitError):
        gate.enter(waits, 0.0)


def test_patience_ends() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(1.0))
    passed(gate, 1.0)
    waits = waiter(patience=20.0)
    assert gate.enter(waits, 1.0) == 20.0
    with pytest.raises(RateLimitError, match=r"^not sent: the account's calls are used up$") as caught:
        gate.enter(waits, 21.0)
    assert caught.value.retry_after is None


def test_who_cannot_wait_for_a_window_to_end_hears_why() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, told(0, 60))
    with pytest.raises(RateLimitError, match=r"^not sent: the account's calls are used up for another 60 s$") as caught:
        gate.enter(waiter(patience=59.0), 0.0)
    assert (caught.value.status_code, caught.value.headers, caught.value.body) == (429, {}, b"")
    assert caught.value.__cause__ is None


def test_the_calls_in_flight_are_bounded() -> None:
    gate = Gate(2)
    flight = [passed(gate, 0.0) for _ in range(2)]
    waits = waiter(slot_patience=5.0)
    assert gate.enter(waits, 0.0) == 5.0
    assert not waits.event.is_set()
    gate.leave(flight[0], 1.0, {})
    assert waits.event.is_set()
    assert gate.enter(waits, 1.0) == 0


def test_waiting_for_a_connection_honours_the_pool_timeout() -> None:
    gate = Gate(1)
    passed(gate, 0.0)
    waits = waiter(slot_patience=5.0)
    gate.enter(waits, 0.0)
    gate.enter(waits, 4.9)
    with pytest.raises(APITimeoutError, match="no connection became free within 5 s; nothing was sent"):
        gate.enter(waits, 5.0)
    assert not gate.queue
    assert gate.enter(waiter(slot_patience=inf), 0.0) > 0


@pytest.mark.parametrize(("patience", "slot_patience"), [(1.0, 30.0), (90.0, 1.0)])
def test_who_is_behind_another_waits_for_a_connection_too(patience: float, slot_patience: float) -> None:
    """The place is free and the first in the queue woken, but it has not come yet."""
    gate = Gate(1)
    first = passed(gate, 0.0)
    gate.enter(waiter(), 0.0)
    behind = waiter(patience, slot_patience)
    gate.enter(behind, 0.0)
    gate.leave(first, 0.5, {})
    assert gate.enter(behind, 0.5) == 0.5
    with pytest.raises(APITimeoutError) as caught:
        gate.enter(behind, 1.0)
    assert str(caught.value) == (
        "no connection became free within 1 s; nothing was sent (max_connections is 1; how long to wait for one is the "
        "shorter of timeout and max_wait)"
    )


def test_who_is_behind_another_at_a_gate_that_is_half_open_waits_for_the_limit() -> None:
    gate = Gate(1)
    gate.leave(passed(gate, 0.0), 0.0, limited(1.0))
    gate.enter(waiter(), 0.0)
    behind = waiter(patience=1.0)
    gate.enter(behind, 0.0)
    with pytest.raises(RateLimitError, match=r"^not sent: the account's calls are used up$"):
        gate.enter(behind, 1.0)


def test_who_cannot_wait_for_the_pace_hears_whose_it_is() -> None:
    gate = Gate(100, per_minute=7)
    for _ in range(7):
        gate.leave(passed(gate, 0.0), 0.0, {})
    said = r"^not sent: requests_per_minute=7 lets no more calls through for another 60 s$"
    with pytest.raises(RateLimitError, match=said) as caught:
        gate.enter(waiter(patience=59.0), 0.0)
    assert caught.value.retry_after == 60.0
    gate = Gate(100, per_minute=1)
    passed(gate, 0.0)
    with pytest.raises(RateLimitError, match=r"^not sent: requests_per_minute=1 lets no more calls through$"):
        gate.enter(waiter(patience=0.0), 0.0)


def test_a_wait_for_the_limit_is_no_wait_for_a_connection() -> None:
    gate = Gate(1)
    gate.leave(passed(gate, 0.0), 0.0, limited(50.0))
    waits = waiter(slot_patience=5.0)
    gate.enter(waits, 0.0)
    assert gate.enter(waits, 49.0) > 0
    assert gate.enter(waits, 50.0) == 0


def test_first_come_first_served() -> None:
    gate = Gate(1)
    flight = passed(gate, 0.0)
    line = [waiter() for _ in range(3)]
    for one in line:
        gate.enter(one, 0.0)
    gate.leave(flight, 1.0, {})
    assert [one.event.is_set() for one in line] == [True, False, False]
    assert gate.enter(line[2], 1.0) > 0
    assert gate.enter(waiter(), 1.0) > 0
    assert gate.enter(line[0], 1.0) == 0


def test_who_goes_wakes_the_next() -> None:
    gate = Gate(2)
    flight = [passed(gate, 0.0) for _ in range(2)]
    line = [waiter() for _ in range(2)]
    for one in line:
        gate.enter(one, 0.0)
    for one in flight:
        gate.leave(one, 1.0, {})
    assert gate.enter(line[0], 1.0) == 0
    assert line[1].event.is_set()


def test_who_gives_up_wakes_the_next() -> None:
    gate = Gate(1)
    flight = passed(gate, 0.0)
    line = [waiter() for _ in range(2)]
    for one in line:
        gate.enter(one, 0.0)
    gate.leave(flight, 1.0, {})
    gate.give_up(line[0])
    gate.give_up(line[0])
    assert line[1].event.is_set()
    assert gate.enter(line[1], 1.0) == 0


def test_paced_calls_hold_their_permits() -> None:
    gate = Gate(100, per_minute=2)
    flight = [passed(gate, 0.0) for _ in range(2)]
    assert not goes(gate, 0.0)
    gate.leave(flight[0], 1.0, {})
    gate.leave(flight[1], 2.0, APIConnectionError("a failed call holds its permit too"))
    assert not goes(gate, 60.9)
    passed(gate, 61.0)
    assert not goes(gate, 61.9)
    passed(gate, 62.0)
    assert gate.enter(waiter(), 62.0) > 0


def test_a_pause_is_never_nothing() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(1e-9))
    assert gate.enter(waiter(), 0.0) == 0.001


def test_the_probe_does_not_open_what_a_later_429_has_shut() -> None:
    gate = Gate(100)
    first, late = passed(gate, 0.0), passed(gate, 0.0)
    gate.leave(first, 0.0, limited(7.0))
    probe = passed(gate, 7.0)
    gate.leave(late, 7.2, limited(30.0))
    gate.leave(probe, 7.5, {})
    assert not goes(gate, 37.1)
    assert goes(gate, 37.2)


def test_a_late_answer_is_of_the_window_that_it_was_sent_in() -> None:
    gate = Gate(100)
    late = passed(gate, 0.0)
    gate.leave(passed(gate, 0.0), 0.1, told(1, 60))
    gate.leave(late, 5.0, told(150, 60))
    passed(gate, 5.0)
    assert not goes(gate, 5.0)
    assert goes(gate, 60.1)


def test_who_waits_for_answers_looks_again_when_the_window_ends() -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, told(1, 5))
    passed(gate, 0.1)
    waits = waiter(patience=3.0)
    assert gate.enter(waits, 0.2) == 3.0
    assert gate.enter(waiter(), 0.2) == pytest.approx(4.8)


@pytest.mark.parametrize("reset", ["1790000000", "91", "-1", "soon"])
def test_a_429_may_announce_nonsense(reset: str) -> None:
    gate = Gate(100)
    gate.leave(passed(gate, 0.0), 0.0, limited(None, told(0, reset)))
    assert goes(gate, 0.0)


def test_a_connection_that_is_missing_is_no_rate_limit() -> None:
    gate = Gate(1)
    passed(gate, 0.0)
    with pytest.raises(APITimeoutError, match="max_connections is 1"):
        gate.enter(waiter(patience=0.0, slot_patience=inf), 0.0)


def test_leaving_twice_is_leaving_once() -> None:
    gate = Gate(100, per_minute=9)
    one = passed(gate, 0.0)
    gate.leave(one, 0.0, {})
    gate.leave(one, 0.0, {})
    assert gate.in_flight == 0
    assert len(gate.permits_back) == 1
    waits = waiter()
    gate.leave(waits, 0.0, {})
    assert gate.in_flight == 0


def test_a_run_waits_without_end_but_for_what_is_announced() -> None:
    gate = Gate(1, per_minute=1)
    of_run = Waiter(threading.Event, 10.0, 1.0, is_of_run=True)
    flight = passed(gate, 0.0)
    gate.enter(of_run, 0.0)
    assert gate.enter(of_run, 1000.0) > 0
    gate.leave(flight, 1000.0, {})
    assert gate.enter(of_run, 1000.0) > 0
    assert gate.enter(of_run, 1060.0) == 0
    gate.leave(of_run, 1060.0, limited(10.1))
    with pytest.raises(RateLimitError):
        gate.enter(Waiter(threading.Event, 10.0, 1.0, is_of_run=True), 1060.0)


def test_a_closure_wakes_only_whom_it_concerns() -> None:
    gate = Gate(1)
    flight = passed(gate, 0.0)
    line = [waiter(), waiter(), waiter(patience=60.0)]
    for one in line:
        gate.enter(one, 0.0)
    gate.leave(flight, 20.0, limited(50.0))
    assert [one.event.is_set() for one in line] == [True, False, True]


# --- its shells -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ThreadGate, TaskGate])
def test_what_a_shell_makes_of_the_settings(kind: type[ThreadGate] | type[TaskGate]) -> None:
    options = {"max_connections": 7, "requests_per_minute": 3, "max_wait": 5.0, "timeout": httpx.Timeout(9, pool=2)}
    with TrackingClient("TEST_key", **options) as client:  # type: ignore[arg-type]
        settings = client._settings
    gate = kind(settings, lambda: None)
    assert (gate.state.max_in_flight, gate.state.per_minute, gate.state.minute) == (7, 3, 60.0)

    call = Call(print, {}, waited=1.5, sent=True)
    waiter = gate.waiter(call)
    assert call.sent is False
    assert (waiter.patience, waiter.slot_patience, waiter.is_of_run) == (3.5, 2, False)
    waiter = kind(evolve(settings, timeout=httpx.Timeout(None)), lambda: None).waiter(
        Call(print, {}, Run(threading.Event()), waited=1.5)
    )
    assert (waiter.patience, waiter.slot_patience, waiter.is_of_run) == (5.0, inf, True)
