"""Hypothesis strategies for values that the spec allows and for any others; validation against the spec."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from document import DOCUMENT
from leaks import find_leaks
from shipengine_tracking import ShipEngineError
from shipengine_tracking_generated import models

HOST = DOCUMENT["servers"][0]["url"]
KEY = "TEST_a+key/that.must_not_leak"

# Lone surrogates too, which JSON can escape and Python strings can contain.
TEXTS = st.text(st.characters(), max_size=10)
NOISE = st.binary(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=3,
)
_DATES = st.datetimes().map(str) | st.sampled_from(
    [
        "2026-03-12T22:10:41.1234567Z",
        "2026-03-14T18:40:00+01:00",
        "2026-03-12T00:00:00",
        "2026-02-30T00:00:00",
        "by end of day",
        "2026-03-14\ud80009:26:53Z",
    ]
)
_KINDS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "integer": st.integers(),
    "number": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    "null": st.none(),
}


def share(percent: int) -> settings:
    """Return the settings of a property that is tried with a share of the profile's cases."""
    assert settings.default is not None
    return settings(max_examples=settings.default.max_examples * percent // 100)


@cache
def from_schema(name: str) -> st.SearchStrategy[Any]:
    """Return a strategy for the values that a schema of the spec allows."""
    return _of(DOCUMENT["components"]["schemas"][name])


def _of(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return from_schema(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return st.one_of(*map(_of, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type")
    if kinds is None:
        return JSON
    if isinstance(kinds, list):
        return st.one_of(*(_of({**schema, "type": kind}) for kind in kinds))
    if kinds == "object":
        return _object(schema["properties"], schema.get("required", []))
    if kinds == "array":
        return st.lists(_of(schema["items"]), max_size=2)
    return _DATES if schema.get("format") == "date-time" else _KINDS[kinds]


def _object(properties: Mapping[str, Any], required: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    members = {name: _of(schema) for name, schema in properties.items()}
    known = st.fixed_dictionaries(
        {name: members[name] for name in required},
        optional={name: member for name, member in members.items() if name not in required},
    )
    others = st.dictionaries(TEXTS.filter(lambda name: name not in members), JSON, max_size=1)
    return st.builds(dict[str, Any].__or__, others, known)


def wire(document: object) -> bytes:
    """Return a document as the API formats it, with lone surrogates escaped, which UTF-8 cannot encode."""
    try:
        return json.dumps(document, ensure_ascii=False, indent=2).replace("\n", "\r\n").encode()
    except UnicodeEncodeError:
        return json.dumps(document).encode()


@cache
def _validator() -> OpenAPI:
    return OpenAPI.from_dict(DOCUMENT)


def validate_request(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Raise an exception if the spec does not allow a request."""
    _validator().validate_request(MockRequest(HOST, method.lower(), path, args=dict(query), headers=dict(headers)))


def validate_response(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise an exception if the spec does not allow a response to an operation."""
    response = MockResponse(body, status, dict(headers), {**headers}.get("content-type", ""))
    _validator().validate_response(MockRequest(HOST, method.lower(), path), response)


def check(error: ShipEngineError, key: str = KEY) -> None:
    """Assert what is true of each of our exceptions."""
    assert len(str(error).splitlines()) == 1
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), repr(vars(copy))) == (type(error), str(error), repr(vars(error)))
    assert not find_leaks(error, key)


_hints = cache(lambda model: get_type_hints(model, localns=vars(models)))


def matches(value: object, hint: Any) -> bool:
    """Return whether a value, with everything in it, has the type of an annotation."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(matches(value, one) for one in inner)
    if kind is list:
        return isinstance(value, list) and all(matches(one, inner[0]) for one in value)
    if kind is dict:
        return isinstance(value, dict) and all(
            matches(key, inner[0]) and matches(value[key], inner[1]) for key in value
        )
    if hint is Any:
        return True
    if attrs.has(hint):
        return isinstance(value, hint) and all(matches(getattr(value, name), one) for name, one in _hints(hint).items())
    if isinstance(value, bool):
        return hint is bool  # in Python it is an int, too
    return isinstance(value, int | float if hint is float else hint)
