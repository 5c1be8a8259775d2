"""Which deliveries a verifier accepts, and which it rejects, without a network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from deliveries import (
    BODY,
    DOCUMENT,
    EXAMPLES,
    KEY_ID,
    NOW,
    SIGNATURE,
    STAMP,
    TIMESTAMP,
    encode,
    jwk,
    jwks,
    private_key,
    rejection,
    sign,
)
from freezegun import freeze_time
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import Headers as WerkzeugHeaders

from shipengine_tracking import InvalidArgumentError, webhooks
from shipengine_tracking.webhooks import (
    AsyncVerifier,
    InvalidPayloadError,
    InvalidSignatureError,
    StaleTimestampError,
    TrackingEvent,
    Verifier,
    WebhookError,
)

TEN_MEGABYTES = 10_000_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """The clock, which shows the time at which `sign` signs. Its `return_value` may be changed."""
    clock = mock.Mock(return_value=NOW)
    monkeypatch.setattr("time.time", clock)
    return clock


# --- genuine deliveries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["in_transit", "delivered", "exception"])
def test_example_of_the_spec_is_accepted(name: str) -> None:
    document = EXAMPLES[name]["value"]
    body = json.dumps(document, default=str).encode()
    event = Verifier(jwks()).verify(sign(body), body)
    assert isinstance(event, TrackingEvent)
    assert (event.resource_type, event.data.tracking_number) == ("API_TRACK", document["data"]["tracking_number"])


def message(headers: dict[str, str]) -> Message:
    message = Message()
    for name, value in headers.items():
        message[name] = value
    return message


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda headers: {name.upper(): value for name, value in headers.items()}, id="upper-case"),
        pytest.param(lambda headers: {name.title(): value for name, value in headers.items()}, id="title-case"),
        pytest.param(lambda headers: list(headers.items()), id="pairs"),
        pytest.param(lambda headers: iter(headers.items()), id="iterator"),
        pytest.param(lambda headers: [(name.encode(), value.encode()) for name, value in headers.items()], id="ASGI"),
        pytest.param(lambda headers: {name.encode(): value.encode() for name, value in headers.items()}, id="bytes"),
        pytest.param(lambda headers: {name: bytearray(value.encode()) for name, value in headers.items()}, id="arrays"),
        pytest.param(lambda headers: {name: [value] for name, value in headers.items()}, id="lists"),
        pytest.param(lambda headers: {name: (value.encode(),) for name, value in headers.items()}, id="tuples"),
        pytest.param(lambda headers: {**headers, "Cookie": "a=b", "X-Number": 7, "X-None": None, 7: 7}, id="others"),
        pytest.param(
            lambda headers: {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
            id="WSGI",
        ),
        pytest.param(WerkzeugHeaders, id="Werkzeug"),
        pytest.param(StarletteHeaders, id="Starlette"),
        pytest.param(message, id="http.server"),
    ],
)
def test_headers_are_read_as_frameworks_provide_them(convert: Callable[[dict[str, str]], Any]) -> None:
    assert Verifier(jwks()).verify(convert(sign()), BODY)


@pytest.mark.parametrize(
    "body", [bytearray(BODY), memoryview(BODY), BODY.decode()], ids=lambda body: type(body).__name__
)
def test_body_may_be_any_kind_of_bytes_or_text(body: Any) -> None:
    assert Verifier(jwks()).verify(sign(), body)


class BrokenMapping:
    def get(self, name: str) -> str:
        raise KeyError(name)


@pytest.mark.parametrize(
    "headers", [None, 7, [1], "text", [("a", "b", "c")], pytest.param(BrokenMapping(), id="a broken mapping")], ids=repr
)
def test_headers_of_a_wrong_type_are_an_invalid_argument(headers: Any) -> None:
    error = rejection(headers)
    assert isinstance(error, InvalidArgumentError)
    assert "headers" in str(error)


@pytest.mark.parametrize("body", [{}, [1, 2], 7, True, object], ids=repr)
def test_body_of_a_wrong_type_is_an_invalid_argument(body: Any) -> None:
    error = rejection(sign(), body)
    assert isinstance(error, InvalidArgumentError)
    assert "body" in str(error)


# --- timestamps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stamp",
    [
        STAMP, "2026-03-14T09:26:53", "2026-03-14T09:26:53.1234567Z", "2026-03-14T10:26:53+01:00",
        "2026-03-14 09:26:53+00:00", "20260314T092653Z", "1773480413", "1773480413.123",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("chicago")  # a timestamp without an offset is in UTC
def test_timestamp_is_read_in_every_format(stamp: str) -> None:
    assert Verifier(jwks(), tolerance=1).verify(sign(stamp=stamp), BODY)


@pytest.mark.parametrize("difference", [300, -300, 299.5, 0])
def test_timestamp_within_the_tolerance_is_accepted(difference: float, clock: mock.Mock) -> None:
    clock.return_value = NOW + difference
    assert Verifier(jwks()).verify(sign(), BODY)


@pytest.mark.parametrize("difference", [300.5, 301, -300.5, -301, 1e9, -1e9])
def test_timestamp_beyond_the_tolerance_is_stale(difference: float, clock: mock.Mock) -> None:
    clock.return_value = NOW + difference
    error = rejection(sign())
    assert isinstance(error, StaleTimestampError)
    assert error.http_status == 400
    if abs(difference) < 30 * 86_400:
        assert Verifier(jwks(), tolerance=30 * 86_400).verify(sign(), BODY)


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-03-14\ud80009:26:53Z", "2026-03-14é09:26:53Z", "now", "may 5", "nan", "inf", "1e9", "-1773480413",
        "177348041300000", "177348041", "١٧٧٣٤٨٠٤١٣", "2026-13-01", " " + STAMP, STAMP + "\n", STAMP + ", " + STAMP,
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "\ud800", "0" * 10_000, "é",
    ],
)  # fmt: skip
def test_timestamp_that_cannot_be_read_is_stale(stamp: str) -> None:
    error = rejection({**sign(), TIMESTAMP: stamp}, verifier=Verifier(jwks(), tolerance=30 * 86_400))
    assert isinstance(error, StaleTimestampError)
    assert error.http_status == 400


@pytest.mark.parametrize("verifier_class", [Verifier, AsyncVerifier])
def test_tolerance_is_validated(verifier_class: Any) -> None:
    for tolerance in (-1, float("nan"), float("inf"), 30 * 86_400 + 1, "300", None, True):
        with pytest.raises(InvalidArgumentError, match="tolerance"):
            verifier_class(jwks(), tolerance=tolerance)
    assert Verifier(jwks(), tolerance=0).verify(sign(), BODY)


def test_freezegun_and_mock_set_the_time_of_verify(clock: mock.Mock) -> None:
    verifier = Verifier(jwks())
    clock.return_value = NOW + 10_000
    assert isinstance(rejection(sign(), verifier=verifier), StaleTimestampError)
    with freeze_time(datetime.fromtimestamp(NOW, UTC)):
        assert verifier.verify(sign(), BODY)
        with freeze_time(datetime.fromtimestamp(NOW + 301, UTC)):
            assert isinstance(rejection(sign(), verifier=verifier), StaleTimestampError)
    with mock.patch("time.time", return_value=NOW):
        assert verifier.verify(sign(), BODY)
    assert isinstance(rejection(sign(), verifier=verifier), StaleTimestampError)


# --- attacks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [KEY_ID, SIGNATURE, TIMESTAMP])
def test_missing_or_empty_header_is_a_404(name: str) -> None:
    for headers in ({key: value for key, value in sign().items() if key != name}, {**sign(), name: ""}):
        error = rejection(headers)
        assert isinstance(error, InvalidSignatureError)
        assert error.http_status == 404
        assert name in str(error)


@pytest.mark.parametrize("name", [KEY_ID, SIGNATURE, TIMESTAMP])
def test_duplicate_header_is_rejected(name: str) -> None:
    headers = sign()
    value = headers[name]
    for duplicate in ([value, value], [value, "x"], ["x", value], f"{value}, x", f"{value}, ", f"{value}, {value}"):
        error = rejection({**headers, name: duplicate})
        assert isinstance(error, WebhookError)
        assert error.http_status in (400, 401)


def test_changed_signature_is_rejected() -> None:
    headers, verifier = sign(), Verifier(jwks())
    signature = base64.b64decode(headers[SIGNATURE])
    flipped = [
        signature[:at] + bytes([signature[at] ^ bit]) + signature[at + 1 :] for at in range(256) for bit in (1, 0x80)
    ]
    resized = [
        signature[:-1],
        signature[1:],
        signature + b"\0",
        b"\0" + signature,
        b"\0",
        b"",
        signature * 2,
        bytes(256),
    ]
    for changed in flipped + resized:
        error = rejection({**headers, SIGNATURE: base64.b64encode(changed).decode() or "="}, verifier=verifier)
        assert isinstance(error, InvalidSignatureError)
        assert error.http_status == 401


def test_loose_base64_is_rejected() -> None:
    headers, verifier = sign(), Verifier(jwks())
    text = headers[SIGNATURE]
    changed = [
        text[:at] + other + text[at + 1 :]
        for at in range(len(text))
        for other in ("A", "B", "/", "=", " ", "\n", "-", "_", "é", "\0")
        if other != text[at]
    ]
    resized = [text[:-1], text[:-2], text + "=", text + "\n", " " + text, text + "A", "====", text[:-3] + "B=="]
    for loose in changed + resized:
        assert isinstance(rejection({**headers, SIGNATURE: loose}, verifier=verifier), InvalidSignatureError), loose


def test_changed_body_is_rejected() -> None:
    headers, verifier = sign(), Verifier(jwks())
    flipped = [BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :] for at in range(len(BODY))]
    for changed in [
        *flipped,
        BODY[:-1],
        BODY[1:],
        BODY + b" ",
        b" " + BODY,
        b"\xef\xbb\xbf" + BODY,
        b"",
        None,
        BODY * 2,
    ]:
        assert isinstance(rejection(headers, changed, verifier), InvalidSignatureError)


def test_timestamp_of_another_delivery_is_rejected() -> None:
    for stamp in ("2026-03-14T09:26:54Z", "2026-03-14T09:26:53", "2026-03-14T09:26:53.0Z", "1773480413"):
        assert isinstance(rejection({**sign(), TIMESTAMP: stamp}), InvalidSignatureError)
    # The full stop moves: the signed bytes are the same, but the rest is not a JSON object.
    moved = {**sign(stamp="1773480413.5"), TIMESTAMP: "1773480413"}
    assert isinstance(rejection(moved, b"5." + BODY), InvalidPayloadError)


MESSAGE = STAMP.encode() + b"." + BODY


def public_pem() -> bytes:
    return private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda: private_key(name="other").sign(MESSAGE, padding.PKCS1v15(), SHA256()), id="other-key"),
        pytest.param(lambda: hmac.digest(public_pem(), MESSAGE, "sha256"), id="HMAC-with-the-public-key"),
        pytest.param(lambda: hmac.digest(public_pem(), MESSAGE, "sha256") * 8, id="HMAC-as-long-as-a-signature"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()).sign(MESSAGE, ec.ECDSA(SHA256())), id="ECDSA"),
        pytest.param(lambda: private_key().sign(MESSAGE, padding.PKCS1v15(), SHA1()), id="SHA-1"),
        pytest.param(lambda: private_key().sign(MESSAGE, padding.PKCS1v15(), SHA512()), id="SHA-512"),
        pytest.param(lambda: private_key().sign(MESSAGE, padding.PSS(padding.MGF1(SHA256()), 32), SHA256()), id="PSS"),
        pytest.param(lambda: private_key().sign(BODY, padding.PKCS1v15(), SHA256()), id="body-alone"),
        pytest.param(lambda: hashlib.sha256(MESSAGE).digest(), id="digest"),
        pytest.param(lambda: bytes(256), id="zeros"),
        pytest.param(lambda: b"\0\1" + b"\xff" * 254, id="padding-alone"),
    ],
)
def test_forged_signature_is_rejected(forge: Callable[[], bytes]) -> None:
    verifier = Verifier(jwks(jwk(), {**jwk(), "kty": "EC"}, {"kty": "oct", "kid": "k1", "k": encode(7)}))
    error = rejection({**sign(), SIGNATURE: base64.b64encode(forge()).decode()}, verifier=verifier)
    assert isinstance(error, InvalidSignatureError)
    assert error.http_status == 401


def test_weak_foreign_and_malformed_keys_are_ignored() -> None:
    small, smaller, numbers = private_key(2047), private_key(1024), private_key().public_key().public_numbers()
    useless: list[Any] = [
        *[jwk(use="enc"), jwk(use="SIG"), jwk(use=7), jwk(use=["sig"])],
        *[jwk(kid=None), jwk(kid=7), jwk(kid=["k1"]), jwk(kid="K1"), jwk(kty="EC"), jwk(kty=None), jwk(kty="rsa")],
        *[jwk(n=7), jwk(n=None), jwk(n=""), jwk(n="é"), jwk(n=encode(numbers.n + 1)), jwk(n="!" + encode(numbers.n))],
        *[jwk(e=65537), jwk(e=""), jwk(e="AA"), jwk(e=encode(2)), jwk(e=encode(1))],
        *[{"kid": "k1"}, {"kty": "RSA"}, {"kty": "RSA", "kid": "k1", "n": "AQAB"}, None, 7, "k1", [], {}],
    ]
    for key in useless:
        assert isinstance(rejection(sign(), verifier=Verifier(jwks(key))), InvalidSignatureError), key
    for weak in (small, smaller):
        assert isinstance(rejection(sign(key=weak), verifier=Verifier(jwks(jwk(weak)))), InvalidSignatureError)
    assert Verifier(jwks(*useless, jwk(small), jwk())).verify(sign(), BODY)


EC_KEY = {"kty": "EC", "crv": "P-256", "kid": "k1", "x": "AA", "y": "AA"}


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([{name: value for name, value in jwk().items() if name != "use"}], id="no-use"),
        pytest.param([jwk(use=None)], id="null-use"),
        pytest.param([EC_KEY, jwk()], id="after-an-EC-key-of-the-same-ID"),
        pytest.param([jwk(), EC_KEY], id="before-an-EC-key-of-the-same-ID"),
        pytest.param([jwk(private_key(name="other")), jwk()], id="second-of-two-with-the-same-ID"),
        pytest.param([jwk(kid="k0"), jwk(), jwk(kid="k2")], id="among-others"),
        pytest.param([jwk(alg="RS256", x5c=[], private=None)], id="other-members"),
    ],
)
def test_usable_key_is_found(keys: list[Any]) -> None:
    assert Verifier(jwks(*keys)).verify(sign(), BODY)


def test_long_key_is_used() -> None:
    key = private_key(3072)
    assert Verifier(jwks(jwk(key))).verify(sign(key=key), BODY)


@pytest.mark.parametrize("kid", ["k2", "k1\r\nx: y", "k1\0", "k1 ", "é" * 100, "\ud800", "k" * 100_000, "../../jwks"])
def test_foreign_key_id_is_rejected(kid: str) -> None:
    error = rejection({**sign(), KEY_ID: kid})
    assert isinstance(error, InvalidSignatureError)
    assert error.http_status == 401


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": {}}, [], [{"kid": "k1"}], "keys", b"{}", 7], ids=repr)
def test_jwks_that_is_not_a_key_set_is_an_invalid_argument(keys: Any) -> None:
    for verifier_class in (Verifier, AsyncVerifier):
        with pytest.raises(InvalidArgumentError, match="jwks"):
            verifier_class(keys)


# --- bodies ---------------------------------------------------------------------------------------------------------

NOT_OBJECTS = [
    b"", b" ", b"{", b"\xff\xfe", b"\xff" + BODY, BODY[:-1], BODY + b"}", b"NaN", b'{"a": NaN}', b'{"a": Infinity}',
    b'{"a": -Infinity}', b"<html>", BODY.decode().encode("utf-16"), b"[" * 100_000, b'{"a":' * 100_000, b"null", b"[]",
    b'"text"', b"7", b"[" + BODY + b"]",
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_OBJECTS, ids=range(len(NOT_OBJECTS)))
def test_signed_body_that_is_not_a_json_object_is_an_invalid_payload(body: bytes) -> None:
    error = rejection(sign(body), body)
    assert isinstance(error, InvalidPayloadError)
    assert (error.http_status, error.body) == (400, body)


def test_signed_empty_body_may_be_none() -> None:
    assert isinstance(rejection(sign(b""), None), InvalidPayloadError)


def test_ten_megabytes_are_accepted_only_if_signed() -> None:
    body = json.dumps({**DOCUMENT, "padding": "x" * TEN_MEGABYTES}, default=str).encode()
    assert len(Verifier(jwks()).verify(sign(body), body).additional_properties["padding"]) == TEN_MEGABYTES
    assert isinstance(rejection(sign(), body), InvalidSignatureError)


# --- the package ----------------------------------------------------------------------------------------------------


def test_importing_without_cryptography_says_what_to_install() -> None:
    code = "import sys; sys.modules['cryptography'] = None; import shipengine_tracking.webhooks"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("ImportError: ")
    assert "shipengine-tracking[webhooks]" in result.stderr


def test_all_public_names_exist() -> None:
    assert all(hasattr(webhooks, name) for name in webhooks.__all__)
