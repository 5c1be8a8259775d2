"""Deliveries that the tests sign with their own keys, and both verifiers with a blocking `verify`."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode, urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from document import DOCUMENT as SPEC
from shipengine_tracking import ShipEngineError
from shipengine_tracking.webhooks import AsyncVerifier, TrackingEvent, Verifier

HEADERS = ("x-shipengine-rsa-sha256-key-id", "x-shipengine-rsa-sha256-signature", "x-shipengine-timestamp")
NOW, STAMP = 1_773_480_413.0, "2026-03-14T09:26:53Z"
BODY = json.dumps(SPEC["components"]["examples"]["in_transit"]["value"], default=str).encode()
DOCUMENT: dict[str, Any] = json.loads(BODY)


class BlockingAsyncVerifier:
    """An AsyncVerifier that runs each verification in a new event loop."""

    def __init__(self, *arguments: Any, **options: Any):
        self._verifier = AsyncVerifier(*arguments, **options)

    def verify(self, headers: Any, body: Any) -> TrackingEvent:
        return asyncio.run(self._verifier.verify(headers, body))


VERIFIERS: dict[str, Any] = {"sync": Verifier, "async": BlockingAsyncVerifier}


@cache
def private_key(bits: int = 2048, name: str = "first") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def encode(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()


def jwk(key: rsa.RSAPrivateKey | None = None, kid: object = "k1", **members: object) -> dict[str, object]:
    numbers = (key or private_key()).public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "kid": kid, "n": encode(numbers.n), "e": encode(numbers.e), **members}


def jwks(*keys: object) -> dict[str, Any]:
    return {"keys": list(keys or [jwk()])}


def sign(body: bytes = BODY, stamp: str = STAMP, key: rsa.RSAPrivateKey | None = None) -> dict[str, str]:
    signature = (key or private_key()).sign(stamp.encode() + b"." + body, PKCS1v15(), SHA256())
    return dict(zip(HEADERS, ("k1", b64encode(signature).decode(), stamp), strict=True))


def verify(headers: Any, body: Any = BODY, verifier: Any = None) -> TrackingEvent | ShipEngineError:
    """Return the event of a delivery, or the exception, whose message is one short line."""
    try:
        event: TrackingEvent = (verifier or Verifier(jwks())).verify(headers, body)
    except ShipEngineError as error:
        message = str(error)
        assert len(message) < 400
        assert len(message.splitlines()) == 1
        assert "None" not in message
        return error
    return event
