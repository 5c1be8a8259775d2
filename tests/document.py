"""The spec, read once for all tests, because reading it takes longer than most of them. Tests must not change it."""

import copy
from typing import Any

from spec import SPEC, load

DOCUMENT = load(SPEC)
GONE = object()


def edited(place: str, value: Any) -> dict[str, Any]:
    """Return a copy of the spec with another value at a JSON pointer, or without the value that is there (GONE)."""
    document = copy.deepcopy(DOCUMENT)
    node: Any = document
    *path, last = [key.replace("~1", "/") for key in place.split("/")[1:]]
    for key in path:
        node = node[int(key) if isinstance(node, list) else key]
    if value is not GONE:
        node[last] = value
    else:
        del node[int(last) if isinstance(node, list) else last]
    return document
