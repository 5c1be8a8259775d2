"""The API key: sent, never shown by a client, and redacted in each form that the wire or Python may give it."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import time
import traceback
from contextlib import suppress
from unittest.mock import Mock
from urllib.parse import quote

import h11
import httpx
import pytest

from leaks import find_leaks
from shipengine_tracking import APIConnectionError, APIError
from shipengine_tracking._auth import APIKeyAuth
from shipengine_tracking.testing import FakeShipEngine, Response
from support import PACKAGE, Caller

KEY = 'TEST_a"b\\c/d%e'
UNICODE_ESCAPES = "".join(f"\\u{ord(char):04x}" for char in KEY)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(KEY, id="plain"),
        pytest.param(json.dumps(KEY)[1:-1], id="JSON"),
        pytest.param(repr(KEY)[1:-1], id="Python"),
        pytest.param(KEY.replace("/", "\\/"), id="escaped slash"),
        pytest.param(UNICODE_ESCAPES, id="escapes in lower case"),
        pytest.param("".join(f"\\u{ord(char):04X}" for char in KEY), id="escapes in upper case"),
        pytest.param(KEY.replace("T", "\\u0054"), id="some characters escaped"),
        pytest.param(quote(KEY, safe=""), id="percent-encoded"),
        pytest.param(quote(KEY, safe="").lower().replace("test", "TEST"), id="percent-encoded in lower case"),
    ],
)
def test_each_form_of_the_key_is_redacted(form: str) -> None:
    auth = APIKeyAuth(KEY)
    assert auth.redact(f"<{form}, {form}>".encode()) == b"<[API key], [API key]>"
    headers = httpx.Headers([(b"X-Echo", f"a {form}".encode()), (b"X-Echo", b"b"), (f"X-{form}".encode(), b"c")])
    assert auth.redact_headers(headers).raw == [(b"X-Echo", b"a [API key]"), (b"X-Echo", b"b"), (b"X-[API key]", b"c")]
    assert len(form) <= auth.max_escaped_length == len(UNICODE_ESCAPES)
    assert APIKeyAuth("sixsix").redact(b"sixsix") == b"[API key]"


@pytest.mark.parametrize(
    ("key", "text"), [(KEY, KEY.lower()), (KEY, KEY[:-1]), (KEY, "TEST_aXb"), (KEY, "é"), ("short", "short")]
)
def test_other_text_and_placeholders_are_not_redacted(key: str, text: str) -> None:
    assert APIKeyAuth(key).redact(text.encode()) == text.encode()


@pytest.mark.parametrize("key", [KEY * 4, "&<>'%#;x0" * 5, "u0055" * 8])
def test_redacting_text_similar_to_the_key_takes_bounded_time(key: str) -> None:
    auth = APIKeyAuth(key)
    started = time.process_time()
    for text in (key[:-1] * 2_000, "\\" * 100_000, "\\u00" * 25_000, "%5" * 50_000, key[0] * 100_000):
        assert auth.redact(text.encode()) == text.encode()
    assert time.process_time() - started < 5


def test_exception_is_redacted_with_its_causes_and_its_group() -> None:
    in_group, in_context = ValueError(f"in a group {KEY} \ud800", 7), httpx.ConnectError(f"without a request {KEY}")
    request = httpx.Request("POST", "https://host/path?a=b", headers={"API-Key": KEY})
    error = httpx.ConnectError(KEY, request=request)
    with suppress(httpx.ConnectError):
        raise error from ExceptionGroup("some", [in_group])
    assert error.__cause__
    error.__cause__.__context__ = in_context
    in_context.__context__ = error  # a cycle
    APIKeyAuth(KEY).redact_exception(error)
    assert error.args == ("[API key]",)
    assert in_group.args == ("in a group [API key] \ud800", 7)
    assert in_context.args == ("without a request [API key]",)
    assert error.__traceback__ is None
    assert (error.request.method, str(error.request.url)) == ("POST", "https://host/path?a=b")
    assert "API-Key" not in error.request.headers
    assert request.headers["API-Key"] == KEY  # a transport of the caller may have recorded it


@pytest.mark.parametrize(
    "body",
    [
        *((b"x" * (1_000_000 - distance) + KEY.encode() + b"x" * 1_000_000) for distance in (1, 10)),
        KEY.encode() * 80_000,
    ],
    ids=["first character", "first ten characters", "everywhere"],
)
def test_key_across_the_limit_of_a_body_is_not_shown(body: bytes, caller: Caller, fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(500, body))
    error = caller.call(api_key=KEY, base_url=fake.url)
    assert error.body_truncated
    assert b"T" not in error.body


def test_success_that_echoes_the_key_does_not_show_it(caller: Caller, fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(200, f"<html>{KEY}</html>"), Response.of(200, {"status_description": f"for {KEY}"}))
    error, information = caller.call_all(PACKAGE, PACKAGE, operation="get", api_key=KEY, base_url=fake.url)
    assert type(error) is APIError
    assert not find_leaks(error, KEY)
    assert information.status_description == "for [API key]"


def test_client_does_not_show_the_key_and_cannot_be_pickled(caller: Caller) -> None:
    client = caller.client_class(KEY)
    assert "TEST" not in f"{client!r} {vars(client)}"
    for use in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="API key"):
            use(client)


class SoftTimeLimitError(Exception):
    """As Celery raises it in any frame."""


@pytest.mark.parametrize("kind", [SoftTimeLimitError, asyncio.CancelledError], ids=lambda kind: kind.__name__)
def test_interruption_does_not_show_the_key(
    kind: type[BaseException], caller: Caller, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h11.Connection, "send", Mock(side_effect=kind))
    with caller.client(api_key=KEY, base_url=fake.url) as client, pytest.raises(kind) as raised:
        client.start(**PACKAGE)
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert "TEST" not in "".join(shown.format())


def test_exception_that_the_caller_handles_is_not_changed(caller: Caller, fake: FakeShipEngine) -> None:
    fake.enqueue(Response(b"", "close"))
    handled = LookupError(KEY)
    try:
        raise handled
    except LookupError:
        result = caller.call(api_key=KEY, base_url=fake.url)
    assert type(result) is APIConnectionError
    assert handled.args == (KEY,)
    assert handled.__traceback__ is not None
