"""What the fake answers, to the byte: the programs that are tried out on it read these answers. No socket here."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from shipengine_tracking.testing import Answer, RateLimit, Request, Subscription, Weather
from shipengine_tracking.testing.answers import decide, error
from shipengine_tracking.testing.weather import too_many

KEY = "TEST_of_the_fake_server"
START = "/v1/tracking/start"
LIMIT = {"RateLimit-Remaining": "7"}


def decided(query: str, method: str = "POST", path: str = START, key: str = KEY) -> Answer | Subscription:
    request = Request(method, f"{path}?{query}", {"API-Key": key})
    return decide(request, KEY, {"se-28529731": "dhl_express"}, LIMIT)


def opened(answer: Answer | Subscription) -> tuple[list[str], dict[str, object]]:
    """Return the lines of an answer's head, and the document in its body."""
    assert isinstance(answer, Answer)
    head, _, body = answer.data.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), json.loads(body)


# what is asked, the status line, further headers, the error without its source
REFUSALS: list[tuple[dict[str, str], str, list[str], dict[str, str]]] = [
    (
        {"query": "tracking_number=1Z&carrier_code=ups", "key": "another"},
        "HTTP/1.1 401 Unauthorized",
        [],
        {
            "error_type": "security",
            "error_code": "unauthorized",
            "message": "The API key is missing or not valid.",
        },
    ),
    (
        {"query": "", "path": "/v1/tracking"},
        "HTTP/1.1 404 Not Found",
        [],
        {"error_type": "validation", "error_code": "not_found", "message": "There is nothing here."},
    ),
    (
        {"query": "", "method": "GET"},
        "HTTP/1.1 405 Method Not Allowed",
        ["Allow: POST"],
        {"error_type": "validation", "error_code": "unspecified", "message": "Use POST."},
    ),
    (
        {"query": "carrier_code=ups"},
        "HTTP/1.1 400 Bad Request",
        [],
        {"error_type": "system", "error_code": "unspecified", "message": "A tracking number is required."},
    ),
    (
        {"query": "tracking_number=1Z&carrier_code=seko"},
        "HTTP/1.1 400 Bad Request",
        [],
        {
            "error_type": "business_rules",
            "error_code": "carrier_not_connected",
            "message": "seko is not connected to this account.",
            "carrier_code": "seko",
        },
    ),
    (
        {"query": "tracking_number=1Z"},
        "HTTP/1.1 400 Bad Request",
        [],
        {"error_type": "validation", "error_code": "field_value_required", "message": "A carrier is required."},
    ),
    (
        {"query": "tracking_number=1Z&carrier_code=&carrier_id=se-28529731"},
        "HTTP/1.1 400 Bad Request",
        [],
        {"error_type": "validation", "error_code": "field_value_required", "message": "A carrier is required."},
    ),
    (
        {"query": "tracking_number=1Z&carrier_id=ups"},
        "HTTP/1.1 400 Bad Request",
        [],
        {
            "error_type": "business_rules",
            "error_code": "invalid_identifier",
            "message": "ups is no carrier id.",
            "field_name": "carrier_id",
            "field_value": "ups",
        },
    ),
    (
        {"query": "tracking_number=1Z&carrier_id=se-9"},
        "HTTP/1.1 404 Not Found",
        [],
        {
            "error_type": "business_rules",
            "error_code": "invalid_identifier",
            "message": "There is no carrier se-9.",
            "field_name": "carrier_id",
        },
    ),
]


@pytest.mark.parametrize(("asked", "status_line", "headers", "item"), REFUSALS)
def test_a_refusal_to_the_letter(
    asked: dict[str, str], status_line: str, headers: list[str], item: dict[str, str]
) -> None:
    (first, *others), document = opened(decided(**asked))
    assert first == status_line
    request_id = document["request_id"]
    assert str(uuid.UUID(str(request_id))) == request_id
    body = json.dumps(document, indent=2).replace("\n", "\r\n").encode()
    assert others == [
        f"x-shipengine-requestid: {request_id}",
        f"request-id: {request_id}",
        "RateLimit-Remaining: 7",
        *headers,
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
    ]
    assert document["errors"] == [{"error_source": "shipengine", **item}]


@pytest.mark.parametrize(("length", "found"), [(25, 404), (26, 400)])
def test_an_id_has_25_characters_at_most(length: int, found: int) -> None:
    (first, *_), _ = opened(decided("tracking_number=1Z&carrier_id=" + "se-".ljust(length, "1")))
    assert first.startswith(f"HTTP/1.1 {found} ")


def test_what_is_subscribed() -> None:
    assert decided("tracking_number=1%20Z&carrier_code=ups") == Subscription("1 Z", "ups", None)
    assert decided("tracking_number=1Z&carrier_id=se-28529731") == Subscription("1Z", None, "se-28529731")
    assert decided("tracking_number=1Z&carrier_code=dhl_express&carrier_id=se-28529731") == Subscription(
        "1Z", "dhl_express", "se-28529731"
    )


