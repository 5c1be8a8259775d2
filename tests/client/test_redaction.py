"""Redaction of the API key, in each form that the wire or Python gives it."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import httpx
import pytest

from shipengine_tracking._auth import APIKeyAuth

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
def test_form_of_the_key_is_redacted(form: str) -> None:
    auth = APIKeyAuth(KEY)
    assert auth.redact(f"<{form}, {form}>".encode()) == b"<[API key], [API key]>"
    headers = httpx.Headers([(b"X-Echo", f"a {form}".encode()), (b"X-Echo", b"b"), (f"X-{form}".encode(), b"c")])
    assert auth.redact_headers(headers).raw == [(b"X-Echo", b"a [API key]"), (b"X-Echo", b"b"), (b"X-[API key]", b"c")]
    assert len(form) <= auth.longest_form == len(UNICODE_ESCAPES)


@pytest.mark.parametrize("other", [KEY.lower(), KEY[:-1], "TEST_aXb", "é"])
def test_other_text_is_not_redacted(other: str) -> None:
    assert APIKeyAuth(KEY).redact(other.encode()) == other.encode()


@pytest.mark.parametrize("key", [KEY * 4, "&<>'%#;x0" * 5, "u0055" * 8])
def test_text_similar_to_the_key_takes_bounded_time(key: str) -> None:
    auth = APIKeyAuth(key)
    started = time.process_time()
    for text in (key[:-1] * 2_000, "\\" * 100_000, "\\u00" * 25_000, "%5" * 50_000, key[0] * 100_000):
        assert auth.redact(text.encode()) == text.encode()
    assert time.process_time() - started < 5


def test_key_shorter_than_six_characters_is_not_redacted() -> None:
    assert APIKeyAuth(SHORTEST_SECRET[:-1]).redact(SHORTEST_SECRET.encode()) == SHORTEST_SECRET.encode()
    assert APIKeyAuth(SHORTEST_SECRET).redact(SHORTEST_SECRET.encode()) == b"[API key]"


def test_key_is_sent_and_not_shown() -> None:
    request = httpx.Request("POST", "https://host")
    assert next(APIKeyAuth(KEY).auth_flow(request)) is request
    assert request.headers["API-Key"] == KEY
    assert "TEST" not in repr(APIKeyAuth(KEY))


def raise_and_catch(
    error: BaseException, cause: BaseException | None = None, context: BaseException | None = None
) -> None:
    """Give an exception a traceback, a cause and a context."""
    error.__context__ = context
    try:
        raise error from cause
    except BaseException:
        assert error.__traceback__ is not None


def test_chain_of_an_exception_is_redacted() -> None:
    cause, context, inner, group_context = (ValueError(f"{name} {KEY} \ud800", 7) for name in ("a", "b", "c", "d"))
    group = BaseExceptionGroup("some", [inner])
    outer = OSError(KEY, 9)
    raise_and_catch(cause, context=group)
    raise_and_catch(context, context=outer)  # a cycle
    raise_and_catch(group, context=group_context)
    raise_and_catch(outer, cause, context)
    outer.__context__ = context
    APIKeyAuth(KEY).redact_exception(outer)
    assert outer.args == ("[API key]", 9)
    for name, error in (("a", cause), ("b", context), ("c", inner), ("d", group_context)):
        assert error.args == (f"{name} [API key] \ud800", 7)
    assert [error.__traceback__ for error in (outer, cause, context, group)] == [None] * 4


def test_request_of_an_exception_loses_its_headers() -> None:
    request = httpx.Request("POST", "https://host/path?a=b", headers={"API-Key": KEY})
    error = httpx.ConnectError(KEY, request=request)
    APIKeyAuth(KEY).redact_exception(error)
    assert (error.request.method, str(error.request.url)) == ("POST", "https://host/path?a=b")
    assert "API-Key" not in error.request.headers
    assert request.headers["API-Key"] == KEY  # a transport of the caller may have recorded it


def test_exception_without_a_request_is_redacted() -> None:
    error = httpx.ConnectError(KEY)
    APIKeyAuth(KEY).redact_exception(error)
    assert str(error) == "[API key]"
    with pytest.raises(RuntimeError):
        _ = error.request
