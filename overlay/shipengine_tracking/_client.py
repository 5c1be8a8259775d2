"""What both clients are made of: their settings."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import httpx

from ._arguments import count, package_query, settings
from .exceptions import InvalidArgumentError

_Transport = TypeVar("_Transport", httpx.BaseTransport, httpx.AsyncBaseTransport)


class Client(ABC, Generic[_Transport]):
    """A client of either kind."""

    _transport_kind: type

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        deadline: float = 60.0,
        max_retries: int = 3,
        max_wait: float = 90.0,
        max_connections: int = 100,
        requests_per_minute: int | None = None,
        on_behalf_of: str | None = None,
        transport: _Transport | None = None,
    ):
        """Make a client.

        Args:
            api_key: Your ShipEngine API key; if None, the environment's `SHIPENGINE_API_KEY`.
            base_url: Where the API is; if None, the environment's `SHIPENGINE_BASE_URL`, else
                `https://api.shipengine.com`. Accounts hosted in the EU use `https://api.eu.shipengine.com`.
            timeout: Seconds for each of: to connect, to send, to wait for the next bytes, to wait for one of the
                `max_connections`. An `httpx.Timeout` sets them apart.
            deadline: Seconds for one attempt in all; no single wait is longer either. An AsyncTrackingClient keeps it
                to the moment. A TrackingClient looks at it only when a part of an answer's body arrives: each wait
                before that (to connect, for TLS, to send, for the head) may take as long again, and a server that
                drips what is no body, byte by byte, is beyond it.
            max_retries: How often a call is sent again after a connection failure, a time-out, or a status of 408, 429,
                500, 502 to 504 or 520 to 526. 0 sends each call once.
            max_wait: Seconds that one call may wait in all, between its attempts, for the account's rate limit and for
                its turn. If the server asks for more, the call ends at once, with `retry_after`.
            max_connections: How many calls may be in flight at the same time. Others wait for their turn, for as long
                as `timeout` and `max_wait` both allow.
            requests_per_minute: Paces the calls of this client: never more than so many answers in any 60 seconds.
                None leaves it to the answers' own headers. ShipEngine allows an account 200 in production and 20 in the
                sandbox, all its programs together.
            on_behalf_of: For partners: the account to act for, sent as `On-Behalf-Of`.
            transport: An httpx transport to send through, such as an `httpx.MockTransport` in tests.

        Raises:
            InvalidArgumentError: There is no key, or an argument cannot be right.
        """
        try:
            self._settings = settings(
                api_key=api_key,
                base_url=base_url,
                timeout=timeout,
                deadline=deadline,
                max_retries=max_retries,
                max_wait=max_wait,
                max_connections=max_connections,
                requests_per_minute=requests_per_minute,
                on_behalf_of=on_behalf_of,
                transport=transport,
                transport_kind=self._transport_kind,
                environ=os.environ,
            )
            self._connect()
        except InvalidArgumentError as error:
            api_key = None  # tools that print the local variables of frames would show it
            raise error.with_traceback(None)  # noqa: B904 it is the same error

    @abstractmethod
    def _connect(self) -> None: ...

    def _package_query(self, **arguments: str | None) -> dict[str, str]:
        return package_query(**arguments, base_url=self._settings.base_url)

    def _workers(self, concurrency: int) -> int:
        return min(count("concurrency", concurrency, 1), self._settings.max_connections)

    def __repr__(self) -> str:
        address = f" of {self._settings.base_url}" if hasattr(self, "_connections") else ", not made"
        return f"<{type(self).__name__}{address}>"
