"""Check the spec: `make spec-check`. It must be valid OpenAPI and follow the rules below.

`make spec-lint` (Redocly, configured in redocly.yaml) checks the rest: examples, unused components, operation IDs.
A rule is a function that yields what is wrong with one object of the document. `RULES` at the end lists all rules.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spec import SPEC, Document, SpecError, load, problems, shown
from spec_lookup import METHODS, loaded_schemas, needs_key, nodes, object_schemas, resolved

Node = dict[str, Any]
Findings = Iterator[str]
Rule = Callable[[Document, str, Node], Findings]

OPERATION = rf"#/(paths|webhooks)/[^/]+/({'|'.join(METHODS)})"
SCALAR_PLACES = (
    r".*/(parameters|headers)/[^/]+/schema|.*/content/[^/]+/schema|.*/properties/[^/]+|#/components/schemas/[^/]+"
    r"|.*/(items|additionalProperties)"
)
DESCRIBED_PLACES = {
    r"#/info": ("title", "summary", "description"),
    r"#/(servers|tags)/\d+": ("description",),
    OPERATION: ("summary", "description", "operationId"),
    r".*/requestBody|.*/responses/[^/]+|.*/headers/[^/]+": ("description",),
    r"#/components/securitySchemes/[^/]+": ("description",),
    r".*/examples/[^/]+": ("summary", "description"),
    # The generator takes a parameter's description from its schema alone.
    SCALAR_PLACES.replace("(parameters|headers)", "parameters"): ("description",),
}
NAMES = {"ShipEngine", "Python", "API", "HTTP", "ID", "JSON", "URL", "USPS", "UPS", "I"}
CATALOGUE_ENTRY = re.compile(r"(† )?[A-Z][^→]*\.( [A-Z][^→]*\.)* → (`(AccountError|CarrierError)`|\*by status\*)")


def main(path: Path = SPEC) -> int:
    """Print all findings; return 1 if there are any."""
    try:
        document = load(path)
    except SpecError as error:
        sys.exit(str(error))
    found = problems(document) or findings(document)
    for finding in found:
        print(f"{shown(path)}: {finding}", file=sys.stderr)
    if not found:
        print(f"{shown(path)} is valid OpenAPI 3.1 and follows all {len(RULES)} rules")
    return 1 if found else 0


def findings(document: Document, rules: Sequence[Rule] | None = None) -> list[str]:
    """Return every violation of all rules, or of some, as `#/its/place: a sentence (rule)`."""
    return [
        f"{place}: {finding} ({rule.__name__})"
        for place, node in nodes(document)
        for rule in rules or RULES
        for finding in rule(document, place, node)
    ]


def error_catalogue(document: Document) -> dict[str, str | None]:
    """Return the name of the exception for each error code; None if the status decides."""
    descriptions = document["components"]["schemas"]["KnownErrorCode"]["x-enumDescriptions"]
    matches = {code: CATALOGUE_ENTRY.fullmatch(str(text)) for code, text in descriptions.items()}
    return {code: match and match[4] for code, match in matches.items()}


def everything_is_described(_: Document, place: str, node: Node) -> Findings:
    """Everything that the rendered page shows has a description, and a summary where OpenAPI has one."""
    for pattern, keys in DESCRIBED_PLACES.items() if "$ref" not in node else ():
        if re.fullmatch(pattern, place):
            yield from (f"has no {key}" for key in keys if not str(node.get(key, "")).strip())


def scalars_have_examples(_: Document, place: str, node: Node) -> Findings:
    """Every schema except objects and arrays has an example, and so does every body."""
    scalar = re.fullmatch(SCALAR_PLACES, place) and "$ref" not in node and not {"object", "array"} & _types(node)
    if (scalar or re.fullmatch(r".*/content/[^/]+", place)) and not node.get("examples"):
        yield "has no example"


def prose_is_in_sentences(_: Document, __: str, node: Node) -> Findings:
    """A description begins with a capital letter and ends with a full stop."""
    for text in [node.get("description"), *_enum_descriptions(node).values()]:
        if isinstance(text, str) and (
            text[:1].islower() or not re.search(r"[.)`*]\s*$", text) or "  " in text.replace("\n  ", "\n")
        ):
            yield f"not written in sentences: {text.strip()[:60]!r}"


def summaries_are_in_sentence_case(_: Document, __: str, node: Node) -> Findings:
    """A summary or title begins with its only capital letter, except in names, and has no full stop."""
    for text in (node[key] for key in ("summary", "title") if isinstance(node.get(key), str)):
        words = [word.strip(",:()") for word in text.split()]
        capitals = [index for index, word in enumerate(words) if re.search("[A-Z]", word[index == 0 :])]
        if text[:1].islower() or text.endswith(".") or any(words[index] not in NAMES for index in capitals):
            yield f"{text!r} is not in sentence case"


def nothing_is_closed(document: Document, place: str, node: Node) -> Findings:
    """New values and members are valid: enums and dates are in an anyOf with a plain string, objects are open."""
    choices = node.get("anyOf", [])
    if {"type": "string"} not in choices and any(_is_limited(resolved(document, one)) for one in choices):
        yield "has no plain string next to its enum or date"
    alone = _is_limited(node) or "/Known" in node.get("$ref", "")
    if alone and not re.search(r"/anyOf/\d+$|^#/components/schemas/Known\w+$", place):
        yield "is an enum or a date outside an anyOf"
    for key in ("additionalProperties", "unevaluatedProperties"):
        if node.get(key) is False:
            yield f"{key} is false, but new members may come at any time"
    if "const" in node:
        yield "const forbids new values: describe the value and give it as an example"
    if "example" in node:
        yield "example is deprecated in OpenAPI 3.1: give examples"


def enum_values_are_described(_: Document, place: str, node: Node) -> Findings:
    """`x-enumDescriptions` describes the values of the enum, in their order; error codes in the catalogue's form."""
    texts = _enum_descriptions(node)
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            yield f"{name} has no description"
        elif place.endswith("/KnownErrorCode") and not CATALOGUE_ENTRY.fullmatch(text):
            yield f"{name} does not read 'Meaning. Remedy. → exception': {text!r}"
    values = node.get("enum", [])
    if values != list(texts):
        odd = ", ".join(sorted(map(str, {*values} ^ {*texts}))) or "in their order or a duplicate"
        yield f"enum and x-enumDescriptions differ: {odd}"


