"""Tolerant subclasses of the generated models. They keep every value, and accept values of any type."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, EnumType
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, NoReturn, Self, cast, get_args, get_origin, get_type_hints

from attrs import fields

from shipengine_tracking_generated import models

from ._responses import is_list, is_object, printable_line, read_integer

_MAX_DATE_LENGTH = 100
_YEAR = re.compile(r"[0-9]{4}")
_AMBIGUOUS_OFFSET = re.compile(r":.*[A-Za-z]{3,5}[+-][0-9]")  # POSIX reads GMT-6 as east of Greenwich, people as west


class TolerantModel:
    """Mixin: if a value does not fit its declared type, the attribute is None.

    `additional_properties` keeps such values, and members that the API does not document.
    """

    __slots__ = ()

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        """Return the model of a JSON object."""
        fitting, others = dict[str, Any](), dict[str, Any]()
        model: Any = cls
        converters = _converters(model)
        for name, value in src_dict.items():
            fitting[name], fits = converters[name](value) if name in converters else (None, False)
            if not fits:
                others[name] = value
        instance = model(**{name: fitting.get(name) for name in converters})
        instance.additional_properties = others
        return cast("Self", instance)

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Return the model of a JSON object in a body. Raises ValueError if the body is anything else."""
        return cls.from_dict(read_object(body))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object as it was received, with null for missing members and dates written by `isoformat`."""
        generated: Any = super()
        return {**generated.to_dict(), **generated.additional_properties}

    def __repr__(self) -> str:
        names = (*_converters(cast("Any", type(self))), "additional_properties")
        known = ((name, value) for name in names if (value := getattr(self, name)) not in (None, {}))
        return f"{type(self).__name__}({', '.join(f'{name}={_short_repr(value)}' for name, value in known)})"


def _short_repr(value: object) -> str:
    return str(value) if isinstance(value, datetime | Enum) else repr(value)


class WebhookHeader(TolerantModel, models.WebhookHeader):  # pyright: ignore[reportIncompatibleMethodOverride]
    __doc__ = models.WebhookHeader.__doc__
    __slots__ = ()


class Webhook(TolerantModel, models.Webhook):  # pyright: ignore[reportIncompatibleMethodOverride]
    __doc__ = models.Webhook.__doc__
    __slots__ = ()

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Return the webhook of a JSON object in a body. Raises ValueError if a required member is missing."""
        webhook = super().from_json(body)
        if None in (webhook.webhook_id, webhook.url, webhook.event):
            raise ValueError("webhook_id, url or event is missing, or not a string")
        return webhook

    @classmethod
    def list_from_json(cls, body: bytes) -> list[Self]:
        """Return the webhooks of a JSON array in a body. Raises ValueError if the body is anything else."""
        document = _read_json(body)
        if not is_list(document):
            raise ValueError("the body is not a JSON array")
        return [cls.from_dict(item) for item in document if is_object(item)]


class TrackingInformationEvent(TolerantModel, models.TrackingInformationEvent):  # pyright: ignore[reportIncompatibleMethodOverride]
    __doc__ = models.TrackingInformationEvent.__doc__
    __slots__ = ()


class TrackingInformation(TolerantModel, models.TrackingInformation):  # pyright: ignore[reportIncompatibleMethodOverride]
    __doc__ = models.TrackingInformation.__doc__
    __slots__ = ()


class TrackingEvent(TolerantModel, models.TrackingEvent):
    __doc__ = models.TrackingEvent.__doc__
    __slots__ = ()

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        """Return the event of a JSON object. `data` is always a TrackingInformation; its members may all be None."""
        event = super().from_dict({"data": None, **src_dict})
        if "data" in event.additional_properties:
            event.data = TrackingInformation.from_dict({})
        return event

    @property
    def last_moved(self) -> datetime | None:
        """The time of the newest event, aware (UTC if it has no offset); None if no event has a time."""
        dates = (parse_date(event.occurred_at) for event in self.data.events or ())
        return max((date if date.tzinfo else date.replace(tzinfo=UTC) for date in dates if date), default=None)


