from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_status_code import KnownStatusCode
from ..models.known_status_detail_code import KnownStatusDetailCode
from ..types import UNSET, Unset

T = TypeVar("T", bound="TrackingInformationEvent")


@_attrs_define
class TrackingInformationEvent:
    """One thing that happened to the package. As above, any member may be `null` or missing.

    Attributes:
        occurred_at (datetime.datetime | None | str | Unset): When it happened, in UTC as well as ShipEngine can tell.
        carrier_occurred_at (datetime.datetime | None | str | Unset): When it happened, by the local time of the place,
            without an offset.
        description (None | str | Unset): What happened, in words for people.
        city_locality (None | str | Unset): The city or town where it happened.
        state_province (None | str | Unset): The state or province where it happened.
        postal_code (None | str | Unset): The postal code of the place.
        country_code (None | str | Unset): The country of the place, in two letters.
        company_name (None | str | Unset): The company at the place, where the carrier names one.
        signer (None | str | Unset): Who signed for the package.
        event_code (None | str | Unset): A code for what happened.
        carrier_detail_code (None | str | Unset): The carrier's own code for the detail.
        status_code (KnownStatusCode | None | str | Unset): What the package's status became.
        status_detail_code (KnownStatusDetailCode | None | str | Unset): What the package's detail code became.
        status_description (None | str | Unset): The status code, in words for people.
        status_detail_description (None | str | Unset): The detail code, in words for people.
        carrier_status_code (None | str | Unset): The carrier's own code for the status.
        carrier_status_description (None | str | Unset): The carrier's own words for the status.
        latitude (float | None | Unset): The latitude of the place, in degrees north.
        longitude (float | None | Unset): The longitude of the place, in degrees east.
        proof_of_delivery_url (None | str | Unset): An address of the proof of delivery.
    """

    occurred_at: datetime.datetime | None | str | Unset = UNSET
    carrier_occurred_at: datetime.datetime | None | str | Unset = UNSET
    description: None | str | Unset = UNSET
    city_locality: None | str | Unset = UNSET
    state_province: None | str | Unset = UNSET
    postal_code: None | str | Unset = UNSET
    country_code: None | str | Unset = UNSET
    company_name: None | str | Unset = UNSET
    signer: None | str | Unset = UNSET
    event_code: None | str | Unset = UNSET
    carrier_detail_code: None | str | Unset = UNSET
    status_code: KnownStatusCode | None | str | Unset = UNSET
    status_detail_code: KnownStatusDetailCode | None | str | Unset = UNSET
    status_description: None | str | Unset = UNSET
    status_detail_description: None | str | Unset = UNSET
    carrier_status_code: None | str | Unset = UNSET
    carrier_status_description: None | str | Unset = UNSET
    latitude: float | None | Unset = UNSET
    longitude: float | None | Unset = UNSET
    proof_of_delivery_url: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        occurred_at: None | str | Unset
        if isinstance(self.occurred_at, Unset):
            occurred_at = UNSET
        elif isinstance(self.occurred_at, datetime.datetime):
            occurred_at = self.occurred_at.isoformat()
        else:
            occurred_at = self.occurred_at

        carrier_occurred_at: None | str | Unset
        if isinstance(self.carrier_occurred_at, Unset):
            carrier_occurred_at = UNSET
        elif isinstance(self.carrier_occurred_at, datetime.datetime):
            carrier_occurred_at = self.carrier_occurred_at.isoformat()
        else:
            carrier_occurred_at = self.carrier_occurred_at

        description: None | str | Unset
        if isinstance(self.description, Unset):
            description = UNSET
        else:
            description = self.description

        city_locality: None | str | Unset
        if isinstance(self.city_locality, Unset):
            city_locality = UNSET
        else:
            city_locality = self.city_locality

        state_province: None | str | Unset
        if isinstance(self.state_province, Unset):
            state_province = UNSET
        else:
            state_province = self.state_province

        postal_code: None | str | Unset
        if isinstance(self.postal_code, Unset):
            postal_code = UNSET
        else:
            postal_code = self.postal_code

        country_code: None | str | Unset
        if isinstance(self.country_code, Unset):
            country_code = UNSET
        else:
            country_code = self.country_code

        company_name: None | str | Unset
        if isinstance(self.company_name, Unset):
            company_name = UNSET
        else:
            company_name = self.company_name

        signer: None | str | Unset
        if isinstance(self.signer, Unset):
            signer = UNSET
        else:
            signer = self.signer

        event_code: None | str | Unset
        if isinstance(self.event_code, Unset):
            event_code = UNSET
        else:
            event_code = self.event_code

        carrier_detail_code: None | str | Unset
        if isinstance(self.carrier_detail_code, Unset):
            carrier_detail_code = UNSET
        else:
            carrier_detail_code = self.carrier_detail_code

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

        carrier_status_code: None | str | Unset
        if isinstance(self.carrier_status_code, Unset):
            carrier_status_code = UNSET
        else:
            carrier_status_code = self.carrier_status_code

        carrier_status_description: None | str | Unset
        if isinstance(self.carrier_status_description, Unset):
            carrier_status_description = UNSET
        else:
            carrier_status_description = self.carrier_status_description

        latitude: float | None | Unset
        if isinstance(self.latitude, Unset):
            latitude = UNSET
        else:
            latitude = self.latitude

        longitude: float | None | Unset
        if isinstance(self.longitude, Unset):
            longitude = UNSET
        else:
            longitude = self.longitude

        proof_of_delivery_url: None | str | Unset
        if isinstance(self.proof_of_delivery_url, Unset):
            proof_of_delivery_url = UNSET
        else:
            proof_of_delivery_url = self.proof_of_delivery_url

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if occurred_at is not UNSET:
            field_dict["occurred_at"] = occurred_at
        if carrier_occurred_at is not UNSET:
            field_dict["carrier_occurred_at"] = carrier_occurred_at
        if description is not UNSET:
            field_dict["description"] = description
        if city_locality is not UNSET:
            field_dict["city_locality"] = city_locality
        if state_province is not UNSET:
            field_dict["state_province"] = state_province
        if postal_code is not UNSET:
            field_dict["postal_code"] = postal_code
        if country_code is not UNSET:
            field_dict["country_code"] = country_code
        if company_name is not UNSET:
            field_dict["company_name"] = company_name
        if signer is not UNSET:
            field_dict["signer"] = signer
        if event_code is not UNSET:
            field_dict["event_code"] = event_code
        if carrier_detail_code is not UNSET:
            field_dict["carrier_detail_code"] = carrier_detail_code
        if status_code is not UNSET:
            field_dict["status_code"] = status_code
        if status_detail_code is not UNSET:
            field_dict["status_detail_code"] = status_detail_code
        if status_description is not UNSET:
            field_dict["status_description"] = status_description
        if status_detail_description is not UNSET:
            field_dict["status_detail_description"] = status_detail_description
        if carrier_status_code is not UNSET:
            field_dict["carrier_status_code"] = carrier_status_code
        if carrier_status_description is not UNSET:
            field_dict["carrier_status_description"] = carrier_status_description
        if latitude is not UNSET:
            field_dict["latitude"] = latitude
        if longitude is not UNSET:
            field_dict["longitude"] = longitude
        if proof_of_delivery_url is not UNSET:
            field_dict["proof_of_delivery_url"] = proof_of_delivery_url

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_occurred_at(data: object) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                occurred_at_type_0 = datetime.datetime.fromisoformat(data)

                return occurred_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        occurred_at = _parse_occurred_at(d.pop("occurred_at", UNSET))

        def _parse_carrier_occurred_at(data: object) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                carrier_occurred_at_type_0 = datetime.datetime.fromisoformat(data)

                return carrier_occurred_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        carrier_occurred_at = _parse_carrier_occurred_at(d.pop("carrier_occurred_at", UNSET))

        def _parse_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        description = _parse_description(d.pop("description", UNSET))

        def _parse_city_locality(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        city_locality = _parse_city_locality(d.pop("city_locality", UNSET))

        def _parse_state_province(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        state_province = _parse_state_province(d.pop("state_province", UNSET))

        def _parse_postal_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        postal_code = _parse_postal_code(d.pop("postal_code", UNSET))

        def _parse_country_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        country_code = _parse_country_code(d.pop("country_code", UNSET))

        def _parse_company_name(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        company_name = _parse_company_name(d.pop("company_name", UNSET))

        def _parse_signer(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        signer = _parse_signer(d.pop("signer", UNSET))

        def _parse_event_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        event_code = _parse_event_code(d.pop("event_code", UNSET))

        def _parse_carrier_detail_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        carrier_detail_code = _parse_carrier_detail_code(d.pop("carrier_detail_code", UNSET))

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

        def _parse_carrier_status_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        carrier_status_code = _parse_carrier_status_code(d.pop("carrier_status_code", UNSET))

        def _parse_carrier_status_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        carrier_status_description = _parse_carrier_status_description(d.pop("carrier_status_description", UNSET))

        def _parse_latitude(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        latitude = _parse_latitude(d.pop("latitude", UNSET))

        def _parse_longitude(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        longitude = _parse_longitude(d.pop("longitude", UNSET))

        def _parse_proof_of_delivery_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        proof_of_delivery_url = _parse_proof_of_delivery_url(d.pop("proof_of_delivery_url", UNSET))

        tracking_information_event = cls(
            occurred_at=occurred_at,
            carrier_occurred_at=carrier_occurred_at,
            description=description,
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
