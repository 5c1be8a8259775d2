"""What ShipEngine sends to your webhook: headers and a raw body in, a verified event out. Nothing here does I/O."""

from __future__ import annotations

import json
import re
import time
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta, timezone
from math import isfinite
from typing import NoReturn, cast

from dateutil import parser as dateutil

from shipengine_tracking_generated.models import KnownStatusCode as StatusCode
from shipengine_tracking_generated.models import KnownStatusDetailCode as StatusDetailCode
from shipengine_tracking_generated.models import TrackingEvent, TrackingInformation, TrackingInformationEvent
from shipengine_tracking_generated.types import UNSET, Unset

from ._answers import one_line, whole_number
from ._arguments import seconds
from ._shape import fit, put
from ._signature import (
    AnyHeaders,
    Jwk,
    KeyRing,
    check_cryptography,
    check_signature,
    is_key_set,
    raw_body,
    read_signature,
)
from .exceptions import (
    InvalidArgumentError,
    InvalidPayloadError,
    InvalidSignatureError,
    StaleTimestampError,
    WebhookError,
)

__all__ = [
    "UNSET",
    "AsyncVerifier",
    "InvalidPayloadError",
    "InvalidSignatureError",
    "StaleTimestampError",
    "StatusCode",
    "StatusDetailCode",
    "TrackingEvent",
    "TrackingInformation",
    "TrackingInformationEvent",
    "Unset",
    "Verifier",
    "WebhookError",
    "parse",
    "parse_date",
]

TOLERANCE = 300.0  # as ShipEngine's documentation suggests
_LONGEST_DATE = 100
_YEAR = re.compile(r"[0-9]{4}")
_TWO_WAYS = re.compile(r":.*[A-Za-z]{3,5}[+-][0-9]")  # GMT-6 is west of Greenwich to people, east of it to POSIX


class Verifier:
    """Tells ShipEngine's deliveries from forged ones. `client.webhook_verifier()` makes one that fetches the keys.

    Args:
        jwks_or_lookup: ShipEngine's key set, as `https://api.shipengine.com/jwks` has it: `{"keys": […]}`. Or a
            function from the id of a key to such a set, to a single key of one, or to None.
        tolerance: How many seconds a delivery may be old, or ahead of the clock.
        clock: Returns the seconds since 1970.

    Raises:
        InvalidArgumentError: An argument cannot be right.
        ImportError: `cryptography` is not installed; the text says how to.
    """

    def __init__(
        self,
        jwks_or_lookup: Jwk | Callable[[str], Jwk | None],
        *,
        tolerance: float = TOLERANCE,
        clock: Callable[[], float] = time.time,
    ):
        if not (callable(jwks_or_lookup) or is_key_set(jwks_or_lookup)):
            raise InvalidArgumentError('jwks_or_lookup must be a key set, {"keys": […]}, or a function from a key id')
        check_cryptography()
        self._lookup: Callable[[str], object] = jwks_or_lookup if callable(jwks_or_lookup) else _always(jwks_or_lookup)
        self._tolerance = seconds("tolerance", tolerance, or_none_at_all=True)
        self._clock = clock

    def verify(self, headers: AnyHeaders, body: bytes) -> TrackingEvent:
        """Return the event that a delivery brings, once it is certain that ShipEngine has sent it.

        Args:
            headers: The request's headers, as your framework gives them; names in any case.
            body: The request's raw body, byte for byte: the signature covers it.

        Raises:
            InvalidSignatureError: ShipEngine has not signed it. Answer 401, or 404 where a header is missing.
            StaleTimestampError: It is older than the tolerance, or ahead of the clock. Answer 400.
            InvalidPayloadError: It is signed, but no tracking update; `error.body` keeps it. Answer 400.
            InvalidArgumentError: `headers` or `body` is not what a framework gives.
        """
        signed = read_signature(headers, body, self._tolerance, self._clock())
        check_signature(signed, _key_ring(self._lookup(signed.key_id), signed.key_id))
        return parse(signed.body)


