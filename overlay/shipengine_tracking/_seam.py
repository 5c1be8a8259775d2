"""What every request and every answer passes through, the same for both kinds of client. It sends nothing.

A response hook raises the exception that an answer means before the generated parser sees it. So one mapping serves
every operation, and no answer that the parser would choke on can reach it.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx

from ._answers import one_line
from ._arguments import Settings
from ._quick import NoCookies
from ._version import __version__
from .exceptions import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    InvalidArgumentError,
    ShipEngineError,
)

BODY_LIMIT = 1_000_000

# What is wrong with a request, not with the network. The last two come from host names, a proxy's too.
UNSENDABLE: tuple[type[Exception], ...] = (
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    UnicodeError,
    OverflowError,
)
# What leaves httpx. It lets some through from below, such as a TLS record that makes no sense in an async client.
FOREIGN: tuple[type[Exception], ...] = (*UNSENDABLE, httpx.HTTPError, httpx.StreamError, OSError, ExceptionGroup)

_C = TypeVar("_C", httpx.Client, httpx.AsyncClient)


class Seam:
    """Makes httpx clients, and turns what comes out of them into our exceptions."""

    def __init__(
        self,
        settings: Settings,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None,
        *,
        is_keyless: bool = False,
    ):
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # answers are empty or tiny, and so none can be a decompression bomb
            "User-Agent": f"shipengine-tracking/{__version__} python-httpx/{httpx.__version__}",
        }
        if settings.on_behalf_of is not None and not is_keyless:
            headers["On-Behalf-Of"] = settings.on_behalf_of
        self.deadline = settings.deadline
        # More than is kept, so that a key across the edge is seen whole.
        self.read_limit = BODY_LIMIT + settings.key.longest_form
        self._key = settings.key
        self._host = httpx.URL(settings.base_url).host
        self._options: dict[str, Any] = {
            "auth": None if is_keyless else settings.key,
            "base_url": settings.base_url,
            "headers": headers,
            "timeout": httpx.Timeout(
                **{
                    part: self.deadline if seconds is None else min(seconds, self.deadline)
                    for part, seconds in settings.timeout.as_dict().items()
                }
            ),
            "transport": transport,
            "follow_redirects": False,  # the key goes to no other host
            "cookies": NoCookies(),
            # http is for loopback: a proxy that the environment names would bring the key elsewhere, for all to read.
            "trust_env": settings.base_url.startswith("https"),
            "limits": httpx.Limits(max_connections=1, max_keepalive_connections=1),
        }
        if transport is None:
            with _environment_in_order():
                self._options["verify"] = _ssl_context(settings.base_url)  # once for all clients
                if self._options["trust_env"]:
                    _refuse_socks(self._host)

    def client(self, kind: Callable[..., _C], on_response: Callable[..., object]) -> _C:
        """Return a stock httpx client for one connection."""
        with _environment_in_order():
            return kind(**self._options, event_hooks={"response": [on_response]})

    def answer(self, response: httpx.Response, raw: bytes, *, cut: bool) -> APIError:
        """Return the exception that an answer means; `cut` if its body was longer than what was read."""
        body, cut = _decoded(response.headers, raw, cut)
        body = self._key.redact(body)
        if cut:
            body = body[: -self._key.longest_form]  # whose end could be half a key
        headers = self._key.redact_headers(response.headers)
        truncated = cut or len(body) > BODY_LIMIT
        return APIError.from_answer(response.status_code, headers, body[:BODY_LIMIT], truncated)

    def too_late(self, response: httpx.Response | None, error: Exception | None = None) -> APIConnectionError:
        """Return the exception of an attempt that its deadline has cut off."""
        failure = self._broken_off(APITimeoutError, f"no whole answer within {self.deadline:g} s", response)
        if error is not None:
            self._key.redact_error(error)
            failure.__cause__ = error
        return failure

    def translated(self, error: Exception, response: httpx.Response | None) -> Exception:
        """Return what to raise instead: one of our own, without the frames of those who held the key."""
        if isinstance(error, ShipEngineError) or not isinstance(error, FOREIGN):
            return error
        self._key.redact_error(error)
        reason = one_line(f"{type(error).__name__}: {error}".rstrip(": "), 300)
        failure: ShipEngineError
        if isinstance(error, UNSENDABLE):
            failure = InvalidArgumentError(f"the request cannot be sent as it is ({reason})")
        else:
            kind = APITimeoutError if isinstance(error, httpx.TimeoutException | TimeoutError) else APIConnectionError
            failure = self._broken_off(kind, reason, response)
        failure.__cause__ = error
        return failure

    def _broken_off(
        self, kind: type[APIConnectionError], reason: str, response: httpx.Response | None
    ) -> APIConnectionError:
        if response is None:
            return kind(f"no answer from {self._host} ({reason})")
        headers = self._key.redact_headers(response.headers)
        message = f"the answer of {self._host} broke off after its status {response.status_code} ({reason})"
        return kind(message, status_code=response.status_code, headers=headers)


def _ssl_context(base_url: str) -> ssl.SSLContext:
    # To load the authorities takes 15 ms and more; http, which is for loopback only, can do with trusting nobody.
    return httpx.create_ssl_context() if base_url.startswith("https") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def _environment_in_order() -> Generator[None]:
    try:
        yield
    except (httpx.InvalidURL, ValueError, OSError, ImportError) as error:
        raise InvalidArgumentError(
            f"the environment's proxy or certificate settings cannot be used ({error}): "
            "look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from error


def _refuse_socks(host: str) -> None:
    # httpcore waits for such a proxy without a time-out, and what the proxy gets wrong is no exception of its own.
    proxies = getproxies()
    if (proxies.get("https") or proxies.get("all", "")).lower().startswith("socks") and not proxy_bypass(host):
        raise ValueError("SOCKS proxies are not supported")


def strays_may_follow(response: httpx.Response) -> bool:
    """Return whether the connection of an answer must go: what follows would be read as the answer to the next call.

    A 204 has no body, but may announce one. And bytes behind an answer may have arrived with it; of those only h11
    knows, and there is no public way to it. What arrives later, the connection pool finds by itself.
    """
    if "network_stream" not in response.extensions:
        return False
    node: object = response
    for name in ("stream", "_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        node = getattr(node, name, None)
    waiting = getattr(node, "trailing_data", (b"",))[0]
    announced = response.status_code == 204 and (
        response.headers.get("content-length", "0") != "0" or "transfer-encoding" in response.headers
    )
    return announced or bool(waiting)


def _decoded(headers: Mapping[str, str], raw: bytes, cut: bool) -> tuple[bytes, bool]:
    # We ask for no encoding; a server that uses one regardless is understood if it is honest, and else kept as it is.
    if headers.get("content-encoding", "").lower() not in ("gzip", "x-gzip", "deflate"):
        return raw, cut
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        body = unpacking.decompress(raw, 2 * BODY_LIMIT)
    except zlib.error:
        return raw, cut
    return (body, cut or bool(unpacking.unconsumed_tail)) if body else (raw, cut)
