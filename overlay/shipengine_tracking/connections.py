"""The seam between the generated client and the network: what every request and every answer passes through.

A response hook raises the exception that an answer means before the generated parser sees it. So one mapping serves
every operation, and no answer that the parser would choke on can reach it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar, cast

import httpx

from shipengine_tracking_generated import Client

from ._arguments import Settings
from ._version import __version__
from .exceptions import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ClientStateError,
    InvalidArgumentError,
    ShipEngineError,
)

BODY_LIMIT = 1_000_000
CLOSED = "this client is closed: make a new one"

_C = TypeVar("_C", httpx.Client, httpx.AsyncClient)


class _Seam:
    """What both kinds of connections share; no I/O."""

    def __init__(self, settings: Settings):
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # answers are empty or tiny, and so none can be a decompression bomb
            "User-Agent": f"shipengine-tracking/{__version__} python-httpx/{httpx.__version__}",
        }
        if settings.on_behalf_of is not None:
            headers["On-Behalf-Of"] = settings.on_behalf_of
        self.closed = False
        self._key = settings.key
        self._options: dict[str, Any] = {
            "auth": settings.key,
            "base_url": settings.base_url,
            "headers": headers,
            "timeout": settings.timeout,
            "transport": settings.transport,
            "follow_redirects": False,  # the key goes to no other host
            "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # a load balancer's are not ours to keep
        }
        # More than is kept, so that a key across the edge is seen whole.
        self._read_limit = BODY_LIMIT + settings.key.longest_form

    def _answer(self, response: httpx.Response, raw: bytes) -> APIError:
        body = self._key.redact(_decoded(response.headers, raw))
        headers = self._key.redact_headers(response.headers)
        return APIError.from_answer(response.status_code, headers, body[:BODY_LIMIT], len(body) > BODY_LIMIT)

    def check_open(self) -> None:
        """Refuse the use of a closed client."""
        if self.closed:
            raise ClientStateError(CLOSED)

    def _translated(self, error: Exception, response: httpx.Response | None = None) -> Exception:
        """Return what to raise instead: one of our own, without the frames of those who held the key."""
        if isinstance(error, ShipEngineError):
            return error.with_traceback(None)
        if isinstance(error, httpx.HTTPError | httpx.InvalidURL | httpx.StreamError):
            self._key.redact_error(error)
            failure = self._failure(error, response)
            failure.__cause__ = error
            return failure
        if isinstance(error, RuntimeError) and self.closed:  # by another thread or task, amid the call
            return ClientStateError(CLOSED)
        return error

    def _failure(self, error: Exception, response: httpx.Response | None) -> ShipEngineError:
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL):
            return InvalidArgumentError(f"the request cannot be sent as it is ({reason})")
        host = httpx.URL(self._options["base_url"]).host
        kind = APITimeoutError if isinstance(error, httpx.TimeoutException) else APIConnectionError
        if response is None:
            return kind(f"no answer from {host} ({reason})")
        headers = self._key.redact_headers(response.headers)
        message = f"the answer of {host} broke off after its status {response.status_code} ({reason})"
        return kind(message, status_code=response.status_code, headers=headers)


class Connections(_Seam):
    """What a TrackingClient sends through."""

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._httpx = _built(httpx.Client, self._options, self._on_response)
        self._generated = Client(base_url="").set_httpx_client(self._httpx)

    def call(self, operation: Callable[..., object], query: Mapping[str, str]) -> None:
        """Send one request; return on the 204, else raise what the answer means."""
        self.check_open()
        try:
            operation(client=self._generated, **query)
        except Exception as error:
            raise self._translated(error)  # noqa: B904 its cause is chained already

    def close(self) -> None:
        """Close the connections. A second time does nothing."""
        self.closed = True
        self._httpx.close()

    def _on_response(self, response: httpx.Response) -> None:
        if response.status_code == 204:
            if _strays_may_follow(response):
                response.extensions["network_stream"].close()
            return
        raw = bytearray()
        try:
            for chunk in (response.content,) if response.is_stream_consumed else response.iter_raw():
                raw += chunk
                if len(raw) > self._read_limit:
                    break
        except Exception as error:
            raise self._translated(error, response)  # noqa: B904 its cause is chained already
        raise self._answer(response, bytes(raw))


class AsyncConnections(_Seam):
    """What an AsyncTrackingClient sends through."""

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._httpx = _built(httpx.AsyncClient, self._options, self._on_response)
        self._generated = Client(base_url="").set_async_httpx_client(self._httpx)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def call(self, operation: Callable[..., Awaitable[object]], query: Mapping[str, str]) -> None:
        """Send one request; return on the 204, else raise what the answer means."""
        self.check_open()
        self._check_loop()
        try:
            await operation(client=self._generated, **query)
        except Exception as error:
            raise self._translated(error)  # noqa: B904 its cause is chained already

    async def close(self) -> None:
        """Close the connections. A second time does nothing."""
        if not self.closed:
            self._check_loop()
            self.closed = True
            await self._httpx.aclose()

    def _check_loop(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise ClientStateError("this client runs under asyncio only") from None
        # The first call decides: a client may be made before any loop runs.
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise ClientStateError("this client belongs to another event loop: make one in each loop")

    async def _on_response(self, response: httpx.Response) -> None:
        if response.status_code == 204:
            if _strays_may_follow(response):
                await response.extensions["network_stream"].aclose()
            return
        raw = bytearray()
        try:
            if response.is_stream_consumed:
                raw += response.content
            else:
                async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_raw())) as chunks:
                    async for chunk in chunks:
                        raw += chunk
                        if len(raw) > self._read_limit:
                            break
        except Exception as error:
            raise self._translated(error, response)  # noqa: B904 its cause is chained already
        raise self._answer(response, bytes(raw))


def _built(kind: Callable[..., _C], options: Mapping[str, Any], hook: Callable[..., object]) -> _C:
    try:
        return kind(**options, event_hooks={"response": [hook]})
    except (ValueError, OSError, ImportError) as error:
        raise InvalidArgumentError(
            f"the environment's proxy or certificate settings cannot be used ({error}): "
            "look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from error


def _strays_may_follow(response: httpx.Response) -> bool:
    """Prepare a 204; return whether its connection must go.

    A 204 has no body. If it announces one all the same, what follows would be read as the answer to the next call.
    """
    response.headers.pop("content-encoding", None)  # some decoders take no data for broken data
    announced = response.headers.get("content-length", "0") != "0" or "transfer-encoding" in response.headers
    return announced and "network_stream" in response.extensions


def _decoded(headers: Mapping[str, str], raw: bytes) -> bytes:
    # We ask for no encoding; a server that uses one regardless is understood if it is honest, and else kept as it is.
    if headers.get("content-encoding", "").lower() not in ("gzip", "x-gzip", "deflate"):
        return raw
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(raw, 2 * BODY_LIMIT) or raw
    except zlib.error:
        return raw
