"""Checks signatures: RSASSA-PKCS1-v1_5 with SHA-256 over the timestamp, a full stop and the raw body."""

from __future__ import annotations

import re
import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, cast

from .._responses import printable_line
from ..exceptions import InvalidArgumentError, InvalidSignatureError, StaleTimestampError

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
except ImportError as error:
    raise ImportError("webhooks need the cryptography package: pip install 'shipengine-tracking[webhooks]'") from error

KEY_ID, SIGNATURE, TIMESTAMP = HEADERS = (
    "x-shipengine-rsa-sha256-key-id",
    "x-shipengine-rsa-sha256-signature",
    "x-shipengine-timestamp",
)
ALGORITHM = PKCS1v15(), SHA256()

_EPOCH_SECONDS = re.compile(r"[0-9]{10}(\.[0-9]{1,9})?")  # from 2001 to 2286
_EPOCH_MILLISECONDS = re.compile(r"[0-9]{13}")


class _HasItems(Protocol):
    def items(self) -> Iterable[tuple[Any, Any]]: ...


Headers = _HasItems | Iterable[tuple[Any, Any]]  # as frameworks provide them


class SignedDelivery(NamedTuple):
    """A delivery whose signature has not been checked yet."""

    key_id: str
    signature: str
    timestamp: str
    body: bytes


def read_delivery(headers: Headers, body: object, tolerance: float) -> SignedDelivery:
    """Return the signature of a delivery whose timestamp is within `tolerance` seconds of now."""
    given = _read_headers(headers)
    if missing := [name for name in HEADERS if not given.get(name)]:
        raise InvalidSignatureError(f"the header {missing[0]} is missing", 404)
    signed = SignedDelivery(given[KEY_ID], given[SIGNATURE], given[TIMESTAMP], body_bytes(body))
    moment = _read_timestamp(signed.timestamp)
    if moment is None:
        raise StaleTimestampError(f"{printable_line(signed.timestamp, 80)!r} is not a timestamp")
    difference = abs(time.time() - moment)  # looked up at each call, so that freezegun works
    if difference > tolerance:
        message = f"the timestamp {signed.timestamp!r} differs by {difference:,.0f} s from the clock of this computer"
        raise StaleTimestampError(f"{message}; the tolerance is {tolerance:g} s")
    return signed


def check_signature(signed: SignedDelivery, keys: list[RSAPublicKey]) -> None:
    """Raise InvalidSignatureError unless one of the keys signed the delivery."""
    try:
        signature = a2b_base64(signed.signature)
    except ValueError:
        signature = b""
    # Decoding skips invalid characters, and several texts decode to the same bytes. Only the canonical one is valid.
    if b2a_base64(signature, newline=False).decode() != signed.signature:
        raise InvalidSignatureError("the signature is not base64")
    for key in keys:
        with suppress(InvalidSignature):
            key.verify(signature, signed.timestamp.encode() + b"." + signed.body, *ALGORITHM)
            return
    key_id = printable_line(signed.key_id, 80)
    if keys:
        raise InvalidSignatureError(f"the signature does not match ShipEngine's key {key_id!r}")
    raise InvalidSignatureError(f"ShipEngine's key set, which is fetched at most once a minute, has no key {key_id!r}")


def body_bytes(body: Any) -> bytes:
    """Return the raw body as bytes. AWS Lambda passes a string, or None for an empty body."""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    if body is None or isinstance(body, bytes | bytearray | memoryview):
        return bytes(cast("bytes", body or b""))
    kind = type(body).__name__
    raise InvalidArgumentError(f"body must be bytes, not {kind}: pass the raw body, which is what was signed")


def _read_headers(headers: Any) -> dict[str, str]:
    """Return the signature headers that are present, by lower-case name."""
    given = dict[str, str]()
    try:
        for name, value in headers.items() if hasattr(headers, "items") else headers:
            lower = (name if isinstance(name, str) else _text(name)).lower()
            if "shipengine" not in lower:  # checked first, because most headers are unrelated
                continue
            # A WSGI environ, such as Django's META, has HTTP_X_SHIPENGINE_TIMESTAMP.
            lower, text = lower.replace("_", "-").removeprefix("http-"), _text(value)
            if lower in HEADERS and given.setdefault(lower, text) != text:
                raise InvalidSignatureError(f"the header {lower} has two values")
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError("headers must be the request's headers: a mapping of names to values") from error
    return given


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return value.decode("latin-1")
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, cast("list[Any]", value)))  # more than one value is never valid
    return ""


def _read_timestamp(text: str) -> float | None:
    """Return a timestamp in seconds since the epoch. Without an offset, it is in UTC."""
    if _EPOCH_SECONDS.fullmatch(text):
        return float(text)
    if _EPOCH_MILLISECONDS.fullmatch(text):
        return float(text) / 1000
    if not text.isascii():  # `fromisoformat` accepts any character instead of the T
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
