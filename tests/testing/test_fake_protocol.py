"""The building blocks of the fake server: requests, responses and rate limits, without a socket."""

from __future__ import annotations

from typing import Any

import pytest

from shipengine_tracking.testing import RateLimit, Request, Response


@pytest.mark.parametrize("target", ["/a?b=&c=%20", "http://proxy/a?b=&c=%20"], ids=["path", "proxy"])
def test_request_target_is_split_into_path_and_query(target: str) -> None:
    request = Request("GET", target, {})
    assert (request.path, request.query) == ("/a", [("b", ""), ("c", " ")])


JSON = b"Content-Type: application/json; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("given", "data"),
    [
        pytest.param((204,), b"204 No Content\r\n\r\n", id="204"),
        pytest.param((200,), b"200 OK\r\nContent-Length: 0\r\n\r\n", id="empty"),
        pytest.param((299, "é"), b"299 Unknown\r\nContent-Length: 2\r\n\r\n\xc3\xa9", id="text"),
        pytest.param((200, b"\xff", {"A": "é"}), b"200 OK\r\nA: \xe9\r\nContent-Length: 1\r\n\r\n\xff", id="bytes"),
        pytest.param((200, "x", {"content-length": "9"}), b"200 OK\r\ncontent-length: 9\r\n\r\nx", id="wrong-length"),
        pytest.param((200, "x", {"Transfer-Encoding": "a"}), b"200 OK\r\nTransfer-Encoding: a\r\n\r\nx", id="chunked"),
        pytest.param((200, [1]), b"200 OK\r\n" + JSON + b"Content-Length: 9\r\n\r\n[\r\n  1\r\n]", id="json"),
    ],
)
def test_response_of_returns_the_expected_bytes(given: tuple[Any, ...], data: bytes) -> None:
    assert Response.of(*given) == Response(b"HTTP/1.1 " + data, "keep", 0.0)


def test_rate_limit_counts_the_calls_of_each_window() -> None:
    limit = RateLimit(2, 6.0)
    for now, is_allowed, remaining, reset in (
        (1.0, True, 1, 6),
        (5.0, True, 0, 2),
        (6.5, False, 0, 1),
        (7.0, True, 1, 6),
    ):
        values = {"Limit": "2", "Remaining": str(remaining), "Reset": str(reset)}
        headers = {f"RateLimit-{name}": value for name, value in values.items()}
        assert limit.count(now) == (is_allowed, headers if is_allowed else {**headers, "Retry-After": str(reset)})
    for retry_after, expected in ((True, {"Retry-After": "6"}), (False, {})):
        limit = RateLimit(1, 6.0, headers=False, retry_after=retry_after)
        assert (limit.count(2.3), limit.count(2.3)) == ((True, {}), (False, expected))
