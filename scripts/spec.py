"""Load the spec and report what is not valid OpenAPI.

scripts/generate.py loads the spec with this module too, so the code is generated from the document that was checked.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

SPEC = Path(__file__).resolve().parent.parent / "spec" / "openapi.yaml"

Document = dict[str, Any]


class SpecError(Exception):
    """The file cannot be loaded. The message names the file, the line and the reason."""


def load(path: Path) -> Document:
    """Load a YAML 1.2 file that has only the types of JSON and no duplicate keys."""
    try:
        return parse(path.read_bytes(), str(shown(path)))
    except OSError as error:
        raise SpecError(f"{shown(path)}: {error.strerror}") from error


def parse(content: bytes, name: str) -> Document:
    """Read the content of such a file; errors contain its name."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _JsonConstructor
    try:
        document = yaml.load(content.decode())
        json.dumps(document, allow_nan=False)  # rejects other types, NaN and an alias of itself
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{name}:{line}: not UTF-8: {error.reason}") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        sentence = ": ".join(filter(None, [error.context, error.problem]))
        raise SpecError(f"{name}:{line}: not valid YAML: {sentence}") from error
    except (YAMLError, TypeError, ValueError, LookupError, RecursionError) as error:
        raise SpecError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        kind = "empty" if document is None else f"a {type(document).__name__}"
        raise SpecError(f"{name}:1: not OpenAPI: the document is {kind}, not a mapping")
    return document


def problems(document: Document) -> list[str]:
    """Return the errors in the document, each as `#/its/place: a sentence`."""
    # Broken references first: the validator would stop at one, and fetch a remote one.
    return list(_broken_references(document)) or list(_validator_errors(document))


def walk(node: object, place: str = "#") -> Iterator[tuple[str, object]]:
    """Yield this node and every node below it, each with its JSON pointer."""
    yield place, node
    for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from walk(child, place + _pointer(key))


def shown(path: Path) -> Path:
    """Return the path relative to the current directory if it is inside it."""
    absolute = path.absolute()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else path


def _broken_references(document: Document) -> Iterator[str]:
    places = {place for place, _ in walk(document)}
    for place, node in walk(document):
        target = node.get("$ref") if isinstance(node, dict) else None
        if isinstance(target, str) and unquote(target) not in places:
            yield f"{place}/$ref: {target} is nowhere in this document"


def _validator_errors(document: Document) -> Iterator[str]:
    from openapi_spec_validator import OpenAPIV31SpecValidator  # takes longer to import than the rest to run

    # The schema alone first: the validator's further rules crash on a document that breaks it.
    broken = list(OpenAPIV31SpecValidator.schema_validator.iter_errors(document))
    for error in broken or OpenAPIV31SpecValidator(document).iter_errors():
        tail = _pointer(*error.absolute_path)
        # The further rules give a place relative to a schema, or no place: look for the object itself.
        places = (
            place
            for place, node in walk(document)
            if node is error.schema or (tail and place.endswith(tail) and node is error.instance)
        )
        text = error.message if len(error.message) < 300 else f"{error.message[:150]} … {error.message[-150:]}"
        yield f"{next(places, '#' + tail)}: {text}"


def _pointer(*keys: object) -> str:
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


class _JsonConstructor(SafeConstructor):
    """Require strings as keys, as JSON does."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise ConstructorError(None, None, "this key is not a string: quote it", key.start_mark)
        return super().construct_mapping(node, deep=deep)


# `2026-11-21` without quotes is a string, as it is in JSON.
_JsonConstructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
