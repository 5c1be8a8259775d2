"""Deliveries that the tests sign with keys of their own."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

import document
from shipengine_tracking import ShipEngineError
from shipengine_tracking.webhooks import Verifier

KEY_ID, SIGNATURE, TIMESTAMP = (
    "x-shipengine-rsa-sha256-key-id",
    "x-shipengine-rsa-sha256-signature",
    "x-shipengine-timestamp",
)
NOW = 1_773_480_413.0  # 2026-03-14T09:26:53Z
STAMP = "2026-03-14T09:26:53Z"
EXAMPLES: dict[str, Any] = document.DOCUMENT["components"]["examples"]
DOCUMENT: dict[str, Any] = EXAMPLES["in_transit"]["value"]
BODY = json.dumps(DOCUMENT, default=str).encode()


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


def sign(
    body: bytes = BODY, stamp: str = STAMP, kid: str = "k1", key: rsa.RSAPrivateKey | None = None
) -> dict[str, str]:
    signature = (key or private_key()).sign(stamp.encode() + b"." + body, PKCS1v15(), SHA256())
    return {KEY_ID: kid, SIGNATURE: b64encode(signature).decode(), TIMESTAMP: stamp}


def rejection(headers: Any, body: Any = BODY, verifier: Verifier | None = None) -> ShipEngineError:
    """Verify a delivery that is not genuine; return the exception."""
    with pytest.raises(ShipEngineError) as caught:
        (verifier or Verifier(jwks())).verify(headers, body)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400
    return caught.value
