"""Print the spec as sorted lines, or the lines that changed since a revision: `make spec-outline`, `make spec-diff`.

There is a line for each operation, parameter, body, response, header, schema, member and enum value. Descriptions and
examples are left out. A change is breaking if a line disappeared or changed, or if a new line adds a requirement to
what was there before. To accept it, name the place in backticks under [Unreleased] in CHANGELOG.md: the part of the
line before the colon, without `schema`, such as `Error.message`; or what contains it, such as `Error`.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from spec import SPEC, Document, SpecError, load, parse
from spec_lookup import METHODS, resolved

ROOT = SPEC.parent.parent
NAME = SPEC.relative_to(ROOT)
PROSE = {"description", "summary", "title", "examples", "externalDocs", "x-enumDescriptions", "x-codeSamples"}
SHAPE = {"$ref", "type", "enum", "properties", "required", "items", "anyOf", "oneOf", "allOf"}

# What follows the colon, by what precedes it.
Outline = dict[str, str]
Lines = Iterator[tuple[str, str]]


def main(arguments: list[str] | None = None) -> int:
    """Print the outline or the changes; return 1 if a breaking change is not named in CHANGELOG.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("base", nargs="?", help="a git revision to compare with, such as HEAD^ or v1.2.0")
    base = options.parse_args(arguments).base
    try:
        old, new = load_at(base) if base else {}, outline(load(ROOT / NAME))
    except SpecError as error:
        sys.exit(str(error))
    for place in sorted(old.keys() | new.keys()):
        for mark, lines in (("- ", old), ("+ ", new)):
            if place in lines and old.get(place) != new.get(place):
                print((mark if base else "") + ": ".join(filter(None, [place, lines[place]])))
    unnamed = breaking(old, new, named((ROOT / "CHANGELOG.md").read_text())) if base else []
    for place in unnamed:
        print(f"Breaking change: [Unreleased] in CHANGELOG.md does not name `{place}`", file=sys.stderr)
    return 1 if unnamed else 0


def load_at(revision: str) -> Outline:
    """Return the outline of the spec of a git revision."""
    show = ["git", "show", f"{revision}:{NAME}"]
    shown = subprocess.run(show, cwd=ROOT, capture_output=True, check=False)
    if shown.returncode:
        raise SpecError(f"{revision} is not a git revision, or has no {NAME}")
    return outline(parse(shown.stdout, f"{revision}:{NAME}"))


def breaking(old: Outline, new: Outline, accepted: set[str]) -> list[str]:
    """Return the places of breaking changes, without those inside another one or inside an accepted place."""
    changed = {place for place, facts in old.items() if new.get(place) != facts}
    changed |= {place for place in new.keys() - old.keys() if new[place].endswith("required") and _within(place, old)}
    places = {place.removeprefix("schema ") for place in changed} - accepted
    return sorted(place for place in places if not _within(place, places | accepted))


def named(changelog: str) -> set[str]:
    """Return everything in backticks under [Unreleased]."""
    unreleased = re.search(r"^## \[Unreleased\](.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    return {" ".join(name.split()) for name in re.findall("`([^`]+)`", unreleased[1])} if unreleased else set()


def _within(place: str, others: Iterable[str]) -> bool:
    return any(place.startswith((f"{other} ", f"{other}.", f"{other}[")) for other in others)


def outline(document: Document) -> Outline:
    """Return the lines of a document."""
    components = document["components"]
    lines = {f"server {server['url']}": _rest(server, {"url"}) for server in document["servers"]}
    lines |= {f"security {name}": _rest(node) for name, node in components["securitySchemes"].items()}
    for name, schema in components["schemas"].items():
        lines.update(_value(f"schema {name}", {"schema": schema}))
    for kind in ("paths", "webhooks"):
        for path, item in document.get(kind, {}).items():
            for method in item.keys() & set(METHODS):
                place = f"{method.upper()} {path}" if kind == "paths" else f"webhook {path}"
                lines.update(_operation(document, place, item, item[method]))
    return lines


def _operation(document: Document, place: str, item: dict[str, Any], node: dict[str, Any]) -> Lines:
    whole = {"security": document.get("security"), **item, **node}
    yield place, _rest(whole, {*METHODS, "parameters", "requestBody", "responses"})
    for parameter in [*item.get("parameters", []), *node.get("parameters", [])]:
        found = resolved(document, parameter)
        yield from _value(f"{place} {found['in']} {found['name']}", found)
    body = resolved(document, node.get("requestBody", {}))
    for media, content in body.get("content", {}).items():
        yield from _value(f"{place} body {media}", {**content, "required": body.get("required")})
    for status, response in node["responses"].items():
        found = resolved(document, response)
        yield f"{place} response {status}", _rest(found, {"content", "headers"})
        for media, content in found.get("content", {}).items():
            yield from _value(f"{place} response {status} {media}", content)
        for header, value in found.get("headers", {}).items():
            yield from _value(f"{place} response {status} header {header}", resolved(document, value))


def _value(place: str, node: dict[str, Any]) -> Lines:
    """Yield the line of a parameter, body, header, schema or member, and the lines of what is inside it."""
    required = "required" if node.get("required") else ""
    facts = [_text(node.get("schema", {})), _rest(node, {"name", "in", "schema", "required"}), required]
    yield place, ", ".join(filter(None, facts))
    yield from _inside(place, node.get("schema", {}))


def _inside(place: str, schema: dict[str, Any]) -> Lines:
    for value in schema.get("enum", []):
        yield f"{place}.{value}", "value"
    for name, member in schema.get("properties", {}).items():
        yield from _value(f"{place}.{name}", {"schema": member, "required": name in schema.get("required", [])})
    if "items" in schema:
        yield from _inside(f"{place}[]", schema["items"])
    for choice in (one for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, [])):
        yield from _inside(place, choice)


def _text(schema: dict[str, Any]) -> str:
    """Return the type of a schema and its limits."""
    types = schema.get("type", schema.get("$ref", "").rpartition("/")[2])
    words = types if isinstance(types, str) else " | ".join(types)
    if "items" in schema:
        words = words.replace("array", f"array of {_text(schema['items'])}")
    for key, mark in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        words = mark.join(filter(None, [words, *map(_text, schema.get(key, []))]))
    return ", ".join(filter(None, [words or "anything", _rest(schema, SHAPE)]))


def _rest(node: dict[str, Any], known: Iterable[str] = ()) -> str:
    """Return all other keywords with their values."""
    others = sorted(node.keys() - PROSE - {*known})
    return ", ".join(f"{key} {json.dumps(node[key])}".replace('"', "") for key in others)


if __name__ == "__main__":
    sys.exit(main())
