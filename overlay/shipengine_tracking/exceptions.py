"""What can go wrong, and how an answer of the API becomes an exception. Nothing here does I/O.

    ShipEngineError
    ├── InvalidArgumentError (also ValueError)     refused before anything was sent
    ├── ClientStateError (also RuntimeError)       closed, or used from another event loop
    ├── APIConnectionError                         no whole answer arrived: try later
    │   └── APITimeoutError (also TimeoutError)
    ├── APIError                                   an answer that is not the 204
    │   ├── AuthenticationError     401            fix the key
    │   ├── PermissionDeniedError   403
    │   ├── AccountError            by code        fix the account
    │   ├── CarrierError            by code        connect or change the carrier
    │   ├── InvalidRequestError     other 4xx      fix the request
    │   │   └── NotFoundError       404
    │   ├── RateLimitError          429            wait `retry_after` seconds
    │   └── ServerError             5xx            try later
    └── WebhookError                               answer the delivery with its `http_status`
        ├── InvalidSignatureError                  401, or 404 without the signature's headers
        ├── StaleTimestampError                    400
        └── InvalidPayloadError                    400

401, 429 and 5xx are decided by the status alone. For every other 4xx the first listed code in the body decides
(`CODES`), else the status. 3xx, a 2xx that is not the 204, and 6xx to 9xx are plain `APIError`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from shipengine_tracking_generated.models import Error

from ._answers import Headers, read_error_body, read_retry_after, summary


class ShipEngineError(Exception):
    """Whatever this package raises.

    `attempts` is how many requests the call had sent when it failed: 0 when it was refused beforehand.
    """

    attempts: int = 0


class InvalidArgumentError(ShipEngineError, ValueError):
    """An argument that cannot be right. Nothing was sent; the text names the argument and the remedy."""


class ClientStateError(ShipEngineError, RuntimeError):
    """The client is closed, or belongs to another event loop. Nothing was sent."""


class APIConnectionError(ShipEngineError):
    """No whole answer arrived; whether the package is tracked now is not known. Try again later.

    `__cause__` is what the network said. Where the answer broke off after its head, `status_code` and `headers` say
    what was seen of it; else they are None and empty.
    """

    attempts = 1

    def __init__(self, message: str, *, status_code: int | None = None, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status_code = status_code
        self.headers: Mapping[str, str] = Headers(headers or {})

    @property
    def request_id(self) -> str | None:
        """ShipEngine's id of the call, if the head of an answer brought one."""
        return _header_request_id(self.headers)


class APITimeoutError(APIConnectionError, TimeoutError):
    """The answer, or its rest, did not arrive in time."""


class APIError(ShipEngineError):
    """An answer that is not the 204: the package is not tracked.

    Attributes:
        status_code: The HTTP status.
        headers: The answer's headers; names in any case.
        body: The first 1,000,000 bytes of the body.
        body_truncated: Whether there was more.
        errors: What the body lists, 100 at most, each an `Error` of the generated models. A required member that the
            body lacks is `""` there. Empty where the body is not ShipEngine's JSON.
        request_id: ShipEngine's id of the call, from the body, else from the headers. Quote it to their support.
        retry_after: Seconds to wait before the next call, if the answer says so (RFC 9110, section 10.2.3).
        code: The first error's code, a member of `ErrorCode` if it is known, else the string as sent. Like those that
            follow None where the answer has none.
        type: The first error's type. Do not decide by it: a caller's mistake is at times reported as `system`.
        source: Whose error the first one is: the carrier's, the order source's or ShipEngine's.
        message: The first error's sentence for people, whole. ShipEngine asks not to decide by it.
        field_name: What in the request the first error complains about.
        carrier_code: The carrier that the first error comes from.
        carrier_id: That carrier's id, at times the word `unknown`.
    """

    attempts = 1

    def __init__(
        self,
        status_code: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        body_truncated: bool = False,
    ):
        self.status_code = status_code
        self.headers: Mapping[str, str] = Headers(headers or {})
        self.body = body
        self.body_truncated = body_truncated
        request_id, items = read_error_body(body)
        self.request_id = request_id or _header_request_id(self.headers)
        self.errors: tuple[Error, ...] = tuple(Error.from_dict(item) for item in items)
        self.retry_after = read_retry_after(self.headers, time.time())

        first = self.errors[0] if self.errors else _NO_ERROR
        self.code = first.error_code or None
        self.type = first.error_type or None
        self.source = first.error_source or None
        self.message = first.message or None
        self.field_name = first.field_name or None
        self.carrier_code = first.carrier_code or None
        self.carrier_id = first.carrier_id or None
        super().__init__(summary(status_code, self.code, self.message, len(self.errors), self.request_id))

    @classmethod
    def from_answer(cls, status_code: int, headers: Mapping[str, str], body: bytes, body_truncated: bool) -> APIError:
        """Return the exception that an answer means."""
        codes = [item["error_code"] for item in read_error_body(body)[1]]
        return exception_class(status_code, codes)(status_code, headers, body, body_truncated)

    def has(self, code: str) -> bool:
        """Return whether any of the errors has this code."""
        return any(error.error_code == code for error in self.errors)

    def __reduce__(self) -> tuple[Any, ...]:
        # From the wire's own values: the models' UNSET is a sentinel that does not survive copying.
        names = ("args", "attempts", "retry_after", *(("__notes__",) if hasattr(self, "__notes__") else ()))
        kept = {name: getattr(self, name) for name in names}
        return self.__class__, (self.status_code, self.headers, self.body, self.body_truncated), kept


