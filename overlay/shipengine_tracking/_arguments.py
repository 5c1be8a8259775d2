"""What a caller may pass, and what is said when it cannot be right. Pure: nothing is sent, no environment is read."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
from attrs import frozen

from ._api_key import ApiKey
from .exceptions import InvalidArgumentError

PRODUCTION = "https://api.shipengine.com"
LONGEST_URL = 65_536
LONGEST_TIMEOUT = 86_400.0

# The vendor's own pattern for `carrier_id`, at most 25 characters of it.
_CARRIER_ID = re.compile(r"se(-[a-z0-9]+)+")


@frozen(kw_only=True)
class Settings:
    """What a client was made with, checked."""

    key: ApiKey
    base_url: str
    timeout: httpx.Timeout
    deadline: float
    max_retries: int
    max_wait: float
    max_connections: int
    requests_per_minute: int | None
    on_behalf_of: str | None
    transport: Any


def settings(
    *,
    api_key: object,
    base_url: object,
    timeout: object,
    deadline: object,
    max_retries: object,
    max_wait: object,
    max_connections: object,
    requests_per_minute: object,
    on_behalf_of: object,
    transport: object,
    transport_kind: type,
    environ: Mapping[str, str],
) -> Settings:
    """Return a client's arguments, checked and completed from the environment."""
    if transport is not None and not isinstance(transport, transport_kind):
        raise InvalidArgumentError(f"transport must be an httpx.{transport_kind.__name__}, not {_kind(transport)}")
    return Settings(
        key=ApiKey(_key(api_key, environ)),
        base_url=_base_url(base_url, environ),
        timeout=_timeout(timeout),
        deadline=seconds("deadline", deadline),
        max_retries=count("max_retries", max_retries, 0),
        max_wait=seconds("max_wait", max_wait, or_none_at_all=True),
        max_connections=count("max_connections", max_connections, 1),
        requests_per_minute=(
            None if requests_per_minute is None else count("requests_per_minute", requests_per_minute, 1)
        ),
        on_behalf_of=None if on_behalf_of is None else _token("on_behalf_of", on_behalf_of),
        transport=transport,
    )


def _key(api_key: object, environ: Mapping[str, str]) -> str:
    if api_key is not None:
        return _token("api_key", api_key)
    if not environ.get("SHIPENGINE_API_KEY"):
        raise InvalidArgumentError("there is no API key: pass api_key=… or set SHIPENGINE_API_KEY")
    return _token("SHIPENGINE_API_KEY", environ["SHIPENGINE_API_KEY"])


def _token(name: str, value: object) -> str:
    # A secret: no message shows it.
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name} must be a string, not {_kind(value)}")
    if not value:
        raise InvalidArgumentError(f"{name} is empty")
    if not (value.isascii() and value.isprintable()) or value != value.strip():
        raise InvalidArgumentError(
            f"{name} holds a space at an end, a line break or a character that no such value has: copy it once more"
        )
    return str.__str__(value)


def _base_url(base_url: object, environ: Mapping[str, str]) -> str:
    name, value = "base_url", base_url
    if base_url is None:
        name, value = "SHIPENGINE_BASE_URL", environ.get("SHIPENGINE_BASE_URL") or PRODUCTION
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name} must be a string, not {_kind(value)}")
    try:
        url = httpx.URL(value)
        host = url.host
        url.raw_host.decode("ascii").encode("idna")  # no label is empty or too long
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidArgumentError(f"{name} is not a URL ({error}): give one such as {PRODUCTION}") from None
    if url.scheme not in ("https", "http") or not host or "%" in host:  # httpx encodes what no host has
        raise InvalidArgumentError(f"{name} must be a whole URL such as {PRODUCTION}")
    if url.scheme == "http" and not _is_loopback(host):
        raise InvalidArgumentError(f"{name} must begin with https, for the key is sent there (http on loopback only)")
    if url.port is not None and not 0 < url.port < 65_536:
        raise InvalidArgumentError(f"{name} has an impossible port: ports go from 1 to 65535")
    if url.userinfo or "?" in value or "#" in value:
        raise InvalidArgumentError(f"{name} must hold no user, no ? and no #: only a host and perhaps a path")
    return str(url)


def _timeout(value: object) -> httpx.Timeout:
    if not isinstance(value, httpx.Timeout):
        return httpx.Timeout(seconds("timeout", value))
    for part, given in value.as_dict().items():
        if given is not None:  # None is to wait for ever, in httpx's own words
            seconds(f"timeout ({part})", given)
    return value


def seconds(name: str, value: object, *, or_none_at_all: bool = False) -> float:
    """Return a number of seconds that there can be."""
    if value == 0 and or_none_at_all and not isinstance(value, bool):
        return 0.0
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_TIMEOUT:
        return value
    least = "from 0" if or_none_at_all else "more than 0"
    raise InvalidArgumentError(f"{name} must be seconds, {least} and at most {LONGEST_TIMEOUT:,.0f}")


def count(name: str, value: object, least: int) -> int:
    """Return a whole number that is not too small."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgumentError(f"{name} must be a whole number, {least} or more")
    return value


def package_query(
    *, tracking_number: object, carrier_code: object, carrier_id: object, base_url: str
) -> dict[str, str]:
    """Return the query that names a package: what was given, exactly as given."""
    if carrier_code is None and carrier_id is None:
        raise InvalidArgumentError(
            "carrier_code is missing: say whose number it is, such as carrier_code='ups', "
            "or carrier_id='se-…' for a carrier that is connected to your account"
        )
    query = {"tracking_number": _text("tracking_number", tracking_number)}
    if carrier_code is not None:
        query["carrier_code"] = _text("carrier_code", carrier_code)
    if carrier_id is not None:
        query["carrier_id"] = _carrier_id(carrier_id)
    _fit(query, f"{base_url}/v1/tracking/start")
    return query


def _fit(query: dict[str, str], url: str) -> None:
    if 12 * sum(map(len, query.values())) < LONGEST_URL // 2:
        return  # even if each character took four bytes, each written with three signs
    sizes = {name: len(quote(value, safe="")) for name, value in query.items()}
    if len(url) + sum(len(name) + 2 + size for name, size in sizes.items()) > LONGEST_URL:
        longest = max(sizes, key=sizes.__getitem__)
        raise InvalidArgumentError(f"{longest} is too long: a URL takes {LONGEST_URL:,} characters, percent-encoded")


def _carrier_id(value: object) -> str:
    text = _text("carrier_id", value)
    if len(text) > 25 or not _CARRIER_ID.fullmatch(text):
        raise InvalidArgumentError(
            "carrier_id must look like se-28529731, with at most 25 characters: take it from ShipEngine's list of "
            "your carriers. The name of a carrier goes into carrier_code"
        )
    return text


# What to do about it, for each argument of `start` that is not what it must be.
_REMEDIES = {
    "tracking_number": "give the carrier's number of the package, as a string: leading zeros count",
    "carrier_code": "give ShipEngine's code of the carrier, such as 'ups', or leave it out beside carrier_id",
    "carrier_id": "give the id of a connected carrier, such as 'se-28529731', or leave it out beside carrier_code",
}


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name} must be a string, not {_kind(value)}: {_REMEDIES[name]}")
    if not value.strip():
        raise InvalidArgumentError(f"{name} is {'blank' if value else 'empty'}: {_REMEDIES[name]}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{name} holds half a character (a lone surrogate): read it again with the right encoding"
        ) from None
    return str.__str__(value)  # of a subclass, such as an enum's member, the text itself


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
