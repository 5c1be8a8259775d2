"""The API key, in the only place that holds it."""

from __future__ import annotations

import html
import re
from collections.abc import Generator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import cast

import httpx

# A key shorter than this is a placeholder in somebody's test; to black it out would garble every answer.
_SHORTEST_SECRET = 6
_BLACKED_OUT = b"[API key]"
_LONGEST_FORM = 9  # signs for one character


class ApiKey(httpx.Auth):
    """Adds the key to each request, and takes it out of whatever comes back: servers and proxies echo requests."""

    def __init__(self, key: str):
        self._key = key
        self.longest_form = _LONGEST_FORM * len(key)

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        # Made when it is first needed, for it takes 15 ms.
        return re.compile(b"".join(map(_forms, self._key)) if len(self._key) >= _SHORTEST_SECRET else b"(?!)")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the key."""
        request.headers["API-Key"] = self._key
        yield request

    def redact(self, data: bytes) -> bytes:
        """Return the data with every copy of the key blacked out."""
        return self._pattern.sub(_BLACKED_OUT, data)

    def redact_text(self, text: str) -> str:
        """Return the text with every copy of the key blacked out."""
        return self.redact(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def redact_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers with every copy of the key blacked out."""
        return {self.redact_text(name): self.redact_text(value) for name, value in headers.items()}

    def redact_error(self, error: BaseException) -> None:
        """Take the key out of a foreign exception and all that it is chained to.

        Their tracebacks go too: the frames hold the request, and tools that print local variables would show it.
        """
        todo: list[BaseException | None] = [error]
        seen = set[int]()
        while todo:
            one = todo.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            one.args = tuple(self.redact_text(arg) if isinstance(arg, str) else arg for arg in one.args)
            one.__traceback__ = None
            if isinstance(one, httpx.RequestError):
                with suppress(RuntimeError):  # it has no request, says httpx
                    one.request = httpx.Request(one.request.method, one.request.url)
            if isinstance(one, BaseExceptionGroup):
                todo += cast("BaseExceptionGroup[BaseException]", one).exceptions
            todo += (one.__cause__, one.__context__)

    def __repr__(self) -> str:
        return "ApiKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("a client cannot be pickled: it holds the API key. Make one in each process")


def _forms(char: str) -> bytes:
    # As it stands; as JSON or Python may have escaped it, one in the other too; as in a URL; as in a page of HTML. No
    # two may fit the same text: where the key nearly stands, each would be tried with each of all other characters.
    plain, code, entity = re.escape(char.encode()), ord(char), html.escape(char)
    forms = [rb"\\{0,3}%b" % plain, rb"\\{1,4}u00(?i:%02x)" % code, rb"%%(?i:%02x)" % code]
    forms += [rb"&#0?%d;" % code, rb"&#[xX](?i:%02x);" % code, *([entity.encode()] if entity != char else [])]
    return b"(?:%b)" % b"|".join(forms)
