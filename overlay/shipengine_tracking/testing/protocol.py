"""Requests, responses and the rules of the fake API. Performs no I/O."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Container, Mapping
from functools import partial
from http.client import responses
from math import ceil, inf
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

import httpx
from attrs import define, field, frozen

# ShipEngine treats USPS and stamps_com as one carrier. These carriers need no connected account.
OPEN_CARRIERS = frozenset({"usps", "stamps_com", "ups", "fedex"})

Then = Literal["keep", "close", "reset", "hang"]
_Headers = Mapping[str, str] | None


def _headers(headers: Any) -> httpx.Headers:
    return httpx.Headers(headers, "latin-1")


@frozen
class Request:
    """A request as it arrived. `target` is the target of the request line, still encoded."""

    method: str
    target: str
    headers: httpx.Headers = field(converter=_headers, repr=False)  # they hold the key
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, without the query."""
        return re.sub("^https?://[^/]*", "", self.target).partition("?")[0]  # a proxy receives the whole URL

    @property
    def query(self) -> list[tuple[str, str]]:
        """The names and values of the query, decoded, in order."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)


class Subscription(NamedTuple):
    """A package that is being tracked."""

    tracking_number: str
    carrier_code: str | None = None
    carrier_id: str | None = None


@frozen
class Response:
    """Bytes to send as they are, and what happens to the connection afterwards.

    Attributes:
        data: The bytes, from the status line on.
        then: "keep" the connection for the next request, "close" it, "reset" it, or "hang": send nothing more until
            the fake is closed.
        delay: Seconds before the first byte.
    """

    data: bytes
    then: Then = "keep"
    delay: float = 0.0

    @classmethod
    def of(
        cls, status: int, body: Any = b"", headers: _Headers = None, *, then: Then = "keep", delay: float = 0.0
    ) -> Response:
        """Return a well-formed response. A body that is neither bytes nor a string is sent as JSON."""
        lines = _headers(headers)
        if not isinstance(body, bytes | str):
            body = json.dumps(body, indent=2).replace("\n", "\r\n")  # the API's own format
            lines.setdefault("Content-Type", "application/json; charset=utf-8")
        data = body.encode() if isinstance(body, str) else body
        if "transfer-encoding" not in lines and (data or status != 204):
            lines.setdefault("Content-Length", str(len(data)))
        status_line = f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}".encode()
        head = b"\r\n".join([status_line, *map(b": ".join, lines.raw), b"", b""])
        return cls(head + data, then, delay)


def error(status: int, code: str, message: str, *, headers: _Headers = None, **members: object) -> Response:
    """Return an error response with one error. `members` are its other members, such as `error_type`."""
    ids = request_ids()
    item = {"error_source": "shipengine", "error_type": "business_rules", "error_code": code, "message": message}
    body = {"request_id": ids["request-id"], "errors": [item | members]}
    return Response.of(status, body, {**ids, **(headers or {})})


def request_ids() -> dict[str, str]:
    """Return the headers with a new request ID. The API sends it under both names."""
    return dict.fromkeys(("x-shipengine-requestid", "request-id"), str(uuid.uuid4()))


class RejectionError(Exception):
    """Raised for a request that gets an error response. The arguments are those of `error`, without the headers."""

    def __init__(self, status: int, code: str, message: str, **members: Any):
        self.response = partial(error, status, code, message, **members)


def read_package(request: Request, connected: Mapping[str, str]) -> Subscription:
    """Return the package that a request is about, or raise a `RejectionError`."""
    query = dict(request.query)
    number, code, identifier = (query.get(name) for name in Subscription._fields)
    if not number:
        # The API reports a missing number as a system error, and names no field.
        raise RejectionError(400, "unspecified", "A tracking number is required.", error_type="system")
    if code and code not in OPEN_CARRIERS and code not in connected.values():
        raise RejectionError(400, "carrier_not_connected", f"{code} is not connected.", carrier_code=code)
    if code == "" or (code is None and identifier is None):
        raise RejectionError(400, "field_value_required", "A carrier is required.", error_type="validation")
    if identifier is not None:
        check_id(identifier, "carrier_id", connected)
    return Subscription(number, code, identifier)


def check_id(identifier: str, name: str, known: Container[str]) -> None:
    """Raise a `RejectionError` if an ID, the value of the field `name`, is malformed or unknown."""
    members = {"field_name": name, "field_value": identifier}
    if not re.fullmatch(r"(?=.{1,25}\Z)se(-[a-z0-9]+)+", identifier):
        raise RejectionError(400, "invalid_identifier", f"{identifier} is not a valid ID.", **members)
    if identifier not in known:
        raise RejectionError(404, "invalid_identifier", f"There is no {identifier} in this account.", **members)


@define
class RateLimit:
    """The account's rate limit: `limit` calls in each window of `window` seconds.

    ShipEngine allows 200 calls in 60 seconds in production and 20 in the sandbox. `headers` adds `RateLimit-*` to each
    response, `retry_after` adds `Retry-After` to each 429.
    """

    limit: int = 200
    window: float = 60.0
    headers: bool = True
    retry_after: bool = True
    _left: int = field(default=0, init=False)
    _ends: float = field(default=-inf, init=False)

    def count(self, now: float) -> tuple[bool, dict[str, str]]:
        """Count a call at a time in seconds; return whether it is allowed, and the headers of its response."""
        if now >= self._ends:
            self._left, self._ends = self.limit, now + self.window
        is_allowed = self._left > 0
        self._left -= is_allowed
        seconds = str(max(1, ceil(round(self._ends - now, 6))))  # a sum with a large `now` is not exact
        headers = {"Retry-After": seconds} if self.retry_after and not is_allowed else {}
        if self.headers:
            headers |= {"RateLimit-Limit": str(self.limit), "RateLimit-Remaining": str(self._left)}
            headers["RateLimit-Reset"] = seconds
        return is_allowed, headers
