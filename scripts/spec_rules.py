"""Rules for the spec beyond valid OpenAPI, one function per rule: `make spec-check`.

A rule yields each violation as `#/its/place: a sentence`. `RULES` at the end lists all rules.
"""

import re
import sys
from collections.abc import Callable, Iterator

from openapi_schema_validator import OAS31Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from spec import SPEC, load, walk
from spec_places import (
    FORMATS,
    NAMING_PLACES,
    OPERATION,
    Document,
    closed,
    examples_of_schemas,
    loaded_schemas,
    needs_key,
    nodes,
    object_schemas,
    reachable,
    resolved,
)

Findings = Iterator[str]

SCALAR_PLACES = re.compile(
    r".*/(parameters|headers)/[^/]+/schema|.*/content/[^/]+/schema|.*/properties/[^/]+|#/components/schemas/[^/]+"
    r"|.*/(items|additionalProperties)|.*/prefixItems/\d+"
)
DESCRIBED_PLACES = {
    r"#/info": ("title", "summary", "description"),
    r"#/(servers|tags)/\d+": ("description",),
    OPERATION: ("summary", "description", "operationId"),
    r".*/requestBody|.*/responses/[^/]+|.*/headers/[^/]+": ("description",),
    r"#/components/securitySchemes/[^/]+": ("description",),
    r".*/examples/[^/]+": ("summary", "description"),
    # The generator takes a parameter's description from its schema alone.
    SCALAR_PLACES.pattern.replace("(parameters|headers)", "parameters"): ("description",),
}
STATUSES = ("401", "403", "429", "5XX")
KEYLESS = ("#/webhooks/", "#/paths/~1jwks/")
NAMES = {"ShipEngine", "Python", "API", "HTTP", "ID", "JSON", "URL", "USPS", "UPS", "I"}
FORBIDDEN = {
    "example": "is deprecated in OpenAPI 3.1: give examples",
    "const": "closes what the wire may change: describe the value and give it as an example",
    "additionalProperties": "is false, but new members may come at any time",
    "unevaluatedProperties": "is false, but new members may come at any time",
}
CATALOGUE_ENTRY = re.compile(r"(† )?[A-Z][^→]*\.( [A-Z][^→]*\.)* → (`(AccountError|CarrierError)`|\*by status\*)")


def main() -> int:
    """Print all violations; return 1 if there are any."""
    found = findings(load(SPEC))
    for name, finding in found:
        print(f"{name}: {finding}", file=sys.stderr)
    if not found:
        print(f"The spec keeps all {len(RULES)} rules")
    return 1 if found else 0


def findings(document: Document) -> list[tuple[str, str]]:
    """Return `(rule, violation)` for every violation."""
    return [(rule.__name__, finding) for rule in RULES for finding in rule(document)]


def error_catalogue(document: Document) -> dict[str, str | None]:
    """Return the name of the exception for each error code; None if the status decides."""
    descriptions = document["components"]["schemas"]["KnownErrorCode"]["x-enumDescriptions"]
    matches = {code: CATALOGUE_ENTRY.fullmatch(str(text)) for code, text in descriptions.items()}
    return {code: match and match[4] for code, match in matches.items()}


def everything_is_described(document: Document) -> Findings:
    """Everything that the rendered page shows has a description, and a summary where OpenAPI has one."""
    for place, node in nodes(document):
        for pattern, keys in DESCRIBED_PLACES.items():
            if "$ref" not in node and re.fullmatch(pattern, place):
                yield from (f"{place}: has no {key}" for key in keys if not str(node.get(key, "")).strip())


def prose_is_in_sentences(document: Document) -> Findings:
    """A description begins with a capital letter and ends with a full stop."""
    for place, node in nodes(document):
        texts = [node.get("description"), *(node.get("x-enumDescriptions") or {}).values()]
        for text in (text for text in texts if isinstance(text, str)):
            if text[:1].islower() or not re.search(r"[.)`*]\s*$", text) or "  " in text.replace("\n  ", "\n"):
                yield f"{place}: not written in sentences: {text.strip()[:60]!r}"


