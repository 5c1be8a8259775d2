"""Contains all the data models used in inputs/outputs"""

from .error import Error
from .error_response import ErrorResponse
from .known_error_code import KnownErrorCode
from .known_error_source import KnownErrorSource
from .known_error_type import KnownErrorType

__all__ = (
    "Error",
    "ErrorResponse",
    "KnownErrorCode",
    "KnownErrorSource",
    "KnownErrorType",
)
