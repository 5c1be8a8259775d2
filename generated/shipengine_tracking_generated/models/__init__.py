"""Contains all the data models used in inputs/outputs"""

from .error import Error
from .error_response import ErrorResponse
from .known_error_code import KnownErrorCode
from .known_error_source import KnownErrorSource
from .known_error_type import KnownErrorType
from .known_status_code import KnownStatusCode
from .known_status_detail_code import KnownStatusDetailCode
from .tracking_event import TrackingEvent
from .tracking_information import TrackingInformation
from .tracking_information_event import TrackingInformationEvent

__all__ = (
    "Error",
    "ErrorResponse",
    "KnownErrorCode",
    "KnownErrorSource",
    "KnownErrorType",
    "KnownStatusCode",
    "KnownStatusDetailCode",
    "TrackingEvent",
    "TrackingInformation",
    "TrackingInformationEvent",
)
