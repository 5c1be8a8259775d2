from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_status_code import KnownStatusCode
from ..models.known_status_detail_code import KnownStatusDetailCode
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.tracking_information_event import TrackingInformationEvent


T = TypeVar("T", bound="TrackingInformation")


@_attrs_define
class TrackingInformation:
    """What is known of one package. Any member may be `null` or missing, and new ones may come.

    Dates come in ISO 8601 with 0 to 7 digits after the second and with `Z`, an offset or neither. One without an
    offset is the local time of the place, but for `occurred_at`, which is in UTC then. Keep a date that you cannot
    read as the text that it is.

        Attributes:
            tracking_number (None | str | Unset): The carrier's number of the package. Match updates to your packages by it.
            tracking_url (None | str | Unset): The carrier's page about the package, for people.
            status_code (KnownStatusCode | None | str | Unset): Where the package stands, in a word. Its spelling has
                changed case over the years. New values may come.
            status_detail_code (KnownStatusDetailCode | None | str | Unset): Where the package stands, more finely. New
                values may come.
            status_description (None | str | Unset): The status code, in words for people.
            status_detail_description (None | str | Unset): The detail code, in words for people.
            carrier_code (None | str | Unset): The carrier that reports. It may differ from the one that you subscribed
                with.
            carrier_id (int | None | Unset): The connected carrier, as a number here and not in the form `se-28529731`.
            carrier_status_code (None | str | Unset): The carrier's own code for the status.
            carrier_detail_code (None | str | Unset): The carrier's own code for the detail.
            carrier_status_description (None | str | Unset): The carrier's own words for the status.
            ship_date (datetime.datetime | None | str | Unset): When the package was sent. Often local time, without an
                offset.
            estimated_delivery_date (datetime.datetime | None | str | Unset): When the carrier expects to deliver. Often
                local time, without an offset.
            actual_delivery_date (datetime.datetime | None | str | Unset): When the package was delivered; `null` until
                then.
            exception_description (None | str | Unset): What went wrong with the delivery, in words for people.
            events (list[TrackingInformationEvent] | None | Unset): What has happened to the package, newest first.
    """

    tracking_number: None | str | Unset = UNSET
    tracking_url: None | str | Unset = UNSET
    status_code: KnownStatusCode | None | str | Unset = UNSET
    status_detail_code: KnownStatusDetailCode | None | str | Unset = UNSET
    status_description: None | str | Unset = UNSET
    status_detail_description: None | str | Unset = UNSET
    carrier_code: None | str | Unset = UNSET
    carrier_id: int | None | Unset = UNSET
    carrier_status_code: None | str | Unset = UNSET
    carrier_detail_code: None | str | Unset = UNSET
    carrier_status_description: None | str | Unset = UNSET
    ship_date: datetime.datetime | None | str | Unset = UNSET
    estimated_delivery_date: datetime.datetime | None | str | Unset = UNSET
    actual_delivery_date: datetime.datetime | None | str | Unset = UNSET
    exception_description: None | str | Unset = UNSET
    events: list[TrackingInformationEvent] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        tracking_number: None | str | Unset
        if isinstance(self.tracking_number, Unset):
            tracking_number = UNSET
        else:
            tracking_number = self.tracking_number

        tracking_url: None | str | Unset
        if isinstance(self.tracking_url, Unset):
            tracking_url = UNSET
        else:
            tracking_url = self.tracking_url

        status_code: None | str | Unset
        if isinstance(self.status_code, Unset):
            status_code = UNSET
        elif isinstance(self.status_code, KnownStatusCode):
            status_code = self.status_code.value
        else:
            status_code = self.status_code

        status_detail_code: None | str | Unset
        if isinstance(self.status_detail_code, Unset):
            status_detail_code = UNSET
        elif isinstance(self.status_detail_code, KnownStatusDetailCode):
            status_detail_code = self.status_detail_code.value
        else:
            status_detail_code = self.status_detail_code

        status_description: None | str | Unset
        if isinstance(self.status_description, Unset):
            status_description = UNSET
        else:
            status_description = self.status_description

        status_detail_description: None | str | Unset
        if isinstance(self.status_detail_description, Unset):
            status_detail_description = UNSET
        else:
            status_detail_description = self.status_detail_description

        carrier_code: None | str | Unset
        if isinstance(self.carrier_code, Unset):
            carrier_code = UNSET
        else:
            carrier_code = self.carrier_code

        carrier_id: int | None | Unset
        if isinstance(self.carrier_id, Unset):
            carrier_id = UNSET
        else:
            carrier_id = self.carrier_id

        carrier_status_code: None | str | Unset
        if isinstance(self.carrier_status_code, Unset):
            carrier_status_code = UNSET
        else:
            carrier_status_code = self.carrier_status_code

        carrier_detail_code: None | str | Unset
        if isinstance(self.carrier_detail_code, Unset):
            carrier_detail_code = UNSET
        else:
            carrier_detail_code = self.carrier_detail_code

        carrier_status_description: None | str | Unset
        if isinstance(self.carrier_status_description, Unset):
            carrier_status_description = UNSET
        else:
            carrier_status_description = self.carrier_status_description

        ship_date: None | str | Unset
        if isinstance(self.ship_date, Unset):
            ship_date = UNSET
        elif isinstance(self.ship_date, datetime.datetime):
            ship_date = self.ship_date.isoformat()
        else:
            ship_date = self.ship_date

        estimated_delivery_date: None | str | Unset
        if isinstance(self.estimated_delivery_date, Unset):
            estimated_delivery_date = UNSET
        elif isinstance(self.estimated_delivery_date, datetime.datetime):
            estimated_delivery_date = self.estimated_delivery_date.isoformat()
        else:
            estimated_delivery_date = self.estimated_delivery_date

        actual_delivery_date: None | str | Unset
        if isinstance(self.actual_delivery_date, Unset):
            actual_delivery_date = UNSET
        elif isinstance(self.actual_delivery_date, datetime.datetime):
            actual_delivery_date = self.actual_delivery_date.isoformat()
        else:
            actual_delivery_date = self.actual_delivery_date

        exception_description: None | str | Unset
        if isinstance(self.exception_description, Unset):
            exception_description = UNSET
        else:
            exception_description = self.exception_description

        events: list[dict[str, Any]] | None | Unset
        if isinstance(self.events, Unset):
            events = UNSET
        elif isinstance(self.events, list):
            events = []
            for events_type_0_item_data in self.events:
                events_type_0_item = events_type_0_item_data.to_dict()
                events.append(events_type_0_item)

        else:
            events = self.events

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if tracking_number is not UNSET:
            field_dict["tracking_number"] = tracking_number
        if tracking_url is not UNSET:
            field_dict["tracking_url"] = tracking_url
        if status_code is not UNSET:
            field_dict["status_code"] = status_code
        if status_detail_code is not UNSET:
            field_dict["status_detail_code"] = status_detail_code
        if status_description is not UNSET:
            field_dict["status_description"] = status_description
        if status_detail_description is not UNSET:
            field_dict["status_detail_description"] = status_detail_description
        if carrier_code is not UNSET:
            field_dict["carrier_code"] = carrier_code
        if carrier_id is not UNSET:
            field_dict["carrier_id"] = carrier_id
        if carrier_status_code is not UNSET:
            field_dict["carrier_status_code"] = carrier_status_code
        if carrier_detail_code is not UNSET:
            field_dict["carrier_detail_code"] = carrier_detail_code
        if carrier_status_description is not UNSET:
            field_dict["carrier_status_description"] = carrier_status_description
        if ship_date is not UNSET:
            field_dict["ship_date"] = ship_date
        if estimated_delivery_date is not UNSET:
            field_dict["estimated_delivery_date"] = estimated_delivery_date
        if actual_delivery_date is not UNSET:
            field_dict["actual_delivery_date"] = actual_delivery_date
        if exception_description is not UNSET:
            field_dict["exception_description"] = exception_description
        if events is not UNSET:
            field_dict["events"] = events

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.tracking_information_event import TrackingInformationEvent  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_tracking_number(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        tracking_number = _parse_tracking_number(d.pop("tracking_number", UNSET))

        def _parse_tracking_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        tracking_url = _parse_tracking_url(d.pop("tracking_url", UNSET))

        def _parse_status_code(data: object) -> KnownStatusCode | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_code_type_0 = KnownStatusCode(data)

                return status_code_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownStatusCode | None | str | Unset, data)

        status_code = _parse_status_code(d.pop("status_code", UNSET))

        def _parse_status_detail_code(data: object) -> KnownStatusDetailCode | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_detail_code_type_0 = KnownStatusDetailCode(data)

                return status_detail_code_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownStatusDetailCode | None | str | Unset, data)

        status_detail_code = _parse_status_detail_code(d.pop("status_detail_code", UNSET))

        def _parse_status_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        status_description = _parse_status_description(d.pop("status_description", UNSET))

        def _parse_status_detail_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        status_detail_description = _parse_status_detail_description(d.pop("status_detail_description", UNSET))

        def _parse_carrier_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        carrier_code = _parse_carrier_code(d.pop("carrier_code", UNSET))

        def _parse_carrier_id(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        carrier_id = _parse_carrier_id(d.pop("carrier_id", UNSET))

        def _parse_carrier_status_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        carrier_status_code = _parse_carrier_status_code(d.pop("carrier_status_code", UNSET))

        def _parse_carrier_detail_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        carrier_detail_code = _parse_carrier_detail_code(d.pop("carrier_detail_code", UNSET))

        def _parse_carrier_status_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        carrier_status_description = _parse_carrier_status_description(d.pop("carrier_status_description", UNSET))

        def _parse_ship_date(data: object) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                ship_date_type_0 = datetime.datetime.fromisoformat(data)

                return ship_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        ship_date = _parse_ship_date(d.pop("ship_date", UNSET))

        def _parse_estimated_delivery_date(data: object) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                estimated_delivery_date_type_0 = datetime.datetime.fromisoformat(data)

                return estimated_delivery_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        estimated_delivery_date = _parse_estimated_delivery_date(d.pop("estimated_delivery_date", UNSET))

        def _parse_actual_delivery_date(data: object) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                actual_delivery_date_type_0 = datetime.datetime.fromisoformat(data)

                return actual_delivery_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        actual_delivery_date = _parse_actual_delivery_date(d.pop("actual_delivery_date", UNSET))

        def _parse_exception_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        exception_description = _parse_exception_description(d.pop("exception_description", UNSET))

        def _parse_events(data: object) -> list[TrackingInformationEvent] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
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
            return cast(list[TrackingInformationEvent] | None | Unset, data)

        events = _parse_events(d.pop("events", UNSET))

        tracking_information = cls(
            tracking_number=tracking_number,
            tracking_url=tracking_url,
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
