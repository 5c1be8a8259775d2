"""Whether a document has the types that a generated model declares: the model itself believes what it reads. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from attrs import NOTHING, fields, frozen, has

from shipengine_tracking_generated import models

from ._answers import is_list, is_object

_NAMES: dict[type, str] = {
    bool: "true or false", str: "a string", int: "a whole number", float: "a number", list: "a list",
    dict: "an object", NoneType: "null",
}  # fmt: skip


@frozen
class _Member:
    """What a model declares of a member."""

    wanted: str  # its types in words
    plain: frozenset[type]  # those that are right as they come
    is_date: bool
    codes: frozenset[str] = frozenset()  # those of the contract
    model: type | None = None
    item: type | None = None  # the model of a list's items


Path = tuple[str | int, ...]


def fit(document: object, model: type, path: Path = ()) -> list[tuple[Path, str]]:
    """See to it that the model can read a document, its types as the model declares them.

    No date is a reason to lose the rest: one that is no text, or digits that the model would take for another date, is
    taken out, and returned with its place. A code in other capitals becomes the contract's: ShipEngine has spelled its
    codes in several ways over the years.

    Raises:
        TypeError: The types are others; the text says where.
    """
    if not is_object(document):
        raise TypeError(f"{_where(path)} must be an object, not {_NAMES[type(document)]}")
    members, required = _members(model)
    odd_dates: list[tuple[Path, str]] = []
    for name, value in document.items():
        member = members.get(name)
        if member is not None and type(value) not in member.plain:
            document[name] = _fitted(value, member, (*path, name), odd_dates)
    for name in required:
        if name not in document:
            raise TypeError(f"{_where(path)} has no {name}")
    return odd_dates


def put(model: object, path: Path, text: str) -> None:
    """Put a date that was taken out into its place in the model."""
    *way, name = path
    target: Any = model
    for step in way:
        target = target[step] if isinstance(step, int) else getattr(target, step)
    setattr(target, str(name), text)


def _fitted(value: object, member: _Member, path: Path, odd_dates: list[tuple[Path, str]]) -> object:
    if member.codes and isinstance(value, str):
        return value if value in member.codes or value.upper() not in member.codes else value.upper()
    if member.is_date:
        if isinstance(value, str) and (len(value) == len("20260314") or not value.isdigit()):
            return value
        odd_dates.append((path, value if isinstance(value, str) else json.dumps(value)))
        return None
    if int in member.plain and isinstance(value, float) and value.is_integer():
        return int(value)
    if member.model is not None:
        odd_dates += fit(value, member.model, path)
        return value
    if member.item is None or not is_list(value):
        raise TypeError(f"{_where(path)} must be {member.wanted}, not {_NAMES[type(value)]}")
    for index, item in enumerate(value):
        odd_dates += fit(item, member.item, (*path, index))
    return value


def _where(path: Path) -> str:
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return words.removeprefix(".") or "it"


@cache
def _members(model: type) -> tuple[dict[str, _Member], list[str]]:
    hints, given = get_type_hints(model, localns=vars(models)), [field for field in fields(model) if field.init]
    return (
        {field.name: _member(hints[field.name]) for field in given},
        [field.name for field in given if field.default is NOTHING],
    )


def _member(hint: Any) -> _Member:
    kinds: set[Any] = set(get_args(hint) if isinstance(hint, UnionType) else (hint,))
    lists = [get_args(kind)[0] for kind in kinds if get_origin(kind) is list]
    classes = [kind for kind in kinds if isinstance(kind, type)]
    codes = frozenset(code.value for kind in classes if issubclass(kind, Enum) for code in kind)
    plain = kinds & _NAMES.keys() - ({str} if codes or datetime in kinds else set())
    wanted = {get_origin(kind) or kind for kind in kinds}
    return _Member(
        " or ".join(name for kind, name in _NAMES.items() if kind in wanted),
        frozenset(plain | {int} if float in plain else plain),
        datetime in kinds,
        codes,
        next((kind for kind in classes if has(kind)), None),
        next(iter(lists), None),
    )
