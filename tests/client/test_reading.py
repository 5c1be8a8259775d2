"""What an error body, `Retry-After` and the texts of a server are read as, with plain values."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shipengine_tracking._responses import one_line, read_error_body, read_retry_after, summary

ERROR = {
    "error_source": "a", "error_type": "b", "error_code": "c", "message": "d",
    "carrier_id": "e", "carrier_code": None, "field_name": "f", "field_value": [1], "other": {"g": 2},
}  # fmt: skip
EMPTY: dict[str, Any] = {
    "error_source": "", "error_type": "", "error_code": "", "message": "",
    "carrier_id": None, "carrier_code": None, "field_name": None, "field_value": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "request_id", "errors", "message"),
    [
        ({"request_id": "7", "errors": [ERROR]}, "7", [ERROR], None),
        ({"request_id": "", "errors": [{}, ERROR]}, None, [EMPTY, ERROR], None),
        ({"request_id": 7, "errors": [None, "a", [], {"carrier_code": 7, "message": 7}]}, None, [EMPTY], None),
        ({"request_id": "7", "errors": {"a": 1}}, "7", [], None),
        ({"request_id": "7"}, "7", [], None),
        ({"errors": [ERROR], "message": "No."}, None, [ERROR], None),
        ({"errors": [], "message": "No."}, None, [], "No."),
        ({"message": "No.", "error": {"message": "Never."}}, None, [], "No."),
        ({"message": "", "error": {"message": "Never."}}, None, [], "Never."),
        ({"message": 7, "error": {"message": ["No."]}}, None, [], None),
        ({"error": "No."}, None, [], None),
        ([{"request_id": "7", "message": "No."}], None, [], None),
        ("text", None, [], None),
        (None, None, [], None),
    ],
    ids=lambda value: None if isinstance(value, str | list) else json.dumps(value)[:60],
)
def test_error_body_is_read(
    document: object, request_id: str | None, errors: list[dict[str, Any]], message: str | None
) -> None:
    assert read_error_body(json.dumps(document).encode()) == (request_id, errors, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param('{"message": "é"}'.encode(), "é", id="UTF-8"),
        pytest.param('\ufeff{"message": "é"}'.encode(), "é", id="a BOM"),
        pytest.param('{"message": "é"}'.encode("latin-1"), "é", id="latin-1"),
        pytest.param(rb'{"message": "\ud800"}', "\ud800", id="a lone surrogate"),
        pytest.param(b'{"message": "a", "b": [NaN, 1e999, %b]}' % (b"9" * 5_000), "a", id="numbers beyond Python"),
        pytest.param(b'{"message": "a", "b": %b' % (b"[" * 100_000), None, id="deep nesting"),
        pytest.param(b"<html>", None, id="HTML"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_body_in_any_encoding_is_read(body: bytes, message: str | None) -> None:
    assert read_error_body(body) == (None, [], message)


NOON = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        (None, None, None),
        ("0", None, 0.0),
        ("9" * 10, None, 9_999_999_999.0),
        ("9" * 11, None, None),
        ("1.5", None, None),
        (NOON, None, 100.0),
        (NOON, "Sun, 22 Nov 2026 11:59:53 GMT", 7.0),
        (NOON, NOON, 0.0),
        (NOON, "Sun, 22 Nov 2026 12:00:01 GMT", None),
        (NOON, "noon", 100.0),
        ("Sun, 99 Nov 2026 12:00:00 GMT", None, None),
        (NOON.replace("GMT", "+0000"), None, None),
        ("soon", None, None),
    ],
)
def test_retry_after_is_read_as_seconds(retry_after: str | None, date: str | None, seconds: float | None) -> None:
    given = {"Retry-After": retry_after, "Date": date}
    headers = httpx.Headers({name: value for name, value in given.items() if value is not None})
    assert read_retry_after(headers, 1_795_348_800.0 - 100) == seconds


# --- texts for a log, whose limits are exact


@pytest.mark.parametrize(
    ("status", "code", "message", "count", "request_id", "line"),
    [
        (400, "a", "b", 1, "7", "400 a: b [request id 7]"),
        (400, "a", "b", 2, None, "400 a: b (and 1 more)"),
        (400, None, None, 0, None, "400 Bad Request"),
        (400, None, "b", 1, None, "400 Bad Request: b"),
        (299, None, None, 0, "", "299"),
        (400, "a" * 80, "b" * 200, 1, "7" * 80, f"400 {'a' * 80}: {'b' * 200} [request id {'7' * 80}]"),
        (400, "a" * 81, "b" * 201, 1, "7" * 81, f"400 {'a' * 79}…: {'b' * 199}… [request id {'7' * 79}…]"),
    ],
    ids=range(7),
)
def test_summary_is_one_line_of_limited_length(
    status: int, code: str | None, message: str | None, count: int, request_id: str | None, line: str
) -> None:
    assert summary(status, code, message, count, request_id) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("abcd", "abcd"),
        ("é…\\", "é…\\"),
        ("abcde", "abc…"),
        ("a\n", r"a\n"),
        ("ab\n", r"ab\n"),
        ("abc\n", "abc…"),
        ("\u202e", "\\u2…"),
    ],
)
def test_one_line_is_printable_and_of_limited_length(text: str, line: str) -> None:
    assert one_line(text, 4) == line
