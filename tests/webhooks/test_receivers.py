"""The receivers in the docstring of `webhooks`, each run in its framework. test_documents.py runs those in README."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from django.conf import settings  # type: ignore[import-untyped]
from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]
from django.http import HttpResponse  # type: ignore[import-untyped]
from django.urls import path  # type: ignore[import-untyped]
from django.views.decorators.csrf import csrf_exempt  # type: ignore[import-untyped]

from shipengine_tracking import webhooks
from shipengine_tracking.testing import FakeShipEngine
from shipengine_tracking.webhooks import AsyncVerifier, Verifier, WebhookError

verifier, async_verifier = Verifier(), AsyncVerifier()


def receive_django(request: Any) -> Any:
    try:
        verifier.verify(request.headers, request.body)
    except WebhookError as error:
        return HttpResponse(status=error.http_status)
    return HttpResponse(status=204)


async def receive_aiohttp(request: web.Request) -> web.Response:
    try:
        await async_verifier.verify(request.headers, await request.read())
    except WebhookError as error:
        return web.Response(status=error.http_status)
    return web.Response(status=204)


def receive_lambda(event: dict[str, Any]) -> dict[str, Any]:
    headers = event.get("headers") or event.get("multiValueHeaders") or {}
    body = b64decode(event["body"]) if event.get("isBase64Encoded") else event.get("body")
    status = 204
    try:
        verifier.verify(headers, body)
    except WebhookError as error:
        status = error.http_status
    return {"statusCode": status, "isBase64Encoded": False, "headers": {}}


def post_django(headers: dict[str, str], body: bytes) -> int:
    if not settings.configured:
        urls = (path("", csrf_exempt(receive_django)),)
        middleware = ["django.middleware.csrf.CsrfViewMiddleware"]
        settings.configure(ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"], MIDDLEWARE=middleware, LOGGING_CONFIG=None)
    with httpx.Client(transport=httpx.WSGITransport(get_wsgi_application())) as client:
        return client.post("http://receiver/", headers=headers, content=body).status_code


def post_aiohttp(headers: dict[str, str], body: bytes) -> int:
    async def post() -> int:
        app = web.Application()
        app.add_routes([web.post("/", receive_aiohttp)])
        async with TestClient(TestServer(app)) as client:  # over a socket
            return (await client.post("/", headers=headers, data=body)).status

    return asyncio.run(post())


def post_api_gateway(headers: dict[str, str], body: bytes) -> int:
    event = {"headers": headers, "body": body.decode() or None, "isBase64Encoded": False}
    return int(receive_lambda(event)["statusCode"])


def post_load_balancer(headers: dict[str, str], body: bytes) -> int:
    values = {name: [value] for name, value in headers.items()}
    event = {"multiValueHeaders": values, "body": b64encode(body).decode(), "isBase64Encoded": True}
    return int(receive_lambda(event)["statusCode"])


@pytest.mark.parametrize("post", [post_django, post_aiohttp, post_api_gateway, post_load_balancer])
def test_receiver_accepts_updates_and_rejects_everything_else(
    post: Callable[[dict[str, str], bytes], int], fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPENGINE_BASE_URL", fake.url)
    headers, body = fake.update("1Z", tracking_url="é")
    other = b'{"resource_type": "API_BATCH"}'
    assert post(headers, body) == 204
    assert post(headers, body.replace(b"1Z", b"1A")) == 401
    assert post({}, body) == 404
    assert post(fake.sign(body, "2020-01-01T00:00:00Z"), body) == 400
    assert post(fake.sign(b""), b"") == 400
    assert post(fake.sign(other), other) == 204


def test_docstring_shows_the_code_of_the_receivers() -> None:
    shown = re.findall(r"\(request\..*\)|(?:headers|body) = .*|\{\"statusCode.*\}", webhooks.__doc__ or "")
    run = Path(__file__).read_text() + (Path(__file__).parents[2] / "README.md").read_text()
    assert len(shown) == 7
    assert [code for code in shown if code not in run] == []
