"""The receivers of README and of the docstring of `webhooks`, run in their frameworks and sent deliveries."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from deliveries import SIGNATURE, TIMESTAMP
from django.conf import settings  # type: ignore[import-untyped]
from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]
from django.urls import clear_url_caches, path  # type: ignore[import-untyped]

from shipengine_tracking import webhooks
from shipengine_tracking.testing import FakeShipEngine
from shipengine_tracking.webhooks import TrackingEvent, parse

Post = Callable[[dict[str, str], bytes | None], int]  # headers and a body -> the status of the response

README = (Path(__file__).parents[2] / "README.md").read_text()
DOCUMENTED = re.findall(r"```python\n(.*?)```", README, re.DOTALL) + [
    dedent(block) for block in re.findall(r":\n\n((?:    .*\n|\n)+)", webhooks.__doc__ or "")
]


def receiver(framework: str, headers: str = "headers") -> SimpleNamespace:
    """Run the documented receiver for a framework, with another source of the headers; return its names."""
    (code,) = (block for block in DOCUMENTED if framework in block and "verifier.verify(" in block)
    code = code.replace("verify(request.headers", f"verify(request.{headers}")
    names = {"__name__": "receiver"}
    exec(compile(code, framework, "exec", dont_inherit=True), names)
    return SimpleNamespace(**names)


def post_wsgi(app: Any, headers: dict[str, str], body: bytes | None) -> int:
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://receiver") as client:
        return client.post("/shipengine", headers=headers, content=body or b"").status_code


def flask() -> Post:
    return partial(post_wsgi, receiver("Flask(").app)


def django(headers: str) -> Post:
    if not settings.configured:
        middleware = ["django.middleware.csrf.CsrfViewMiddleware"]
        settings.configure(ROOT_URLCONF="urls", ALLOWED_HOSTS=["*"], MIDDLEWARE=middleware, LOGGING_CONFIG=None)
    settings.ROOT_URLCONF = (path("shipengine", receiver("django", headers).receive),)  # a tuple, because it is hashed
    clear_url_caches()
    return partial(post_wsgi, get_wsgi_application())


def fastapi() -> Post:
    app = receiver("FastAPI(").app

    async def post(headers: dict[str, str], body: bytes | None) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as client:
            return (await client.post("/shipengine", headers=headers, content=body or b"")).status_code

    return lambda headers, body: asyncio.run(post(headers, body))


def aiohttp() -> Post:
    routes = receiver("aiohttp").routes

    async def post(headers: dict[str, str], body: bytes | None) -> int:
        app = web.Application()
        app.add_routes(routes)
        async with TestClient(TestServer(app)) as client:
            return (await client.post("/shipengine", headers=headers, data=body or b"")).status

    return lambda headers, body: asyncio.run(post(headers, body))


# What AWS passes to a function, apart from the body.
LAMBDA_EVENTS: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
    "API-Gateway-REST": lambda headers: {
        "httpMethod": "POST",
        "headers": {name.title(): value for name, value in headers.items()},
        "multiValueHeaders": {name.title(): [value] for name, value in headers.items()},
    },
    "API-Gateway-HTTP": lambda headers: {"version": "2.0", "headers": headers},
    "load-balancer": lambda headers: {"requestContext": {"elb": {}}, "headers": headers},
    "load-balancer-with-many-values": lambda headers: {
        "requestContext": {"elb": {}},
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
    },
}


def aws_lambda(make_event: Callable[[dict[str, str]], dict[str, Any]], is_base64: bool) -> Post:
    handler = receiver("def handler(event, context)").handler

    def post(headers: dict[str, str], body: bytes | None) -> int:
        text = None if body is None else b64encode(body).decode() if is_base64 else body.decode()
        event = make_event(headers) | {"body": text, "isBase64Encoded": is_base64 and body is not None}
        response = json.loads(json.dumps(handler(event, None)))
        assert response.keys() == {"statusCode", "headers", "body", "isBase64Encoded"}
        status: int = response["statusCode"]
        return status

    return post


RECEIVERS: dict[str, Callable[[], Post]] = {
    "Flask": flask,
    "FastAPI": fastapi,
    "Django": partial(django, "headers"),
    "Django-META": partial(django, "META"),
    "aiohttp": aiohttp,
    **{f"Lambda-{name}": partial(aws_lambda, event, False) for name, event in LAMBDA_EVENTS.items()},
    **{f"Lambda-{name}-base64": partial(aws_lambda, event, True) for name, event in LAMBDA_EVENTS.items()},
}


@pytest.fixture(params=RECEIVERS)
def post(request: pytest.FixtureRequest, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> Post:
    monkeypatch.setenv("SHIPENGINE_BASE_URL", fake.url)
    return RECEIVERS[request.param]()


def test_receiver_accepts_genuine_repeated_and_shuffled_updates(
    post: Post, fake: FakeShipEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    updates = [fake.update("1Z", code) for code in ("AC", "IT", "AT", "DE")] * 2
    Random(7).shuffle(updates)
    assert [post(*update) for update in updates] == [204] * 8
    expected = [f"1Z is {parse(update.body).data.status_code}" for update in updates]
    assert capsys.readouterr().out.splitlines() == expected


def test_receiver_rejects_everything_else_with_the_status_of_the_error(
    post: Post, fake: FakeShipEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    headers, body = fake.update("1Z", tracking_url="é")
    other = b'{"resource_type": "API_BATCH", "data": {"batch_id": "se-1"}}'
    assert post({**headers, SIGNATURE: "AAAA"}, body) == 401
    assert post(headers, body.replace(b"1Z", b"1A")) == 401
    assert post({name: value for name, value in headers.items() if name != SIGNATURE}, body) == 404
    assert post(fake.sign(body, "2020-01-01T00:00:00Z"), body) == 400
    assert post({**headers, TIMESTAMP: "now"}, body) == 400
    assert post(fake.sign(b"[]"), b"[]") == 400
    assert post(headers, None) == 401
    assert post(fake.sign(b""), None) == 400
    assert post(fake.sign(other), other) == 204
    assert post({}, b"") == 404
    assert capsys.readouterr().out == ""
    assert post(headers, body) == 204
    assert capsys.readouterr().out == "1Z is IT\n"


def test_receiver_responds_503_while_the_keys_cannot_be_fetched(post: Post, fake: FakeShipEngine) -> None:
    headers, body = fake.update("1Z")
    fake.close()
    assert post(headers, body) == 503


# --- updates in any order -------------------------------------------------------------------------------------------


def newest(bodies: list[bytes]) -> TrackingEvent | None:
    """Store updates as README says: a later or equal `last_moved` replaces the stored one."""
    stored: TrackingEvent | None = None
    oldest = datetime.min.replace(tzinfo=UTC)
    for event in map(parse, bodies):
        if stored is None or (event.last_moved or oldest) >= (stored.last_moved or oldest):
            stored = event
    return stored


def test_newest_of_shuffled_updates_is_found_by_last_moved(fake: FakeShipEngine) -> None:
    bodies = [fake.update("1Z", code).body for code in ("AC", "IT", "AT", "IT", "DE")] * 2
    last = bodies[-1]
    for seed in range(20):
        Random(seed).shuffle(bodies)
        assert newest(bodies) == parse(last)
    without_a_time = fake.update("1Z", "NY", events=[]).body
    assert newest([without_a_time, last]) == newest([last, without_a_time]) == parse(last)
    equal = fake.update("1Z", "AT", events=json.loads(last)["data"]["events"]).body
    assert newest([last, equal]) == parse(equal)
    assert newest([equal, last]) == parse(last)
