"""Bodies of any size take a bounded amount of memory and time, and never show a part of the key."""

from __future__ import annotations

import email.utils
import gzip
import json
import time
import tracemalloc

import pytest

from shipengine_tracking import AccountError, RateLimitError, ServerError
from shipengine_tracking.testing import FakeShipEngine, Response
from support import KEY, Caller


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response.of(500, b"x" * 10_000_000), id="10 MB"),
        pytest.param(
            Response.of(500, gzip.compress(b"x" * 50_000_000) + b"x" * 1_000_000, {"Content-Encoding": "gzip"}),
            id="a decompression bomb",
        ),
    ],
)
def test_large_body_is_truncated_in_bounded_memory(response: Response, fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(response)
    tracemalloc.start()
    error = caller.call_fake(fake)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert type(error) is ServerError
    assert error.body_truncated
    assert 990_000 < len(error.body) <= 1_000_000
    assert peak < 6_000_000
    assert caller.call_fake(fake) is None


@pytest.mark.parametrize(("length", "is_truncated"), [(1_000_000, False), (1_000_001, True)])
def test_body_of_exactly_the_limit_is_whole(
    length: int, is_truncated: bool, fake: FakeShipEngine, caller: Caller
) -> None:
    fake.enqueue(Response.of(500, b"x" * length))
    error = caller.call_fake(fake)
    assert error.body_truncated == is_truncated
    assert len(error.body) == length or is_truncated


def test_body_of_many_errors_is_read_in_bounded_time(fake: FakeShipEngine, caller: Caller) -> None:
    item = json.dumps({"error_code": "trial_expired", "message": "Over."}).encode()
    body = b'{"errors": [%s]}' % b",".join([b"{}"] * 99 + [item] + [b"{}"] * 300_000)
    fake.enqueue(Response.of(403, body))
    started = time.process_time()
    error = caller.call_fake(fake)
    assert time.process_time() - started < 5
    assert type(error) is AccountError
    assert len(error.errors) == 100
    assert error.errors[99].message == "Over."
    assert error.body == body


@pytest.mark.parametrize("distance", range(1, len(KEY), 7))
def test_key_across_the_limit_is_not_shown(distance: int, caller: Caller) -> None:
    with FakeShipEngine(api_key=KEY) as fake:
        fake.enqueue(Response.of(500, b"x" * (1_000_000 - distance) + KEY.encode() + b"x" * 1_000_000))
        error = caller.call_fake(fake)
    assert error.body_truncated
    assert b"TEST" not in error.body


def test_body_of_nothing_but_the_key_does_not_show_it(caller: Caller) -> None:
    key = "TEST_" + "q" * 60
    with FakeShipEngine(api_key=key) as fake:
        fake.enqueue(Response.of(500, key * 40_000))
        error = caller.call_fake(fake)
    assert error.body_truncated
    assert b"qqq" not in error.body
    assert b"TEST" not in error.body


def test_short_key_is_a_placeholder_and_is_not_redacted(caller: Caller) -> None:
    with FakeShipEngine(api_key="a") as fake:
        fake.enqueue(Response.of(500, "a banana"))
        assert caller.call_fake(fake).body == b"a banana"


def test_retry_after_as_a_date_without_a_date_header_is_relative_to_now(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(Response.of(429, b"", {"Retry-After": email.utils.formatdate(time.time() + 1_000, usegmt=True)}))
    error = caller.call_fake(fake)
    assert type(error) is RateLimitError
    assert error.retry_after is not None
    assert 900 < error.retry_after <= 1_001
