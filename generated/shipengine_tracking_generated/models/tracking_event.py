from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.tracking_information import TrackingInformation


T = TypeVar("T", bound="TrackingEvent")


@_attrs_define
class TrackingEvent:
    """One delivery to your webhook.

    Attributes:
        resource_type (str): What the delivery is about. `API_TRACK` is a tracking update; leave anything else alone.
        data (TrackingInformation): What is known of one package. Any member may be `null` or missing, and new ones may
            come.

            Dates come in ISO 8601 with 0 to 7 digits after the second and with `Z`, an offset or neither. One without an
            offset is the local time of the place, but for `occurred_at`, which is in UTC then. Keep a date that you cannot
            read as the text that it is.
        resource_url (None | str | Unset): Where the same information can be fetched with your API key.
    """

    resource_type: str
    data: TrackingInformation
    resource_url: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        resource_type = self.resource_type

        data = self.data.to_dict()

        resource_url: None | str | Unset
        if isinstance(self.resource_url, Unset):
            resource_url = UNSET
        else:
            resource_url = self.resource_url

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "resource_type": resource_type,
                "data": data,
            }
        )
        if resource_url is not UNSET:
            field_dict["resource_url"] = resource_url

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.tracking_information import TrackingInformation  # noqa: PLC0415

        d = dict(src_dict)
        resource_type = d.pop("resource_type")

        data = TrackingInformation.from_dict(d.pop("data"))

        def _parse_resource_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        resource_url = _parse_resource_url(d.pop("resource_url", UNSET))

        tracking_event = cls(
            resource_type=resource_type,
            data=data,
            resource_url=resource_url,
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
