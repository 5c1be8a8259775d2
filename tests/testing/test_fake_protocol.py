"""The fake server's responses and rules, without a socket. Programs are tried out against these responses."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from shipengine_tracking.testing import RateLimit, Request, Response, Subscription, error
from shipengine_tracking.testing.protocol import check, read_package

KEY = "TEST_of_the_fake_server"
START = "/v1/tracking/start"


def checked(query: str = "", method: str = "POST", path: str = START, key: str = KEY) -> Response | Subscription:
    request = Request(method, f"{path}?{query}", {"API-Key": key})
    headers = {"RateLimit-Remaining": "7"}
    return check(request, KEY, headers) or read_package(request, {"se-28529731": "dhl_express"}, headers)


def opened(response: Response | Subscription) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return the status line, the headers and the document of a response."""
    assert isinstance(response, Response)
    head, _, body = response.data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ") for line in lines)
    assert headers["Content-Length"] == str(len(body))
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert body == json.dumps(json.loads(body), indent=2).replace("\n", "\r\n").encode()
    return status_line, headers, json.loads(body)


NUMBER = "tracking_number=1Z"


def test_error_response_has_the_format_of_the_api() -> None:
    status_line, headers, document = opened(checked(NUMBER, "GET"))
    assert (status_line, headers["Allow"]) == ("HTTP/1.1 405 Method Not Allowed", "POST")
    assert headers["RateLimit-Remaining"] == "7"
    assert headers["x-shipengine-requestid"] == headers["request-id"] == document["request_id"]
    assert str(uuid.UUID(document["request_id"])) == document["request_id"]
    (item,) = document["errors"]
    assert item.keys() == {"error_source", "error_type", "error_code", "message"}


@pytest.mark.parametrize("code", ["usps", "stamps_com", "ups", "fedex", "dhl_express"])
def test_check_accepts_open_and_connected_carriers(code: str) -> None:
    assert checked(f"tracking_number=1%20Z&carrier_code={code}") == Subscription("1 Z", code, None)


@pytest.mark.parametrize("code", ["usps", None])
def test_check_accepts_the_id_of_a_connected_carrier(code: str | None) -> None:
    query = f"{NUMBER}&carrier_id=se-28529731" + (f"&carrier_code={code}" if code else "")
    assert checked(query) == Subscription("1Z", code, "se-28529731")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        pytest.param("/a?b=&c=%20", "/a", [("b", ""), ("c", " ")], id="path"),
        pytest.param("http://proxy/a?b=&c=%20", "/a", [("b", ""), ("c", " ")], id="proxy"),
        pytest.param("http://[/a?b=c", "/a", [("b", "c")], id="not-a-url"),
        pytest.param("//[", "//[", [], id="not-a-path"),
        pytest.param("*", "*", [], id="asterisk"),
    ],
)
def test_request_target_is_split_into_path_and_query(target: str, path: str, query: list[tuple[str, str]]) -> None:
    request = Request("GET", target, {})
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    ("given", "data"),
    [
        ((204,), b"HTTP/1.1 204 No Content\r\n\r\n"),
        ((200,), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ((204, "x"), b"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx"),
        ((299, "é"), "HTTP/1.1 299 Unknown\r\nContent-Length: 2\r\n\r\né".encode()),
        ((200, b"\xff", {"A": "é"}), b"HTTP/1.1 200 OK\r\nA: \xe9\r\nContent-Length: 1\r\n\r\n\xff"),
        ((200, "x", {"Content-Length": "9"}), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
        ((200, "x", {"Transfer-Encoding": "a"}), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: a\r\n\r\nx"),
        ((200, 7), b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 1\r\n\r\n7"),
        (
            (200, [1], {"content-type": "a"}),
            b"HTTP/1.1 200 OK\r\ncontent-type: a\r\nContent-Length: 9\r\n\r\n[\r\n  1\r\n]",
        ),
    ],
)
def test_response_of_builds_these_bytes(given: tuple[Any, ...], data: bytes) -> None:
    assert Response.of(*given) == Response(data, "keep", 0.0)


def test_response_of_keeps_delay_and_then() -> None:
    response = Response.of(500, then="close", delay=0.5)
    assert (response.then, response.delay) == ("close", 0.5)


def test_error_accepts_other_members_and_headers() -> None:
    response = error(503, "a", "b", error_type="c", error_source="carrier", headers={"X-A": "d"}, field_name="e")
    status_line, headers, document = opened(response)
    assert (status_line, headers["X-A"]) == ("HTTP/1.1 503 Service Unavailable", "d")
    assert document["errors"] == [
        {"error_source": "carrier", "error_type": "c", "error_code": "a", "message": "b", "field_name": "e"}
    ]


def limit_headers(limit: int, remaining: int, reset: int, **others: str) -> dict[str, str]:
    values = {"RateLimit-Limit": limit, "RateLimit-Remaining": remaining, "RateLimit-Reset": reset}
    return {name.replace("_", "-"): str(value) for name, value in {**values, **others}.items()}


CALLS = {
    "consecutive-windows": (
        RateLimit(2, 6.0),
        (1.0, True, limit_headers(2, 1, 6)),
        (5.0, True, limit_headers(2, 0, 2)),
        (6.5, False, limit_headers(2, 0, 1, Retry_After="1")),
        (7.0, True, limit_headers(2, 1, 6)),
        (12.9, True, limit_headers(2, 0, 1)),
        (12.99, False, limit_headers(2, 0, 1, Retry_After="1")),
        (20.0, True, limit_headers(2, 1, 6)),
    ),
    "without-headers": (RateLimit(1, 6.0, headers=False), (0.0, True, {}), (2.5, False, {"Retry-After": "4"})),
    "without-any": (RateLimit(1, 6.0, headers=False, retry_after=False), (0.0, True, {}), (2.5, False, {})),
}


@pytest.mark.parametrize(("limit", "calls"), [pytest.param(one[0], one[1:], id=name) for name, one in CALLS.items()])
def test_rate_limit_counts_calls(limit: RateLimit, calls: Any) -> None:
    assert tuple((now, *limit.count(now)) for now, _, _ in calls) == calls