class AuthenticationError(APIError):
    """401: the API key is missing, wrong or revoked."""


class PermissionDeniedError(APIError):
    """403: the key is right but may not do this."""


class AccountError(APIError):
    """The ShipEngine account needs attention: an expired trial, terms to accept, a payment."""


class CarrierError(APIError):
    """The carrier is not connected to the account, or cannot be tracked."""


class InvalidRequestError(APIError):
    """Any other 4xx: the request is wrong, and sending it again will not help."""


class NotFoundError(InvalidRequestError):
    """404: an id in the request is not known."""


class RateLimitError(APIError):
    """429: the account has made too many calls. Wait `retry_after` seconds."""


class ServerError(APIError):
    """5xx: ShipEngine, the carrier or a proxy cannot answer now. Try again later."""


class WebhookError(ShipEngineError):
    """A delivery to your webhook that is not to be acted on. Answer it with `http_status`."""

    http_status = 400


class InvalidSignatureError(WebhookError):
    """ShipEngine has not signed it: 401. Where a header of the signature is missing, 404: the caller is a stranger."""

    def __init__(self, message: str, http_status: int = 401):
        super().__init__(message)
        self.http_status = http_status


class StaleTimestampError(WebhookError):
    """It was signed too long ago, or in the future, or nobody can say when: 400."""


class InvalidPayloadError(WebhookError):
    """Its body is not a tracking update, or breaks the contract: 400. `body` keeps what arrived, as bytes."""

    def __init__(self, message: str, body: bytes = b""):
        super().__init__(message)
        self.body = body


_NO_ERROR = Error(error_source="", error_type="", error_code="", message="")

_BY_CODE: dict[type[APIError] | None, str] = {
    AccountError: """
        funding_source_error funding_source_missing_configuration funding_source_registration_in_progress
        insufficient_funds invalid_billing_plan subscription_inactive terms_not_accepted trial_expired""",
    CarrierError: """
        carrier_conflict carrier_disconnected carrier_not_connected carrier_not_supported tracking_not_supported""",
    None: """
        auto_fund_not_supported batch_cannot_be_modified confirmation_not_supported customs_items_required
        default_warehouse_cannot_be_deleted field_conflict field_value_required file_not_found forbidden
        identifier_conflict identifiers_must_match incompatible_paired_labels insurance_failure invalid_address
        invalid_charge_event invalid_field_value invalid_identifier invalid_object invalid_status
        invalid_string_length label_images_not_supported meter_failure no_rates_returned order_source_not_active
        rate_limit_exceeded refresh_not_supported request_body_required return_label_not_supported
        service_not_determined settings_not_supported shipping_rule_not_found unauthorized unknown unspecified
        verification_failure warehouse_conflict webhook_event_type_conflict""",
}

CODES = {code: kind for kind, codes in _BY_CODE.items() for code in codes.split()}
"""Every code of the spec, and the class that it gives a 4xx; None leaves it to the status."""

_STATUSES: Mapping[int, type[APIError]] = {403: PermissionDeniedError, 404: NotFoundError}


def exception_class(status_code: int, codes: list[str]) -> type[APIError]:
    """Return the class that a status and the codes of its body, in their order, mean."""
    if status_code == 401:
        return AuthenticationError
    if status_code == 429:
        return RateLimitError
    if 500 <= status_code <= 599:
        return ServerError
    if 400 <= status_code <= 499:
        by_status = _STATUSES.get(status_code, InvalidRequestError)
        return next((kind for code in codes if (kind := CODES.get(code))), by_status)
    return APIError


def _header_request_id(headers: Mapping[str, str]) -> str | None:
    return headers.get("x-shipengine-requestid") or headers.get("request-id")
