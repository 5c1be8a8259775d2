"""Whether a delivery is ShipEngine's: RSASSA-PKCS1-v1_5 with SHA-256 over its timestamp, a full stop and its raw body.

The key is the RSA key in the API's `/jwks` whose `kid` is in the key-id header; that set has keys of other kinds too.
Sources: ShipEngine's documentation for the headers and the five minutes; several independent receivers, which agree,
for what is signed and where the keys are.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard, cast

from ._answers import one_line
from .exceptions import InvalidArgumentError, InvalidSignatureError, StaleTimestampError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

Jwk = Mapping[str, Any]


class HasItems(Protocol):
    """Headers as frameworks have them."""

    def items(self) -> Iterable[tuple[Any, Any]]:
        """Return pairs of names and values."""
        ...


AnyHeaders = HasItems | Iterable[tuple[Any, Any]]

KEY_ID, SIGNATURE, TIMESTAMP = HEADERS = (
    "x-shipengine-rsa-sha256-key-id",
    "x-shipengine-rsa-sha256-signature",
    "x-shipengine-timestamp",
)
SMALLEST_KEY = 2048  # bits

_EPOCH_SECONDS = re.compile(r"[0-9]{10}(\.[0-9]{1,9})?")  # from 2001 to 2286
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class Signed(NamedTuple):
    """A delivery whose signature is yet to be checked."""

    key_id: str
    signature: str
    timestamp: str
    body: bytes


def read_signature(headers: AnyHeaders, body: Any, tolerance: float, now: float) -> Signed:
    """Return a delivery that says it was signed within so many seconds of `now`, in seconds since 1970."""
    raw = raw_body(body)
    key_id, signature, timestamp = values = _values(headers)
    for name, value in zip(HEADERS, values, strict=True):
        if not value:
            raise InvalidSignatureError(f"the header {name} is missing", 404)
    moment = _moment(timestamp)
    if moment is None:
        raise StaleTimestampError(f"{TIMESTAMP} is no time: {one_line(timestamp, 80)!r}")
    if not abs(now - moment) <= tolerance:  # a clock that is no number tells nothing
        when = f"{now - moment:,.0f} s ago" if now > moment else f"{moment - now:,.0f} s in the future"
        raise StaleTimestampError(f"it was signed {when}, and {tolerance:g} s are tolerated")
    return Signed(key_id, signature, timestamp, raw)


def raw_body(body: object) -> bytes:
    """Return a body's bytes."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", body))
    raise InvalidArgumentError(
        f"body must be the request's raw bytes, not {type(body).__name__}: the signature covers every one of them"
    )


def _values(headers: Any) -> list[str]:
    # Mappings that find a name in any case, or that have just these, are quick; others are looked through.
    try:
        values = [headers.get(name) for name in HEADERS] if hasattr(headers, "get") else []
        if values and all(type(value) is str for value in values):
            return values
        pairs = headers.items() if hasattr(headers, "items") else headers
        given = {_name(_text(name)): value for name, value in pairs}
        return [_text(given.get(name)) for name in HEADERS]
    except Exception as error:  # who knows what kind of object this is
        raise InvalidArgumentError("headers must be the request's headers: a mapping of names to values") from error


def _name(name: str) -> str:
    # An environ of WSGI, such as Django's META, has HTTP_X_SHIPENGINE_TIMESTAMP.
    return name.lower().replace("_", "-").removeprefix("http-")


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bytes() | bytearray():
            return value.decode("latin-1")
        case [*values]:  # of more than one, none will fit
            return ", ".join(map(_text, values))
        case _:
            return ""


