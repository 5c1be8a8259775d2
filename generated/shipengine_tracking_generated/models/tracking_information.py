from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_status_code import KnownStatusCode
from ..models.known_status_detail_code import KnownStatusDetailCode

if TYPE_CHECKING:
    from ..models.tracking_information_event import TrackingInformationEvent


T = TypeVar("T", bound="TrackingInformation")


@_attrs_define
class TrackingInformation:
    """The state of one package. Any member may be `null` or missing; an empty string means `null`.
    New members may appear.

    Dates are in ISO 8601 with 0 to 7 fractional digits and with `Z`, an offset or neither. A date without an offset
    is in local time, except `occurred_at`, which is in UTC. If you cannot parse a date, keep it as a string.

        Attributes:
            tracking_number (None | str): The carrier's tracking number. Use it to match updates to your packages.
            tracking_url (None | str): The carrier's tracking page for this package.
            label_url (None | str): Presumably the URL of the label. ShipEngine does not document this member; only `null`
                has been observed.
            status_code (KnownStatusCode | None | str): The status of the package. ShipEngine has also sent it with other
                capitalization. New values may appear.
            status_detail_code (KnownStatusDetailCode | None | str): The status of the package in more detail. New values
                may appear.
            status_description (None | str): The meaning of the status code, for people.
            status_detail_description (None | str): The meaning of the detail code, for people.
            carrier_code (None | str): The carrier that reports the status. It may differ from the one that you subscribed
                with.
            carrier_id (int | None): The ID of the connected carrier. It is a number here, not a string such as
                `se-28529731`.
            carrier_status_code (None | str): The carrier's own code for the status.
            carrier_detail_code (None | str): The carrier's own code for the detail.
            carrier_status_description (None | str): The carrier's own description of the status.
            ship_date (datetime.datetime | None | str): When the package was shipped. Often in local time, without an
                offset.
            estimated_delivery_date (datetime.datetime | None | str): When the carrier expects to deliver the package. Often
                in local time, without an offset.
            actual_delivery_date (datetime.datetime | None | str): When the package was delivered; `null` until then.
            exception_description (None | str): What went wrong with the delivery, for people.
            events (list[TrackingInformationEvent] | None): The events of the package so far, newest first.
    """

    tracking_number: None | str
    tracking_url: None | str
    label_url: None | str
    status_code: KnownStatusCode | None | str
    status_detail_code: KnownStatusDetailCode | None | str
    status_description: None | str
    status_detail_description: None | str
    carrier_code: None | str
    carrier_id: int | None
    carrier_status_code: None | str
    carrier_detail_code: None | str
    carrier_status_description: None | str
    ship_date: datetime.datetime | None | str
    estimated_delivery_date: datetime.datetime | None | str
    actual_delivery_date: datetime.datetime | None | str
    exception_description: None | str
    events: list[TrackingInformationEvent] | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        tracking_number: None | str
        tracking_number = self.tracking_number

        tracking_url: None | str
        tracking_url = self.tracking_url

        label_url: None | str
        label_url = self.label_url

        status_code: None | str
        if isinstance(self.status_code, KnownStatusCode):
            status_code = self.status_code.value
        else:
            status_code = self.status_code

        status_detail_code: None | str
        if isinstance(self.status_detail_code, KnownStatusDetailCode):
            status_detail_code = self.status_detail_code.value
        else:
            status_detail_code = self.status_detail_code

        status_description: None | str
        status_description = self.status_description

        status_detail_description: None | str
        status_detail_description = self.status_detail_description

        carrier_code: None | str
        carrier_code = self.carrier_code

        carrier_id: int | None
        carrier_id = self.carrier_id

        carrier_status_code: None | str
        carrier_status_code = self.carrier_status_code

        carrier_detail_code: None | str
        carrier_detail_code = self.carrier_detail_code

        carrier_status_description: None | str
        carrier_status_description = self.carrier_status_description

        ship_date: None | str
        if isinstance(self.ship_date, datetime.datetime):
            ship_date = self.ship_date.isoformat()
        else:
            ship_date = self.ship_date

        estimated_delivery_date: None | str
        if isinstance(self.estimated_delivery_date, datetime.datetime):
            estimated_delivery_date = self.estimated_delivery_date.isoformat()
        else:
            estimated_delivery_date = self.estimated_delivery_date

        actual_delivery_date: None | str
        if isinstance(self.actual_delivery_date, datetime.datetime):
            actual_delivery_date = self.actual_delivery_date.isoformat()
        else:
            actual_delivery_date = self.actual_delivery_date

        exception_description: None | str
        exception_description = self.exception_description

        events: list[dict[str, Any]] | None
        if isinstance(self.events, list):
            events = []
            for events_type_0_item_data in self.events:
                events_type_0_item = events_type_0_item_data.to_dict()
                events.append(events_type_0_item)

        else:
            events = self.events

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "tracking_number": tracking_number,
                "tracking_url": tracking_url,
                "label_url": label_url,
                "status_code": status_code,
                "status_detail_code": status_detail_code,
                "status_description": status_description,
                "status_detail_description": status_detail_description,
                "carrier_code": carrier_code,
                "carrier_id": carrier_id,
                "carrier_status_code": carrier_status_code,
                "carrier_detail_code": carrier_detail_code,
                "carrier_status_description": carrier_status_description,
                "ship_date": ship_date,
                "estimated_delivery_date": estimated_delivery_date,
                "actual_delivery_date": actual_delivery_date,
                "exception_description": exception_description,
                "events": events,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.tracking_information_event import TrackingInformationEvent  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_tracking_number(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        tracking_number = _parse_tracking_number(d.pop("tracking_number"))

        def _parse_tracking_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        tracking_url = _parse_tracking_url(d.pop("tracking_url"))

        def _parse_label_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        label_url = _parse_label_url(d.pop("label_url"))

        def _parse_status_code(data: object) -> KnownStatusCode | None | str:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_code_type_0 = KnownStatusCode(data)

                return status_code_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownStatusCode | None | str, data)

        status_code = _parse_status_code(d.pop("status_code"))

        def _parse_status_detail_code(data: object) -> KnownStatusDetailCode | None | str:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_detail_code_type_0 = KnownStatusDetailCode(data)

                return status_detail_code_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownStatusDetailCode | None | str, data)

        status_detail_code = _parse_status_detail_code(d.pop("status_detail_code"))

        def _parse_status_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        status_description = _parse_status_description(d.pop("status_description"))

        def _parse_status_detail_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        status_detail_description = _parse_status_detail_description(d.pop("status_detail_description"))

        def _parse_carrier_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_code = _parse_carrier_code(d.pop("carrier_code"))

        def _parse_carrier_id(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        carrier_id = _parse_carrier_id(d.pop("carrier_id"))

        def _parse_carrier_status_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_status_code = _parse_carrier_status_code(d.pop("carrier_status_code"))

        def _parse_carrier_detail_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_detail_code = _parse_carrier_detail_code(d.pop("carrier_detail_code"))

        def _parse_carrier_status_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_status_description = _parse_carrier_status_description(d.pop("carrier_status_description"))

        def _parse_ship_date(data: object) -> datetime.datetime | None | str:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                ship_date_type_0 = datetime.datetime.fromisoformat(data)

                return ship_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str, data)

        ship_date = _parse_ship_date(d.pop("ship_date"))

        def _parse_estimated_delivery_date(data: object) -> datetime.datetime | None | str:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                estimated_delivery_date_type_0 = datetime.datetime.fromisoformat(data)

                return estimated_delivery_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str, data)

        estimated_delivery_date = _parse_estimated_delivery_date(d.pop("estimated_delivery_date"))

        def _parse_actual_delivery_date(data: object) -> datetime.datetime | None | str:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                actual_delivery_date_type_0 = datetime.datetime.fromisoformat(data)

                return actual_delivery_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str, data)

        actual_delivery_date = _parse_actual_delivery_date(d.pop("actual_delivery_date"))

        def _parse_exception_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        exception_description = _parse_exception_description(d.pop("exception_description"))

        def _parse_events(data: object) -> list[TrackingInformationEvent] | None:
            if data is None:
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                events_type_0 = []
                _events_type_0 = data
                for events_type_0_item_data in _events_type_0:
                    events_type_0_item = TrackingInformationEvent.from_dict(events_type_0_item_data)

                    events_type_0.append(events_type_0_item)

                return events_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[TrackingInformationEvent] | None, data)

        events = _parse_events(d.pop("events"))

        tracking_information = cls(
            tracking_number=tracking_number,
            tracking_url=tracking_url,
            label_url=label_url,
            status_code=status_code,
            status_detail_code=status_detail_code,
            status_description=status_description,
            status_detail_description=status_detail_description,
            carrier_code=carrier_code,
            carrier_id=carrier_id,
            carrier_status_code=carrier_status_code,
            carrier_detail_code=carrier_detail_code,
            carrier_status_description=carrier_status_description,
            ship_date=ship_date,
            estimated_delivery_date=estimated_delivery_date,
            actual_delivery_date=actual_delivery_date,
            exception_description=exception_description,
            events=events,
        )

        tracking_information.additional_properties = d
        return tracking_information

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