def summaries_are_in_sentence_case(document: Document) -> Findings:
    """A summary or title is in sentence case, without a full stop."""
    for place, node in nodes(document):
        for text in (node[key] for key in ("summary", "title") if isinstance(node.get(key), str)):
            words = text.removesuffix(".").split() or [""]
            # Only the first letter may be a capital, except in names.
            shouted = [
                word
                for index, word in enumerate(words)
                if re.search("[A-Z]", word[index == 0 :]) and word.strip(",:()") not in NAMES
            ]
            if shouted or words[0][:1].islower() or text.endswith(".") or not text:
                yield f"{place}: {text!r} is not in sentence case" + (f": {', '.join(shouted)}" if shouted else "")


def scalars_have_examples(document: Document) -> Findings:
    """Every schema except objects and arrays has an example, and so does every body."""
    for place, node in nodes(document):
        kinds = {node.get("type")} if isinstance(node.get("type"), str) else set(node.get("type", []))
        scalar = SCALAR_PLACES.fullmatch(place) and "$ref" not in node and not kinds & {"object", "array"}
        if (scalar or re.fullmatch(r".*/content/[^/]+", place)) and not node.get("examples"):
            yield f"{place}: has no example"


def examples_fit_their_schemas(document: Document) -> Findings:
    """Every example fits its schema. Formats are checked; members that the schema does not list are violations."""
    registry = Registry().with_resource("urn:spec", DRAFT202012.create_resource(closed(document)))
    for place, schema, example in examples_of_schemas(document):
        validator = OAS31Validator({"$ref": f"urn:spec{schema}"}, registry=registry, format_checker=FORMATS)
        for error in validator.iter_errors(example):
            yield f"{place}: an example does not fit: {error.message:.200}"
    for place, node in nodes(document):
        if isinstance(node.get("format"), str) and node["format"] not in FORMATS.checkers:
            yield f"{place}: this check does not know the format {node['format']}"


def forbidden_keywords_are_absent(document: Document) -> Findings:
    """No deprecated keywords, and none that forbid new values or members."""
    for place, node in nodes(document):
        for key, why in FORBIDDEN.items() if not NAMING_PLACES.fullmatch(place) else ():
            if key in node and (node[key] is False or not key.endswith("Properties")):
                yield f"{place}: {key} {why}"


def enum_values_are_described(document: Document) -> Findings:
    """`x-enumDescriptions` describes exactly the values of the enum, in the same order."""
    for place, node in nodes(document):
        values, texts = node.get("enum"), node.get("x-enumDescriptions") or {}
        described = list(texts)
        blank = [name for name, text in texts.items() if not isinstance(text, str) or not text.strip()]
        yield from (f"{place}: {name} has no description" for name in blank)
        if isinstance(values, list) and values != described:
            odd = set(values) ^ set(described)
            yield f"{place}: enum and x-enumDescriptions differ: {', '.join(sorted(map(str, odd))) or 'in their order'}"


def error_catalogue_is_in_form(document: Document) -> Findings:
    """The description of an error code reads: † if derived from its name, meaning, remedy, arrow, exception."""
    schema = document["components"]["schemas"]["KnownErrorCode"]
    for code, text in (schema.get("x-enumDescriptions") or {}).items():
        if not CATALOGUE_ENTRY.fullmatch(str(text)):
            yield f"#/components/schemas/KnownErrorCode: {code} does not read 'Meaning. Remedy. → exception': {text!r}"


def enums_and_dates_are_open(document: Document) -> Findings:
    """Enums and dates are in an anyOf with a plain string, because ShipEngine may send other values."""
    for place, node in nodes(document):
        choices = node.get("anyOf", [])
        known = [one for one in choices if "enum" in resolved(document, one) or one.get("format") == "date-time"]
        if known and {"type": "string"} not in choices:
            yield f"{place}: closed: has no plain string beside {known[0]}"
        alone = node.get("format") == "date-time" or "enum" in node or "/Known" in node.get("$ref", "")
        if alone and not re.search(r"/anyOf/\d+$|^#/components/schemas/Known\w+$", place):
            yield f"{place}: closed: an enum or a date outside an anyOf"


def received_objects_are_tolerant(document: Document) -> Findings:
    """A webhook's body requires no member, and a member that is not required may be null unless it is an object.

    The same is true of responses, except that they may require members. The overlay's loader depends on it.
    """
    payloads = object_schemas(document, document.get("webhooks", {}))
    for name in sorted(loaded_schemas(document)):
        node = document["components"]["schemas"][name]
        required = node.get("required", [])
        yield from (f"#/components/schemas/{name}: requires {key}" for key in required if name in payloads)
        for key, schema in node["properties"].items():
            whole = resolved(document, schema)
            any_value = not {"type", "anyOf", "properties"} & whole.keys()
            nullable = any_value or "null" in whole.get("type", ()) or {"type": "null"} in whole.get("anyOf", ())
            if key not in required and not nullable and "properties" not in whole:
                yield f"#/components/schemas/{name}/properties/{key}: may not be null"


