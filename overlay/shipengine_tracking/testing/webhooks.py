"""The registered webhooks of the fake API. Performs no I/O."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any, cast

from .protocol import RejectionError, Request, check_id

_MEMBERS: dict[str, tuple[type, Callable[[Any], bool]]] = {
    "event": (str, bool),
    "url": (str, bool),
    "headers": (list, lambda items: all(map(_is_header, items))),
    "name": (str, lambda _: True),
    "store_id": (int, lambda number: -(2**31) <= number < 2**31),
}


class WebhookRegistry:
    """Keeps the webhooks, as JSON objects. Each operation returns the body of its response."""

    def __init__(self) -> None:
        self.webhooks: list[dict[str, Any]] = []
        self._ids = count(3150628)

    def create(self, request: Request) -> dict[str, Any]:
        """Register a webhook for an event that has none."""
        members = _read_body(request, required=("event", "url"))
        if any(webhook["event"] == members["event"] for webhook in self.webhooks):
            raise RejectionError(409, "webhook_event_type_conflict", "The event already has a webhook.")
        webhook_id = f"se-{next(self._ids)}"
        self.webhooks.append({"webhook_id": webhook_id, "headers": [], "name": None, "store_id": None, **members})
        return self.webhooks[-1]

    def update(self, request: Request) -> None:
        """Change a webhook, but not its event."""
        webhook = self._find(request)
        webhook.update(_read_body(request) | {"event": webhook["event"]})

    def delete(self, request: Request) -> None:
        """Remove a webhook."""
        self.webhooks.remove(self._find(request))

    def _find(self, request: Request) -> dict[str, Any]:
        webhook_id = request.path.partition("/webhooks/")[2]
        known = {webhook["webhook_id"]: webhook for webhook in self.webhooks}
        check_id(webhook_id, "webhook_id", known)
        return known[webhook_id]


def _read_body(request: Request, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the known members of a body, or raise a `RejectionError` that names one that is missing or not valid."""
    try:
        given = json.loads(request.body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise RejectionError(400, "invalid_field_value", "The body is not a JSON object.")
    members = {name: value for name, value in cast("dict[str, Any]", given).items() if name in _MEMBERS}
    for name in (*required, *members):
        kind, is_valid = _MEMBERS[name]
        if type(members.get(name)) is not kind or not is_valid(members[name]):
            raise RejectionError(400, "invalid_field_value", f"The {name} is not valid.", field_name=name)
    return members


def _is_header(item: Any) -> bool:
    return isinstance(item, dict) and all(isinstance(cast("Any", item).get(name), str) for name in ("key", "value"))
