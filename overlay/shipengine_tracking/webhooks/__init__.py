"""Receive ShipEngine's webhooks: verify a delivery and return its event.

A receiver passes the headers and the raw body of the request to `Verifier.verify`, or in asyncio to
`AsyncVerifier.verify`. README has complete receivers for Flask and FastAPI. The arguments in each framework:

    Flask                (request.headers, request.get_data())
    FastAPI, Starlette   (request.headers, await request.body())
    Django               (request.headers, request.body), in a view with `@csrf_exempt`
    aiohttp              (request.headers, await request.read())
    AWS Lambda           (headers, body), behind an API Gateway or an Application Load Balancer, with
                         headers = event.get("headers") or event.get("multiValueHeaders") or {}
                         body = b64decode(event["body"]) if event.get("isBase64Encoded") else event.get("body")

The status of the response is the `http_status` of the `WebhookError` if there is one, otherwise 204. A Lambda function
returns it as `{"statusCode": status, "isBase64Encoded": False, "headers": {}}`.
"""

from shipengine_tracking_generated.models import KnownStatusCode as StatusCode
from shipengine_tracking_generated.models import KnownStatusDetailCode as StatusDetailCode

from .._models import TrackingEvent, TrackingInformation, TrackingInformationEvent, parse_date
from ..exceptions import (
    InvalidPayloadError,
    InvalidSignatureError,
    KeysUnavailableError,
    OtherEventError,
    StaleTimestampError,
    WebhookError,
)
from ._payload import parse
from ._verifier import AsyncVerifier, Verifier

__all__ = [
    "AsyncVerifier",
    "InvalidPayloadError",
    "InvalidSignatureError",
    "KeysUnavailableError",
    "OtherEventError",
    "StaleTimestampError",
    "StatusCode",
    "StatusDetailCode",
    "TrackingEvent",
    "TrackingInformation",
    "TrackingInformationEvent",
    "Verifier",
    "WebhookError",
    "parse",
    "parse_date",
]
