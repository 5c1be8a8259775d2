"""The API key is taken out of whatever may be shown, in every form that the wire or Python gives it."""

from __future__ import annotations

import html
import json
import time
from urllib.parse import quote

import httpx
import pytest

from shipengine_tracking._api_key import ApiKey

KEY = 'TEST_a"b\\c/d'


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        repr(KEY)[1:-1],
        KEY.replace("/", "\\/"),
        "".join(f"\\u{ord(char):04x}" for char in KEY),
        "".join(f"\\u{ord(char):04X}" for char in KEY),
        KEY.replace("T", "\\u0054"),
        json.dumps(json.dumps(KEY))[3:-3],
        json.dumps(json.dumps("".join(f"\\u{ord(char):04x}" for char in KEY)))[3:-3],
        quote(KEY, safe=""),
        quote(KEY, safe="").lower().replace("test", "TEST"),
        html.escape(KEY),
        "".join(f"&#{ord(char)};" for char in KEY),
        "".join(f"&#{ord(char):03};" for char in KEY),
        "".join(f"&#x{ord(char):x};" for char in KEY),
        "".join(f"&#X{ord(char):X};" for char in KEY),
    ],
)
def test_every_form_is_blacked_out(form: str) -> None:
    key = ApiKey(KEY)
    assert key.redact_text(f"<{form}, {form}>") == "<[API key], [API key]>"
    assert key.redact(f"<{form}>".encode()) == b"<[API key]>"
    assert key.redact_headers({f"X-{form}": f"a {form}"}) == {"X-[API key]": "a [API key]"}
    assert len(form) <= key.longest_form == 9 * len(KEY)


@pytest.mark.parametrize("other", [KEY.lower(), KEY[:-1], "TEST_aXb", "é \ud800"])
def test_nothing_else_is(other: str) -> None:
    assert ApiKey(KEY).redact_text(other) == other


@pytest.mark.parametrize("key", [KEY * 4, "&<>'%#;x0" * 5, "u0055" * 8])
def test_what_is_nearly_the_key_takes_no_longer(key: str) -> None:
    began = time.process_time()
    for text in (key[:-1] * 2_000, "\\" * 100_000, "&#" * 50_000, "%5" * 50_000, key[0] * 100_000):
        ApiKey(key).redact_text(text)
    assert time.process_time() - began < 5


def test_a_key_that_short_is_no_secret() -> None:
    assert ApiKey("abcde").redact_text("abcde") == "abcde"
    assert ApiKey("abcdef").redact_text("abcdef") == "[API key]"


def test_it_is_sent_and_not_shown() -> None:
    request = httpx.Request("POST", "https://host")
    assert next(ApiKey(KEY).auth_flow(request)) is request
    assert request.headers["API-Key"] == KEY
    assert repr(ApiKey(KEY)) == "ApiKey(…)"


def raised(error: BaseException, cause: BaseException | None = None, context: BaseException | None = None) -> None:
    error.__context__ = context
    try:
        raise error from cause
    except BaseException:
        assert error.__traceback__ is not None


def test_a_foreign_exception_and_its_chain() -> None:
    cause, context, inner, group_context = (ValueError(f"{name} {KEY}", 7) for name in ("a", "b", "c", "d"))
    group = BaseExceptionGroup("some", [inner])
    outer = OSError(KEY, 9)
    raised(cause, context=group)
    raised(context, context=outer)  # a circle
    raised(group, context=group_context)
    raised(outer, cause, context)
    outer.__context__ = context
    ApiKey(KEY).redact_error(outer)
    assert outer.args == ("[API key]", 9)
    assert [error.args[0] for error in (cause, context, inner, group_context)] == [
        f"{name} [API key]" for name in ("a", "b", "c", "d")
    ]
    assert all(error.__traceback__ is None for error in (outer, cause, context, group))


def test_the_request_of_a_foreign_exception_loses_its_headers() -> None:
    request = httpx.Request("POST", "https://host/path?a=b", headers={"API-Key": KEY})
    error = httpx.ConnectError(KEY, request=request)
    ApiKey(KEY).redact_error(error)
    assert (error.request.method, str(error.request.url)) == ("POST", "https://host/path?a=b")
    assert "api-key" not in error.request.headers
    ApiKey(KEY).redact_error(without := httpx.ConnectError("no request"))
    with pytest.raises(RuntimeError):
        _ = without.request