def responses_are_declared(document: Document) -> Findings:
    """Every operation declares a success, 401, 403, 429 with Retry-After and 5XX, with the right bodies.

    A 204 has no body, any other success has a JSON body, a 4xx has an ErrorResponse, and 5XX has HTML or JSON. An
    operation with an ID in its path declares 404. The error responses of one that needs no API key have no body.
    """
    for place, operation in nodes(document):
        if re.fullmatch(OPERATION, place) and place.startswith("#/paths/"):
            responses = {status: resolved(document, node) for status, node in operation["responses"].items()}
            expected = (*STATUSES, *(["404"] if "{" in place else [])) if needs_key(operation) else ("4XX", "5XX")
            if not any(status[0] == "2" for status in responses):
                yield f"{place}: does not declare a success"
            yield from (f"{place}: does not declare {status}" for status in expected if status not in responses)
            if "Retry-After" not in responses.get("429", {}).get("headers", {"Retry-After": 0}):
                yield f"{place}: 429 has no Retry-After"
            error = [{"$ref": "#/components/schemas/ErrorResponse"}] if needs_key(operation) else []
            for status, response in responses.items():
                schemas = {media: node.get("schema") for media, node in response.get("content", {}).items()}
                if status == "204" and schemas:
                    yield f"{place}: 204 has a body"
                if status[0] == "2" and status != "204" and not schemas.get("application/json"):
                    yield f"{place}: {status} has no JSON body"
                if status[0] == "4" and list(schemas.values()) != error:
                    yield f"{place}: the body of {status} is not {'an ErrorResponse' if error else 'empty'}"
                if status == "5XX" and set(schemas) != ({"text/html", "application/json"} if error else set()):
                    yield f"{place}: the body of 5XX is not {'HTML or JSON' if error else 'empty'}"


def security_is_global(document: Document) -> Findings:
    """The API key is required globally, because on an operation it would change the generated client.

    `security: []` does not change it; webhooks and `/jwks` have it.
    """
    if not document.get("security"):
        yield "#/security: is missing"
    for place, operation in nodes(document):
        expected: list[object] | None = [] if place.startswith(KEYLESS) else None
        if re.fullmatch(OPERATION, place) and operation.get("security") != expected:
            yield f"{place}/security: is not {expected}"


def operations_have_samples(document: Document) -> Findings:
    """Every operation has samples in HTTP, cURL and both kinds of Python; a webhook has a receiver in Python."""
    for place, operation in nodes(document):
        if re.fullmatch(OPERATION, place):
            expected = ["HTTP", "cURL", "Python", "Python (async)"] if place.startswith("#/paths/") else ["Python"]
            labels = [sample.get("label") for sample in operation.get("x-codeSamples", [])]
            if labels != expected:
                yield f"{place}/x-codeSamples: are {labels}, not {expected}"


def components_are_used(document: Document) -> Findings:
    """Every component is used."""
    outside = {key: value for key, value in document.items() if key != "components"}
    schemes = {name for place, node in walk(document) if re.search(r"/?security/\d+$", place) for name in node}  # type: ignore[attr-defined]
    used = reachable(document, outside) | {f"#/components/securitySchemes/{name}" for name in schemes}
    for kind, components in document["components"].items():
        for name in components:
            if f"#/components/{kind}/{name}" not in used:
                yield f"#/components/{kind}/{name}: is not used"


RULES: list[Callable[[Document], Findings]] = [
    everything_is_described,
    prose_is_in_sentences,
    summaries_are_in_sentence_case,
    scalars_have_examples,
    examples_fit_their_schemas,
    forbidden_keywords_are_absent,
    enum_values_are_described,
    error_catalogue_is_in_form,
    enums_and_dates_are_open,
    received_objects_are_tolerant,
    responses_are_declared,
    security_is_global,
    operations_have_samples,
    components_are_used,
]


if __name__ == "__main__":
    sys.exit(main())
