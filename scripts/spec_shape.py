"""An OpenAPI document as a flat table of its promises, for comparing two versions.

Prose, examples and names that only the document uses are left out, because clients do not depend on them. Keywords
without a column of their own are kept in `rest`: a change of them is always reported, even if it is harmless.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from spec_places import METHODS, Document, branches, resolved

# Each limit with the types that it applies to.
LIMITS = {
    key: kinds
    for keys, kinds in (
        ("minLength maxLength pattern", {"string"}),
        ("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf", {"integer", "number"}),
        ("minItems maxItems uniqueItems", {"array"}),
        ("minProperties maxProperties", {"object"}),
    )
    for key in keys.split()
}
PROSE = {"description", "summary", "title", "examples", "example", "externalDocs", "$comment"}
PROSE |= {"x-enumDescriptions", "x-codeSamples"}
SHAPE = {"type", "format", "enum", "const", "properties", "required", "items", "additionalProperties", *LIMITS}
STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
# A schema may contain itself, so the comparison stops at this depth.
DEEPEST = 8


class Promise(NamedTuple):
    """One thing that a client can count on, or must do."""

    asked: bool  # of the client, in a request; otherwise sent to it, in a response or by a webhook
    required: bool = False
    types: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    closed: bool = False  # only `values` may come
    limits: tuple[tuple[str, Any], ...] = ()
    note: str = ""  # what else must not change
    rest: frozenset[str] = frozenset()  # what this table does not understand


Promises = dict[str, Promise]
Places = Iterator[tuple[str, Promise]]


def promises(document: Document) -> Promises:
    """Return all promises by their place in the document, in words."""
    known = {"info", "servers", "security", "tags", "paths", "webhooks", "components"}
    found: Promises = {"the document": Promise(asked=False, rest=_rest(document, known))}
    for server in document.get("servers", []):
        found[f"server {server['url']}"] = Promise(asked=False, rest=_rest(server, {"url"}))
    found["security"] = Promise(asked=True, note=str(document.get("security")))
    for name, scheme in document["components"].get("securitySchemes", {}).items():
        what = {key: value for key, value in scheme.items() if key != "description"}
        found[f"security scheme {name}"] = Promise(asked=True, note=str(what))
    for name in document["components"].get("schemas", {}):
        found[f"schema {name}"] = Promise(asked=False)  # the generated models are named after them
    for path, item in document.get("paths", {}).items():
        found.update(_path(document, path, resolved(document, item), webhook=False))
    for path, item in document.get("webhooks", {}).items():
        found.update(_path(document, path, resolved(document, item), webhook=True))
    return found


def _path(document: Document, path: str, item: dict[str, Any], webhook: bool) -> Places:
    for method in item.keys() & set(METHODS):
        name = f"webhook {path}" if webhook else f"{method.upper()} {path}"
        # An operation overrides what its path declares for all operations.
        operation = {key: item[key] for key in ("servers",) if key in item} | item[method]
        operation["parameters"] = [*item.get("parameters", []), *item[method].get("parameters", [])]
        rest = _rest(item, {"servers", "parameters", *METHODS})
        yield from _operation(document, name, operation, not webhook, rest)  # the server sends the body of a webhook


def _operation(
    document: Document, name: str, operation: dict[str, Any], asked: bool, of_path: frozenset[str]
) -> Places:
    known = {"operationId", "tags", "servers", "security", "parameters", "requestBody", "responses"}
    note = f"operationId {operation.get('operationId')}"
    yield name, Promise(asked=False, note=note, rest=of_path | _rest(operation, known))
    # The generated module is named after the tag.
    yield f"{name}: tags", Promise(asked=False, note=str(operation.get("tags", [])))
    for key in ("security", "servers"):
        own = operation.get(key, document.get(key))
        note = "as everywhere" if own == document.get(key) else str(own)
        yield f"{name}: {key}", Promise(asked=True, note=note)
    for parameter in (resolved(document, one) for one in operation["parameters"]):
        yield from _parameter(document, name, parameter, asked)
    if "requestBody" in operation:
        body = resolved(document, operation["requestBody"])
        rest = _rest(body, {"content", "required"})
        yield f"{name}: body", Promise(asked, required=body.get("required", False), rest=rest)
        yield from _content(document, f"{name}: body", body, asked)
    for status, response in operation["responses"].items():
        yield from _response(document, f"{name}: response {status}", resolved(document, response), not asked)


def _parameter(document: Document, name: str, parameter: dict[str, Any], asked: bool) -> Places:
    place = f"{name}: {parameter['in']} parameter {parameter['name']}"
    style = parameter.get("style", STYLES[parameter["in"]])
    exploded = parameter.get("explode", style == "form")
    known = {"name", "in", "required", "schema", "content", "style", "explode"}
    for where, promise in _shape(document, place, parameter.get("schema", {}), asked, 0):
        if where == place:
            yield (
                place,
                promise._replace(
                    required=parameter.get("required", False),
                    note=f"style {style}, {'exploded' if exploded else 'not exploded'}",
                    rest=promise.rest | _rest(parameter, known),
                ),
            )
        else:
            yield where, promise
    yield from _content(document, place, parameter, asked)


def _response(document: Document, place: str, response: dict[str, Any], asked: bool) -> Places:
    yield place, Promise(asked=asked, rest=_rest(response, {"content", "headers"}))
    yield from _content(document, place, response, asked)
    for header, node in response.get("headers", {}).items():
        node = resolved(document, node)
        where = f"{place}, header {header}"
        yield from _shape(document, where, node.get("schema", {}), asked, 0)
        yield from _content(document, where, node, asked)
        rest = _rest(node, {"schema", "content", "required"})
        yield f"{where}: sending", Promise(asked=asked, required=node.get("required", False), rest=rest)


def _content(document: Document, place: str, holder: dict[str, Any], asked: bool) -> Places:
    for media, content in holder.get("content", {}).items():
        yield from _shape(document, f"{place}, {media}", content.get("schema", {}), asked, 0)
        yield f"{place}, {media}: sending", Promise(asked=asked, rest=_rest(content, {"schema"}))


def _shape(document: Document, place: str, schema: Any, asked: bool, depth: int, required: bool = False) -> Places:
    """Yield a value and everything inside it."""
    found = list(branches(document, schema))
    yield place, _promise(found, asked, required)
    if depth == DEEPEST:
        return
    dot = "." if depth else ", "
    for name in dict.fromkeys(name for branch in found for name in branch.get("properties", {})):
        holders = [branch for branch in found if name in branch.get("properties", {})]
        member = {"anyOf": [branch["properties"][name] for branch in holders]}
        needed = all(name in branch.get("required", []) for branch in holders)
        yield from _shape(document, f"{place}{dot}{name}", member, asked, depth + 1, needed)
    for key, kind, where in (("items", "array", "[]"), ("additionalProperties", "object", f"{dot}*")):
        # Without the keyword, any value is valid: adding it later narrows the schema.
        inner = [branch.get(key, True) for branch in found if key in branch or kind in _kinds(branch)]
        if inner:
            yield from _shape(document, place + where, {"anyOf": inner}, asked, depth + 1)


def _promise(found: list[dict[str, Any]], asked: bool, required: bool) -> Promise:
    enums = [branch["enum"] for branch in found if "enum" in branch]
    typed = [branch for branch in found if "enum" not in branch and _kinds(branch) != {"null"}]
    return Promise(
        asked=asked,
        required=required,
        types=frozenset[str]().union(*map(_types, found)),
        values=frozenset(str(value) for values in enums for value in values),
        closed=bool(enums) and not typed,
        limits=tuple(_limits(typed)),
        rest=frozenset[str]().union(*(_rest(branch, SHAPE) for branch in found)),
    )


def _limits(typed: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the limits that all choices of a type have, each with its most generous value."""
    for key, kinds in LIMITS.items():
        limited = [branch for branch in typed if _kinds(branch) & (kinds | {"anything"})]
        values = [branch[key] for branch in limited if key in branch]
        if values and len(values) == len(limited):
            if key.startswith(("min", "max")):
                yield key, max(values) if key.startswith("max") else min(values)
            else:
                yield key, " or ".join(sorted({str(value) for value in values}))


def _kinds(branch: dict[str, Any]) -> set[str]:
    given = branch.get("type", "anything")
    return set(given) if isinstance(given, list) else {given}


def _types(branch: dict[str, Any]) -> frozenset[str]:
    return frozenset(f"{name} ({branch['format']})" if "format" in branch else name for name in _kinds(branch))


def _rest(node: dict[str, Any], known: set[str]) -> frozenset[str]:
    return frozenset(f"{key}: {json.dumps(node[key], sort_keys=True)}" for key in node.keys() - known - PROSE)
