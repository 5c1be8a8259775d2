from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_webhook_event import KnownWebhookEvent
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.new_webhook_header import NewWebhookHeader


T = TypeVar("T", bound="CreateWebhookRequest")


@_attrs_define
class CreateWebhookRequest:
    """A webhook to register.

    Attributes:
        event (KnownWebhookEvent | str): What ShipEngine sends to the URL. New values may appear.
        url (str): The URL that receives the event. ShipEngine has to be able to reach it from the internet.
        headers (list[NewWebhookHeader] | Unset): Custom headers, which ShipEngine sends with each delivery.
        name (str | Unset): A name of your choice.
        store_id (int | Unset): ShipEngine's ID of a store. Its effect on a webhook is not documented; tracking does not
            need it.
    """

    event: KnownWebhookEvent | str
    url: str
    headers: list[NewWebhookHeader] | Unset = UNSET
    name: str | Unset = UNSET
    store_id: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        event: str
        if isinstance(self.event, KnownWebhookEvent):
            event = self.event.value
        else:
            event = self.event

        url = self.url

        headers: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.headers, Unset):
            headers = []
            for headers_item_data in self.headers:
                headers_item = headers_item_data.to_dict()
                headers.append(headers_item)

        name = self.name

        store_id = self.store_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "event": event,
                "url": url,
            }
        )
        if headers is not UNSET:
            field_dict["headers"] = headers
        if name is not UNSET:
            field_dict["name"] = name
        if store_id is not UNSET:
            field_dict["store_id"] = store_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.new_webhook_header import NewWebhookHeader  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_event(data: object) -> KnownWebhookEvent | str:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                event_type_0 = KnownWebhookEvent(data)

                return event_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownWebhookEvent | str, data)

        event = _parse_event(d.pop("event"))

        url = d.pop("url")

        _headers = d.pop("headers", UNSET)
        headers: list[NewWebhookHeader] | Unset = UNSET
        if _headers is not UNSET:
            headers = []
            for headers_item_data in _headers:
                headers_item = NewWebhookHeader.from_dict(headers_item_data)

                headers.append(headers_item)

        name = d.pop("name", UNSET)

        store_id = d.pop("store_id", UNSET)

        create_webhook_request = cls(
            event=event,
            url=url,
            headers=headers,
            name=name,
            store_id=store_id,
        )

        create_webhook_request.additional_properties = d
        return create_webhook_request

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
