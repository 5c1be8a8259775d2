from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_webhook_event import KnownWebhookEvent

if TYPE_CHECKING:
    from ..models.webhook_header import WebhookHeader


T = TypeVar("T", bound="Webhook")


@_attrs_define
class Webhook:
    """A registered webhook. Members that are not required may be `null` or missing. New members may appear.

    Attributes:
        webhook_id (str): ShipEngine's ID of the webhook.
        url (str): The URL that receives the event.
        event (KnownWebhookEvent | str): What ShipEngine sends to the URL. New values may appear.
        headers (list[WebhookHeader] | None): The headers that ShipEngine sends with each delivery, in addition to its
            own.
        name (None | str): The name that you gave the webhook.
        store_id (int | None): ShipEngine's ID of a store.
    """

    webhook_id: str
    url: str
    event: KnownWebhookEvent | str
    headers: list[WebhookHeader] | None
    name: None | str
    store_id: int | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        webhook_id = self.webhook_id

        url = self.url

        event: str
        if isinstance(self.event, KnownWebhookEvent):
            event = self.event.value
        else:
            event = self.event

        headers: list[dict[str, Any]] | None
        if isinstance(self.headers, list):
            headers = []
            for headers_type_0_item_data in self.headers:
                headers_type_0_item = headers_type_0_item_data.to_dict()
                headers.append(headers_type_0_item)

        else:
            headers = self.headers

        name: None | str
        name = self.name

        store_id: int | None
        store_id = self.store_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "webhook_id": webhook_id,
                "url": url,
                "event": event,
                "headers": headers,
                "name": name,
                "store_id": store_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.webhook_header import WebhookHeader  # noqa: PLC0415

        d = dict(src_dict)
        webhook_id = d.pop("webhook_id")

        url = d.pop("url")

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

        def _parse_headers(data: object) -> list[WebhookHeader] | None:
            if data is None:
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                headers_type_0 = []
                _headers_type_0 = data
                for headers_type_0_item_data in _headers_type_0:
                    headers_type_0_item = WebhookHeader.from_dict(headers_type_0_item_data)

                    headers_type_0.append(headers_type_0_item)

                return headers_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[WebhookHeader] | None, data)

        headers = _parse_headers(d.pop("headers"))

        def _parse_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        name = _parse_name(d.pop("name"))

        def _parse_store_id(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        store_id = _parse_store_id(d.pop("store_id"))

        webhook = cls(
            webhook_id=webhook_id,
            url=url,
            event=event,
            headers=headers,
            name=name,
            store_id=store_id,
        )

        webhook.additional_properties = d
        return webhook

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
