"""Load the spec and report errors in it: `make spec-check`.

scripts/generate.py loads the spec with this module too, so the code is generated from the document that was checked.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

SPEC = Path(__file__).resolve().parent.parent / "spec" / "openapi.yaml"


class SpecError(Exception):
    """The file cannot be loaded. The message names the file, the line and the reason."""


def main() -> int:
    """Print all errors in the spec; return 1 if there are any."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("spec", nargs="?", type=Path, default=SPEC)
    path: Path = options.parse_args().spec
    try:
        found = problems(load(path))
    except SpecError as error:
        sys.exit(str(error))
    for problem in found:
        print(f"{shown(path)}: {problem}", file=sys.stderr)
    if not found:
        print(f"{shown(path)} is a good OpenAPI 3.1 document")
    return 1 if found else 0


def load(path: Path) -> dict[str, Any]:
    """Load a YAML 1.2 file that has only the types of JSON and no duplicate keys."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _JsonConstructor
    try:
        content = path.read_bytes()
        document = yaml.load(content.decode())
        json.dumps(document, allow_nan=False)  # refuses NaN and an alias of itself
    except OSError as error:
        raise SpecError(f"{shown(path)}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{shown(path)}:{line}: not UTF-8: {error.reason}") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        sentence = ": ".join(filter(None, [error.context, error.problem]))
        raise SpecError(f"{shown(path)}:{line}: not valid YAML: {sentence}") from error
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
        raise SpecError(f"{shown(path)}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        kind = "empty" if document is None else f"a {type(document).__name__}"
        raise SpecError(f"{shown(path)}:1: not OpenAPI: the document is {kind}, not a mapping")
    return document


def problems(document: dict[str, Any]) -> list[str]:
    """Return the errors in the document, each as `#/its/place: a sentence`."""
    # First, because the validator would stop at a broken reference, and fetch a remote one.
    return list(_broken_references(document)) or [*_validator_errors(document), *_repeated_enum_values(document)]


def walk(node: object, place: str = "#") -> Iterator[tuple[str, object]]:
    """Yield this node and every node below it, each with its JSON pointer."""
    yield place, node
    for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from walk(child, place + _pointer(key))


def shown(path: Path) -> Path:
    """Return the path relative to the current directory if it is inside it."""
    absolute = path.absolute()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else path


def _broken_references(document: dict[str, Any]) -> Iterator[str]:
    places = {place for place, _ in walk(document)}
    for place, node in walk(document):
        target = node.get("$ref") if isinstance(node, dict) else None
        if isinstance(target, str) and unquote(target) not in places:
            yield f"{place}/$ref: {target} is nowhere in this document"


def _repeated_enum_values(document: dict[str, Any]) -> Iterator[str]:
    for place, node in walk(document):
        values = node.get("enum") if isinstance(node, dict) else None
        if isinstance(values, list):
            written = [json.dumps(value) for value in values]  # 1 == True in Python, not in JSON
            for index, value in enumerate(written):
                if value in written[:index]:
                    yield f"{place}/enum/{index}: duplicate enum value {value}"


def _validator_errors(document: dict[str, Any]) -> Iterator[str]:
    from openapi_spec_validator import OpenAPIV31SpecValidator  # takes longer to import than the rest to run

    # The schema alone first: the validator's further rules crash on a document that breaks it.
    broken = list(OpenAPIV31SpecValidator.schema_validator.iter_errors(document))
    for error in broken or OpenAPIV31SpecValidator(document).iter_errors():
        tail = _pointer(*error.absolute_path)
        # The further rules give a place relative to a schema or none at all: look for the very objects.
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
    """Construct only what OpenAPI allows in YAML: the types of JSON, with strings as keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise ConstructorError(None, None, "this key is not a string: quote it", key.start_mark)
        return super().construct_mapping(node, deep=deep)


_JSON_TYPES = ("null", "bool", "int", "float", "str", "seq", "map")
_JsonConstructor.yaml_constructors = {
    tag: construct
    for tag, construct in SafeConstructor.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in _JSON_TYPES
}
# `2026-11-21` without quotes is a string here, as it is to every reader of JSON.
_JsonConstructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


if __name__ == "__main__":
    sys.exit(main())
