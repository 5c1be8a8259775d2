"""Read error bodies, headers and numbers as servers actually send them. Performs no I/O."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeGuard

# Real responses list one or two errors. Building hundreds of thousands of models would block an event loop for seconds.
MAX_ERRORS = 100
_REQUIRED = ("error_source", "error_type", "error_code", "message")
_OPTIONAL = ("carrier_id", "carrier_code", "field_name")

# The only date format that RFC 9110 allows a server to send. A lenient parser would read "may 5" as a date.
_IMF_FIXDATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
_SECONDS = re.compile(r"[0-9]{1,10}")


class ErrorBody(NamedTuple):
    """The content of an error body."""

    request_id: str | None
    errors: list[dict[str, Any]]  # the generated `Error` can load each
    message: str | None  # of a body that is not ShipEngine's: {"message": …} or {"error": {"message": …}}


def read_error_body(body: bytes) -> ErrorBody:
    """Return what an error body contains; empty if it is not a JSON object."""
    document = _json_or_none(body)
    if not is_object(document):
        return ErrorBody(None, [], None)
    items, nested = document.get("errors"), document.get("error")
    errors = [_clean_error(item) for item in items[:MAX_ERRORS] if is_object(item)] if is_list(items) else []
    message = _text(document.get("message")) or _text(nested.get("message") if is_object(nested) else None)
    return ErrorBody(_text(document.get("request_id")), errors, None if errors else message)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a value of a JSON document is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Return whether a value of a JSON document is an array."""
    return isinstance(value, list)


def _clean_error(item: dict[str, Any]) -> dict[str, Any]:
    # The generated model trusts its input, so remove values of unexpected types. The exception's `body` keeps them.
    required = {name: _text(item.get(name)) or "" for name in _REQUIRED}
    optional = {name: _text(item.get(name)) for name in _OPTIONAL}
    return {"field_value": None, **item, **required, **optional}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _json_or_none(body: bytes) -> object:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")  # cannot fail
    try:
        return json.loads(text, parse_int=read_integer)
    except (ValueError, RecursionError):
        return None


def read_integer(digits: str) -> int | str:
    """Return an integer of a JSON document, or its digits if there are too many for Python's default limit."""
    try:
        return int(digits)
    except ValueError:
        return digits


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for; None if it is missing, in the past or not valid.

    A date is relative to the response's own `Date`, so that a wrong local clock does not matter. Without a `Date`, it
    is relative to `now` (seconds since the epoch).
    """
    value = headers.get("retry-after", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    moment = _http_date(value)
    if moment is None:
        return None
    sent = _http_date(headers.get("date", ""))
    wait = moment.timestamp() - (sent.timestamp() if sent else now)
    return wait if wait >= 0 else None


def _http_date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if _IMF_FIXDATE.fullmatch(value) else None
    except ValueError:  # the right format, but not a real date
        return None


def summarize(status_code: int, code: str | None, message: str | None, count: int, request_id: str | None) -> str:
    """Return a summary of a response for a log: one line of at most a few hundred characters, without the body."""
    line = f"{status_code} {printable_line(code or http.client.responses.get(status_code, ''), 80)}".rstrip()
    if message:
        line += f": {printable_line(message, 200)}"
    if count > 1:
        line += f" (and {count - 1} more)"
    if request_id:
        line += f" [request id {printable_line(request_id, 80)}]"
    return line


def printable_line(text: str, limit: int) -> str:
    """Return a text that is safe to print in one line: no line breaks, escape sequences or bidirectional marks."""
    start = text[: limit + 1]
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in start)
    return line if len(line) <= limit else line[: limit - 1] + "…"
