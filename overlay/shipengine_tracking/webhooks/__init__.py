"""Receive ShipEngine's webhooks: verify a delivery and return its event.

A receiver passes on the headers and the raw body, and responds with the `http_status` of the exception if there is one.
README has receivers for Flask and FastAPI. With Django:

    from django.http import HttpResponse
    from django.views.decorators.csrf import csrf_exempt

    from shipengine_tracking.webhooks import Verifier, WebhookError

    verifier = Verifier()

    @csrf_exempt
    def receive(request):
        try:
            event = verifier.verify(request.headers, request.body)  # request.META works, too
        except WebhookError as error:
            return HttpResponse(status=error.http_status)
        print(event.data.tracking_number, "is", event.data.status_code)
        return HttpResponse(status=204)

With aiohttp:

    from aiohttp import web

    from shipengine_tracking.webhooks import AsyncVerifier, WebhookError

    routes = web.RouteTableDef()
    verifier = AsyncVerifier()

    @routes.post("/shipengine")
    async def receive(request):
        try:
            event = await verifier.verify(request.headers, await request.read())
        except WebhookError as error:
            return web.Response(status=error.http_status)
        print(event.data.tracking_number, "is", event.data.status_code)
        return web.Response(status=204)

With AWS Lambda, behind an API Gateway (REST or HTTP API) or an Application Load Balancer:

    from base64 import b64decode

    from shipengine_tracking.webhooks import Verifier, WebhookError

    verifier = Verifier()

    def handler(event, context):
        headers, body = event.get("headers") or event.get("multiValueHeaders") or {}, event.get("body") or ""
        status = 204
        try:
            update = verifier.verify(headers, b64decode(body) if event.get("isBase64Encoded") else body)
            print(update.data.tracking_number, "is", update.data.status_code)
        except WebhookError as error:
            status = error.http_status
        return {"statusCode": status, "headers": {}, "body": "", "isBase64Encoded": False}
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