def test_a_target_is_taken_apart() -> None:
    assert Request("GET", "http://proxy/a?b=&c=%20", {}).path == "/a"
    assert Request("GET", "http://proxy/a?b=&c=%20", {}).query == [("b", ""), ("c", " ")]
    nonsense = Request("GET", "http://[/a?b=c", {})
    assert (nonsense.path, nonsense.query) == ("http://[/a?b=c", [])


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
        (
            (200, [1], {"content-type": "a"}),
            b"HTTP/1.1 200 OK\r\ncontent-type: a\r\nContent-Length: 9\r\n\r\n[\r\n  1\r\n]",
        ),
    ],
)
def test_the_bytes_of_an_answer(given: tuple[Any, ...], data: bytes) -> None:
    answer = Answer.of(*given)
    assert answer.data == data
    assert (answer.then, answer.delay, answer.drip) == ("keep", 0.0, b"")
    assert answer.head == data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def test_an_answer_that_is_late_and_the_last() -> None:
    answer = Answer.of(500, then="close", delay=0.5)
    assert (answer.then, answer.delay) == ("close", 0.5)


def test_an_error_of_anothers() -> None:
    (first, *others), document = opened(
        error(503, "a", "b", error_type="c", error_source="carrier", headers={"X-Other": "d"}, field_name="e")
    )
    assert first == "HTTP/1.1 503 Service Unavailable"
    assert "X-Other: d" in others
    assert document["errors"] == [
        {"error_source": "carrier", "error_type": "c", "error_code": "a", "message": "b", "field_name": "e"}
    ]


# --- weather --------------------------------------------------------------------------------------------------------


def counted(limit: RateLimit, *times: float) -> list[tuple[bool, dict[str, str]]]:
    return [limit.count(now) for now in times]


def told(limit: int, remaining: int, reset: int, **more: str) -> dict[str, str]:
    return {
        **{name.replace("_", "-"): value for name, value in more.items()},
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }


def test_fixed_windows_follow_one_another() -> None:
    assert counted(RateLimit(2, 6.0), 1.0, 5.0, 6.5, 7.0, 12.9, 12.99) == [
        (True, told(2, 1, 6)),
        (True, told(2, 0, 2)),
        (False, told(2, 0, 1, Retry_After="1")),
        (True, told(2, 1, 6)),
        (True, told(2, 0, 1)),
        (False, told(2, 0, 1, Retry_After="1")),
    ]


def test_a_fixed_window_ends_when_it_ends_whenever_the_first_call_came() -> None:
    assert counted(RateLimit(2, 6.0), 1.0, 8.0) == [(True, told(2, 1, 6)), (True, told(2, 1, 5))]


def test_a_sliding_window_holds_in_any_span() -> None:
    assert counted(RateLimit(2, 6.0, sliding=True), 0.0, 4.0, 5.0, 6.0, 9.5, 10.0) == [
        (True, told(2, 1, 6)),
        (True, told(2, 0, 2)),
        (False, told(2, 0, 1, Retry_After="1")),
        (True, told(2, 0, 4)),
        (False, told(2, 0, 1, Retry_After="1")),
        (True, told(2, 0, 2)),
    ]


def test_a_limit_may_keep_silent() -> None:
    assert counted(RateLimit(1, 6.0, headers=False), 0.0, 2.5) == [(True, {}), (False, {"Retry-After": "4"})]
    assert counted(RateLimit(1, 6.0, headers=False, retry_after=False), 0.0, 2.5) == [(True, {}), (False, {})]


def test_the_answer_beyond_the_limit() -> None:
    (first, *others), document = opened(too_many({"Retry-After": "4"}))
    assert first == "HTTP/1.1 429 Too Many Requests"
    assert "Retry-After: 4" in others
    assert document["errors"] == [
        {
            "error_source": "shipengine",
            "error_type": "system",
            "error_code": "rate_limit_exceeded",
            "message": "Too many calls.",
        }
    ]


def test_trouble_strikes_by_its_share_and_the_same_for_the_same_seed() -> None:
    def struck(seed: int) -> list[str | None]:
        weather = Weather({"503": 0.25, "slow": 0.25}, seed)
        return [weather.strikes() for _ in range(1000)]

    assert struck(1) == struck(1) != struck(2)
    assert all(200 < struck(1).count(name) < 300 for name in ("503", "slow"))
    assert Weather({"503": 0.0, "reset": 1.0}).strikes() == "reset"


def test_what_is_sent_for_a_trouble() -> None:
    weather = Weather({"slow": 0.0, "cut": 0.0, "204": 0.0, "999": 0.0})
    assert weather.answer("reset", LIMIT) == Answer(b"", "reset")
    assert weather.answer("cut", LIMIT) == Answer(
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n{", "close"
    )
    (first, *others), _ = opened(weather.answer("429", LIMIT))
    assert first == "HTTP/1.1 429 Too Many Requests"
    assert {"Retry-After: 0", "RateLimit-Remaining: 7"} <= set(others)
    assert b"text/html" in weather.answer("501", LIMIT).data
    page = weather.answer("503", LIMIT).data  # of a proxy in front
    assert page.startswith(b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n")
    assert page.endswith(b"\r\n\r\n<html><body>Bad weather</body></html>")
    (first, *others), document = opened(weather.answer("500", LIMIT))
    assert first == "HTTP/1.1 500 Internal Server Error"
    assert "RateLimit-Remaining: 7" in others
    assert document["errors"] == [
        {
            "error_source": "shipengine",
            "error_type": "system",
            "error_code": "unspecified",
            "message": "Bad weather.",
        }
    ]


@pytest.mark.parametrize("name", ["timeout", "Slow", "", "1503", "50", "199", "503 ", "٥٠٣"])
def test_weather_that_there_is_not(name: str) -> None:
    with pytest.raises(ValueError, match=r"^no weather is called .+: take reset, cut, slow or a status such as 503$"):
        Weather({"slow": 0.5, name: 0.5})
