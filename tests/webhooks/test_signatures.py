"""Which deliveries a verifier accepts and which it rejects, with given keys and without a network."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from deliveries import BODY, HEADERS, NOW, STAMP, VERIFIERS, encode, jwk, jwks, private_key, sign, verify

from shipengine_tracking import InvalidArgumentError
from shipengine_tracking.webhooks import (
    InvalidPayloadError,
    InvalidSignatureError,
    StaleTimestampError,
    TrackingEvent,
    Verifier,
    parse,
)

KEY_ID, SIGNATURE, TIMESTAMP = HEADERS
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


@pytest.mark.parametrize("kind", VERIFIERS)
def test_verifier_returns_the_event_of_a_signed_delivery(kind: str) -> None:
    assert verify(sign(), BODY, VERIFIERS[kind](jwks())) == parse(BODY)


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda given: {name.upper(): value for name, value in given.items()}, id="upper-case"),
        pytest.param(lambda given: [*given.items(), *given.items()], id="pairs-with-equal-duplicates"),
        pytest.param(lambda given: [(name.encode(), value.encode()) for name, value in given.items()], id="ASGI"),
        pytest.param(lambda given: {name: [value] for name, value in given.items()}, id="lists"),
        pytest.param(
            lambda given: [("X-ShipEngine-X", "1"), ("X-ShipEngine-X", "2"), (7, 7), ("X-None", None), *given.items()],
            id="other-headers",
        ),
        pytest.param(
            lambda given: {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given.items()}, id="WSGI"
        ),
    ],
)
def test_headers_are_read_in_the_form_of_each_framework(convert: Callable[[dict[str, str]], Any]) -> None:
    assert isinstance(verify(convert(sign())), TrackingEvent)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("headers", [None, 7, "text", [("a", "b", "c")]]),
        ("body", [{}, 7]),
        ("tolerance", [-1, float("nan"), MONTH + 1, "300"]),
        ("jwks", [{}, {"keys": {}}, []]),
    ],
)
def test_argument_that_is_not_valid_is_an_invalid_argument(name: str, values: list[Any]) -> None:
    for value in values:
        given = {"jwks": jwks(), "tolerance": 300, "headers": sign(), "body": BODY, name: value}
        with pytest.raises(InvalidArgumentError, match=f"^{name} must be"):
            Verifier(given["jwks"], tolerance=given["tolerance"]).verify(given["headers"], given["body"])


# --- timestamps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stamp",
    [
        STAMP, "2026-03-14T09:26:53", "2026-03-14T09:26:53.1234567Z", "2026-03-14T10:26:53+01:00",
        "1773480413", "1773480413.123", "1773480413123",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("chicago")  # a timestamp without an offset is in UTC
def test_timestamp_is_read_in_every_format(stamp: str) -> None:
    assert isinstance(verify(sign(stamp=stamp), BODY, Verifier(jwks(), tolerance=1)), TrackingEvent)


@pytest.mark.parametrize("tolerance", [0, 300, MONTH])
def test_timestamp_that_differs_by_more_than_the_tolerance_is_stale(tolerance: float, clock: mock.Mock) -> None:
    verifier = Verifier(jwks()) if tolerance == 300 else Verifier(jwks(), tolerance=tolerance)
    for difference in (tolerance, -tolerance, tolerance + 0.5, -tolerance - 0.5):
        clock.return_value = NOW + difference
        result = verify(sign(), BODY, verifier)
        assert type(result) is (StaleTimestampError if abs(difference) > tolerance else TrackingEvent)


@pytest.mark.parametrize(
    "stamp",
    [
        "now", "2026-03-14\ud80009:26:53Z", "1e9", "177348041300000", "177348041", "2026-13-01", STAMP + "\n",
        "9999-12-31T23:59:59-23:59", "0" * 10_000,
    ],
)  # fmt: skip
def test_timestamp_that_cannot_be_read_is_stale(stamp: str) -> None:
    error = verify({**sign(), TIMESTAMP: stamp}, BODY, Verifier(jwks(), tolerance=MONTH))
    assert isinstance(error, StaleTimestampError)
    assert error.http_status == 400


# --- attacks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HEADERS)
def test_missing_or_empty_header_is_a_404(name: str) -> None:
    assert_rejected({key: value for key, value in sign().items() if key != name}, status=404)
    assert_rejected({**sign(), name: ""}, status=404)


@pytest.mark.parametrize("name", HEADERS)
def test_header_with_several_values_is_rejected(name: str) -> None:
    headers, wsgi_name = sign(), f"HTTP_{name.upper().replace('-', '_')}"
    for pairs in ([(name, "x"), *headers.items()], [*headers.items(), (name.title(), "x")], {**headers, wsgi_name: ""}):
        assert_rejected(pairs)


def changes(data: bytes) -> list[bytes]:
    """Return changed bytes: another bit at each position, shorter and longer ones."""
    flipped = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(len(data))]
    return [*flipped, data[:-1], data[1:], data + b" ", b"\0" + data]


def test_changed_body_or_signature_is_rejected() -> None:
    headers, verifier = sign(), Verifier(jwks())
    for body in [*changes(BODY), None]:
        assert_rejected(headers, body, verifier)
    for signature in changes(b64decode(headers[SIGNATURE])):
        assert_rejected({**headers, SIGNATURE: b64encode(signature).decode()}, BODY, verifier)


def test_base64_that_is_not_canonical_is_rejected() -> None:
    headers, verifier = sign(), Verifier(jwks())
    text = headers[SIGNATURE]
    for loose in (text[:-1], text + "=", text + "\n", " " + text, text[:9] + "-" + text[9:], text[:-3] + "B==", "é"):
        assert_rejected({**headers, SIGNATURE: loose}, BODY, verifier)


def test_timestamp_of_another_delivery_is_rejected() -> None:
    assert_rejected({**sign(), TIMESTAMP: "2026-03-14T09:26:54Z"})
    # The full stop moves: the signed bytes are the same, but the rest is not a JSON object.
    moved = {**sign(stamp="1773480413.5"), TIMESTAMP: "1773480413"}
    assert isinstance(verify(moved, b"5." + BODY), InvalidPayloadError)


@pytest.mark.parametrize("kid", ["k2", "k1\r\nx: y", "\ud800", "k" * 100_000])
def test_unknown_key_id_is_rejected(kid: str) -> None:
    assert_rejected({**sign(), KEY_ID: kid})


def test_signature_by_another_key_is_rejected() -> None:
    other = private_key(name="other")
    assert_rejected(sign(key=other), BODY, Verifier(jwks(jwk(), jwk(other, kid="k2"))))


# --- keys -----------------------------------------------------------------------------------------------------------


def test_weak_foreign_and_malformed_keys_are_ignored() -> None:
    weak, numbers = private_key(2047), private_key().public_key().public_numbers()
    useless: list[Any] = [
        *(jwk(use=use) for use in ("enc", 7, ["sig"])),
        *(jwk(kid=kid) for kid in (None, ["k1"], "K1")),
        *(jwk(kty=kty) for kty in ("EC", None)),
        *(jwk(n=n) for n in (7, "", "é", "!!!!" + encode(numbers.n))),
        *(jwk(e=e) for e in (65537, "", encode(2))),
        *[{"kty": "RSA", "kid": "k1", "n": "AQAB"}, None, []],
    ]
    for key in useless:
        assert_rejected(sign(), BODY, Verifier(jwks(key)))
    assert_rejected(sign(key=weak), BODY, Verifier(jwks(jwk(weak))))
    without_use = {name: value for name, value in jwk().items() if name != "use"}
    for usable in (jwk(), jwk(use=None), without_use):
        verifier = Verifier(jwks(*useless, jwk(weak), jwk(private_key(name="other")), usable))
        assert isinstance(verify(sign(), BODY, verifier), TrackingEvent)


# --- signed bodies --------------------------------------------------------------------------------------------------

NOT_OBJECTS = [
    b"", b"\xff" + BODY, BODY[:-1], BODY + b"}", b'{"a": NaN}', b'{"a": -Infinity}', b"<html>", b'{"a":' * 100_000,
    b"null", b"[" + BODY + b"]",
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
