"""`get`: the state of a package, whatever types its members have, and responses that have no valid state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from leaks import found
from shipengine_tracking import APIError, NotFoundError, TrackingInformation
from shipengine_tracking.testing import FakeShipEngine, Response
from shipengine_tracking.webhooks import StatusCode
from support import KEY, NUMBER, Caller


def get(fake: FakeShipEngine, caller: Caller, content: Any) -> Any:
    fake.enqueue(content if isinstance(content, Response) else Response.of(200, content))
    return caller.call_fake(fake, operation="get")


def test_get_returns_the_state_of_the_package(fake: FakeShipEngine, caller: Caller) -> None:
    assert isinstance(caller.call_fake(fake, operation="get"), NotFoundError)
    caller.call_fake(fake)
    information = caller.call_fake(fake, operation="get")
    assert type(information) is TrackingInformation
    assert (information.tracking_number, information.status_code) == (NUMBER, StatusCode.NY)
    fake.update(NUMBER, "IT")
    fake.update(NUMBER, "DE", exception_description="none")
    information = caller.call_fake(fake, operation="get")
    assert (information.status_code, information.exception_description) == (StatusCode.DE, "none")
    assert [event.status_code for event in information.events] == [StatusCode.DE, StatusCode.IT]


@pytest.mark.parametrize(
    ("member", "value", "attribute"),
    [
        pytest.param("carrier_id", "se-1", None, id="a string instead of an integer"),
        pytest.param("carrier_id", 28529731.0, 28529731, id="a whole float"),
        pytest.param("carrier_id", 1.5, None, id="a fraction"),
        pytest.param("carrier_status_code", 1, None, id="an integer instead of a string"),
        pytest.param("status_code", "ZZ", "ZZ", id="an unknown code"),
        pytest.param("ship_date", "2026-03-12T00:00:00", datetime(2026, 3, 12), id="a date without offset"),
        pytest.param("ship_date", "2026-03-12T09:26:53Z", datetime(2026, 3, 12, 9, 26, 53, tzinfo=UTC), id="a date"),
        pytest.param("ship_date", "by end of day", "by end of day", id="a date that Python cannot read"),
        pytest.param("events", {}, None, id="an object instead of events"),
        pytest.param("tracking_number", 7, None, id="a number as tracking number"),
        pytest.param("tracking_number", "\ud800", "\ud800", id="half a character"),
        pytest.param("of_tomorrow", {"a": [1]}, None, id="an unknown member"),
    ],
)
def test_member_of_any_type_is_kept(
    member: str, value: object, attribute: object, fake: FakeShipEngine, caller: Caller
) -> None:
    information = get(fake, caller, {"tracking_number": "1Z", member: value})
    assert type(information) is TrackingInformation
    assert getattr(information, member, None) == attribute
    kept = attribute.isoformat() if isinstance(attribute, datetime) else value
    assert information.to_dict()[member] == kept
    assert (member in information.additional_properties) == (attribute is None)


def test_known_code_in_lower_case_becomes_the_code(fake: FakeShipEngine, caller: Caller) -> None:
    information = get(fake, caller, b'\xef\xbb\xbf{"status_code": "de"}')  # a byte order mark is ignored
    assert information.status_code is StatusCode.DE
    assert information.to_dict()["status_code"] == "DE"


def test_missing_members_are_none(fake: FakeShipEngine, caller: Caller) -> None:
    (event,) = get(fake, caller, {"events": [{}]}).events
    for model in (get(fake, caller, {}), event):
        names = [field.name for field in attrs.fields(type(model)) if field.init]
        assert len(names) > 10
        assert {getattr(model, name) for name in names} == {None}
        assert model.to_dict() == dict.fromkeys(names)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        pytest.param(200, "<html>Hello</html>", id="HTML"),
        pytest.param(200, "[]", id="an array"),
        pytest.param(200, "null", id="null"),
        pytest.param(200, "7", id="a number"),
        pytest.param(200, "", id="an empty body"),
        pytest.param(200, '{"tracking_number": "1', id="truncated JSON"),
        pytest.param(200, '{"carrier_id": NaN}', id="NaN"),
        pytest.param(200, b"\xff\xfe{}", id="not UTF-8"),
        pytest.param(200, "[" * 100_000, id="deep nesting"),
        pytest.param(202, '{"tracking_number": "1Z"}', id="202"),
        pytest.param(206, '{"tracking_number": "1Z"}', id="206"),
        pytest.param(204, "", id="204"),
    ],
)
def test_any_other_success_is_an_api_error(
    status: int, content: str | bytes, fake: FakeShipEngine, caller: Caller
) -> None:
    error = get(fake, caller, Response.of(status, content))
    assert type(error) is APIError
    assert (error.status_code, error.body) == (status, content.encode() if isinstance(content, str) else content)
    assert error.attempts == 1


def test_success_of_more_than_a_megabyte_is_an_api_error(fake: FakeShipEngine, caller: Caller) -> None:
    error = get(fake, caller, {"tracking_number": "1" * 1_000_001})
    assert type(error) is APIError
    assert (error.status_code, error.body_truncated) == (200, True)


def test_success_that_echoes_the_key_does_not_show_it(caller: Caller) -> None:
    with FakeShipEngine(api_key=KEY) as fake:
        error = get(fake, caller, f"<html>{KEY}</html>")
        information = get(fake, caller, {"status_description": f"for {KEY}", "of_tomorrow": KEY})
    assert type(error) is APIError
    assert not found(error, KEY)
    assert KEY not in repr(information)
    assert information.status_description == "for [API key]"
