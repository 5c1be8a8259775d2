"""The API key: sent, never shown by a client, and redacted in each form that the wire or Python may give it."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import time
import traceback
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import h11
import httpx
import pytest

from shipengine_tracking import APIConnectionError
from shipengine_tracking._auth import APIKeyAuth
from shipengine_tracking.testing import FakeShipEngine, Response
from support import Caller

KEY = 'TEST_a"b\\c/d%e'
SHORTEST_SECRET = "abcdef"
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
    assert len(form) <= auth.longest_form == len(UNICODE_ESCAPES)


@pytest.mark.parametrize("other", [KEY.lower(), KEY[:-1], "TEST_aXb", "é"])
def test_other_text_is_not_redacted(other: str) -> None:
    assert APIKeyAuth(KEY).redact(other.encode()) == other.encode()


@pytest.mark.parametrize("key", [KEY * 4, "&<>'%#;x0" * 5, "u0055" * 8])
def test_redacting_text_similar_to_the_key_takes_bounded_time(key: str) -> None:
    auth = APIKeyAuth(key)
    started = time.process_time()
    for text in (key[:-1] * 2_000, "\\" * 100_000, "\\u00" * 25_000, "%5" * 50_000, key[0] * 100_000):
        assert auth.redact(text.encode()) == text.encode()
    assert time.process_time() - started < 5


def test_key_shorter_than_six_characters_is_not_redacted() -> None:
    assert APIKeyAuth(SHORTEST_SECRET[:-1]).redact(SHORTEST_SECRET.encode()) == SHORTEST_SECRET.encode()
    assert APIKeyAuth(SHORTEST_SECRET).redact(SHORTEST_SECRET.encode()) == b"[API key]"


def test_exception_is_redacted_with_its_causes_and_its_group() -> None:
    def raised(error: BaseException, cause: BaseException | None = None, context: BaseException | None = None) -> Any:
        """Give an exception a traceback, a cause and a context."""
        error.__context__ = context
        try:
            raise error from cause
        except BaseException as caught:
            return caught

    in_group, in_context = ValueError(f"in a group {KEY} \ud800", 7), httpx.ConnectError(f"without a request {KEY}")
    cause = raised(BaseExceptionGroup("some", [in_group]), context=in_context)
    request = httpx.Request("POST", "https://host/path?a=b", headers={"API-Key": KEY})
    error = raised(httpx.ConnectError(KEY, request=request), cause)
    in_context.__context__ = error  # a cycle
    APIKeyAuth(KEY).redact_exception(error)
    assert error.args == ("[API key]",)
    assert in_group.args == ("in a group [API key] \ud800", 7)
    assert in_context.args == ("without a request [API key]",)
    assert error.__traceback__ is cause.__traceback__ is None
    assert (error.request.method, str(error.request.url)) == ("POST", "https://host/path?a=b")
    assert "API-Key" not in error.request.headers
    assert request.headers["API-Key"] == KEY  # a transport of the caller may have recorded it


def test_client_does_not_show_the_key(caller: Caller) -> None:
    todo: list[Any] = [caller.client_class(KEY, transport=httpx.MockTransport(lambda _: httpx.Response(204)))]
    seen: list[Any] = []
    while todo:
        value = todo.pop()
        if not any(value is other for other in seen):
            seen.append(value)
            assert "TEST" not in f"{value!r} {value}"
            if not isinstance(value, httpx.Auth):
                todo += vars(value).values() if hasattr(value, "__dict__") else ()
                todo += value.values() if isinstance(value, dict) else ()
    assert len(seen) > 10


@pytest.mark.parametrize("use", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_client_cannot_be_pickled(use: Callable[[Any], Any], caller: Caller) -> None:
    with pytest.raises(TypeError, match="API key"):
        use(caller.client_class(KEY))


class SoftTimeLimitError(Exception):
    """As Celery raises it in any frame."""


@pytest.mark.parametrize("kind", [SoftTimeLimitError, asyncio.CancelledError], ids=lambda kind: kind.__name__)
def test_interruption_does_not_show_the_key(
    kind: type[BaseException], caller: Caller, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h11.Connection, "send", Mock(side_effect=kind))
    with caller.client(api_key=KEY, base_url=fake.url) as client, pytest.raises(kind) as raised:
        client.start(tracking_number="1Z1", carrier_code="ups")
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