class AsyncVerifier:
    """The same for asyncio, with a lookup that takes its time. `AsyncTrackingClient.webhook_verifier` makes it."""

    def __init__(
        self,
        lookup: Callable[[str], Awaitable[Jwk | None]],
        *,
        tolerance: float = TOLERANCE,
        clock: Callable[[], float] = time.time,
    ):
        check_cryptography()
        if not callable(lookup):
            raise InvalidArgumentError(
                f"lookup must be an asynchronous function, not of type {type(lookup).__name__}: "
                "for a set of keys, a Verifier is enough"
            )
        self._lookup: Callable[[str], Awaitable[object]] = lookup
        self._tolerance = seconds("tolerance", tolerance, or_none_at_all=True)
        self._clock = clock

    async def verify(self, headers: AnyHeaders, body: bytes) -> TrackingEvent:
        """Return the event that a delivery brings, as `Verifier.verify` does."""
        signed = read_signature(headers, body, self._tolerance, self._clock())
        check_signature(signed, _key_ring(await self._lookup(signed.key_id), signed.key_id))
        return parse(signed.body)


def _always(keys: Jwk) -> Callable[[str], KeyRing]:
    ring = KeyRing(keys)
    return lambda _: ring


def _key_ring(found: object, key_id: str) -> KeyRing:
    if isinstance(found, KeyRing):
        return found
    if found is None or isinstance(found, Mapping):
        return KeyRing(cast("Jwk | None", found), key_id)
    raise InvalidArgumentError(
        f"jwks_or_lookup has returned a value of type {type(found).__name__}: return a key set, a key or None"
    )


def parse(body: bytes | str) -> TrackingEvent:
    """Return the event in a body, unverified: for those who verify elsewhere.

    Members that the contract has not are kept in `additional_properties`, codes that it has not are strings. A date
    that `datetime.fromisoformat` reads is a datetime, aware or naive as it was sent; any other stays the text that it
    is: `parse_date` may read it.

    Raises:
        InvalidPayloadError: It is not JSON, no tracking update, or one of its members is not of the contract's type;
            `error.body` keeps it.
        InvalidArgumentError: It is neither bytes nor text.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else raw_body(body)
    try:
        document = _JSON.decode(raw.removeprefix(BOM_UTF8).decode())
    except RecursionError:
        raise InvalidPayloadError("the body is nested too deeply", raw) from None
    except ValueError as error:
        raise InvalidPayloadError(f"the body is not JSON: {one_line(str(error), 200)}", raw) from None
    try:
        odd_dates = fit(document, TrackingEvent)
        event = TrackingEvent.from_dict(document)
    except RecursionError:
        raise InvalidPayloadError("the body is nested too deeply", raw) from None
    except TypeError as error:
        raise InvalidPayloadError(f"the body is no tracking update: {error}", raw) from None
    for path, text in odd_dates:
        put(event, path, text)
    if event.resource_type != "API_TRACK":
        kind = one_line(event.resource_type, 80)
        raise InvalidPayloadError(f"the body is no tracking update: its resource_type is {kind!r}", raw)
    return event


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{one_line(constant, 40)} is no number of JSON's")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


_JSON = json.JSONDecoder(parse_int=whole_number, parse_float=_finite, parse_constant=_refuse)


def parse_date(value: object) -> datetime | None:
    """Return the date in a member of an event: an odd one too, such as `03/14/2026 9:26 AM` (the month comes first).

    Aware if it says its offset or UTC; other names of time zones mean several things and are not read. None where there
    is no date, or where its day, month or year would be a guess.
    """
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_DATE or not _YEAR.search(value) or _TWO_WAYS.search(value):
        return None
    # dateutil takes from a default what the text has not. Two defaults that differ in all of it show whether it did.
    dates = [_odd_date(value, default) for default in (datetime(2000, 1, 1), datetime(2004, 2, 12))]
    return dates[0] if dates[0] == dates[1] else None


def _odd_date(value: str, default: datetime) -> datetime | None:
    def zone(_: str | None, offset: int | None) -> timezone | None:
        return None if offset is None else timezone(timedelta(seconds=offset))

    try:
        return dateutil.parse(value, default=default, tzinfos=zone)
    except (ValueError, ArithmeticError):  # what its int, float and Decimal raise
        return None
