"""httpx clients that build only once what is the same in every request: a quarter of a call goes into it otherwise.

`build_request` is httpx's own public member, and what it returns goes through httpx as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import quote, urlencode

import httpx


class NoCookies(CookieJar):
    """Keeps none, a load balancer's are not ours to keep; and so that no time goes into the search for them."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Take nothing."""


class Requests:
    """Builds requests. Those of one operation differ in their query only."""

    def __init__(self, build: Callable[..., httpx.Request]):
        self._build = build
        self._bare: dict[tuple[str, str], httpx.Request] = {}

    def build(self, method: str, url: str, **parts: Any) -> httpx.Request:
        """Return a request, its query percent-encoded: httpx writes a space as +, which is one in forms only."""
        query = parts.pop("params", None)
        if not all(part is None or part is httpx.USE_CLIENT_DEFAULT for part in parts.values()):
            return self._build(method, url, params=query, **parts)
        bare = self._bare.get((method, url))
        if bare is None:
            bare = self._bare[method, url] = self._build(method, url)
        whole = f"{bare.url}?{urlencode(query, quote_via=quote)}" if query else bare.url
        return httpx.Request(
            bare.method, whole, headers=bare.headers, stream=bare.stream, extensions=dict(bare.extensions)
        )


class QuickClient(httpx.Client):
    """For threads."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._requests = Requests(super().build_request)

    def build_request(self, method: str, url: httpx.URL | str, **parts: Any) -> httpx.Request:
        """Return a request."""
        return self._requests.build(method, str(url), **parts)


class AsyncQuickClient(httpx.AsyncClient):
    """For tasks."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._requests = Requests(super().build_request)

    def build_request(self, method: str, url: httpx.URL | str, **parts: Any) -> httpx.Request:
        """Return a request."""
        return self._requests.build(method, str(url), **parts)
