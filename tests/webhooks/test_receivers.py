"""The receivers of the documentation, run with the servers of their frameworks and driven with deliveries."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from textwrap import dedent
from types import ModuleType
from typing import Any

import httpx
import pytest
from deliveries import SIGNATURE, TIMESTAMP
from django.conf import settings  # type: ignore[import-untyped]
from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]
from django.urls import clear_url_caches, path  # type: ignore[import-untyped]

from shipengine_tracking import webhooks
from shipengine_tracking.testing import FakeShipEngine, Update
from shipengine_tracking.webhooks import TrackingEvent, parse

Post = Callable[[dict[str, str], bytes | None], int]  # headers and a body -> the status of the response

FLASK = """
    from flask import Flask, request

    from shipengine_tracking.webhooks import Verifier, WebhookError

    app = Flask(__name__)
    verifier = Verifier()


    @app.post("/shipengine")
    def receive():
        try:
            event = verifier.verify(request.headers, request.get_data())
        except WebhookError as error:
            return "", error.http_status
        print(event.data.tracking_number, "is", event.data.status_code)
        return "", 204
"""
FASTAPI = """
    from fastapi import FastAPI, Request, Response

    from shipengine_tracking.webhooks import AsyncVerifier, WebhookError

    app = FastAPI()
    verifier = AsyncVerifier()


    @app.post("/shipengine")
    async def receive(request: Request) -> Response:
        try:
            event = await verifier.verify(request.headers, await request.body())
        except WebhookError as error:
            return Response(status_code=error.http_status)
        print(event.data.tracking_number, "is", event.data.status_code)
        return Response(status_code=204)
