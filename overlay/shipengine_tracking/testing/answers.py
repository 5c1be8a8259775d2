"""What the fake is asked and what it answers. Pure: plain values in, the bytes of an answer out."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from .._answers import Headers

# USPS and stamps_com are one carrier to ShipEngine; these need no connection of one's own.
OPEN_CARRIERS = frozenset({"usps", "stamps_com", "ups", "fedex"})

# Written here too: the fake judges what the client sends, so it must not ask the client.
_CARRIER_ID = re.compile(r"se(-[a-z0-9]+)+")


@frozen
class Request:
    """A request as it arrived. `target` is what stood in the request line, still encoded."""

    method: str
    target: str
    headers: Mapping[str, str] = field(converter=Headers, repr=False)  # they hold the key
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, without the query."""
        return self._split()[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in their order."""
        return parse_qsl(self._split()[1], keep_blank_values=True)

    def _split(self) -> tuple[str, str]:
        try:
            parts = urlsplit(self.target)  # whole, with a host, where a proxy is asked
        except ValueError:
            return self.target, ""
        return parts.path, parts.query


@frozen
class Subscription:
    """A package that is being tracked."""

    tracking_number: str
    carrier_code: str | None = None
    carrier_id: str | None = None


@frozen
class Answer:
    """Bytes to send as they are, and what becomes of the connection after them.

    `then`: "keep" it for the next request, "close" it, "reset" it, or "hang": send nothing more, but stay connected
    until the fake ends. `delay` is the seconds before the first byte. `drip` follows the data byte by byte, `pace`
    seconds apart.
    """

    data: bytes
    then: Literal["keep", "close", "reset", "hang"] = "keep"
    delay: float = 0.0
    drip: bytes = b""
    pace: float = 0.05

    @property
    def head(self) -> bytes:
        """The data up to the blank line."""
        head, end, _ = self.data.partition(b"\r\n\r\n")
        return head + end

    @classmethod
    def of(
        cls,
        status: int,
        body: bytes | str | object = b"",
        headers: Mapping[str, str] | None = None,
        *,
        then: Literal["keep", "close", "reset", "hang"] = "keep",
        delay: float = 0.0,
    ) -> Answer:
        """Return a well-formed answer. A body that is neither bytes nor text is sent as JSON."""
        given = Headers(headers or {})
        lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
        if isinstance(body, bytes | str):
            data = body.encode() if isinstance(body, str) else body
        else:
            data = json.dumps(body, indent=2).replace("\n", "\r\n").encode()  # as the API prints it
            if "content-type" not in given:
                lines.append("Content-Type: application/json; charset=utf-8")
        if "content-length" not in given and "transfer-encoding" not in given and (data or status != 204):
            lines.append(f"Content-Length: {len(data)}")
        head = "\r\n".join([f"HTTP/1.1 {status} {_phrase(status)}", *lines, "", ""])
        return cls(head.encode("latin-1") + data, then, delay)


def error(
    status: int,
    code: str,
    message: str,
    *,
    error_type: str = "business_rules",
    error_source: str = "shipengine",
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Answer:
    """Return an answer in the vendor's shape with one error; `members` are the error's other members."""
    ids = request_ids()
    item = {"error_source": error_source, "error_type": error_type, "error_code": code, "message": message, **members}
    document = {"request_id": ids["request-id"], "errors": [item]}
    return Answer.of(status, document, {**ids, **(headers or {})})


def request_ids() -> dict[str, str]:
    """Return the headers with a new request id: both carry it in every answer of the API."""
    request_id = str(uuid.uuid4())
    return {"x-shipengine-requestid": request_id, "request-id": request_id}


def decide(
    request: Request, api_key: str, connected: Mapping[str, str], headers: Mapping[str, str]
) -> Answer | Subscription:
    """Return what the API does with a request: the refusal, with these headers, or the subscription it makes."""
    refuse = partial(error, headers=headers)
    if request.headers.get("api-key") != api_key:
        return refuse(401, "unauthorized", "The API key is missing or not valid.", error_type="security")
    if request.path != "/v1/tracking/start":
        return refuse(404, "not_found", "There is nothing here.", error_type="validation")
    if request.method != "POST":
        return error(405, "unspecified", "Use POST.", error_type="validation", headers={**headers, "Allow": "POST"})
    query = dict(request.query)
    number, code, identifier = (query.get(name) for name in ("tracking_number", "carrier_code", "carrier_id"))
    if not number:
        # The API blames itself for what the caller left out, and names no field.
        return refuse(400, "unspecified", "A tracking number is required.", error_type="system")
    if code and code not in OPEN_CARRIERS and code not in connected.values():
        return refuse(400, "carrier_not_connected", f"{code} is not connected to this account.", carrier_code=code)
    if code == "" or (code is None and identifier is None):
        return refuse(400, "field_value_required", "A carrier is required.", error_type="validation")
    if identifier is not None and (len(identifier) > 25 or not _CARRIER_ID.fullmatch(identifier)):
        message = f"{identifier} is no carrier id."
        return refuse(400, "invalid_identifier", message, field_name="carrier_id", field_value=identifier)
    if identifier is not None and identifier not in connected:
        return refuse(404, "invalid_identifier", f"There is no carrier {identifier}.", field_name="carrier_id")
    return Subscription(number, code, identifier)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
