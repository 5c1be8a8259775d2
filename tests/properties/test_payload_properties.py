"""Properties of receiving: no signed update is lost, everything else is rejected, and events have declared types."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import JSON, NOISE, TEXTS, check, is_of, of_schema, share, wire
from document import DOCUMENT
from shipengine_tracking import InvalidArgumentError
from shipengine_tracking.testing import FakeShipEngine
from shipengine_tracking.webhooks import (
    OtherEventError,
    TrackingEvent,
    TrackingInformation,
    TrackingInformationEvent,
    Verifier,
    WebhookError,
    parse,
    parse_date,
)

assert settings.default is not None
pytestmark = pytest.mark.timeout(max(120, settings.default.max_examples // 10))  # a machine may be busy

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
NOW = "2026-03-14T09:26:53Z"
HEADERS = ["x-shipengine-rsa-sha256-key-id", "x-shipengine-rsa-sha256-signature", "x-shipengine-timestamp"]


@pytest.fixture(scope="module")
def signer() -> Iterator[FakeShipEngine]:
    with FakeShipEngine() as fake:
        yield fake


@pytest.fixture(scope="module")
def verifier(signer: FakeShipEngine) -> Iterator[Verifier]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", datetime.fromisoformat(NOW).timestamp)
        yield Verifier(base_url=signer.url)


# --- every member takes any value -----------------------------------------------------------------------------------

CODES = [*SCHEMAS["KnownStatusCode"]["enum"], *SCHEMAS["KnownStatusDetailCode"]["enum"][:5]]
VALUES = JSON | st.sampled_from(
    [*CODES, *map(str.lower, CODES), NOW, "2026-03-14T09:26:53.1234567", "2026-03-14", "20260314", "1780123101530",
     "03/14/2026 9:26 AM", "", "se-1", "37.8", 7.0, 1.5, 2**63, True, "\ud800"]
)  # fmt: skip


def any_members(schema: str, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects in which each member of a schema takes any value, or is missing."""
    members = dict.fromkeys(SCHEMAS[schema]["properties"], VALUES) | fixed
    return st.builds(dict.__or__, st.dictionaries(TEXTS, JSON, max_size=1), st.fixed_dictionaries({}, optional=members))


ITEMS = st.lists(any_members("TrackingInformationEvent") | VALUES, max_size=3)
DATA = any_members("TrackingInformation", events=ITEMS | VALUES)
DELIVERIES = any_members(
    "TrackingEvent", data=DATA | VALUES, resource_type=VALUES | st.sampled_from(["API_TRACK", "track_event_v2"])
)


def expected(value: Any, schema: dict[str, Any]) -> tuple[Any, bool]:
    """Return a value as `to_dict` has to write it, and whether it is of the schema's type."""
    if "$ref" in schema:
        return expected(value, SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        results = [expected(value, one) for one in schema["anyOf"]]
        return next((result for result in results if result[1]), (value, False))
    if "enum" in schema:
        is_known = isinstance(value, str) and value.upper() in schema["enum"]
        return (value.upper() if is_known else value), is_known
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if value is None:
        return None, "null" in kinds
    if isinstance(value, str) and "string" in kinds:
        return (read_date(value) if schema.get("format") == "date-time" else value), True
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value, "number" in kinds or ("integer" in kinds and float(value).is_integer())
    if isinstance(value, dict) and "object" in kinds:
        written = {name: expected(value.get(name), one)[0] for name, one in schema["properties"].items()}
        return value | written, True
    if isinstance(value, list) and "array" in kinds:
        items = [expected(item, schema["items"]) for item in value]
        return ([item for item, _ in items] if all(fits for _, fits in items) else value), True
    return value, False


def read_date(text: str) -> str:
    try:
        return datetime.fromisoformat(text).isoformat() if len(text) == 8 or not text.isdigit() else text
    except ValueError:
        return text


def models(event: TrackingEvent) -> Iterator[tuple[Any, type[Any]]]:
    yield event, TrackingEvent
    yield event.data, TrackingInformation
    for item in event.data.events or ():
        yield item, TrackingInformationEvent


def is_another_event(document: dict[str, Any]) -> bool:
    kind = document.get("resource_type")
    return isinstance(kind, str) and kind != "" and "track" not in kind.lower()


@given(document=DELIVERIES)
@share(40)
def test_no_signed_object_about_tracking_is_lost(
    signer: FakeShipEngine, verifier: Verifier, document: dict[str, Any]
) -> None:
    body = wire(document)
    headers = signer.sign(body, NOW)
    if is_another_event(document):
        with pytest.raises(OtherEventError) as caught:
            verifier.verify(headers, body)
        assert caught.value.document == document
        check(caught.value)
        return
    event = verifier.verify(headers, body)
    assert is_of(event, TrackingEvent)
    assert event.to_dict() == expected(document, SCHEMAS["TrackingEvent"])[0]
    for model, model_class in models(event):
        assert type(model) is model_class
        for name in model.additional_properties.keys() & SCHEMAS[model_class.__name__]["properties"].keys():
            assert getattr(model, name) is None or name in ("data", "events")
    assert event.last_moved is None or event.last_moved.tzinfo
    assert parse(wire(event.to_dict())) == event
    assert pickle.loads(pickle.dumps(event)) == copy.deepcopy(event) == event


@given(document=of_schema("TrackingEvent").map(lambda document: {"data": {}, **document, "resource_type": "API_TRACK"}))
@share(3)
def test_update_of_the_spec_loses_no_member(document: dict[str, Any]) -> None:
    event = parse(wire(document))
    assert is_of(event, TrackingEvent)
    for model, model_class in models(event):
        assert not model.additional_properties.keys() & SCHEMAS[model_class.__name__]["properties"].keys()


# --- everything else ------------------------------------------------------------------------------------------------


def is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body.decode("utf-8-sig"), parse_constant=int), dict)
    except ValueError:
        return False


