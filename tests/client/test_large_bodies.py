"""Bodies of any size take a bounded amount of memory and time, and never show a part of the key."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc

import pytest

from shipengine_tracking import AccountError
from shipengine_tracking.testing import FakeShipEngine, Response
from support import KEY, Caller

BOMB = gzip.compress(b"x" * 50_000_000) + b"x" * 1_000_000


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response.of(500, b"x" * 30_000_000), id="30 MB"),
        pytest.param(Response.of(500, BOMB, {"Content-Encoding": "gzip"}), id="a decompression bomb"),
    ],
)
def test_large_body_is_truncated_in_bounded_memory(response: Response, fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(response)
    tracemalloc.start()
    error = caller.call_fake(fake)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.body_truncated
    assert 990_000 < len(error.body) <= 1_000_000
    assert peak < 12_000_000  # usually 4 MB; the first call in a process imports and compiles more
    assert caller.call_fake(fake) is None


@pytest.mark.parametrize(("length", "is_truncated"), [(1_000_000, False), (1_000_001, True)])
def test_body_of_exactly_the_limit_is_complete(
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
    assert (len(error.errors), error.errors[99].message, error.body) == (100, "Over.", body)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        *((KEY, "x" * (1_000_000 - distance) + KEY + "x" * 1_000_000) for distance in range(1, len(KEY), 7)),
        ("TEST_" + "q" * 60, ("TEST_" + "q" * 60) * 40_000),
    ],
    ids=range(5),
)
def test_key_across_the_limit_is_not_shown(key: str, body: str, caller: Caller) -> None:
    with FakeShipEngine(api_key=key) as fake:
        fake.enqueue(Response.of(500, body))
        error = caller.call_fake(fake)
    assert error.body_truncated
    assert b"TEST" not in error.body
    assert b"qqq" not in error.body
