"""The exceptions, and the choice of the exception for a response. Performs no I/O.

    ShipEngineError
    ├── InvalidArgumentError (also ValueError)     an argument is not valid; nothing was sent
    ├── ClientStateError (also RuntimeError)       the client is closed, or belongs to another event loop
    ├── APIConnectionError                         no complete response arrived: try later
    │   └── APITimeoutError (also TimeoutError)
    ├── APIError                                   any response that is not a documented success
    │   ├── AuthenticationError     401            fix the key
    │   ├── PermissionDeniedError   403
    │   ├── AccountError            by code        fix the account
    │   ├── CarrierError            by code        connect or change the carrier
    │   ├── InvalidRequestError     other 4xx      fix the request
    │   │   └── NotFoundError       404
    │   ├── RateLimitError          429            wait `retry_after` seconds
    │   └── ServerError             5xx            try later
    └── WebhookError                               respond to the delivery with `http_status`
        ├── InvalidSignatureError                  401, or 404 if a signature header is missing
        ├── StaleTimestampError                    400
        ├── InvalidPayloadError                    400
        ├── OtherEventError                        204: a genuine delivery of another event type
        └── KeysUnavailableError                   503: the public keys could not be fetched

For 401, 429 and 5xx, the status alone decides. For any other 4xx, the first error code that is in `CLASS_BY_CODE`
decides, or else the status. 3xx, an undocumented 2xx, and 6xx to 9xx are plain `APIError`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx

from shipengine_tracking_generated.models import Error

from ._responses import read_error_body, read_retry_after, summarize


class ShipEngineError(Exception):
    """The base class of all exceptions of this package.

    `attempts` is the number of requests that the call had sent when it failed: 0 if it was rejected before sending.
    """

    attempts: int = 0


class InvalidArgumentError(ShipEngineError, ValueError):
    """An argument is not valid. Nothing was sent; the message names the argument and the remedy."""


class ClientStateError(ShipEngineError, RuntimeError):
    """The client is closed, or belongs to another event loop. A single call that raises it was not sent."""


class APIConnectionError(ShipEngineError):
    """No complete response arrived, so it is not known whether the server processed the call. Try again later.

    `__cause__` is the network error. If the response was cut off after its headers, `status_code` and `headers` are
    those that arrived; otherwise they are None and empty.
    """

    attempts = 1

    def __init__(
        self, message: str, *, status_code: int | None = None, headers: httpx.Headers | Mapping[str, str] | None = None
    ):
        super().__init__(message)
        self.status_code = status_code
        self.headers = _headers(headers)

    @property
    def request_id(self) -> str | None:
        """ShipEngine's ID of the call, if the headers of a response arrived and have one."""
        return _header_request_id(self.headers)


class APITimeoutError(APIConnectionError, TimeoutError):
    """The response, or the rest of it, did not arrive in time."""


class APIError(ShipEngineError):
    """A response that is not a documented success.

    Attributes:
        status_code: The HTTP status.
        headers: The response headers.
        body: The body, at most its first 1,000,000 bytes.
        body_truncated: Whether the body was longer.
        errors: The errors in the body, at most 100, each an `Error` of the generated models. A required member that is
            missing is `""`, an optional one None. Empty if the body is not ShipEngine's JSON.
        request_id: ShipEngine's ID of the call, from the body or else the headers. Quote it to ShipEngine's support.
        retry_after: Seconds to wait before the next call, if the response says so (RFC 9110, section 10.2.3).
        code: The code of the first error: a member of `ErrorCode` if it is known, otherwise the string as sent. This
            and the following attributes are None if the response does not have them.
        type: The type of the first error. Do not base decisions on it: ShipEngine reports some mistakes of the
            caller as `system`.
        source: The system that reported the first error: the carrier, an order source or ShipEngine.
        message: The text of the first error, for people. It may change at any time.
        field_name: The parameter that the first error is about.
        carrier_code: The carrier that the first error is about.
        carrier_id: The ID of that carrier; sometimes the word `unknown`.
    """

    attempts = 1

    def __init__(
        self,
        status_code: int,
        headers: httpx.Headers | Mapping[str, str] | None = None,
        body: bytes = b"",
        body_truncated: bool = False,
    ):
        self.status_code = status_code
        self.headers = _headers(headers)
        self.body = body
        self.body_truncated = body_truncated
        content = read_error_body(body)
        self.request_id = content.request_id or _header_request_id(self.headers)
        self.errors: tuple[Error, ...] = tuple(Error.from_dict(item) for item in content.errors)
        self.retry_after = read_retry_after(self.headers, time.time())

        first = self.errors[0] if self.errors else _NO_ERROR
        self.code = first.error_code or None
        self.type = first.error_type or None
        self.source = first.error_source or None
        self.message = first.message or content.message
        self.field_name = first.field_name
        self.carrier_code = first.carrier_code
        self.carrier_id = first.carrier_id
        super().__init__(summarize(status_code, self.code, self.message, len(self.errors), self.request_id))

    @classmethod
    def from_response(
        cls, status_code: int, headers: httpx.Headers, body: bytes, body_truncated: bool = False
    ) -> APIError:
        """Return the exception for a response."""
        codes = [item["error_code"] for item in read_error_body(body).errors]
        return exception_class(status_code, codes)(status_code, headers, body, body_truncated)

    def has(self, code: str) -> bool:
        """Return whether any of the errors has this code."""
        return any(error.error_code == code for error in self.errors)

    def __reduce__(self) -> tuple[Any, ...]:
        # Unpickling parses the response again, and then restores attributes that may have been set since.
        names = ("args", "attempts", "retry_after", "__notes__")
        state = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return self.__class__, (self.status_code, self.headers, self.body, self.body_truncated), state


