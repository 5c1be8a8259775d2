"""Which deliveries a verifier accepts and which it rejects, with given keys and without a network."""

from __future__ import annotations

import email
import hashlib
import hmac
import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from deliveries import (
    BODY,
    EXAMPLES,
    HEADERS,
    KEY_ID,
    NOW,
    SIGNATURE,
    STAMP,
    TIMESTAMP,
    VERIFIERS,
    encode,
    jwk,
    jwks,
    private_key,
    sign,
    verify,
)
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import Headers as WerkzeugHeaders

from shipengine_tracking import InvalidArgumentError
from shipengine_tracking.webhooks import (
    InvalidPayloadError,
    InvalidSignatureError,
    StaleTimestampError,
    TrackingEvent,
    Verifier,
)

MONTH = 30 * 86_400


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """The clock, which shows the time at which `sign` signs. Its `return_value` may be changed."""
    clock = mock.Mock(return_value=NOW)
    monkeypatch.setattr("time.time", clock)
    return clock


def assert_rejected(headers: Any, body: Any = BODY, verifier: Any = None, status: int = 401) -> None:
    error = verify(headers, body, verifier)
    assert isinstance(error, InvalidSignatureError), (headers, body)
    assert error.http_status == status


# --- headers and bodies as frameworks provide them ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["in_transit", "delivered", "exception"])
@pytest.mark.parametrize("kind", VERIFIERS)
def test_verifier_returns_the_event_of_each_example_of_the_spec(kind: str, name: str) -> None:
    body = json.dumps(EXAMPLES[name]["value"], default=str).encode()
    event = verify(sign(body), body, VERIFIERS[kind](jwks()))
    assert isinstance(event, TrackingEvent)
    assert event.resource_type == "API_TRACK"
    assert event.data.tracking_number == EXAMPLES[name]["value"]["data"]["tracking_number"]


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda given: {name.upper(): value for name, value in given.items()}, id="upper-case"),
        pytest.param(lambda given: list(given.items()), id="pairs"),
        pytest.param(lambda given: [*given.items(), *given.items()], id="equal-duplicates"),
        pytest.param(lambda given: iter(given.items()), id="iterator"),
        pytest.param(lambda given: [(name.encode(), value.encode()) for name, value in given.items()], id="ASGI"),
        pytest.param(lambda given: {name: bytearray(value.encode()) for name, value in given.items()}, id="bytearrays"),
        pytest.param(lambda given: {name: [value] for name, value in given.items()}, id="lists"),
        pytest.param(lambda given: {name: (value.encode(),) for name, value in given.items()}, id="tuples"),
        pytest.param(lambda given: {**given, "Cookie": "a=b", "X-None": None, 7: 7}, id="other-headers"),
        pytest.param(lambda given: [("X-ShipEngine-X", "1"), ("X-ShipEngine-X", "2"), *given.items()], id="ShipEngine"),
        pytest.param(
            lambda given: {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given.items()}, id="WSGI"
        ),
        pytest.param(WerkzeugHeaders, id="Werkzeug"),
        pytest.param(StarletteHeaders, id="Starlette"),
        pytest.param(
            lambda given: email.message_from_string("".join(f"{name}: {value}\n" for name, value in given.items())),
            id="http.server",
        ),
    ],
)
def test_headers_are_read_in_the_form_of_each_framework(convert: Callable[[dict[str, str]], Any]) -> None:
    assert isinstance(verify(convert(sign())), TrackingEvent)


@pytest.mark.parametrize("convert", [bytearray, memoryview, bytes.decode], ids=["bytearray", "memoryview", "str"])
def test_body_may_be_any_kind_of_bytes_or_text(convert: Callable[[bytes], Any]) -> None:
    assert isinstance(verify(sign(), convert(BODY)), TrackingEvent)


INVALID: dict[str, list[Any]] = {
    "headers": [None, 7, [1], "text", [("a", "b", "c")], object()],
    "body": [{}, [1, 2], 7, True, object],
    "tolerance": [-1, float("nan"), float("inf"), MONTH + 1, "300", None, True],
    "jwks": [{}, {"keys": None}, {"keys": {}}, [], [{"kid": "k1"}], "keys", b"{}", 7],
}


@pytest.mark.parametrize("name", INVALID)
@pytest.mark.parametrize("kind", VERIFIERS)
def test_argument_that_is_not_valid_is_an_invalid_argument(kind: str, name: str) -> None:
    for value in INVALID[name]:
        given = {"jwks": jwks(), "tolerance": 300, "headers": sign(), "body": BODY, name: value}
        with pytest.raises(InvalidArgumentError, match=name):
            VERIFIERS[kind](given["jwks"], tolerance=given["tolerance"]).verify(given["headers"], given["body"])