def _moment(timestamp: str) -> float | None:
    if not timestamp.isascii():  # Python takes any character between the date and the time, half of one too
        return None
    if _EPOCH_SECONDS.fullmatch(timestamp):
        return float(timestamp)
    try:
        moment = datetime.fromisoformat(timestamp)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def check_signature(signed: Signed, keys: KeyRing) -> None:
    """Return if a key with the id that the delivery names has signed it."""
    known = keys.find(signed.key_id)
    if not known:
        raise InvalidSignatureError(f"ShipEngine has no RSA key {one_line(signed.key_id, 80)!r}")
    try:
        signature = a2b_base64(signed.signature)
    except ValueError:
        signature = b""
    # Python reads around what is no base64, and the same bytes can be written in several ways: one of them counts.
    if b2a_base64(signature, newline=False).decode() != signed.signature:
        raise InvalidSignatureError("the signature is not base64")
    message = signed.timestamp.encode() + b"." + signed.body
    for key in known:
        if _cryptography().fits(key, signature, message):
            return
    raise InvalidSignatureError("the signature does not fit the delivery")


def is_key_set(value: object) -> TypeGuard[Jwk]:
    """Return whether a value is a JSON Web Key Set."""
    match value:
        case {"keys": list() | tuple()}:
            return True
        case _:
            return False


class KeyRing:
    """The keys of a set that could have signed a delivery: those of other kinds, or for encryption, are left out.

    It can be made of a single key too, which need not say its id: whoever has looked it up knew.
    """

    def __init__(self, keys: Jwk | None, key_id: str | None = None):
        jwks: list[Any] = list(keys["keys"]) if is_key_set(keys) else [keys]
        self._jwks: list[Jwk] = [jwk for jwk in jwks if isinstance(jwk, Mapping)]
        self._key_id = None if is_key_set(keys) else key_id
        self._found: dict[str, list[RSAPublicKey]] = {}

    def find(self, key_id: str) -> list[RSAPublicKey]:
        """Return the keys with an id: it may stand there twice."""
        found = self._found.get(key_id)
        if found is None:
            named = [jwk for jwk in self._jwks if jwk.get("kid", self._key_id) == key_id]
            found = [key for key in map(_public_key, named) if key is not None]
            if found:  # strangers' ids are not kept
                self._found[key_id] = found
        return found


def _public_key(jwk: Jwk) -> RSAPublicKey | None:
    modulus, exponent = jwk.get("n"), jwk.get("e")
    if jwk.get("kty") != "RSA" or jwk.get("use") not in (None, "sig"):
        return None
    return _load(modulus, exponent) if isinstance(modulus, str) and isinstance(exponent, str) else None


@lru_cache(maxsize=64)
def _load(modulus: str, exponent: str) -> RSAPublicKey | None:
    try:
        return _cryptography().public_key(_unsigned(exponent), _unsigned(modulus))
    except ValueError:
        return None


def _unsigned(text: str) -> int:
    if not _BASE64URL.fullmatch(text):
        raise ValueError
    return int.from_bytes(urlsafe_b64decode(f"{text}=="))  # more of the padding than is needed does no harm


def check_cryptography() -> None:
    """Refuse to verify anything without `cryptography`: sooner than when the first delivery comes."""
    _cryptography()


def cryptography_missing() -> ImportError:
    """Return what to raise without `cryptography`."""
    return ImportError(
        "checking signatures needs the package cryptography: pip install 'shipengine-tracking[webhooks]'"
    )


class _Cryptography(NamedTuple):
    public_key: Callable[[int, int], RSAPublicKey | None]
    fits: Callable[[RSAPublicKey, bytes, bytes], bool]


@cache
def _cryptography() -> _Cryptography:
    # Imported when it is first needed: only those who receive deliveries have installed it.
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
        from cryptography.hazmat.primitives.hashes import SHA256
    except ImportError as error:
        raise cryptography_missing() from error
    padding, algorithm = PKCS1v15(), SHA256()

    def public_key(exponent: int, modulus: int) -> RSAPublicKey | None:
        return RSAPublicNumbers(exponent, modulus).public_key() if modulus.bit_length() >= SMALLEST_KEY else None

    def fits(key: RSAPublicKey, signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message, padding, algorithm)
        except InvalidSignature:
            return False
        return True

    return _Cryptography(public_key, fits)
