"""One connection: a stock httpx client for one call at a time, with the generated client around it.

httpcore looks through its whole pool at every step, so many calls over one shared client wait for each other's
book-keeping. A slot is a client of its own, with a pool of one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import cast

import httpx

from shipengine_tracking_generated import Client

from ._quick import AsyncQuickClient, QuickClient
from ._seam import Seam, strays_may_follow
from .exceptions import ShipEngineError
from .retry import Call

clock = time.monotonic


class Slot:
    """An httpx client with one connection, for one call at a time."""

    def __init__(self, seam: Seam):
        self._seam = seam
        self._httpx = seam.client(QuickClient, self._on_response)
        self._generated = Client(base_url="").set_httpx_client(self._httpx)
        self._response: httpx.Response | None = None
        self._deadline = 0.0

    def send(self, call: Call) -> Mapping[str, str]:
        """Send one request; return the headers of the 204, else raise what the answer means."""
        self._response, self._deadline = None, clock() + self._seam.deadline
        try:
            return dict(call.operation(client=self._generated, **call.query).headers.items())
        except Exception as error:
            raise self._seam.translated(error, self._response)  # noqa: B904 its cause is chained already

    def close(self) -> None:
        """Close the connection."""
        self._httpx.close()

    def _on_response(self, response: httpx.Response) -> None:
        if response.status_code == 204:
            response.headers.pop("content-encoding", None)  # some decoders take no data for broken data
            if strays_may_follow(response):
                response.extensions["network_stream"].close()
            return
        self._response = response
        raw, cut = bytearray(), False
        for chunk in (response.content,) if response.is_stream_consumed else response.iter_raw():
            raw += chunk
            if clock() > self._deadline:
                raise self._seam.too_late(response)
            if cut := len(raw) > self._seam.read_limit:
                break
        if strays_may_follow(response):
            response.extensions["network_stream"].close()
        raise self._seam.answer(response, bytes(raw), cut=cut)


class AsyncSlot:
    """The same for asyncio."""

    def __init__(self, seam: Seam):
        self._seam = seam
        self._httpx = seam.client(AsyncQuickClient, self._on_response)
        self._generated = Client(base_url="").set_async_httpx_client(self._httpx)
        self._response: httpx.Response | None = None

    async def send(self, call: Call) -> Mapping[str, str]:
        """Send one request; return the headers of the 204, else raise what the answer means."""
        self._response, deadline = None, asyncio.timeout(self._seam.deadline)
        try:
            async with deadline:
                answer = await call.operation(client=self._generated, **call.query)
                return dict(answer.headers.items())
        except ShipEngineError:
            raise
        except Exception as error:
            if deadline.expired():
                raise self._seam.too_late(self._response, error)  # noqa: B904 its cause is chained already
            raise self._seam.translated(error, self._response)  # noqa: B904 its cause is chained already

    async def close(self) -> None:
        """Close the connection."""
        await self._httpx.aclose()

    async def _on_response(self, response: httpx.Response) -> None:
        if response.status_code == 204:
            response.headers.pop("content-encoding", None)  # some decoders take no data for broken data
            if strays_may_follow(response):
                await response.extensions["network_stream"].aclose()
            return
        self._response = response
        raw, cut = bytearray(), False
        if response.is_stream_consumed:
            raw += response.content
        else:
            async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_raw())) as chunks:
                async for chunk in chunks:
                    raw += chunk
                    if cut := len(raw) > self._seam.read_limit:
                        break
        if strays_may_follow(response):
            await response.extensions["network_stream"].aclose()
        raise self._seam.answer(response, bytes(raw), cut=cut)


class Lent(httpx.BaseTransport):
    """A caller's own transport, under many clients: to close one of them is not to close it."""

    def __init__(self, transport: httpx.BaseTransport):
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send through the caller's transport."""
        return self._transport.handle_request(request)


class AsyncLent(httpx.AsyncBaseTransport):
    """The same for asyncio."""

    def __init__(self, transport: httpx.AsyncBaseTransport):
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send through the caller's transport."""
        return await self._transport.handle_async_request(request)
