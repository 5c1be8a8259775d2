"""The registered webhooks of the fake API. Performs no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Any, cast

from .protocol import SHIPENGINE_ID, WEBHOOKS, Request, Response, error, request_ids

_KINDS: dict[str, Any] = {"event": str, "url": str, "headers": list, "name": str, "store_id": int}


class Registry:
    """Keeps the webhooks, as JSON objects, and responds to the operations on them."""

    def __init__(self) -> None:
        self.webhooks: list[dict[str, Any]] = []
        self._ids = count(3150628)

    def find(self, event: str) -> dict[str, Any] | None:
        """Return the webhook of an event. There is at most one."""
        return next((webhook for webhook in self.webhooks if webhook["event"] == event), None)

    def respond(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Return the response to a request, with these headers."""
        reject = partial(error, headers=headers)
        webhook_id, headers = request.path.removeprefix(WEBHOOKS).removeprefix("/"), {**request_ids(), **headers}
        webhook = next((webhook for webhook in self.webhooks if webhook["webhook_id"] == webhook_id), None)
        if request.method == "GET":
            return Response.of(200, self.webhooks, headers)
        if request.method != "POST" and not SHIPENGINE_ID.fullmatch(webhook_id):
            return reject(400, "invalid_identifier", f"{webhook_id} is not a valid ID.", field_name="webhook_id")
        if request.method != "POST" and webhook is None:
            return reject(404, "invalid_identifier", f"There is no webhook {webhook_id}.", field_name="webhook_id")
        if request.method == "DELETE":
            self.webhooks[:] = [one for one in self.webhooks if one is not webhook]
            return Response.of(204, headers=headers)
        members, wrong = _read_body(request.body, () if webhook else ("event", "url"))
        if wrong is not None:
            return reject(
                400, "invalid_field_value", f"{wrong} is not valid.", error_type="validation", field_name=wrong
            )
        if webhook is not None:
            webhook.update((name, value) for name, value in members.items() if name != "event")
            return Response.of(204, headers=headers)
        if self.find(members["event"]):
            return reject(409, "webhook_event_type_conflict", "The event already has a webhook.")
        new: dict[str, Any] = {"headers": [], "name": None, "store_id": None, **members}
        self.webhooks.append({"webhook_id": f"se-{next(self._ids)}", **new})
        return Response.of(200, self.webhooks[-1], headers)


def _read_body(body: bytes, required: tuple[str, ...]) -> tuple[dict[str, Any], str | None]:
    """Return the known members of a body, and the name of one that is missing or not valid."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return {}, "the body"
    given = cast("dict[str, Any]", document)
    members = {name: value for name, value in given.items() if name in _KINDS}
    wrong = (name for name in required if name not in members)
    return members, next(wrong, next((name for name, value in members.items() if not _is_valid(name, value)), None))


def _is_valid(name: str, value: Any) -> bool:
    if type(value) is not _KINDS[name] or (name in ("event", "url") and not value):
        return False
    if name == "store_id":
        return bool(-(2**31) <= value < 2**31)
    return name != "headers" or all(_is_header(item) for item in value)


def _is_header(item: Any) -> bool:
    return isinstance(item, dict) and all(isinstance(cast("Any", item).get(name), str) for name in ("key", "value"))