# --- timestamps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stamp",
    [
        STAMP, "2026-03-14T09:26:53", "2026-03-14T09:26:53.1234567Z", "2026-03-14T10:26:53+01:00",
        "2026-03-14 09:26:53+00:00", "20260314T092653Z", "1773480413", "1773480413.123", "1773480413123",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("chicago")  # a timestamp without an offset is in UTC
def test_timestamp_is_read_in_every_format(stamp: str) -> None:
    assert isinstance(verify(sign(stamp=stamp), BODY, Verifier(jwks(), tolerance=1)), TrackingEvent)


@pytest.mark.parametrize("tolerance", [0, 300, MONTH])
def test_timestamp_that_differs_by_more_than_the_tolerance_is_stale(tolerance: float, clock: mock.Mock) -> None:
    verifier = Verifier(jwks()) if tolerance == 300 else Verifier(jwks(), tolerance=tolerance)
    for difference in (0, tolerance, -tolerance, tolerance + 0.5, -tolerance - 0.5, 1e9, -1e9):
        clock.return_value = NOW + difference
        result = verify(sign(), BODY, verifier)
        assert type(result) is (StaleTimestampError if abs(difference) > tolerance else TrackingEvent)
        assert getattr(result, "http_status", 400) == 400


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-03-14\ud80009:26:53Z", "2026-03-14é09:26:53Z", "now", "may 5", "nan", "inf", "1e9", "-1773480413",
        "177348041300000", "177348041", "١٧٧٣٤٨٠٤١٣", "2026-13-01", " " + STAMP, STAMP + "\n", STAMP + ", " + STAMP,
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "\ud800", "0" * 10_000, "é",
    ],
)  # fmt: skip
def test_timestamp_that_cannot_be_read_is_stale(stamp: str) -> None:
    error = verify({**sign(), TIMESTAMP: stamp}, BODY, Verifier(jwks(), tolerance=MONTH))
    assert isinstance(error, StaleTimestampError)
    assert error.http_status == 400


# --- attacks --------------------------------------------------------------------------------------------------------


def changes(data: bytes) -> list[bytes]:
    """Return changed bytes: other bits at each position, shorter, longer, doubled and empty ones."""
    flipped = [data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :] for at in range(len(data)) for bit in (1, 0x80)]
    return [*flipped, data[:-1], data[1:], data + b"\0", b"\0" + data, data + b" ", b" " + data, data * 2, b""]


@pytest.mark.parametrize("name", HEADERS)
def test_missing_or_empty_header_is_a_404(name: str) -> None:
    assert_rejected({key: value for key, value in sign().items() if key != name}, status=404)
    assert_rejected({**sign(), name: ""}, status=404)


@pytest.mark.parametrize("name", HEADERS)
def test_header_with_several_values_is_rejected(name: str) -> None:
    headers = sign()
    value = headers[name]
    wsgi_name = f"HTTP_{name.upper().replace('-', '_')}"
    for pairs in ([(name, "x"), *headers.items()], [*headers.items(), (name.title(), "x")], {**headers, wsgi_name: ""}):
        assert_rejected(pairs)
    for text in ([value, value], [value, ""], ["x", value], f"{value}, x", f"{value}, ", f"{value}, {value}"):
        assert isinstance(verify({**headers, name: text}), InvalidSignatureError | StaleTimestampError)


def test_changed_body_or_signature_is_rejected() -> None:
    headers, verifier = sign(), Verifier(jwks())
    for body in [*changes(BODY), b"\xef\xbb\xbf" + BODY, None]:
        assert_rejected(headers, body, verifier)
    for signature in [*changes(b64decode(headers[SIGNATURE])), b"\0", bytes(256)]:
        assert_rejected({**headers, SIGNATURE: b64encode(signature).decode() or "="}, BODY, verifier)


def test_base64_that_is_not_canonical_is_rejected() -> None:
    headers, verifier = sign(), Verifier(jwks())
    text = headers[SIGNATURE]
    changed = [text[:at] + other + text[at + 1 :] for at in range(len(text)) for other in "AB/= \n-_é\0"]
    resized = [text[:-1], text[:-2], text + "=", text + "\n", " " + text, text + "A", "====", text[:-3] + "B=="]
    for loose in {*changed, *resized} - {text}:
        assert_rejected({**headers, SIGNATURE: loose}, BODY, verifier)


def test_timestamp_of_another_delivery_is_rejected() -> None:
    for stamp in ("2026-03-14T09:26:54Z", "2026-03-14T09:26:53", "2026-03-14T09:26:53.0Z", "1773480413"):
        assert_rejected({**sign(), TIMESTAMP: stamp})
    # The full stop moves: the signed bytes are the same, but the rest is not a JSON object.
    moved = {**sign(stamp="1773480413.5"), TIMESTAMP: "1773480413"}
    assert isinstance(verify(moved, b"5." + BODY), InvalidPayloadError)


@pytest.mark.parametrize("kid", ["k2", "k1\r\nx: y", "k1\0", "k1 ", "é" * 100, "\ud800", "k" * 100_000, "../../jwks"])
def test_unknown_key_id_is_rejected(kid: str) -> None:
    assert_rejected({**sign(), KEY_ID: kid})


