from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_error_code import KnownErrorCode
from ..models.known_error_source import KnownErrorSource
from ..models.known_error_type import KnownErrorType

T = TypeVar("T", bound="Error")


@_attrs_define
class Error:
    """One thing that went wrong. Real responses contain members that are not listed here.

    Attributes:
        error_source (KnownErrorSource | str): The system that reported the error. New values may appear.
        error_type (KnownErrorType | str): The category of the error. Do not base decisions on it: ShipEngine reports
            some mistakes in the request as
            `system`. New values may appear.
        error_code (KnownErrorCode | str): What went wrong. Check the status first, then this code. New values appear
            without notice.
        message (str): A sentence for people. Its wording may change at any time.
        carrier_id (None | str): The ID of the connected carrier that reported the error; sometimes the word `unknown`.
        carrier_code (None | str): The code of the carrier that reported the error.
        field_name (None | str): The parameter or member that is wrong. It may be missing even if one of them is wrong.
        field_value (Any): The wrong value, as it was sent. Any JSON value.
    """

    error_source: KnownErrorSource | str
    error_type: KnownErrorType | str
    error_code: KnownErrorCode | str
    message: str
    carrier_id: None | str
    carrier_code: None | str
    field_name: None | str
    field_value: Any
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        error_source: str
        if isinstance(self.error_source, KnownErrorSource):
            error_source = self.error_source.value
        else:
            error_source = self.error_source

        error_type: str
        if isinstance(self.error_type, KnownErrorType):
            error_type = self.error_type.value
        else:
            error_type = self.error_type

        error_code: str
        if isinstance(self.error_code, KnownErrorCode):
            error_code = self.error_code.value
        else:
            error_code = self.error_code

        message = self.message

        carrier_id: None | str
        carrier_id = self.carrier_id

        carrier_code: None | str
        carrier_code = self.carrier_code

        field_name: None | str
        field_name = self.field_name

        field_value = self.field_value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "error_source": error_source,
                "error_type": error_type,
                "error_code": error_code,
                "message": message,
                "carrier_id": carrier_id,
                "carrier_code": carrier_code,
                "field_name": field_name,
                "field_value": field_value,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_error_source(data: object) -> KnownErrorSource | str:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                error_source_type_0 = KnownErrorSource(data)

                return error_source_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownErrorSource | str, data)

        error_source = _parse_error_source(d.pop("error_source"))

        def _parse_error_type(data: object) -> KnownErrorType | str:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                error_type_type_0 = KnownErrorType(data)

                return error_type_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownErrorType | str, data)

        error_type = _parse_error_type(d.pop("error_type"))

        def _parse_error_code(data: object) -> KnownErrorCode | str:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                error_code_type_0 = KnownErrorCode(data)

                return error_code_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownErrorCode | str, data)

        error_code = _parse_error_code(d.pop("error_code"))

        message = d.pop("message")

        def _parse_carrier_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_id = _parse_carrier_id(d.pop("carrier_id"))

        def _parse_carrier_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        carrier_code = _parse_carrier_code(d.pop("carrier_code"))

        def _parse_field_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        field_name = _parse_field_name(d.pop("field_name"))

        field_value = d.pop("field_value")

        error = cls(
            error_source=error_source,
            error_type=error_type,
            error_code=error_code,
            message=message,
            carrier_id=carrier_id,
            carrier_code=carrier_code,
            field_name=field_name,
            field_value=field_value,
        )

        error.additional_properties = d
        return error

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
