"""The verifiers, for threads and for asyncio."""

from __future__ import annotations

import asyncio
from concurrent.futures import wait
from contextlib import suppress
from typing import Any

from .._config import check_seconds
from .._models import TrackingEvent
from ._jwks import FETCH_TIMEOUT, KeyStore
from ._payload import parse
from ._signature import Headers, check_signature, read_delivery

MAX_TOLERANCE = 30 * 86_400.0


class _BaseVerifier:
    def __init__(self, jwks: dict[str, Any] | None = None, *, base_url: str | None = None, tolerance: float = 300.0):
        check_seconds("tolerance", tolerance, allow_zero=True, maximum=MAX_TOLERANCE)
        self._keys = KeyStore(jwks, base_url)
        self._tolerance = tolerance


class Verifier(_BaseVerifier):
    """Verifies that ShipEngine sent a delivery. It needs no API key, and threads may share one.

    The public keys are fetched when a delivery names an unknown key, at most once a minute, and refreshed after a day.
    A fetch takes at most 10 seconds. If it fails, the verifier keeps the keys that it has.

    Args:
        jwks: ShipEngine's key set, as `https://api.shipengine.com/jwks` returns it. If given, nothing is fetched.
        base_url: The API's address; if None, SHIPENGINE_BASE_URL at the time of use, else https://api.shipengine.com.
        tolerance: How many seconds the timestamp of a delivery may differ from `time.time()`, at most 30 days.

    Raises:
        InvalidArgumentError: An argument is not valid.
    """

    def verify(self, headers: Headers, body: bytes | str | None) -> TrackingEvent:
        """Verify a delivery and return its event.

        Args:
            headers: The request's headers, as your framework provides them; names in any case.
            body: The raw body of the request, because the signature covers every byte.

        Raises:
            WebhookError: Do not process the delivery; respond with the error's `http_status`. One of:
            InvalidSignatureError: ShipEngine did not sign it: 401, or 404 if a signature header is missing.
            StaleTimestampError: Its timestamp differs from the clock by more than the tolerance: 400.
            InvalidPayloadError: It is signed, but not a JSON object: 400; `error.body` keeps it.
            OtherEventError: It is signed, but not about tracking: 204; `error.document` keeps it.
            KeysUnavailableError: The keys could not be fetched, so the signature cannot be checked: 503.
            InvalidArgumentError: `headers` or `body` has the wrong type, or SHIPENGINE_BASE_URL is not valid.
        """
        signed = read_delivery(headers, body, self._tolerance)
        if fetch := self._keys.fetch_for(signed.key_id):
            wait([fetch], FETCH_TIMEOUT)
        check_signature(signed, self._keys.find(signed.key_id))
        return parse(signed.body)


class AsyncVerifier(_BaseVerifier):
    """Like `Verifier`, for asyncio. One instance may be used from several event loops."""

    async def verify(self, headers: Headers, body: bytes | str | None) -> TrackingEvent:
        """Verify a delivery and return its event, as `Verifier.verify` does."""
        signed = read_delivery(headers, body, self._tolerance)
        if fetch := self._keys.fetch_for(signed.key_id):
            # Unlike `asyncio.wait`, this leaves no callback behind for a closed event loop.
            with suppress(TimeoutError):
                async with asyncio.timeout(FETCH_TIMEOUT):
                    await asyncio.wrap_future(fetch)
        check_signature(signed, self._keys.find(signed.key_id))
        return parse(signed.body)
