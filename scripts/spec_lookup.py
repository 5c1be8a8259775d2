"""Find the parts of an OpenAPI document."""

import re
from collections.abc import Iterator
from typing import Any

from spec import Document, walk

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# The values of examples: in a list in a schema, by name elsewhere.
EXAMPLE_VALUES = re.compile(r".*/examples/(\d+|[^/]+/value)(/.*)?")
# Places where the keys are names, not keywords of OpenAPI.
NAMES = re.compile(
    r"#/(paths|webhooks|components/[^/]+)|.*(?<!/properties)/(properties|x-enumDescriptions|examples|content|headers)"
)


def nodes(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object whose keys are keywords of OpenAPI, with its place, except those inside examples."""
    for place, node in walk(document):
        if isinstance(node, dict) and not EXAMPLE_VALUES.fullmatch(place) and not NAMES.fullmatch(place):
            yield place, node


def operations(document: Document) -> list[dict[str, Any]]:
    """Return the operations that a client calls, without the webhooks."""
    return [node for item in document["paths"].values() for method, node in item.items() if method in METHODS]


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


def resolved(document: Document, node: dict[str, Any]) -> dict[str, Any]:
    """Return the node, or what its `$ref` refers to."""
    found: Any = document
    for key in node["$ref"].split("/")[1:] if "$ref" in node else ():
        found = found[key]
    return found if "$ref" in node else node


def object_schemas(document: Document, node: object) -> set[str]:
    """Return the names of the object schemas that the node refers to, directly or through others."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [node]
    while waiting:
        for _, inner in walk(waiting.pop()):
            reference = inner.get("$ref") if isinstance(inner, dict) else None
            if isinstance(reference, str) and reference not in found:
                found[reference] = resolved(document, {"$ref": reference})
                waiting.append(found[reference])
    return {place.rpartition("/")[2] for place, node in found.items() if "properties" in node}
