"""The arguments of a client and of its calls, validated. Performs no I/O."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Any, cast

import httpx
from attrs import field, frozen

from ._auth import APIKeyAuth
from .exceptions import InvalidArgumentError

DEFAULT_BASE_URL = "https://api.shipengine.com"
MAX_SECONDS = 86_400.0


def check_seconds(name: str, value: object, *, allow_zero: bool = False, maximum: float = MAX_SECONDS) -> None:
    """Validate a duration in seconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (0 < cast("float", value) <= maximum or (allow_zero and value == 0)):
        minimum = "at least 0" if allow_zero else "more than 0"
        raise InvalidArgumentError(f"{name} must be a number of seconds, {minimum} and at most {maximum:,.0f}")


def check_integer(name: str, value: object, minimum: int) -> None:
    """Validate an integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise InvalidArgumentError(f"{name} must be an integer, at least {minimum}")


def check_base_url(value: Any) -> str:
    """Return a valid base URL without a slash at the end. None means SHIPENGINE_BASE_URL, or else production."""
    name = "base_url"
    if value is None:
        name, value = "SHIPENGINE_BASE_URL", os.environ.get("SHIPENGINE_BASE_URL") or DEFAULT_BASE_URL
    remedy = f"pass a URL such as {DEFAULT_BASE_URL}"
    try:
        url = httpx.URL(value)  # raises TypeError for other types
        host = url.host  # raises for a label that starts with xn-- and cannot be decoded
        url.raw_host.decode("ascii").encode("idna")  # raises for a label that is empty or too long
    except (TypeError, ValueError, httpx.InvalidURL) as error:
        raise InvalidArgumentError(f"{name} is not a URL ({error}): {remedy}") from None
    is_port = url.port is None or 0 < url.port < 65_536
    if url.scheme not in ("https", "http") or not host or "%" in host or not is_port:
        raise InvalidArgumentError(f"{name} is not a complete URL: {remedy}")
    if url.scheme == "http" and not _is_loopback(host):
        raise InvalidArgumentError(f"{name} must start with https (http is allowed on loopback only): {remedy}")
    if url.userinfo or "?" in str(value) or "#" in str(value):
        raise InvalidArgumentError(f"{name} must not have a user name, a query or a fragment: {remedy}")
    if str(value) != str(value).strip():
        raise InvalidArgumentError(f"{name} has surrounding whitespace: remove it")
    if "v1" in url.path.lower().split("/"):
        raise InvalidArgumentError(f"{name} must not contain /v1: remove it, the client adds it to each call")
    return str(url).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_header_value(name: str, value: object) -> str:
    """Return a value that an HTTP header can carry. Error messages do not show it, because it may be the API key."""
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(f"{name} must be a non-empty string")
    if not (value.isascii() and value.isprintable()) or value != value.strip():
        raise InvalidArgumentError(
            f"{name} has characters that an HTTP header cannot carry, or surrounding whitespace: copy it again"
        )
    if value[0] in "'\"" or value[-1] in "'\"":
        raise InvalidArgumentError(f"{name} is in quotes: remove them")
    return str.__str__(value)  # a plain string, even if the value is an enum member or another subclass


def _api_key(value: object) -> APIKeyAuth:
    if value is not None:
        return APIKeyAuth(_check_header_value("api_key", value))
    if not (value := os.environ.get("SHIPENGINE_API_KEY")):
        raise InvalidArgumentError("api_key is missing: pass api_key=… or set SHIPENGINE_API_KEY")
    return APIKeyAuth(_check_header_value("SHIPENGINE_API_KEY", value))


def _timeout(value: Any) -> httpx.Timeout:
    if not isinstance(value, httpx.Timeout):
        check_seconds("timeout", value)
        return httpx.Timeout(value)
    for name, seconds in value.as_dict().items():
        if seconds is not None:
            check_seconds(f"timeout ({name})", seconds)
    return value


@frozen
class ClientConfig:
    """The arguments of a client. `TrackingClient` documents them."""

    auth: APIKeyAuth = field(converter=_api_key)
    base_url: str = field(converter=check_base_url)
    timeout: httpx.Timeout = field(converter=_timeout)
    deadline: float
    max_retries: int
    max_wait: float
    max_connections: int
    requests_per_minute: int | None
    on_behalf_of: str | None
    transport: Any

    def __attrs_post_init__(self) -> None:
        check_seconds("deadline", self.deadline)
        check_integer("max_retries", self.max_retries, 0)
        check_seconds("max_wait", self.max_wait, allow_zero=True)
        check_integer("max_connections", self.max_connections, 1)
        if self.requests_per_minute is not None:
            check_integer("requests_per_minute", self.requests_per_minute, 1)
        if self.on_behalf_of is not None:
            _check_header_value("on_behalf_of", self.on_behalf_of)

    @property
    def attempt_timeout(self) -> httpx.Timeout:
        """`timeout`, with no part longer than the deadline."""
        parts = self.timeout.as_dict().items()
        return httpx.Timeout(**{name: min(seconds or self.deadline, self.deadline) for name, seconds in parts})


_REMEDIES = {
    "tracking_number": "pass the carrier's tracking number as a string",
    "carrier_code": "pass ShipEngine's carrier code such as 'ups', or omit it if you pass carrier_id",
    "carrier_id": "pass the ID of a connected carrier such as 'se-28529731', or omit it if you pass carrier_code",
}
_SPREADSHEET_NUMBER = re.compile(r"-?[0-9]{1,3}([.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_SHIPENGINE_ID = re.compile(r"(?=.{1,25}\Z)se(-[a-z0-9]+)+")


def package_params(tracking_number: object, carrier_code: object, carrier_id: object) -> dict[str, str]:
    """Return the query parameters that identify a package."""
    if carrier_code is None and carrier_id is None:
        raise InvalidArgumentError("carrier_code is missing: pass carrier_code='ups' or carrier_id='se-…'")
    params = {"tracking_number": _check_text("tracking_number", tracking_number)}
    if _SPREADSHEET_NUMBER.fullmatch(params["tracking_number"]):
        raise InvalidArgumentError(
            "tracking_number was rounded by a spreadsheet: format the column as text and enter the number again"
        )
    for name, value in (("carrier_code", carrier_code), ("carrier_id", carrier_id)):
        if value is not None:
            params[name] = _check_text(name, value)
    if "carrier_id" in params and not _SHIPENGINE_ID.fullmatch(params["carrier_id"]):
        raise InvalidArgumentError(f"carrier_id is not valid: {_REMEDIES['carrier_id']}")
    return params


def _check_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name} must be a string, not {type(value).__name__}: {_REMEDIES[name]}")
    if not value:
        raise InvalidArgumentError(f"{name} is empty: {_REMEDIES[name]}")
    if value != value.strip() or not value.isprintable():
        raise InvalidArgumentError(f"{name} has surrounding whitespace or unprintable characters: remove them")
    return str.__str__(value)  # a plain string, even if the value is an enum member or another subclass


def check_webhook_id(value: object) -> str:
    """Return a valid ID of a webhook."""
    if not isinstance(value, str) or not _SHIPENGINE_ID.fullmatch(value):
        raise InvalidArgumentError("webhook_id is not valid: pass the ID of a webhook, such as 'se-3150628'")
    return value


def webhook_body(*, url: object, headers: Any, name: object) -> dict[str, Any]:
    """Return the members of a request body that describe a webhook, without those that are None."""
    if url is not None and not (
        isinstance(url, str) and re.fullmatch(r"(?i:https?)://[^\s/?#]\S*", url) and url.isprintable()
    ):
        raise InvalidArgumentError("url is not valid: pass the address of your receiver, such as https://example.com/…")
    if name is not None and not isinstance(name, str):
        raise InvalidArgumentError("name must be a string")
    if headers is not None and not hasattr(headers, "items"):
        raise InvalidArgumentError("headers must be a mapping of names to values")
    pairs = headers.items() if headers else ()
    if not all(isinstance(text, str) and text.isprintable() for pair in pairs for text in pair):
        raise InvalidArgumentError("headers must be a mapping of names to values: pass strings without line breaks")
    wire_headers = None if headers is None else [{"key": key, "value": value} for key, value in pairs]
    members = {"url": url, "headers": wire_headers, "name": name}
    return {name: value for name, value in members.items() if value is not None}
