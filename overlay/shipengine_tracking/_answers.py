"""Reading what the wire sent: headers, dates, and bodies that break the vendor's own schema. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeGuard

# An answer has one or two. Hundreds of thousands, each a model, would take seconds, and the event loop with them.
MOST_ERRORS = 100
REQUIRED = ("error_source", "error_type", "error_code", "message")
OPTIONAL = ("carrier_id", "carrier_code", "field_name")

# The one form of date that RFC 9110 lets a server send. A lenient parser would read a moment into "may 5".
_IMF_FIXDATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
# More digits than this are no wait but noise: 10 digits are three centuries.
_SECONDS = re.compile(r"[0-9]{1,10}")


class Headers(Mapping[str, str]):
    """Headers whose names are found in any case."""

    def __init__(self, headers: Mapping[str, str]):
        self._values = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({self._values!r})"


def read_error_body(body: bytes) -> tuple[str | None, list[dict[str, Any]]]:
    """Return the request id and the errors of a body, each error with its required members and true types."""
    document = read_json(body)
    if not is_object(document):
        return None, []
    request_id, errors = document.get("request_id"), document.get("errors")
    return (
        request_id if isinstance(request_id, str) and request_id else None,
        [_error(item) for item in errors[:MOST_ERRORS] if is_object(item)] if is_list(errors) else [],
    )


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a value of a JSON document is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Return whether a value of a JSON document is a list."""
    return isinstance(value, list)


def _error(item: dict[str, Any]) -> dict[str, Any]:
    # The generated model believes whatever stands there, so what does not fit its types is taken out first. The
    # exception's `body` still has it.
    fitting = {name: value for name, value in item.items() if name not in OPTIONAL or isinstance(value, str | None)}
    return fitting | {name: item[name] if isinstance(item.get(name), str) else "" for name in REQUIRED}


def read_json(body: bytes) -> object:
    """Return what a body says; None if it is not JSON."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")  # cannot fail, and is what else is met
    try:
        return json.loads(text, parse_int=whole_number)
    except (ValueError, RecursionError):
        return None


def whole_number(digits: str) -> int | str:
    """Return a number of a JSON document, or the digits of one that is beyond Python."""
    try:
        return int(digits)
    except ValueError:  # Python refuses numbers of thousands of digits; one of them is no reason to lose the rest
        return digits


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for; None where it is absent, past or not understood.

    A date counts from the answer's own `Date`, so that a wrong clock here does no harm; without one from `now`
    (seconds since the epoch).
    """
    value = headers.get("retry-after", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    moment = _http_date(value)
    if moment is None:
        return None
    answered = _http_date(headers.get("date", ""))
    wait = moment.timestamp() - (answered.timestamp() if answered else now)
    return wait if wait >= 0 else None


def _http_date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if _IMF_FIXDATE.fullmatch(value) else None
    except ValueError:  # the right form, but no day of any calendar
        return None


def summary(status_code: int, code: str | None, message: str | None, count: int, request_id: str | None) -> str:
    """Return an answer as one line for a log: never the body, never more than a few hundred characters."""
    line = f"{status_code} {one_line(code, 80)}" if code else f"{status_code} {_phrase(status_code)}".rstrip()
    if message:
        line += f": {one_line(message, 200)}"
    if count > 1:
        line += f" (and {count - 1} more)"
    if request_id:
        line += f" [request id {one_line(request_id, 80)}]"
    return line


def one_line(text: str, limit: int) -> str:
    """Return a text as it may stand in a line of a log."""
    # Line breaks, escapes, lone surrogates and marks that turn the writing direction: none may reach a terminal.
    cut = text[: limit + 1]
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _phrase(status_code: int) -> str:
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return ""
