"""Authentication with the API key, and the redaction of the key in responses and exceptions."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import suppress
from functools import cached_property
from typing import cast

import httpx

REDACTED = b"[API key]"
# A shorter key is a placeholder in a test. Replacing it would garble every response.
MIN_SECRET_LENGTH = 6


class APIKeyAuth(httpx.Auth):
    """Adds the key to each request, and redacts it in responses: servers and proxies echo requests."""

    def __init__(self, key: str):
        self._key = key
        self.max_escaped_length = len(r"\u0000") * len(key)  # bytes

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        # Compiled on first use, because compiling takes 15 ms.
        is_secret = len(self._key) >= MIN_SECRET_LENGTH
        return re.compile(b"".join(map(_char_pattern, self._key)) if is_secret else b"(?!)")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the key to a request."""
        request.headers["API-Key"] = self._key
        yield request

    def redact(self, data: bytes) -> bytes:
        """Return the data without the key."""
        return self._pattern.sub(REDACTED, data)

    def redact_headers(self, headers: httpx.Headers) -> httpx.Headers:
        """Return the headers without the key."""
        return httpx.Headers([(self.redact(name), self.redact(value)) for name, value in headers.raw])

    def redact_exception(self, error: BaseException, outer: BaseException | None = None) -> None:
        """Remove the key from an httpx exception and its chain. Stop at `outer`, which the caller is handling.

        The tracebacks are removed too: their frames hold the request with the key.
        """
        todo: list[BaseException | None] = [error]
        seen = {id(outer)}
        while todo:
            one = todo.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            one.__traceback__ = None
            one.args = tuple(self._redact_text(arg) if isinstance(arg, str) else arg for arg in one.args)
            if isinstance(one, httpx.RequestError):
                with suppress(RuntimeError):  # it has no request
                    one.request = httpx.Request(one.request.method, one.request.url)
            if isinstance(one, BaseExceptionGroup):
                todo += cast("BaseExceptionGroup[BaseException]", one).exceptions
            todo += (one.__cause__, one.__context__)

    def _redact_text(self, text: str) -> str:
        return self.redact(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        return "APIKeyAuth(…)"

    def __reduce__(self) -> str:
        raise TypeError("a client cannot be pickled, because it holds the API key: make one in each process")


def _char_pattern(char: str) -> bytes:
    """Return a pattern for a character of the key: as it is, escaped in a JSON or Python string, percent-encoded."""
    plain, code = re.escape(char.encode()), ord(char)
    return rb"(?:\\?%b|\\u00(?i:%02x)|%%(?i:%02x))" % (plain, code, code)