MESSAGE = STAMP.encode() + b"." + BODY


def hmac_with_the_public_key() -> bytes:
    pem = private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hmac.digest(pem, MESSAGE, "sha256")


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda: private_key(name="other").sign(MESSAGE, PKCS1v15(), SHA256()), id="other-key"),
        pytest.param(hmac_with_the_public_key, id="HMAC"),
        pytest.param(lambda: hmac_with_the_public_key() * 8, id="HMAC-as-long-as-a-signature"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()).sign(MESSAGE, ec.ECDSA(SHA256())), id="ECDSA"),
        pytest.param(lambda: private_key().sign(MESSAGE, PKCS1v15(), SHA1()), id="SHA-1"),
        pytest.param(lambda: private_key().sign(MESSAGE, PKCS1v15(), SHA512()), id="SHA-512"),
        pytest.param(lambda: private_key().sign(MESSAGE, PSS(MGF1(SHA256()), 32), SHA256()), id="PSS"),
        pytest.param(lambda: private_key().sign(BODY, PKCS1v15(), SHA256()), id="body-alone"),
        pytest.param(lambda: hashlib.sha256(MESSAGE).digest(), id="digest"),
        pytest.param(lambda: b"\0\1" + b"\xff" * 254, id="padding-alone"),
    ],
)
def test_forged_signature_is_rejected(forge: Callable[[], bytes]) -> None:
    verifier = Verifier(jwks(jwk(), {**jwk(), "kty": "EC"}, {"kty": "oct", "kid": "k1", "k": encode(7)}))
    assert_rejected({**sign(), SIGNATURE: b64encode(forge()).decode()}, BODY, verifier)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_weak_foreign_and_malformed_keys_are_ignored() -> None:
    small, numbers = private_key(2047), private_key().public_key().public_numbers()
    useless: list[Any] = [
        *(jwk(use=use) for use in ("enc", "SIG", 7, ["sig"])),
        *(jwk(kid=kid) for kid in (None, 7, ["k1"], "K1")),
        *(jwk(kty=kty) for kty in ("EC", None, "rsa")),
        *(jwk(n=n) for n in (7, None, "", "é", encode(numbers.n + 1), "!!!!" + encode(numbers.n))),
        *(jwk(e=e) for e in (65537, "", "AA", encode(2), encode(1))),
        *[{"kid": "k1"}, {"kty": "RSA"}, {"kty": "RSA", "kid": "k1", "n": "AQAB"}, None, 7, "k1", [], {}],
    ]
    for key in useless:
        assert_rejected(sign(), BODY, Verifier(jwks(key)))
    for weak in (small, private_key(1024)):
        assert_rejected(sign(key=weak), BODY, Verifier(jwks(jwk(weak))))
    assert isinstance(verify(sign(), BODY, Verifier(jwks(*useless, jwk(small), jwk()))), TrackingEvent)


EC_KEY = {"kty": "EC", "crv": "P-256", "kid": "k1", "x": "AA", "y": "AA"}


@pytest.mark.parametrize("bits", [2048, 3072])
def test_usable_key_is_found_among_others(bits: int) -> None:
    key, other = private_key(bits), jwk(private_key(name="other"))
    without_use = {name: value for name, value in jwk(key).items() if name != "use"}
    for usable in (jwk(key), without_use, jwk(key, use=None), jwk(key, alg="RS256", x5c=[], private=None)):
        for keys in ([usable], [EC_KEY, usable, EC_KEY], [other, usable], [jwk(kid="k0"), usable, jwk(kid="k2")]):
            assert isinstance(verify(sign(key=key), BODY, Verifier(jwks(*keys))), TrackingEvent)


# --- signed bodies --------------------------------------------------------------------------------------------------

NOT_OBJECTS = [
    b"", b" ", b"{", b"\xff\xfe", b"\xff" + BODY, BODY[:-1], BODY + b"}", b"NaN", b'{"a": NaN}', b'{"a": Infinity}',
    b'{"a": -Infinity}', b"<html>", BODY.decode().encode("utf-16"), b"[" * 100_000, b'{"a":' * 100_000, b"null", b"[]",
    b'"text"', b"7", b"[" + BODY + b"]",
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_OBJECTS, ids=range(len(NOT_OBJECTS)))
def test_signed_body_that_is_not_a_json_object_is_an_invalid_payload(body: bytes) -> None:
    error = verify(sign(body), body or None)
    assert isinstance(error, InvalidPayloadError)
    assert (error.http_status, error.body) == (400, body)


def test_importing_without_cryptography_says_what_to_install() -> None:
    code = "import sys; sys.modules['cryptography'] = None; import shipengine_tracking.webhooks"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("ImportError: ")
    assert "shipengine-tracking[webhooks]" in result.stderr
