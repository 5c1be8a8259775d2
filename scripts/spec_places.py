"""Find and resolve parts of an OpenAPI document, for the rules and for comparing two versions."""

import copy
import re
from collections.abc import Iterator
from typing import Any

from openapi_schema_validator import oas31_format_checker

from spec import walk

Document = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
OPERATION = rf"#/(paths|webhooks)/[^/]+/({'|'.join(METHODS)})"
# The values of examples: in a list in a schema, by name elsewhere.
EXAMPLE_VALUES = re.compile(r".*/examples/(\d+|[^/]+/value)(/.*)?")
# Places where the keys are names, not keywords of OpenAPI.
NAMING_PLACES = re.compile(r".*/(properties|x-enumDescriptions|examples|content|headers)|#/(components/)?[^/]+")

# The validator accepts any value whose format it cannot check, and `uri` is such a format.
FORMATS = copy.copy(oas31_format_checker)
FORMATS.checkers = {
    **oas31_format_checker.checkers,
    "uri": (
        lambda value: not isinstance(value, str) or bool(re.fullmatch(r"[A-Za-z][\w+.-]*:[!#-;=?-Z_a-z~\[\]]+", value)),
        (),
    ),
}


def nodes(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object of the document, except those inside the values of examples."""
    for place, node in walk(document):
        if isinstance(node, dict) and not EXAMPLE_VALUES.fullmatch(place):
            yield place, node


def operations(document: Document) -> list[dict[str, Any]]:
    """Return the operations that a client calls, without the webhooks."""
    places = nodes({"paths": document["paths"]})
    return [operation for place, operation in places if re.fullmatch(OPERATION, place)]


def needs_key(operation: dict[str, Any]) -> bool:
    """Return whether an operation needs the API key, which is required globally."""
    return operation.get("security") != []


def loaded_schemas(document: Document) -> set[str]:
    """Return the names of the object schemas that only the server sends, except in responses that need no API key.

    The overlay's loader reads them, and sets missing members to None. It does not read the keys of `/jwks`.
    """
    called = operations(document)
    received = [operation["responses"] for operation in called if needs_key(operation)]
    sent = object_schemas(document, [operation.get("requestBody") for operation in called])
    return object_schemas(document, [received, document.get("webhooks")]) - sent


def examples_of_schemas(document: Document) -> Iterator[tuple[str, str, Any]]:
    """Yield `(place, place of the schema, example)` for every example of a value."""
    for place, node in nodes(document):
        shown = node.get("examples")
        if isinstance(shown, list):  # of a schema
            yield from ((place, place, example) for example in shown)
        elif isinstance(shown, dict) and "schema" in node:  # of a body, a parameter or a header
            named = (resolved(document, example) for example in shown.values())
            yield from ((place, f"{place}/schema", example.get("value")) for example in named)


def resolved(document: Document, node: dict[str, Any]) -> dict[str, Any]:
    """Return the node, or what its `$ref` refers to."""
    found: Any = document
    for key in node["$ref"].split("/")[1:] if "$ref" in node else ():
        found = found[key]
    return found if "$ref" in node else node


def reachable(document: Document, node: object) -> set[str]:
    """Return every place that the node refers to, directly or through others."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        for _, inner in walk(waiting.pop()):
            reference = inner.get("$ref") if isinstance(inner, dict) else None
            if isinstance(reference, str) and reference not in found:
                found.add(reference)
                waiting.append(resolved(document, {"$ref": reference}))
    return found


def object_schemas(document: Document, node: object) -> set[str]:
    """Return the names of the object schemas that the node refers to, directly or through others."""
    places = reachable(document, node)
    return {place.rpartition("/")[2] for place in places if "properties" in resolved(document, {"$ref": place})}


def closed(node: Any) -> Any:
    """Return a copy in which objects may not have members that their schema does not list."""
    if isinstance(node, list):
        return [closed(child) for child in node]
    if not isinstance(node, dict):
        return node
    copy = {key: closed(child) for key, child in node.items()}
    return (
        {**copy, "unevaluatedProperties": False}
        if isinstance(copy.get("properties"), dict) and "type" in copy
        else copy
    )


def branches(document: Document, schema: Any) -> Iterator[dict[str, Any]]:
    """Yield each alternative of a schema, with references and combinations resolved."""
    if isinstance(schema, bool):
        yield from [{}] if schema else []
        return
    own = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
    if "const" in own:
        own["enum"] = [own.pop("const")]
    found = [own]
    # A value must fit at least one choice of each list.
    all_of = [[resolved(document, {"$ref": schema["$ref"]})]] if "$ref" in schema else []
    all_of += [schema[key] for key in ("anyOf", "oneOf") if key in schema]
    all_of += [[part] for part in schema.get("allOf", [])]
    for choices in all_of:
        whole = [branch for choice in choices for branch in branches(document, choice)]
        found = [_both(one, other) for one in found for other in whole]
    yield from (branch for branch in found if branch.get("type") != [])


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the values that fit both."""
    both = {**one, **other}
    for key in one.keys() & other.keys():
        mine, theirs = one[key], other[key]
        if mine == theirs:
            continue
        if key == "type":
            both[key] = _common_types(mine, theirs)
        elif key == "enum":
            both[key] = [value for value in mine if value in theirs]
        elif key == "required":
            both[key] = [*mine, *theirs]
        elif key == "properties":
            shared = {name: {"allOf": [mine[name], theirs[name]]} for name in mine.keys() & theirs.keys()}
            both[key] = {**mine, **theirs, **shared}
        elif key in ("items", "additionalProperties"):
            both[key] = {"allOf": [mine, theirs]}
        elif key.startswith(("min", "max")):
            both[key] = max(mine, theirs) if key.startswith("min") else min(mine, theirs)
        else:
            both[key] = [mine, theirs]
    return both


def _common_types(mine: str | list[str], theirs: str | list[str]) -> list[str]:
    mine, theirs = ([one] if isinstance(one, str) else one for one in (mine, theirs))
    integers = {"integer"} & {*mine, *theirs} if {"integer", "number"} <= {*mine, *theirs} else set()
    return sorted({*mine} & {*theirs} | integers)
