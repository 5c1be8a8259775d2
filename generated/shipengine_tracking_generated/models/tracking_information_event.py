from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_status_code import KnownStatusCode
from ..models.known_status_detail_code import KnownStatusDetailCode

T = TypeVar("T", bound="TrackingInformationEvent")


@_attrs_define
class TrackingInformationEvent:
    """One event of a package. Any member may be `null` or missing; an empty string means `null`.

    Attributes:
        occurred_at (datetime.datetime | None | str): When the event happened, in UTC as far as ShipEngine can tell.
        carrier_occurred_at (datetime.datetime | None | str): When the event happened, in local time, without an offset.
        description (None | str): What happened, for people.
        event_description (None | str): What happened, for people. ShipEngine does not document this member; it was
            observed alongside `description`
            in 2025.
        city_locality (None | str): The city or town where the event happened.
        state_province (None | str): The state or province where the event happened.
        postal_code (None | str): The postal code of the place where the event happened.
        country_code (None | str): The two-letter code of the country where the event happened.
        company_name (None | str): The company at that place, if the carrier names one.
        signer (None | str): The person who signed for the package.
        event_code (None | str): A code for the event.
        carrier_detail_code (None | str): The carrier's own code for the detail.
        status_code (KnownStatusCode | None | str): The status of the package after the event.
        status_detail_code (KnownStatusDetailCode | None | str): The status of the package after the event, in more
            detail.
        status_description (None | str): The meaning of the status code, for people.
        status_detail_description (None | str): The meaning of the detail code, for people.
        carrier_status_code (None | str): The carrier's own code for the status.
        carrier_status_description (None | str): The carrier's own description of the status.
        latitude (float | None): The latitude of the place where the event happened, in degrees north.
        longitude (float | None): The longitude of the place where the event happened, in degrees east.
        proof_of_delivery_url (None | str): The URL of the proof of delivery.
    """

    occurred_at: datetime.datetime | None | str
    carrier_occurred_at: datetime.datetime | None | str
    description: None | str
    event_description: None | str
    city_locality: None | str
    state_province: None | str
    postal_code: None | str
    country_code: None | str
    company_name: None | str
    signer: None | str
    event_code: None | str
    carrier_detail_code: None | str
    status_code: KnownStatusCode | None | str
    status_detail_code: KnownStatusDetailCode | None | str
    status_description: None | str
    status_detail_description: None | str
    carrier_status_code: None | str
    carrier_status_description: None | str
    latitude: float | None
    longitude: float | None
    proof_of_delivery_url: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        occurred_at: None | str
        if isinstance(self.occurred_at, datetime.datetime):
            occurred_at = self.occurred_at.isoformat()
        else:
            occurred_at = self.occurred_at

        carrier_occurred_at: None | str
        if isinstance(self.carrier_occurred_at, datetime.datetime):
            carrier_occurred_at = self.carrier_occurred_at.isoformat()
        else:
            carrier_occurred_at = self.carrier_occurred_at

        description: None | str
        description = self.description

        event_description: None | str
        event_description = self.event_description

        city_locality: None | str
        city_locality = self.city_locality

        state_province: None | str
        state_province = self.state_province

        postal_code: None | str
        postal_code = self.postal_code

        country_code: None | str
        country_code = self.country_code

        company_name: None | str
        company_name = self.company_name

        signer: None | str
        signer = self.signer

        event_code: None | str
        event_code = self.event_code

        carrier_detail_code: None | str
        carrier_detail_code = self.carrier_detail_code

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

        carrier_status_code: None | str
        carrier_status_code = self.carrier_status_code

        carrier_status_description: None | str
        carrier_status_description = self.carrier_status_description

        latitude: float | None
        latitude = self.latitude

        longitude: float | None
        longitude = self.longitude

        proof_of_delivery_url: None | str
        proof_of_delivery_url = self.proof_of_delivery_url

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "occurred_at": occurred_at,
                "carrier_occurred_at": carrier_occurred_at,
                "description": description,
                "event_description": event_description,
                "city_locality": city_locality,
                "state_province": state_province,
                "postal_code": postal_code,
                "country_code": country_code,
                "company_name": company_name,
                "signer": signer,
                "event_code": event_code,
                "carrier_detail_code": carrier_detail_code,
                "status_code": status_code,
                "status_detail_code": status_detail_code,
                "status_description": status_description,
                "status_detail_description": status_detail_description,
                "carrier_status_code": carrier_status_code,
                "carrier_status_description": carrier_status_description,
                "latitude": latitude,
                "longitude": longitude,
                "proof_of_delivery_url": proof_of_delivery_url,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_occurred_at(data: object) -> datetime.datetime | None | str:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                occurred_at_type_0 = datetime.datetime.fromisoformat(data)

                return occurred_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str, data)

        occurred_at = _parse_occurred_at(d.pop("occurred_at"))

        def _parse_carrier_occurred_at(data: object) -> datetime.datetime | None | str:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                carrier_occurred_at_type_0 = datetime.datetime.fromisoformat(data)

                return carrier_occurred_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str, data)

        carrier_occurred_at = _parse_carrier_occurred_at(d.pop("carrier_occurred_at"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(d.pop("description"))

        def _parse_event_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        event_description = _parse_event_description(d.pop("event_description"))

        def _parse_city_locality(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        city_locality = _parse_city_locality(d.pop("city_locality"))

        def _parse_state_province(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        state_province = _parse_state_province(d.pop("state_province"))

        def _parse_postal_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        postal_code = _parse_postal_code(d.pop("postal_code"))

        def _parse_country_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        country_code = _parse_country_code(d.pop("country_code"))

        def _parse_company_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        company_name = _parse_company_name(d.pop("company_name"))

        def _parse_signer(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        signer = _parse_signer(d.pop("signer"))

        def _parse_event_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        event_code = _parse_event_code(d.pop("event_code"))

        def _parse_carrier_detail_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_detail_code = _parse_carrier_detail_code(d.pop("carrier_detail_code"))

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

        def _parse_carrier_status_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_status_code = _parse_carrier_status_code(d.pop("carrier_status_code"))

        def _parse_carrier_status_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_status_description = _parse_carrier_status_description(d.pop("carrier_status_description"))

        def _parse_latitude(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        latitude = _parse_latitude(d.pop("latitude"))

        def _parse_longitude(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        longitude = _parse_longitude(d.pop("longitude"))

        def _parse_proof_of_delivery_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        proof_of_delivery_url = _parse_proof_of_delivery_url(d.pop("proof_of_delivery_url"))

        tracking_information_event = cls(
            occurred_at=occurred_at,
            carrier_occurred_at=carrier_occurred_at,
            description=description,
            event_description=event_description,
            city_locality=city_locality,
            state_province=state_province,
            postal_code=postal_code,
            country_code=country_code,
            company_name=company_name,
            signer=signer,
            event_code=event_code,
            carrier_detail_code=carrier_detail_code,
            status_code=status_code,
            status_detail_code=status_detail_code,
            status_description=status_description,
            status_detail_description=status_detail_description,
            carrier_status_code=carrier_status_code,
            carrier_status_description=carrier_status_description,
            latitude=latitude,
            longitude=longitude,
            proof_of_delivery_url=proof_of_delivery_url,
        )

        tracking_information_event.additional_properties = d
        return tracking_information_event

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
