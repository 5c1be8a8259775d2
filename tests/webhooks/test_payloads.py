"""What an event contains, whatever ShipEngine sends."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from deliveries import DOCUMENT, NOW, jwks, rejection, sign

from document import DOCUMENT as SPEC
from shipengine_tracking import InvalidArgumentError, webhooks
from shipengine_tracking.webhooks import (
    InvalidPayloadError,
    OtherEventError,
    StatusCode,
    StatusDetailCode,
    TrackingEvent,
    Verifier,
    parse,
    parse_date,
)


def delivered(document: object, monkeypatch: pytest.MonkeyPatch) -> TrackingEvent:
    """Verify a signed delivery of a document; return its event."""
    monkeypatch.setattr("time.time", lambda: NOW)
    body = json.dumps(document, default=str).encode()
    return Verifier(jwks()).verify(sign(body), body)


def update(**data: object) -> dict[str, Any]:
    return {"resource_url": "https://x", "resource_type": "API_TRACK", "data": data}


def models(event: TrackingEvent) -> Iterator[Any]:
    """Yield all models of an event, from the outside in."""
    yield event
    yield event.data
    yield from event.data.events or ()


def event_of(**members: object) -> webhooks.TrackingInformationEvent:
    (event,) = parse(json.dumps(update(events=[members]))).data.events or []
    assert isinstance(event, webhooks.TrackingInformationEvent)
    return event


# --- nothing that is signed is lost ---------------------------------------------------------------------------------


# Where a member is (0 the event, 1 its data, 2 an item of `events`), its name, and values of other types.
ODD_VALUES: list[tuple[int, str, list[Any]]] = [
    (1, "carrier_status_code", [1, True, ["1"]]),
    (1, "carrier_id", ["se-123", "", 1.5, True]),
    (1, "status_code", [5, {}, []]),
    (1, "status_detail_code", [False]),
    (1, "tracking_number", [7, ["1Z"]]),
    (1, "ship_date", [1_773_480_413, 20_260_314, ["2026"], True]),
    (1, "events", [{}, "", 7, True]),
    (2, "latitude", ["", "37.8", True, [1]]),
    (2, "postal_code", [94602, 94602.5]),
    (2, "signer", [False, {"name": "Ann"}]),
    (2, "occurred_at", [0, {"date": "2026-03-14"}]),
    (0, "resource_url", [7, False, {"href": "https://x"}]),
    (0, "resource_type", [7, False, ["API_TRACK"], {}]),
]


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        pytest.param(place, name, value, id=f"{name}={value!r}")
        for place, name, values in ODD_VALUES
        for value in values
    ],
)
def test_value_of_another_type_costs_only_itself(
    place: int, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = copy.deepcopy(DOCUMENT)
    [document, document["data"], document["data"]["events"][0]][place][name] = value
    event = delivered(document, monkeypatch)
    assert event.data.tracking_number == (None if name == "tracking_number" else DOCUMENT["data"]["tracking_number"])
    model = list(models(event))[place]
    assert getattr(model, name) is None
    assert model.additional_properties == {name: value}
    assert model.to_dict()[name] == value
    others = {**parse(json.dumps(DOCUMENT, default=str)).to_dict()}
    [others, others["data"], (others["data"]["events"] or [{}])[0]][place][name] = value
    assert event.to_dict() == others


@pytest.mark.parametrize(
    ("events", "count"),
    [([None, {"signer": "Ann"}], 1), ([[], 7, {}, "x", {}], 2), ([None], 0), ([], 0), (None, None), ({}, None)],
    ids=repr,
)
def test_events_that_are_not_objects_are_left_out(
    events: object, count: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = delivered(update(tracking_number="1Z", events=events), monkeypatch)
    assert (None if event.data.events is None else len(event.data.events)) == count
    assert event.to_dict()["data"]["events"] == events


@pytest.mark.parametrize("data", [{}, None, 7, "text", [], [{"tracking_number": "1Z"}], "missing"], ids=repr)
def test_data_that_is_not_an_object_has_only_none(data: object, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"resource_url": "https://x"} | ({} if data == "missing" else {"data": data})
    event = delivered(document, monkeypatch)
    assert {getattr(event.data, field.name) for field in attrs.fields(type(event.data)) if field.init} == {None}
    assert event.data.additional_properties == {}
    assert event.last_moved is None
    written = None if data == "missing" else event.data.to_dict() if data == {} else data
    assert event.to_dict() == {"resource_url": "https://x", "resource_type": None, "data": written}


@pytest.mark.parametrize("kind", ["API_TRACK", "api_track", "TRACK_EVENT_V2", "track", "Tracking", "", None, "missing"])
def test_resource_type_about_tracking_is_an_event(kind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    document = update(tracking_number="1Z") | {"resource_type": kind}
    if kind == "missing":
        del document["resource_type"]
    event = delivered(document, monkeypatch)
    assert event.data.tracking_number == "1Z"
    assert event.resource_type == (None if kind == "missing" else kind)


@pytest.mark.parametrize("kind", ["API_BATCH", "API_RATE", "x" * 9999, "a\nb", " ", "TRAC"])
def test_resource_type_of_another_event_is_a_204(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    document = {"resource_type": kind, "resource_url": "https://x", "data": {"batch_id": "se-1"}}
    body = json.dumps(document).encode()
    error = rejection(sign(body), body)
    assert isinstance(error, OtherEventError)
    assert (error.http_status, error.document) == (204, document)
    forged = rejection(sign(body), body + b" ")
    assert not isinstance(forged, OtherEventError)


def test_unknown_members_are_kept() -> None:
    document = update(status_code="ZZ", colour="red", events=[{"size": [1]}], additional_properties=5) | {
        "more": {"a": 1}
    }
    event = parse(json.dumps(document))
    assert event.additional_properties == {"more": {"a": 1}}
    assert event.data.additional_properties == {"colour": "red", "additional_properties": 5}
    assert [one.additional_properties for one in event.data.events or ()] == [{"size": [1]}]


def test_every_member_may_be_null_or_missing() -> None:
    event, data, item = (
        dict.fromkeys(SPEC["components"]["schemas"][name]["properties"])
        for name in ("TrackingEvent", "TrackingInformation", "TrackingInformationEvent")
    )
    document = event | {"data": data | {"events": [item]}}
    missing: dict[str, Any] = {"data": {"events": [{}]}}
    for sent in (document, missing):
        parsed = parse(json.dumps(sent))
        assert parsed.to_dict() == document
        for model in models(parsed):
            assert model.additional_properties == {}
            values = {name: getattr(model, name) for name in model.to_dict()}
            assert not [name for name in values if values[name] is not None and name not in ("data", "events")]


def test_models_have_the_members_of_the_spec() -> None:
    schemas = SPEC["components"]["schemas"]
    for model in models(parse(json.dumps(update(events=[{}])))):
        names = {field.name for field in attrs.fields(type(model)) if field.init}
        assert names == schemas[type(model).__name__]["properties"].keys()


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title], ids=["upper", "lower", "title"])
def test_known_code_in_any_case_is_an_enum_member(change: Callable[[str], str]) -> None:
    event = parse(json.dumps(update(status_code=change("DE"), status_detail_code=change("IN_TRANSIT"))))
    assert event.data.status_code is StatusCode.DE
    assert event.data.status_detail_code is StatusDetailCode.IN_TRANSIT
    assert event.to_dict()["data"]["status_code"] == "DE"


@pytest.mark.parametrize("code", ["ZZ", "zz", "d e", "", "ß"])
def test_unknown_code_stays_a_string(code: str) -> None:
    assert event_of(status_code=code).status_code == code


def test_numbers_may_be_written_in_other_ways() -> None:
    event = parse('{"data": {"carrier_id": 7.0, "events": [{"latitude": 30, "longitude": -1.5e1}]}}')
    (one,) = event.data.events or []
    assert (event.data.carrier_id, type(event.data.carrier_id)) == (7, int)
    assert (one.latitude, one.longitude) == (30, -15.0)


@pytest.mark.parametrize("digits", ["1e400", "-1e400", "9" * 5_000])
def test_number_that_python_cannot_represent_is_kept_as_its_digits(digits: str) -> None:
    event = parse(f'{{"data": {{"tracking_number": "1Z", "weight": {digits}, "carrier_id": {digits}}}}}')
    assert event.data.tracking_number == "1Z"
    assert event.data.carrier_id is None
    assert event.data.additional_properties == {"weight": digits, "carrier_id": digits}
    assert json.dumps(event.to_dict())


def test_body_may_be_text_and_have_a_byte_order_mark() -> None:
    body = json.dumps(DOCUMENT, default=str)
    assert parse(body) == parse(body.encode()) == parse(b"\xef\xbb\xbf" + body.encode())
    with pytest.raises(InvalidPayloadError) as caught:
        parse("\ud800")
    assert caught.value.body == b"\xed\xa0\x80"


@pytest.mark.parametrize("body", [7, {"a": 1}, [1, 2], object()], ids=lambda body: type(body).__name__)
def test_parsing_a_value_that_is_not_a_body_is_an_invalid_argument(body: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="body"):
        parse(body)


@pytest.mark.parametrize("depth", [900, 950, 1_000, 1_050, 100_000])
def test_deep_nesting_is_an_event_or_an_invalid_payload(depth: int) -> None:
    text = f'{{"data": {{"tracking_number": "1Z", "status_code": {"[" * depth}{"]" * depth}}}}}'
    with suppress(InvalidPayloadError):
        event = parse(text)
        assert (event.data.tracking_number, event.data.status_code) == ("1Z", None)


# --- dates ----------------------------------------------------------------------------------------------------------

ZONE = timezone(timedelta(hours=-6))
DATES: list[tuple[str, object]] = [
    ("2026-03-14T09:26:53Z", datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)),
    ("2026-03-14T09:26:53", datetime(2026, 3, 14, 9, 26, 53)),
    ("2026-03-14T09:26:53-06:00", datetime(2026, 3, 14, 9, 26, 53, tzinfo=ZONE)),
    ("2026-03-14T09:26:53.1Z", datetime(2026, 3, 14, 9, 26, 53, 100_000, tzinfo=UTC)),
    ("2026-03-14T09:26:53.1234567Z", datetime(2026, 3, 14, 9, 26, 53, 123_456, tzinfo=UTC)),
    ("2026-03-14T09:26:53.1234567", datetime(2026, 3, 14, 9, 26, 53, 123_456)),
    ("20260314", datetime(2026, 3, 14)),
    *(
        (text, text)
        for text in ("not a date", "03/14/2026 9:26 AM", "", "2026-02-30T00:00:00", "1780123101530", "2026")
    ),
]


@pytest.mark.parametrize(("sent", "expected"), DATES)
def test_date_is_a_datetime_or_stays_a_string(sent: str, expected: object) -> None:
    event = parse(json.dumps(update(actual_delivery_date=sent, events=[{"occurred_at": sent}])))
    for date in (event.data.actual_delivery_date, (event.data.events or [])[0].occurred_at):
        assert date == expected
        if isinstance(date, datetime) and isinstance(expected, datetime):
            assert date.utcoffset() == expected.utcoffset()
    written = expected.isoformat() if isinstance(expected, datetime) else sent
    assert event.to_dict()["data"]["actual_delivery_date"] == written


UNUSUAL_DATES: list[tuple[object, datetime | None]] = [
    ("03/14/2026 9:26 AM", datetime(2026, 3, 14, 9, 26)),
    ("14 March 2026", datetime(2026, 3, 14)),
    ("Sat, 14 Mar 2026 09:26:53 GMT", datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)),
    ("2026-03-14 09:26:53 -0600", datetime(2026, 3, 14, 9, 26, 53, tzinfo=ZONE)),
    ("2026-03-14 09:26:53 CST", datetime(2026, 3, 14, 9, 26, 53)),
    ("20260314092653", datetime(2026, 3, 14, 9, 26, 53)),
    (datetime(2026, 3, 14, tzinfo=UTC), datetime(2026, 3, 14, tzinfo=UTC)),
    ("2026-03-14".ljust(100), datetime(2026, 3, 14)),
    *(
        (value, None)
        for value in [
            "2026-03-14 09:26:53 GMT-0600", "2026-03-14 09:26 UTC+3", "2026-03-14 09:26 EST-0500", "Sat March 2026",
            "3/2026 Sat", "26-03-14", "14 March 26", "may 5", "Saturday", "10:30", "2026", "March 2026", "", " ",
            "2026-03-14".ljust(101), "not a date", None, 7, TrackingEvent, "9" * 101, "99999999999", "2026-02-30",
            "2026-03-14 09:26 +99:99", "\0", "1e400", "0x10", "2026-03-14 10:" + "1" * 30,
            "2026-03-14 " + "1" * 40 + "h",
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"), [pytest.param(*row, id=repr(row[0])[:30].replace("\\", "/")) for row in UNUSUAL_DATES]
)
def test_parse_date_reads_unusual_forms_or_returns_none(value: object, expected: datetime | None) -> None:
    date = parse_date(value)
    assert date == expected
    if date is not None and expected is not None:
        assert date.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        pytest.param(["2026-03-14T10:00:00Z"], "2026-03-14T10:00:00+00:00", id="UTC"),
        pytest.param(["2026-03-14T10:00:00"], "2026-03-14T10:00:00+00:00", id="without-an-offset"),
        pytest.param(["2026-03-14T10:00:00-06:00"], "2026-03-14T16:00:00+00:00", id="with-an-offset"),
        pytest.param(["03/14/2026 10:00 AM"], "2026-03-14T10:00:00+00:00", id="unusual"),
        pytest.param(
            ["2026-03-13T00:00:00Z", "2026-03-14T10:00:00", "2026-03-14T10:00:00+01:00", None, "x", 7, ""],
            "2026-03-14T10:00:00+00:00",
            id="newest-of-many-in-any-order",
        ),
        pytest.param(
            ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-03-14T10:00:00"],
            "9999-12-31T23:59:59-23:59",
            id="extreme",
        ),
        pytest.param([None, "x", 7, ""], None, id="no-date"),
        pytest.param([], None, id="no-events"),
        pytest.param(None, None, id="null-events"),
    ],
)
@pytest.mark.usefixtures("chicago")  # the local time zone does not matter
def test_last_moved_is_the_time_of_the_newest_event(dates: list[object] | None, expected: str | None) -> None:
    events = None if dates is None else [{"occurred_at": date} for date in dates]
    moved = parse(json.dumps(update(events=events))).last_moved
    assert moved == (None if expected is None else datetime.fromisoformat(expected))
    assert moved is None or moved.tzinfo is not None


def test_last_moved_ignores_local_times() -> None:
    assert parse(json.dumps(update(events=[{"carrier_occurred_at": "2026-03-14T10:00:00"}]))).last_moved is None


# --- events as Python objects ---------------------------------------------------------------------------------------

ODD = update(status_code="de", carrier_id="se-1", events=[None, {"occurred_at": "2026-03-14", "signer": 7}], more=[1])


@pytest.mark.parametrize("document", [DOCUMENT, ODD, {}], ids=["example", "odd", "empty"])
def test_event_survives_pickle_copy_and_to_dict(document: dict[str, Any]) -> None:
    event = parse(json.dumps(document, default=str))
    for other in (
        pickle.loads(pickle.dumps(event)),
        copy.copy(event),
        copy.deepcopy(event),
        TrackingEvent.from_dict(event.to_dict()),
        parse(json.dumps(event.to_dict())),
    ):
        assert type(other) is TrackingEvent
        assert other == event
        assert repr(other) == repr(event)
        assert [model.additional_properties for model in models(other)] == [
            model.additional_properties for model in models(event)
        ]
    copied = copy.deepcopy(event)
    copied.data.tracking_number = "another"
    assert copied != event


def test_event_prints_only_what_it_has() -> None:
    assert str(parse(json.dumps(ODD))) == (
        "TrackingEvent(resource_url='https://x', resource_type='API_TRACK', data=TrackingInformation(status_code=DE, "
        "events=[TrackingInformationEvent(occurred_at=2026-03-14 00:00:00, additional_properties={'signer': 7})], "
        "additional_properties={'carrier_id': 'se-1', 'events': [None, {'occurred_at': '2026-03-14', 'signer': 7}], "
        "'more': [1]}))"
    )


def test_unset_never_appears() -> None:
    for document in (DOCUMENT, ODD, {}):
        text = repr(parse(json.dumps(document, default=str)))
        assert "UNSET" not in text.upper()
    assert not hasattr(webhooks, "UNSET")


def test_exceptions_of_a_payload_can_be_pickled() -> None:
    for body in (b"[]", b'{"resource_type": "API_BATCH"}'):
        with pytest.raises(webhooks.WebhookError) as caught:
            parse(body)
        copied = pickle.loads(pickle.dumps(caught.value))
        assert type(copied) is type(caught.value)
        assert (str(copied), vars(copied)) == (str(caught.value), vars(caught.value))
