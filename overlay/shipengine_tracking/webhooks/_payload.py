"""Turns the body of a delivery into an event."""

from __future__ import annotations

from .._models import TrackingEvent, read_object
from .._responses import printable_line
from ..exceptions import InvalidPayloadError, OtherEventError
from ._signature import body_bytes


def parse(body: bytes | str) -> TrackingEvent:
    """Return the event in a body without verifying it, for bodies that were verified elsewhere.

    A member is None if it is null, missing, or of a type that the API does not document. In the last case, and for
    unknown members, `additional_properties` of that model keeps the value. Unknown codes are strings. A date that
    `datetime.fromisoformat` reads is a datetime, aware or naive as it was sent; other dates stay strings, which
    `parse_date` may be able to read.

    Raises:
        InvalidPayloadError: The body is not a JSON object; `error.body` keeps it.
        OtherEventError: The `resource_type` is not about tracking; `error.document` keeps the JSON.
        InvalidArgumentError: The body is neither bytes nor a string.
    """
    raw = body_bytes(body)
    try:
        document = read_object(raw)
    except ValueError as error:
        raise InvalidPayloadError(str(error), raw) from None
    kind = document.get("resource_type")
    if isinstance(kind, str) and kind and "track" not in kind.casefold():
        raise OtherEventError(f"the event is {printable_line(kind, 80)!r}, not a tracking update", document)
    return TrackingEvent.from_dict(document)
