"""An OpenAPI document as a flat table of the promises that it makes: what two versions are compared by.

Prose and examples promise nothing and are left out; so are names that only the document itself uses.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from spec_places import OPERATION, Document, nodes, resolved

LIMITS = ("minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems")


class Promise(NamedTuple):
    """One thing that a client can count on, or must do."""

    asked: bool  # of the client, in a request; else told to it, in an answer or by a webhook
    required: bool = False
    types: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    closed: bool = False  # only `values` may come
    limits: tuple[tuple[str, Any], ...] = ()
    note: str = ""  # what else must not change


Promises = dict[str, Promise]


def promises(document: Document) -> Promises:
    """Every promise by its place, in words."""
    found: Promises = {f"server {server['url']}": Promise(asked=False) for server in document.get("servers", [])}
    found["security"] = Promise(asked=True, note=str(document.get("security")))
    for name, scheme in document["components"].get("securitySchemes", {}).items():
        what = {key: value for key, value in scheme.items() if key != "description"}
        found[f"security scheme {name}"] = Promise(asked=True, note=str(what))
    for name in document["components"].get("schemas", {}):
        found[f"schema {name}"] = Promise(asked=False)  # the generated models are named after them
    for pointer, operation in nodes(document):
        if re.fullmatch(OPERATION, pointer):
            found.update(_operation(document, pointer, operation))
    return found


def _operation(document: Document, pointer: str, operation: dict[str, Any]) -> Iterator[tuple[str, Promise]]:
    _, kind, path, method = pointer.split("/")
    webhook = kind == "webhooks"
    name = f"webhook {path}" if webhook else f"{method.upper()} {path.replace('~1', '/')}"
    asked = not webhook  # what a webhook's request holds is told to us
    yield name, Promise(asked=False, note=f"operationId {operation.get('operationId')}")
    for parameter in (resolved(document, one) for one in operation.get("parameters", [])):
        place = f"{name}: {parameter['in']} parameter {parameter['name']}"
        yield place, _promise(document, parameter["schema"], asked, parameter.get("required", False))
    body = resolved(document, operation.get("requestBody", {}))
    yield from _content(document, f"{name}: body", body, asked, body.get("required", False))
    for status, answer in operation["responses"].items():
        place = f"{name}: answer {status}"
        answer = resolved(document, answer)
        yield place, Promise(asked=not asked)
        yield from _content(document, place, answer, not asked, True)
        for header, node in answer.get("headers", {}).items():
            schema = resolved(document, node).get("schema", {})
            yield f"{place}, header {header}", _promise(document, schema, not asked, False)


def _content(
    document: Document, place: str, holder: dict[str, Any], asked: bool, required: bool
) -> Iterator[tuple[str, Promise]]:
    for media, content in holder.get("content", {}).items():
        yield f"{place}, {media}", _promise(document, content.get("schema", {}), asked, required)
        yield from _members(document, f"{place}, {media}, ", content.get("schema", {}), asked, 0)


def _members(
    document: Document, place: str, schema: dict[str, Any], asked: bool, depth: int
) -> Iterator[tuple[str, Promise]]:
    """What lies in an object or a list, all the way down (a schema that holds itself: twenty levels)."""
    for branch in _branches(document, schema) if depth < 20 else ():
        for name, member in branch.get("properties", {}).items():
            yield place + name, _promise(document, member, asked, name in branch.get("required", []))
            yield from _members(document, f"{place}{name}.", member, asked, depth + 1)
        if "items" in branch:
            yield from _members(document, f"{place.removesuffix('.')}[].", branch["items"], asked, depth + 1)


def _promise(document: Document, schema: dict[str, Any], asked: bool, required: bool) -> Promise:
    branches = list(_branches(document, schema))
    enums = [branch["enum"] for branch in branches if "enum" in branch]
    typed = [branch for branch in branches if "enum" not in branch and _types(branch) != {"null"}]
    return Promise(
        asked=asked,
        required=required,
        types=frozenset[str]().union(*map(_types, branches)),
        values=frozenset(str(value) for values in enums for value in values),
        closed=bool(enums) and not typed,
        limits=tuple((key, branches[0][key]) for key in LIMITS if len(branches) == 1 and key in branches[0]),
    )


def _types(schema: dict[str, Any]) -> frozenset[str]:
    given = schema.get("type", "anything")
    names = given if isinstance(given, list) else [given]
    return frozenset(f"{name} ({schema['format']})" if "format" in schema else name for name in names)


def _branches(document: Document, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema without references and choices: each of the schemas that it may be."""
    schema = resolved(document, schema)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        for choice in choices:
            yield from _branches(document, choice)
    else:
        yield schema
