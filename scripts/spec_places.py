"""Finding one's way in an OpenAPI document: what the rules and the comparison of two versions stand on."""

import re
from collections.abc import Iterator
from typing import Any

from spec import walk

Document = dict[str, Any]

OPERATION = r"#/(paths|webhooks)/[^/]+/(get|put|post|delete|options|head|patch|trace)"
# Values that an example shows: a list of them in a schema, a named one elsewhere.
EXAMPLE_VALUES = re.compile(r".*/examples/(\d+|[^/]+/value)(/.*)?")


def nodes(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document itself, not of the values that its examples show."""
    for place, node in walk(document):
        if isinstance(node, dict) and not EXAMPLE_VALUES.fullmatch(place):
            yield place, node


def resolved(document: Document, node: dict[str, Any]) -> dict[str, Any]:
    """The node, or what it refers to."""
    found: Any = document
    for key in node["$ref"].split("/")[1:] if "$ref" in node else ():
        found = found[key]
    return found if "$ref" in node else node


def reachable(document: Document, node: object) -> set[str]:
    """Every place that the node refers to, directly or through others."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        for _, inner in walk(waiting.pop()):
            reference = inner.get("$ref") if isinstance(inner, dict) else None
            if isinstance(reference, str) and reference not in found:
                found.add(reference)
                waiting.append(resolved(document, {"$ref": reference}))
    return found


def names_below_webhook_envelopes(document: Document) -> set[str]:
    """The object schemas that a webhook's body is made of, but for the outermost."""
    places = reachable(document, document.get("webhooks", {}))
    bodies = [
        node for place, node in nodes(document) if re.fullmatch(r"#/webhooks/.*/requestBody/content/.*/schema", place)
    ]
    envelopes = {body.get("$ref") for body in bodies}
    return {
        place.rpartition("/")[2] for place in places - envelopes if "properties" in resolved(document, {"$ref": place})
    }


def closed(node: Any) -> Any:
    """A copy in which no object may have members that its schema does not name."""
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