@given(body=DELIVERIES.map(wire) | JSON.map(wire) | NOISE)
@share(6)
def test_any_body_is_an_event_or_our_exception(body: bytes) -> None:
    try:
        event = parse(body)
    except WebhookError as error:
        check(error)
        is_object = isinstance(error, OtherEventError)
    else:
        assert is_of(event, TrackingEvent)
        is_object = True
    assert is_json_object(body) == is_object


CHANGES: st.SearchStrategy[Any] = (
    TEXTS | NOISE | JSON | st.sampled_from([NOW, NOW.replace("T", "\ud800"), "1773480413"])
)


@given(document=DELIVERIES, changes=st.dictionaries(st.sampled_from(HEADERS), CHANGES, max_size=2))
@share(6)
def test_delivery_with_changed_headers_is_rejected(
    signer: FakeShipEngine, verifier: Verifier, document: dict[str, Any], changes: dict[str, Any]
) -> None:
    body = wire(document | {"resource_type": "API_TRACK"})
    genuine = signer.sign(body, NOW)
    headers = genuine | changes
    if headers == genuine:
        assert is_of(verifier.verify(headers, body), TrackingEvent)
    else:
        with pytest.raises(WebhookError) as caught:
            verifier.verify(headers, body)
        check(caught.value)


PAIRS = st.tuples(st.sampled_from(HEADERS) | TEXTS | st.binary(max_size=3), CHANGES)


@given(headers=st.lists(PAIRS) | st.lists(PAIRS).map(dict) | JSON, body=NOISE | JSON)
@share(3)
def test_any_headers_and_body_are_rejected_with_our_exception(verifier: Verifier, headers: Any, body: Any) -> None:
    with pytest.raises((WebhookError, InvalidArgumentError)) as caught:
        verifier.verify(headers, body)
    check(caught.value)


DATES = st.lists(
    st.sampled_from(
        ["2026", "03", "14", "9", "26", "AM", "pm", "Z", "UTC", "EST", "+", "-", ":", "/", ".", ",", "T", " ", "Mar",
         "Mon", "10h", "m", "0", "9" * 11, "1" * 30, "+01:00", "-9999", "(", "of", "٣", "½", "\ud800", "1e5", "inf",
         "nan"]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@given(text=DATES | TEXTS)
@share(6)
def test_parse_date_returns_a_date_or_none_for_any_text(text: str) -> None:
    assert is_of(parse_date(text), datetime | None)


@given(moment=st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.sampled_from([None, UTC])))
@share(3)
def test_parse_date_reads_any_date_as_it_was_written(moment: datetime) -> None:
    for text in (moment.isoformat(), str(moment)):
        assert parse_date(text) == moment