"""


def documented(framework: str) -> str:
    """Return the receiver for a framework in the docstring of `webhooks`."""
    assert webhooks.__doc__
    _, _, rest = webhooks.__doc__.partition(f"With {framework}")
    block = rest.partition(":\n")[2].split("\nWith ")[0]
    assert all(line.startswith("    ") or not line for line in block.splitlines())
    return block


def load(code: str) -> dict[str, Any]:
    """Run the code of a receiver; return its names."""
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(dedent(code), "receiver", "exec", dont_inherit=True), names)
    return names


@contextmanager
def wsgi(app: Any) -> Iterator[Post]:
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://receiver") as client:
        yield lambda headers, body: client.post("/shipengine", headers=headers, content=body or b"").status_code


@contextmanager
def flask() -> Iterator[Post]:
    with wsgi(load(FLASK)["app"]) as post:
        yield post


@contextmanager
def django(headers: str) -> Iterator[Post]:
    if not settings.configured:
        middleware = ["django.middleware.csrf.CsrfViewMiddleware"]
        settings.configure(
            ROOT_URLCONF="receiver_urls", ALLOWED_HOSTS=["*"], MIDDLEWARE=middleware, LOGGING_CONFIG=None
        )
    code = documented("Django")
    assert "request.headers" in code
    urls: Any = ModuleType("receiver_urls")
    urls.urlpatterns = [path("shipengine", load(code.replace("request.headers", headers))["receive"])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "receiver_urls", urls)
        clear_url_caches()
        with wsgi(get_wsgi_application()) as post:
            yield post


@contextmanager
def fastapi() -> Iterator[Post]:
    app = load(FASTAPI)["app"]

    async def post_async(headers: dict[str, str], body: bytes | None) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as client:
            return (await client.post("/shipengine", headers=headers, content=body or b"")).status_code

    yield lambda headers, body: asyncio.run(post_async(headers, body))


@contextmanager
def aiohttp() -> Iterator[Post]:
    from aiohttp import web

    loop, urls = asyncio.new_event_loop(), list[str]()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.add_routes(load(documented("aiohttp"))["routes"])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        urls.append("http://{}:{}/shipengine".format(*runner.addresses[0][:2]))
        return runner

    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with httpx.Client(trust_env=False) as client:
        yield lambda headers, body: client.post(urls[0], headers=headers, content=body or b"").status_code
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


def api_gateway_v1(headers: dict[str, str]) -> dict[str, Any]:
    return {
        "resource": "/shipengine", "path": "/shipengine", "httpMethod": "POST", "queryStringParameters": None,
        "headers": {name.title(): value for name, value in headers.items()},
        "multiValueHeaders": {name.title(): [value] for name, value in headers.items()},
        "requestContext": {"stage": "prod", "httpMethod": "POST"},
    }  # fmt: skip


def api_gateway_v2(headers: dict[str, str]) -> dict[str, Any]:
    return {
        "version": "2.0", "routeKey": "POST /shipengine", "rawPath": "/shipengine", "rawQueryString": "",
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {"http": {"method": "POST", "path": "/shipengine"}},
    }  # fmt: skip


def load_balancer(headers: dict[str, str]) -> dict[str, Any]:
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:…"}}, "httpMethod": "POST",
        "path": "/shipengine", "queryStringParameters": {},
        "headers": {name.lower(): value for name, value in headers.items()},
    }  # fmt: skip


def load_balancer_with_many_values(headers: dict[str, str]) -> dict[str, Any]:
    event = load_balancer(headers)
    return event | {"multiValueHeaders": {name: [value] for name, value in event.pop("headers").items()}}


@contextmanager
def aws_lambda(make_event: Callable[[dict[str, str]], dict[str, Any]], is_base64: bool) -> Iterator[Post]:
    handler = load(documented("AWS Lambda"))["handler"]

    def post(headers: dict[str, str], body: bytes | None) -> int:
        text = None if body is None else b64encode(body).decode() if is_base64 else body.decode()
        event = make_event(headers) | {"body": text, "isBase64Encoded": is_base64 and body is not None}
        response = json.loads(json.dumps(handler(json.loads(json.dumps(event)), None)))
        assert response.keys() == {"statusCode", "headers", "body", "isBase64Encoded"}
        status = response["statusCode"]
        assert isinstance(status, int)
        return status

    yield post


EVENTS = (api_gateway_v1, api_gateway_v2, load_balancer, load_balancer_with_many_values)
RECEIVERS: dict[str, Callable[[], AbstractContextManager[Post]]] = {
    "Flask": flask,
    "FastAPI": fastapi,
    "Django": partial(django, "request.headers"),
    "Django-META": partial(django, "request.META"),
    "aiohttp": aiohttp,
    **{f"Lambda-{make_event.__name__}": partial(aws_lambda, make_event, False) for make_event in EVENTS},
    **{f"Lambda-{make_event.__name__}-base64": partial(aws_lambda, make_event, True) for make_event in EVENTS},
}


@pytest.fixture(params=RECEIVERS)
def post(request: pytest.FixtureRequest, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    monkeypatch.setenv("SHIPENGINE_BASE_URL", fake.url)
    with ExitStack() as stack:
        yield stack.enter_context(RECEIVERS[request.param]())


def test_receiver_accepts_genuine_repeated_and_shuffled_updates(
    post: Post, fake: FakeShipEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    updates = [fake.update("1Z", code) for code in ("AC", "IT", "AT", "DE")] * 2
    random.Random(7).shuffle(updates)
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


OLDEST = datetime.min.replace(tzinfo=UTC)


def newest(updates: list[Update]) -> TrackingEvent | None:
    """Store updates as README says: a later or equal `last_moved` replaces the stored one."""
    stored: TrackingEvent | None = None
    for update in updates:
        event = parse(update.body)
        if stored is None or (event.last_moved or OLDEST) >= (stored.last_moved or OLDEST):
            stored = event
    return stored


def test_update_without_a_time_never_replaces_one_with_a_time(fake: FakeShipEngine) -> None:
    without, dated = fake.update("1Z", "NY", events=[]), fake.update("1Z", "IT")
    for updates in ([without, dated], [dated, without]):
        assert newest(updates) == parse(dated.body)
    assert newest([without]) == parse(without.body)


@pytest.mark.parametrize("seed", range(20))
def test_last_moved_finds_the_newest_of_shuffled_updates(seed: int, fake: FakeShipEngine) -> None:
    updates = [fake.update("1Z", code) for code in ("AC", "IT", "AT", "IT", "DE")] * 2
    random.Random(seed).shuffle(updates)
    event = newest(updates)
    assert event is not None
    assert event.data.status_code == "DE"
    assert len(event.data.events or ()) == 5


def test_of_two_updates_with_equal_times_the_later_delivery_stays(fake: FakeShipEngine) -> None:
    first = fake.update("1Z")
    second = fake.update("1Z", "AT", events=json.loads(first.body)["data"]["events"])
    for updates in ([first, second], [second, first]):
        event = newest(updates)
        assert event is not None
        assert event == parse(updates[-1].body)
