"""Subscribe packages to ShipEngine's tracking updates."""

from shipengine_tracking_generated.models import KnownErrorCode as ErrorCode
from shipengine_tracking_generated.models import KnownErrorSource as ErrorSource
from shipengine_tracking_generated.models import KnownErrorType as ErrorType

from ._version import __version__
from .bulk import Outcome, Package
from .client import AsyncTrackingClient, TrackingClient
from .exceptions import (
    AccountError,
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    CarrierError,
    ClientStateError,
    InvalidArgumentError,
    InvalidPayloadError,
    InvalidRequestError,
    InvalidSignatureError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ShipEngineError,
    StaleTimestampError,
    WebhookError,
)

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AccountError",
    "AsyncTrackingClient",
    "AuthenticationError",
    "CarrierError",
    "ClientStateError",
    "ErrorCode",
    "ErrorSource",
    "ErrorType",
    "InvalidArgumentError",
    "InvalidPayloadError",
    "InvalidRequestError",
    "InvalidSignatureError",
    "NotFoundError",
    "Outcome",
    "Package",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "ShipEngineError",
    "StaleTimestampError",
    "TrackingClient",
    "WebhookError",
    "__version__",
]
