"""Bodies of any size take a bounded amount of memory and time."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc

import pytest

from shipengine_tracking import AccountError
from shipengine_tracking.testing import FakeShipEngine, Response
from support import Caller

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


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(("length", "is_truncated"), [(1_000_000, False), (1_000_001, True)])
def test_body_is_complete_up_to_the_limit(
    length: int, is_truncated: bool, status: int, fake: FakeShipEngine, caller: Caller
) -> None:
    fake.enqueue(Response.of(status, b"x" * length))
    error = caller.call_fake(fake, operation="get")
    assert (error.status_code, error.body_truncated) == (status, is_truncated)
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
