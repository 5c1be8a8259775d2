from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.tracking_information import TrackingInformation


T = TypeVar("T", bound="TrackingEvent")


@_attrs_define
class TrackingEvent:
    """One delivery to your webhook. If `data` is missing, `GET /v1/tracking` returns the same information.

    Attributes:
        resource_url (None | str): The URL that returns the same information to a request with your API key.
        resource_type (None | str): The type of the event. `API_TRACK` is a tracking update. If you registered the same
            URL for other events,
            they arrive with other types: respond to them with a 2xx too, otherwise ShipEngine sends them again.
        data (TrackingInformation): The state of one package. Any member may be `null` or missing; an empty string means
            `null`.
            New members may appear.

            Dates are in ISO 8601 with 0 to 7 fractional digits and with `Z`, an offset or neither. A date without an offset
            is in local time, except `occurred_at`, which is in UTC. If you cannot parse a date, keep it as a string.
    """

    resource_url: None | str
    resource_type: None | str
    data: TrackingInformation
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        resource_url: None | str
        resource_url = self.resource_url

        resource_type: None | str
        resource_type = self.resource_type

        data = self.data.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "resource_url": resource_url,
                "resource_type": resource_type,
                "data": data,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.tracking_information import TrackingInformation  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_resource_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        resource_url = _parse_resource_url(d.pop("resource_url"))

        def _parse_resource_type(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        resource_type = _parse_resource_type(d.pop("resource_type"))

        data = TrackingInformation.from_dict(d.pop("data"))

        tracking_event = cls(
            resource_url=resource_url,
            resource_type=resource_type,
            data=data,
        )

        tracking_event.additional_properties = d
        return tracking_event

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
