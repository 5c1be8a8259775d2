"""One connection: an httpx client for one call at a time, through which the generated functions send requests.

The generated functions call `request`. It returns a success to their parser, and raises an exception for any other
response. It raises after `send` has returned, so that instrumentation of httpx sees each response with its status.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from math import inf
from operator import methodcaller
from typing import Any, cast
from urllib.parse import quote, urlencode

import httpx
from attrs import define

from shipengine_tracking_generated import Client

from .._config import ClientConfig
from .._responses import printable_line
from .._version import __version__
from ..exceptions import APIConnectionError, APIError, APITimeoutError, InvalidArgumentError, ShipEngineError
from .flow import Operation

BODY_LIMIT = 1_000_000  # bytes
KEEPALIVE = 30.0  # seconds that an idle connection is kept
# The request cannot be sent. Invalid host names, including that of a proxy, cause the last two.
UNSENDABLE = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError, OverflowError)
# What httpx raises, and exceptions of the layers below that it does not translate.
NETWORK_ERRORS: tuple[type[Exception], ...] = (*UNSENDABLE, httpx.HTTPError, httpx.StreamError, OSError, ExceptionGroup)


def client_options(config: ClientConfig) -> dict[str, Any]:
    """Return the arguments of the httpx client of each connection."""
    is_https = config.base_url.startswith("https")
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # responses are small, and this prevents decompression bombs
        "User-Agent": f"shipengine-tracking/{__version__} python-httpx/{httpx.__version__}",
    }
    if config.on_behalf_of is not None:
        headers["On-Behalf-Of"] = config.on_behalf_of
    options: dict[str, Any] = {
        "headers": headers,
        "timeout": config.attempt_timeout,
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # stores none
        "trust_env": is_https,  # http is for loopback only: a proxy would see the key
        "limits": httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE),
    }
    if config.transport is None:
        # Loading the certificates takes 15 ms, so all connections share them, and http does not load them.
        options["verify"] = httpx.create_ssl_context() if is_https else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return options


@define(eq=False)
class Exchange:
    """One request and its response."""

    config: ClientConfig
    load: Callable[[bytes], Any] | None = None
    deadline: float = inf  # on the clock of `time.monotonic`
    head: Any = None  # the `httpx.Response` without its body, once it has arrived
    body: bytes = b""
    is_complete: bool = False  # whether the body was read to its end
    model: Any = None  # what `load` returned

    @property
    def is_reusable(self) -> bool:
        """Whether the connection can be used for another exchange."""
        if not self.is_complete or self.head.status_code not in (204, 304):
            return self.is_complete
        # If one of these announces a body, that body would be read as the response to the next request.
        headers = self.head.headers
        return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers

    def record_head(self, head: httpx.Response) -> httpx.Response:
        """Record a response whose body has not been read."""
        head.headers.pop("content-encoding", None)  # the client asked for no encoding: keep the body as it arrives
        if "location" in head.extensions:  # `_hide_location` has put it there
            head.headers["location"] = head.extensions["location"]
        self.head = head
        return head

    def build_response(self, body: bytes) -> httpx.Response:
        """Return the response for the generated parser if it is a success, or raise its exception."""
        self.body, self.is_complete = body, len(body) <= BODY_LIMIT
        head: httpx.Response = self.head
        if not head.is_success or not self.is_complete:
            raise self._api_error()
        if head.status_code == 204:
            return head  # making a new response takes 15 µs
        if self.load is not None and head.status_code == 200:
            # The generated parser raises if a declared member is missing, so it gets this model as JSON. `perform` then
            # returns this model instead of the one that was parsed.
            self.model = self.load(self.config.auth.redact(body))
            body = json.dumps(self.model, default=methodcaller("to_dict")).encode()
        return httpx.Response(head.status_code, headers=head.headers, content=body, request=head.request)

    def translate(self, error: BaseException, outer: BaseException | None, *, is_late: bool = False) -> ShipEngineError:
        """Return our exception for what the attempt raised. Exceptions of a caller's transport are re-raised unchanged.

        `outer` is the exception that the caller was handling before.
        """
        if isinstance(error, ShipEngineError):
            return error.with_traceback(None)
        if self.is_complete and isinstance(error, Exception):
            # Raised by the generated parser, or by `load`, whose ValueError does not quote the body.
            failure: ShipEngineError = self._api_error()
            reason = f": {error}" if type(error) is ValueError else ""
            failure.args = (f"{failure}: the API does not document this response{reason}",)
            return failure
        is_network_error = isinstance(error, NETWORK_ERRORS)
        if is_network_error or self.config.transport is None:  # the frames of an interruption also hold the key
            self.config.auth.redact_exception(error, outer)
        if not is_network_error:
            raise error
        reason = printable_line(f"{type(error).__name__}: {error}".rstrip(": "), 300)
        if is_late:
            reason = f"no complete response within {self.config.deadline:g} s"
        if isinstance(error, UNSENDABLE):
            failure = InvalidArgumentError(f"the request cannot be sent ({reason})")
        else:
            is_timeout = is_late or isinstance(error, httpx.TimeoutException | TimeoutError)
            failure = self._connection_error(APITimeoutError if is_timeout else APIConnectionError, reason)
        failure.__cause__ = error
        return failure

    def _api_error(self) -> APIError:
        auth = self.config.auth
        body = auth.redact(self.body[:BODY_LIMIT])
        if is_truncated := len(self.body) > BODY_LIMIT:
            body = body[: -auth.max_escaped_length or None]  # the end may contain a part of the key
        return APIError.from_response(self.head.status_code, auth.redact_headers(self.head.headers), body, is_truncated)

    def _connection_error(self, kind: type[APIConnectionError], reason: str) -> APIConnectionError:
        host = httpx.URL(self.config.base_url).host
        if self.head is None:
            return kind(f"no response from {host} ({reason})")
        status_code, headers = self.head.status_code, self.config.auth.redact_headers(self.head.headers)
        message = f"the response from {host} was cut off after its status {status_code} ({reason})"
        return kind(message, status_code=status_code, headers=headers)


def _new_request(
    base_url: str, defaults: Mapping[str, str], extensions: dict[str, Any], method: str, url: str, **parts: Any
) -> httpx.Request:
    # httpx's own `build_request` takes a quarter of the CPU of a call, and writes a space as "+".
    if params := parts.pop("params", None):
        url += f"?{urlencode(params, quote_via=quote)}"
    headers = {**defaults, **parts.pop("headers")} if "headers" in parts else defaults
    return httpx.Request(method, base_url + url, headers=headers, extensions=extensions, **parts)


def _hide_location(response: httpx.Response) -> None:
    # httpx parses the Location of a redirect although it does not follow it, and raises if it is not a URL.
    if "location" in response.headers:
        response.extensions["location"] = response.headers.pop("location")


async def _hide_location_async(response: httpx.Response) -> None:
    _hide_location(response)


class Connection(httpx.Client):
    """A connection for one thread at a time."""

    def __init__(self, config: ClientConfig, options: dict[str, Any]):
        super().__init__(
            auth=config.auth, transport=config.transport, event_hooks={"response": [_hide_location]}, **options
        )
        self.exchange = Exchange(config)
        self._generated = Client(base_url="", raise_on_unexpected_status=True).set_httpx_client(self)
        self._build_request = partial(_new_request, config.base_url, self.headers, {"timeout": self.timeout.as_dict()})

    def perform(self, operation: Operation[Any], params: Mapping[str, Any]) -> Any:
        """Make one attempt; return the generated `Response`, or one of our exceptions."""
        config = self.exchange.config
        exchange = self.exchange = Exchange(config, operation.load, time.monotonic() + config.deadline)
        outer = sys.exception()
        try:
            response = operation.module.sync_detailed(client=self._generated, **params)
        except BaseException as error:
            return exchange.translate(error, outer)
        if exchange.model is not None:
            response.parsed = exchange.model
        return response

    def request(self, method: str, url: Any, **parts: Any) -> httpx.Response:
        """Send a request for a generated function."""
        exchange, body = self.exchange, bytearray()
        head = exchange.record_head(self.send(self._build_request(method, url, **parts), stream=True))
        if head.status_code == 204:
            return exchange.build_response(head.read())
        try:
            for chunk in head.iter_bytes():
                body += chunk
                if len(body) > BODY_LIMIT:
                    break
                if time.monotonic() > exchange.deadline:
                    raise httpx.ReadTimeout(f"no complete response within {exchange.config.deadline:g} s")
        finally:
            head.close()
        return exchange.build_response(bytes(body))


class AsyncConnection(httpx.AsyncClient):
    """A connection for one task at a time."""

    def __init__(self, config: ClientConfig, options: dict[str, Any]):
        super().__init__(
            auth=config.auth, transport=config.transport, event_hooks={"response": [_hide_location_async]}, **options
        )
        self.exchange = Exchange(config)
        self._generated = Client(base_url="", raise_on_unexpected_status=True).set_async_httpx_client(self)
        self._build_request = partial(_new_request, config.base_url, self.headers, {"timeout": self.timeout.as_dict()})

    async def perform(self, operation: Operation[Any], params: Mapping[str, Any]) -> Any:
        """Make one attempt; return the generated `Response`, or one of our exceptions."""
        exchange = self.exchange = Exchange(self.exchange.config, operation.load)
        timer, outer = asyncio.timeout(exchange.config.deadline), sys.exception()
        try:
            async with timer:
                response = await operation.module.asyncio_detailed(client=self._generated, **params)
        except BaseException as error:
            return exchange.translate(error, outer, is_late=timer.expired())
        if exchange.model is not None:
            response.parsed = exchange.model
        return response

    async def request(self, method: str, url: Any, **parts: Any) -> httpx.Response:
        """Send a request for a generated function."""
        exchange, body = self.exchange, bytearray()
        head = exchange.record_head(await self.send(self._build_request(method, url, **parts), stream=True))
        if head.status_code == 204:
            return exchange.build_response(await head.aread())
        try:
            async with aclosing(cast("AsyncGenerator[bytes]", head.aiter_bytes())) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > BODY_LIMIT:
                        break
        finally:
            await head.aclose()
        return exchange.build_response(bytes(body))
