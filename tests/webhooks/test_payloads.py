"""What an event contains, whatever ShipEngine sends; `last_moved` and `parse_date`."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from deliveries import DOCUMENT

from document import DOCUMENT as SPEC
from shipengine_tracking.webhooks import InvalidPayloadError, OtherEventError, StatusCode, parse, parse_date
from support import ascii_id

MODELS = ("TrackingEvent", "TrackingInformation", "TrackingInformationEvent")  # from the outside in


def update(**data: object) -> dict[str, Any]:
    return {"resource_url": "https://x", "resource_type": "API_TRACK", "data": data}


def parsed(document: object) -> Any:
    return parse(json.dumps(document))


def models(event: Any) -> list[Any]:
    return [event, event.data, *(event.data.events or ())]


# --- nothing is lost ------------------------------------------------------------------------------------------------

ODD_VALUES: list[tuple[str, str, list[Any]]] = [
    ("TrackingEvent", "resource_url", [7, {"href": "https://x"}]),
    ("TrackingEvent", "resource_type", [False, {}]),
    ("TrackingInformation", "carrier_id", ["se-123", 1.5, True]),
    ("TrackingInformation", "status_code", [5, []]),
    ("TrackingInformation", "ship_date", [20_260_314, ["2026"]]),
    ("TrackingInformation", "events", [{}, ""]),
    ("TrackingInformationEvent", "latitude", ["37.8", True]),
    ("TrackingInformationEvent", "occurred_at", [0]),
]


@pytest.mark.parametrize(("place", "name", "values"), ODD_VALUES)
def test_value_of_another_type_is_none_and_kept(place: str, name: str, values: list[Any]) -> None:
    for value in values:
        document, expected = copy.deepcopy(DOCUMENT), parsed(DOCUMENT).to_dict()
        for one in (document, expected):
            [one, one["data"], one["data"]["events"][0]][MODELS.index(place)][name] = value
        event = parsed(document)
        model = models(event)[MODELS.index(place)]
        assert getattr(model, name) is None
        assert model.additional_properties == {name: value}
        assert event.to_dict() == expected


@pytest.mark.parametrize(("events", "count"), [([None, {"signer": "Ann"}], 1), ([[], {}, "x", {}], 2), ([], 0)])
def test_items_of_events_that_are_not_objects_are_left_out(events: list[Any], count: int) -> None:
    event = parsed(update(events=events))
    assert len(event.data.events or ()) == count
    assert event.to_dict()["data"]["events"] == events


@pytest.mark.parametrize("document", [{"data": None}, {"data": [{"tracking_number": "1Z"}]}, {}], ids=repr)
def test_data_that_is_not_an_object_becomes_a_model_without_values(document: dict[str, Any]) -> None:
    event = parsed(document)
    assert event.data == parsed(update()).data
    assert event.last_moved is None
    assert event.to_dict()["data"] == document.get("data")


def test_every_member_of_the_spec_may_be_null_or_missing() -> None:
    event, data, item = (dict.fromkeys(SPEC["components"]["schemas"][name]["properties"]) for name in MODELS)
    document: dict[str, Any] = event | {"data": data | {"events": [item]}}
    missing: dict[str, Any] = {"data": {"events": [{}]}}
    for sent in (document, missing):
        assert parsed(sent).to_dict() == document
        assert [model.additional_properties for model in models(parsed(sent))] == [{}] * 3


@pytest.mark.parametrize("kind", ["API_TRACK", "track_event_v2", "", None])
def test_resource_type_about_tracking_is_an_update(kind: str | None) -> None:
    assert parsed({"resource_type": kind}).resource_type == kind


@pytest.mark.parametrize("kind", ["API_BATCH", "a\n" * 999, " "], ids=["API_BATCH", "long", "space"])
def test_resource_type_of_another_event_is_a_204(kind: str) -> None:
    document = {"resource_type": kind, "resource_url": "https://x", "data": {"batch_id": "se-1"}}
    with pytest.raises(OtherEventError) as caught:
        parsed(document)
    assert (caught.value.http_status, caught.value.document) == (204, document)
    assert len(str(caught.value)) < 200


# --- values ---------------------------------------------------------------------------------------------------------

NOON = datetime(2026, 3, 14, 12)
UTC_NOON = NOON.replace(tzinfo=UTC)
CST = timezone(timedelta(hours=-6))
VALUES: list[tuple[str, str, object]] = [  # a member, its value in JSON, its attribute
    *(("status_code", f'"{code}"', StatusCode.DE) for code in ("DE", "de")),
    *(("status_code", f'"{code}"', code) for code in ("zz", "", "a\tb")),
    *[("carrier_id", "7", 7), ("carrier_id", "7.0", 7), ("carrier_id", "-1e400", None)],
    *[("latitude", "30", 30), ("latitude", "-1.5e1", -15.0), ("latitude", "9" * 5000, None)],
    ("occurred_at", '"2026-03-14T12:00:00Z"', UTC_NOON),
    ("occurred_at", '"2026-03-14T12:00:00-06:00"', NOON.replace(tzinfo=CST)),
    ("ship_date", '"2026-03-14T12:00:00.1234567"', NOON.replace(microsecond=123_456)),
    ("ship_date", '"20260314"', datetime(2026, 3, 14)),
    *(("ship_date", f'"{text}"', text) for text in ("later", "2026-02-30T00:00:00", "1780123101530")),
]


@pytest.mark.parametrize(
    ("name", "sent", "expected"), [pytest.param(*row, id=ascii_id(f"{row[0]}={row[1]:.30}")) for row in VALUES]
)
def test_value_becomes_an_attribute_and_is_written_back(name: str, sent: str, expected: object) -> None:
    event = parse(f'{{"data": {{"{name}": {sent}, "events": [{{"{name}": {sent}}}]}}}}')
    model = next(model for model in models(event) if hasattr(model, name))
    assert repr(getattr(model, name)) == repr(expected)  # of the same type and with the same offset
    written = expected.isoformat() if isinstance(expected, datetime) else sent if expected is None else expected
    assert model.to_dict()[name] == written


def test_body_may_be_text() -> None:
    assert parse(json.dumps(DOCUMENT)) == parse(json.dumps(DOCUMENT).encode())
    with pytest.raises(InvalidPayloadError):
        parse("\ud800")


# --- dates ----------------------------------------------------------------------------------------------------------

UNUSUAL_DATES: list[tuple[object, datetime | None]] = [
    ("03/14/2026 12:00 PM", NOON),
    ("Sat, 14 Mar 2026 12:00:00 GMT", UTC_NOON),
    ("2026-03-14 12:00:00 -0600", NOON.replace(tzinfo=CST)),
    ("2026-03-14 12:00:00 CST", NOON),
    (UTC_NOON, UTC_NOON),
    ("2026-03-14 12:00".ljust(100), NOON),
]
NOT_DATES = [
    "2026-03-14 09:26:53 GMT-0600", "Sat March 2026", "14 March 09:26 +0100", "26-03-14", "2026", "",
    "2026-03-14".ljust(101), "not a date of 2026", None, 7, "2026-02-30", "9" * 99, "2026-03-14 " + "1" * 40 + "h",
]  # fmt: skip


def test_parse_date_reads_unusual_forms_and_returns_none_for_others() -> None:
    for value, expected in (*UNUSUAL_DATES, *((value, None) for value in NOT_DATES)):
        date = parse_date(value)
        assert date == expected, value
        assert date is None or expected is None or date.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        pytest.param(["2026-03-14T06:00:00-06:00"], UTC_NOON, id="with-an-offset"),
        pytest.param(["03/14/2026 12:00 PM"], UTC_NOON, id="unusual"),
        pytest.param(["2026-03-13T00:00:00Z", "2026-03-14T12:00:00", None, "x", 7], UTC_NOON, id="newest-of-many"),
        pytest.param(["x"], None, id="no-date"),
    ],
)
@pytest.mark.usefixtures("chicago")  # the local time zone does not matter
def test_last_moved_is_the_time_of_the_newest_event(dates: list[object], expected: datetime | None) -> None:
    events = [{"occurred_at": date, "carrier_occurred_at": "2027-01-01T00:00:00"} for date in dates]
    assert parsed(update(events=events)).last_moved == expected


# --- events as Python objects ---------------------------------------------------------------------------------------

ODD = update(status_code="de", carrier_id="se-1", events=[None, {"occurred_at": "2026-03-14", "signer": 7}], more=[1])


def test_event_survives_pickle_copy_and_to_dict() -> None:
    event = parsed(ODD)
    assert pickle.loads(pickle.dumps(event)) == copy.deepcopy(event) == parsed(event.to_dict()) == event


def test_event_repr_shows_only_members_that_have_values() -> None:
    assert str(parsed(ODD)) == (
        "TrackingEvent(resource_url='https://x', resource_type='API_TRACK', data=TrackingInformation(status_code=DE, "
        "events=[TrackingInformationEvent(occurred_at=2026-03-14 00:00:00, additional_properties={'signer': 7})], "
        "additional_properties={'carrier_id': 'se-1', 'events': [None, {'occurred_at': '2026-03-14', 'signer': 7}], "
        "'more': [1]}))"
    )