class AuthenticationError(APIError):
    """401: the API key is missing, wrong or revoked."""


class PermissionDeniedError(APIError):
    """403: the API key is valid, but not allowed to do this."""


class AccountError(APIError):
    """The ShipEngine account needs attention: an expired trial, terms to accept, a payment."""


class CarrierError(APIError):
    """The carrier is not connected to the account, or does not support tracking."""


class InvalidRequestError(APIError):
    """Any other 4xx: the request is wrong, and sending it again does not help."""


class NotFoundError(InvalidRequestError):
    """404: something that the request names does not exist."""


class RateLimitError(APIError):
    """429: the account has made too many calls. Wait `retry_after` seconds."""


class ServerError(APIError):
    """5xx: ShipEngine, the carrier or a proxy failed or is unavailable. Try again later."""


class WebhookError(ShipEngineError):
    """A delivery to your webhook that must not be processed. Respond with `http_status`."""

    http_status = 400


class InvalidSignatureError(WebhookError):
    """ShipEngine did not sign the delivery: 401, or 404 if a signature header is missing."""

    def __init__(self, message: str, http_status: int = 401):
        super().__init__(message)
        self.http_status = http_status


class StaleTimestampError(WebhookError):
    """The timestamp of the delivery is too old, in the future, or not a timestamp: 400."""


class InvalidPayloadError(WebhookError):
    """The body of the delivery is not a JSON object: 400. `body` keeps it."""

    def __init__(self, message: str, body: bytes = b""):
        super().__init__(message)
        self.body = body


class OtherEventError(WebhookError):
    """A genuine delivery of another event type: 204. `document` is its JSON object."""

    http_status = 204

    def __init__(self, message: str, document: Mapping[str, Any] | None = None):
        super().__init__(message)
        self.document: Mapping[str, Any] = document or {}


class KeysUnavailableError(WebhookError):
    """The public keys could not be fetched, so the signature cannot be checked: 503. ShipEngine tries again."""

    http_status = 503


_NO_ERROR = Error("", "", "", "", carrier_id=None, carrier_code=None, field_name=None, field_value=None)

# The error codes that decide the class of a 4xx. For all others, the status does. The spec's catalogue describes them.
_ACCOUNT_CODES = """
    funding_source_error funding_source_missing_configuration funding_source_registration_in_progress
    insufficient_funds invalid_billing_plan subscription_inactive terms_not_accepted trial_expired"""
_CARRIER_CODES = """
    carrier_conflict carrier_disconnected carrier_not_connected carrier_not_supported tracking_not_supported"""
CLASS_BY_CODE: Mapping[str, type[APIError]] = {
    **dict.fromkeys(_ACCOUNT_CODES.split(), AccountError),
    **dict.fromkeys(_CARRIER_CODES.split(), CarrierError),
}
_CLASS_BY_STATUS: Mapping[int, type[APIError]] = {403: PermissionDeniedError, 404: NotFoundError}


def exception_class(status_code: int, codes: list[str]) -> type[APIError]:
    """Return the class for a status and the error codes of the body, in their order."""
    if status_code == 401:
        return AuthenticationError
    if status_code == 429:
        return RateLimitError
    if 500 <= status_code <= 599:
        return ServerError
    if 400 <= status_code <= 499:
        by_status = _CLASS_BY_STATUS.get(status_code, InvalidRequestError)
        return next((CLASS_BY_CODE[code] for code in codes if code in CLASS_BY_CODE), by_status)
    return APIError


def _headers(headers: httpx.Headers | Mapping[str, str] | None) -> httpx.Headers:
    return headers if isinstance(headers, httpx.Headers) else httpx.Headers(headers, "utf-8")


def _header_request_id(headers: Mapping[str, str]) -> str | None:
    return headers.get("x-shipengine-requestid") or headers.get("request-id")
