"""What is read from an answer, with plain values: bodies that break the schema, waits, and lines for a log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipengine_tracking._answers import one_line, read_error_body, read_json, read_retry_after, summary

FULL = {
    "error_source": "a", "error_type": "b", "error_code": "c", "message": "d",
    "carrier_id": "e", "carrier_code": None, "field_name": "f", "other": [1],
}  # fmt: skip
BARE = {"error_source": "", "error_type": "", "error_code": "", "message": ""}


@pytest.mark.parametrize(
    ("document", "request_id", "errors"),
    [
        ({"request_id": "7", "errors": [FULL]}, "7", [FULL]),
        ({"request_id": "", "errors": [{}, FULL]}, None, [BARE, FULL]),
        ({"request_id": 7, "errors": [None, "text", [], {"carrier_code": 7, "message": 7}]}, None, [BARE]),
        ({"request_id": "7", "errors": {"a": 1}}, "7", []),
        ({"request_id": "7"}, "7", []),
        ([{"request_id": "7"}], None, []),
        ("text", None, []),
        (None, None, []),
    ],
)
def test_the_errors_of_a_body(document: object, request_id: str | None, errors: list[dict[str, Any]]) -> None:
    assert read_error_body(json.dumps(document).encode()) == (request_id, errors)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"a": "é"}'.encode(), {"a": "é"}),
        ('\ufeff{"a": "é"}'.encode(), {"a": "é"}),
        ('{"a": "é"}'.encode("latin-1"), {"a": "é"}),
        (b"[1, %b]" % (b"9" * 5000), [1, "9" * 5000]),
        (b"[" * 100_000, None),
        (b"<html>", None),
        (b"", None),
    ],
    ids=range(7),
)
def test_a_body_in_any_writing(body: bytes, value: object) -> None:
    assert read_json(body) == value


NOON = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "9" * 10}, 9_999_999_999.0),
        ({"retry-after": "9" * 11}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": NOON}, 100.0),
        ({"retry-after": NOON, "date": "Sun, 22 Nov 2026 11:59:53 GMT"}, 7.0),
        ({"retry-after": NOON, "date": NOON}, 0.0),
        ({"retry-after": NOON, "date": "Sun, 22 Nov 2026 12:00:01 GMT"}, None),
        ({"retry-after": NOON, "date": "noon"}, 100.0),
        ({"retry-after": "Sun, 99 Nov 2026 12:00:00 GMT"}, None),
        ({"retry-after": NOON.replace("GMT", "+0000")}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_a_wait(headers: dict[str, str], wait: float | None) -> None:
    assert read_retry_after(headers, 1_795_348_800.0 - 100) == wait


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((400, "a", "b", 1, "7"), "400 a: b [request id 7]"),
        ((400, "a", "b", 2, None), "400 a: b (and 1 more)"),
        ((400, None, None, 0, None), "400 Bad Request"),
        ((400, None, "b", 1, None), "400 Bad Request: b"),
        ((299, None, None, 0, ""), "299"),
        ((400, "a" * 80, "b" * 200, 1, "7" * 80), f"400 {'a' * 80}: {'b' * 200} [request id {'7' * 80}]"),
        (
            (400, "a" * 81, "b" * 201, 1, "7" * 81),
            f"400 {'a' * 79}…: {'b' * 199}… [request id {'7' * 79}…]",
        ),
    ],
)
def test_an_answer_in_one_line(given: tuple[int, str | None, str | None, int, str | None], line: str) -> None:
    assert summary(*given) == line


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
def test_a_text_in_one_line(text: str, line: str) -> None:
    assert one_line(text, 4) == line
