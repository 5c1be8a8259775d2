"""Properties of receiving: no signed update is lost, everything else is rejected, and events have declared types."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import JSON, NOISE, TEXTS, check, from_schema, matches, share, wire
from document import DOCUMENT
from shipengine_tracking.testing import FakeShipEngine
from shipengine_tracking.webhooks import OtherEventError, TrackingEvent, Verifier, WebhookError, parse, parse_date

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
KINDS = VALUES | st.sampled_from(["API_TRACK", "track_event_v2"])
DELIVERIES = any_members("TrackingEvent", data=DATA | VALUES, resource_type=KINDS)


def is_kept(value: Any, written: Any) -> bool:
    """Return whether a value was written back unchanged, except for null members, forms of dates and cases of codes."""
    if isinstance(value, dict):
        return all(is_kept(value.get(name), written[name]) for name in value.keys() | written.keys())
    if isinstance(value, list):
        return len(value) == len(written) and all(map(is_kept, value, written))
    if isinstance(value, str) and value != written:
        with suppress(ValueError):
            value = datetime.fromisoformat(value).isoformat()
        return written == value or (written == value.upper() and written in CODES)
    return bool(value == written) and isinstance(value, bool) == isinstance(written, bool)  # True equals 1


def misfits(event: TrackingEvent) -> list[tuple[Any, str]]:
    """Return the members whose value does not fit its declared type, with their models."""
    models = (event, event.data, *(event.data.events or ()))
    members = [(model, name) for model in models for name in model.additional_properties]
    return [(model, name) for model, name in members if name in SCHEMAS[type(model).__name__]["properties"]]


@given(document=DELIVERIES)
@share(40)
def test_no_signed_object_about_tracking_is_lost(
    signer: FakeShipEngine, verifier: Verifier, document: dict[str, Any]
) -> None:
    body = wire(document)
    try:
        event = verifier.verify(signer.sign(body, NOW), body)
    except OtherEventError as error:
        assert error.document == document  # noqa: PT017
        assert "track" not in document["resource_type"].lower()
        return
    assert matches(event, TrackingEvent)
    assert is_kept(document, event.to_dict())
    assert all(getattr(model, name) is None or name in ("data", "events") for model, name in misfits(event))
    assert event.last_moved is None or event.last_moved.tzinfo
    assert parse(wire(event.to_dict())) == event
    assert pickle.loads(pickle.dumps(event)) == copy.deepcopy(event) == event


@given(
    document=from_schema("TrackingEvent").map(lambda document: {"data": {}, **document, "resource_type": "API_TRACK"})
)
@share(3)
def test_update_that_the_spec_allows_fits_its_types(document: dict[str, Any]) -> None:
    event = parse(wire(document))
    assert matches(event, TrackingEvent)
    assert misfits(event) == []


# --- everything else ------------------------------------------------------------------------------------------------

CHANGES = TEXTS | NOISE | JSON | st.sampled_from([NOW.replace("T", "\ud800"), "1773480413"])


@given(changes=st.dictionaries(st.sampled_from(HEADERS), CHANGES, min_size=1))
@share(6)
def test_delivery_with_changed_headers_is_rejected(
    signer: FakeShipEngine, verifier: Verifier, changes: dict[str, Any]
) -> None:
    with pytest.raises(WebhookError) as caught:
        verifier.verify(signer.sign(b"{}", NOW) | changes, b"{}")
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
    assert matches(parse_date(text), datetime | None)
