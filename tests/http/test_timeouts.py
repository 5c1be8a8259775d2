"""The deadline of each attempt, over real sockets. test_responses.py has the timeout of each network operation."""

from __future__ import annotations

import pytest

from leaks import find_leaks
from shipengine_tracking import APITimeoutError
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, Response
from support import KEY, Caller, assert_takes, slow_server

HEAD = b"HTTP/1.1 500 Internal Server Error\r\nRequest-Id: 7\r\n"


def test_response_that_never_arrives_ends_at_the_deadline(fake: FakeShipEngine, caller: Caller) -> None:
    fake.enqueue(Response(b"", "hang"))
    with assert_takes(0.3):
        error = caller.call_fake(fake, deadline=0.3, timeout=30.0)
    assert type(error) is APITimeoutError
    assert not find_leaks(error, fake.api_key)


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        pytest.param("sync", HEAD + b"Content-Length: 9999\r\n\r\n", 500, id="body, sync"),
        pytest.param("async", HEAD + b"Content-Length: 9999\r\n\r\n", 500, id="body, async"),
        pytest.param("async", HEAD + b"Server: ", None, id="headers, async"),
    ],
)
def test_response_that_arrives_slowly_ends_at_the_deadline_of_each_attempt(
    kind: str, data: bytes, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)
    with slow_server(data) as url, assert_takes(2.0):
        error = Caller(kind).call(api_key=KEY, base_url=url, deadline=1.0, max_retries=1)
    assert type(error) is APITimeoutError
    assert (error.attempts, error.status_code, error.request_id) == (2, status, "7" if status else None)
    assert "1 s" in str(error)
    assert not find_leaks(error, KEY)