def received_objects_are_tolerant(document: Document, place: str, _: Node) -> Findings:
    """A webhook's body requires no member, and a member that is not required may be null unless it is an object.

    The same is true of responses, except that they may require members. The overlay's loader depends on it.
    """
    if place != "#":
        return
    payloads = object_schemas(document, document.get("webhooks"))
    for name in sorted(loaded_schemas(document)):
        schema = document["components"]["schemas"][name]
        required = schema.get("required", [])
        yield from (f"{name} requires {key}" for key in required if name in payloads)
        for key, member in schema["properties"].items():
            whole = resolved(document, member)
            any_value = not {"type", "anyOf", "properties"} & whole.keys()
            nullable = any_value or "null" in _types(whole) or {"type": "null"} in whole.get("anyOf", ())
            if key not in required and not nullable and "properties" not in whole:
                yield f"{name}.{key} may not be null"


def responses_are_declared(document: Document, place: str, node: Node) -> Findings:
    """Every operation declares a success, 401, 403, 429 with Retry-After and 5XX, with the right bodies.

    A 204 has no body, any other success has a JSON body, a 4xx has an ErrorResponse, and 5XX has HTML or JSON. An
    operation with an ID in its path declares 404. The error responses of one that needs no API key have no body.
    """
    if not re.fullmatch(OPERATION, place) or place.startswith("#/webhooks"):
        return
    keyed = needs_key(node)
    responses = {status: resolved(document, response) for status, response in node["responses"].items()}
    declared = {"2XX" if status[0] == "2" else status for status in responses}
    expected = ["401", "403", "429", *(["404"] if "{" in place else [])] if keyed else ["4XX"]
    yield from (f"does not declare {status}" for status in ["2XX", *expected, "5XX"] if status not in declared)
    if "Retry-After" not in responses.get("429", {}).get("headers", ["Retry-After"]):
        yield "429 has no Retry-After"
    error = {"application/json": {"$ref": "#/components/schemas/ErrorResponse"}} if keyed else {}
    for status, response in responses.items():
        found = {media: body.get("schema") for media, body in response.get("content", {}).items()}
        right: Node = {} if status == "204" else error
        if status[0] == "2" and status != "204":
            right = {"application/json": found.get("application/json") or "a schema"}
        elif status == "5XX" and keyed:
            right = {**error, "text/html": found.get("text/html")}
        if found != right:
            yield f"{status} has {list(found) or 'no body'}, not {list(right) or 'no body'} with the right schema"


def only_calls_with_a_key_need_it(_: Document, place: str, node: Node) -> Findings:
    """Webhooks and `/jwks` have `security: []`; the other operations have the global security.

    An operation that requires the key on its own would change the generated client.
    """
    expected: object = [] if place.startswith(("#/webhooks/", "#/paths/~1jwks/")) else None
    if re.fullmatch(OPERATION, place) and node.get("security") != expected:
        yield f"security is not {expected}"


def operations_have_samples(_: Document, place: str, node: Node) -> Findings:
    """Every operation has samples in HTTP, cURL and both kinds of Python; a webhook has a receiver in Python."""
    if re.fullmatch(OPERATION, place):
        expected = ["HTTP", "cURL", "Python", "Python (async)"] if place.startswith("#/paths/") else ["Python"]
        labels = [sample.get("label") for sample in node.get("x-codeSamples", [])]
        if labels != expected:
            yield f"x-codeSamples are {labels}, not {expected}"


def _types(schema: Node) -> set[str]:
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else {*types}


def _is_limited(schema: Node) -> bool:
    return "enum" in schema or schema.get("format") == "date-time"


def _enum_descriptions(node: Node) -> dict[str, object]:
    return node.get("x-enumDescriptions") or {}


RULES: Sequence[Rule] = [
    everything_is_described,
    scalars_have_examples,
    prose_is_in_sentences,
    summaries_are_in_sentence_case,
    nothing_is_closed,
    enum_values_are_described,
    received_objects_are_tolerant,
    responses_are_declared,
    only_calls_with_a_key_need_it,
    operations_have_samples,
]


if __name__ == "__main__":
    sys.exit(main())