_TOLERANT_CLASSES: dict[Any, Any] = {
    models.TrackingEvent: TrackingEvent,
    models.TrackingInformation: TrackingInformation,
    models.TrackingInformationEvent: TrackingInformationEvent,
    models.WebhookHeader: WebhookHeader,
}
_Converter = Callable[[Any], tuple[object, bool]]


@cache
def _converters(model: Any) -> dict[str, _Converter]:
    hints = get_type_hints(model, localns=vars(models))
    return {field.name: _converter(hints[field.name]) for field in fields(model) if field.init}


def _converter(hint: Any) -> _Converter:
    """Return a function from a JSON value to `(attribute, whether the attribute holds the whole value)`."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    codes: Any = next((kind for kind in kinds if isinstance(kind, EnumType)), ())
    known = {code.value.upper(): code for code in codes}
    model = next((_TOLERANT_CLASSES[kind] for kind in kinds if kind in _TOLERANT_CLASSES), None)
    item = next((_TOLERANT_CLASSES[get_args(kind)[0]] for kind in kinds if get_origin(kind) is list), None)
    is_date = datetime in kinds
    plain: set[Any] = {NoneType, str, bool, int, float}.intersection(kinds)
    if float in plain:
        plain.add(int)

    def convert(value: Any) -> tuple[object, bool]:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]  # not isinstance: True is an int
        if kind is str and known:  # ShipEngine has also sent codes with other capitalization
            return known.get(value.upper(), value), True
        if kind is str and is_date:
            return _read_date(value), True
        if kind in plain:
            return value, True
        if kind is float and int in plain and value.is_integer():
            return int(value), True
        if kind is dict and model:
            return model.from_dict(value), True
        if kind is list and item:
            items = [item.from_dict(one) for one in value if type(one) is dict]
            return items, len(items) == len(value)
        return None, False

    return convert


def _read_date(text: str) -> datetime | str:
    # `fromisoformat` would read 1780123101530, which is epoch milliseconds, as a date in the year 1780.
    try:
        return datetime.fromisoformat(text) if len(text) == 8 or not text.isdigit() else text
    except ValueError:
        return text


def parse_date(value: object) -> datetime | None:
    """Return the date in a member of an event, also in an unusual form such as `03/14/2026 9:26 AM` (month first).

    Returns an aware datetime if the value has an offset or says UTC, otherwise a naive one; other names of time zones
    are ambiguous and ignored. Returns None for anything that is not a date, or whose day, month or year is missing.
    """
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or len(value) > _MAX_DATE_LENGTH or not _YEAR.search(value):
        return None
    if _AMBIGUOUS_OFFSET.search(value):
        return None
    from dateutil import parser  # takes 20 ms to import, and is rarely needed

    def zone(_: str | None, offset: int | None) -> timezone | None:
        return None if offset is None else timezone(timedelta(seconds=offset))

    # dateutil fills missing parts from a default, so two results that differ show that a part was missing.
    defaults = datetime(2000, 1, 1), datetime(2004, 2, 12)
    try:
        first, second = (parser.parse(value, default=default, tzinfos=zone) for default in defaults)
    except (ValueError, ArithmeticError):  # from dateutil, and from int, float and Decimal, which it calls
        return None
    return first if first == second else None


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Raises ValueError if the body is anything else."""
    document = _read_json(body)
    if not is_object(document):
        raise ValueError("the body is not a JSON object")
    return document


def _read_json(body: bytes) -> object:
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body is not JSON: {printable_line(str(error), 200)}") from None


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")


def _read_float(digits: str) -> float | str:
    return number if isfinite(number := float(digits)) else digits


# Not strict, because texts from carriers may contain control characters.
_DECODER = json.JSONDecoder(strict=False, parse_int=read_integer, parse_float=_read_float, parse_constant=_reject)
