"""Contains all the data models used in inputs/outputs"""

from .create_webhook_request import CreateWebhookRequest
from .error import Error
from .error_response import ErrorResponse
from .json_web_key import JsonWebKey
from .json_web_key_set import JsonWebKeySet
from .known_error_code import KnownErrorCode
from .known_error_source import KnownErrorSource
from .known_error_type import KnownErrorType
from .known_status_code import KnownStatusCode
from .known_status_detail_code import KnownStatusDetailCode
from .known_webhook_event import KnownWebhookEvent
from .new_webhook_header import NewWebhookHeader
from .tracking_event import TrackingEvent
from .tracking_information import TrackingInformation
from .tracking_information_event import TrackingInformationEvent
from .update_webhook_request import UpdateWebhookRequest
from .webhook import Webhook
from .webhook_header import WebhookHeader

__all__ = (
    "CreateWebhookRequest",
    "Error",
    "ErrorResponse",
    "JsonWebKey",
    "JsonWebKeySet",
    "KnownErrorCode",
    "KnownErrorSource",
    "KnownErrorType",
    "KnownStatusCode",
    "KnownStatusDetailCode",
    "KnownWebhookEvent",
    "NewWebhookHeader",
    "TrackingEvent",
    "TrackingInformation",
    "TrackingInformationEvent",
    "UpdateWebhookRequest",
    "Webhook",
    "WebhookHeader",
)
