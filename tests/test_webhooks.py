"""Deliveries: what is let in, and what is kept out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.message import Message
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ruamel.yaml import YAML
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import Headers as WerkzeugHeaders

from conftest import plain
from shipengine_tracking import (
    InvalidArgumentError,
    InvalidPayloadError,
    InvalidSignatureError,
    ShipEngineError,
    StaleTimestampError,
    WebhookError,
    _signature,
    webhooks,
)
from shipengine_tracking.webhooks import StatusCode, TrackingEvent, Verifier, parse, parse_date

KEY_ID, SIGNATURE, TIMESTAMP = (
    "x-shipengine-rsa-sha256-key-id",
    "x-shipengine-rsa-sha256-signature",
    "x-shipengine-timestamp",
)
NOW = 1_773_480_413.0  # 2026-03-14T09:26:53Z
STAMP = "2026-03-14T09:26:53Z"
COMPONENTS = YAML(typ="safe").load(Path(__file__).parent.parent / "spec" / "openapi.yaml")["components"]
EXAMPLES = COMPONENTS["examples"]
DOCUMENT: dict[str, Any] = EXAMPLES["in_transit"]["value"]
BODY = json.dumps(DOCUMENT, default=str).encode()


@cache
def private_key(bits: int = 2048, name: str = "first") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8)).rstrip(b"=").decode()


def jwk(key: rsa.RSAPrivateKey | None = None, kid: object = "k1", **members: object) -> dict[str, object]:
    public = (key or private_key()).public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "kid": kid, "n": number(public.n), "e": number(public.e), **members}


def jwks(*keys: object) -> dict[str, Any]:
    return {"keys": list(keys)}


def signed(
    body: bytes = BODY, stamp: str = STAMP, kid: str = "k1", key: rsa.RSAPrivateKey | None = None
) -> dict[str, str]:
    signature = (key or private_key()).sign(stamp.encode() + b"." + body, padding.PKCS1v15(), SHA256())
    return {KEY_ID: kid, SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: stamp}


def verifier(*keys: object, tolerance: float = 300.0, now: float = NOW) -> Verifier:
    return Verifier(jwks(*(keys or (jwk(),))), tolerance=tolerance, clock=lambda: now)


def refusal(headers: Any, body: Any = BODY, by: Verifier | None = None) -> ShipEngineError:
    with pytest.raises(ShipEngineError) as caught:
        (by or verifier()).verify(headers, body)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return caught.value


def test_a_genuine_delivery() -> None:
    event = verifier().verify(signed(), BODY)
    assert isinstance(event, TrackingEvent)
    assert event.data.tracking_number == DOCUMENT["data"]["tracking_number"]


@pytest.mark.parametrize("name", ["in_transit", "delivered", "exception"])
def test_the_examples_of_the_spec(name: str) -> None:
    body = json.dumps(EXAMPLES[name]["value"], default=str).encode()
    assert verifier().verify(signed(body), body).resource_type == "API_TRACK"


def message_of(headers: dict[str, str]) -> Message:
    message = Message()
    for name, value in headers.items():
        message[name] = value
    return message


@pytest.mark.parametrize(
    "as_given",
    [
        lambda headers: {name.upper(): value for name, value in headers.items()},
        lambda headers: {name.title(): value for name, value in headers.items()},
        lambda headers: list(headers.items()),
        lambda headers: [(name.encode(), value.encode()) for name, value in headers.items()],
        lambda headers: {name.encode(): value.encode() for name, value in headers.items()},
        lambda headers: {name: [value] for name, value in headers.items()},
        lambda headers: {name: (value.encode(),) for name, value in headers.items()},
        lambda headers: {name: bytearray(value, "ascii") for name, value in headers.items()},
        lambda headers: {**headers, "Cookie": "a=b", "X-Number": 7, "X-None": None},
        lambda headers: WerkzeugHeaders(headers),
        lambda headers: StarletteHeaders(headers),
        message_of,
    ],
)
def test_headers_of_every_framework(as_given: Callable[[dict[str, str]], Any]) -> None:
    assert verifier().verify(as_given(signed()), BODY)


@pytest.mark.parametrize("body", [bytearray(BODY), memoryview(BODY)])
def test_a_body_may_be_any_kind_of_bytes(body: Any) -> None:
    assert verifier().verify(signed(), body)


class Contrary:
    """A mapping that does not behave."""

    def get(self, name: str) -> str:
        raise KeyError(name)


@pytest.mark.parametrize("headers", [None, 7, [1], "text", [("a", "b", "c")], Contrary()])
def test_headers_that_are_none(headers: Any) -> None:
    assert str(refusal(headers)) == "headers must be the request's headers: a mapping of names to values"


@pytest.mark.parametrize("body", ["text", None, {}, 7])
def test_a_body_that_is_not_raw(body: Any) -> None:
    error = refusal(signed(), body)
    assert isinstance(error, InvalidArgumentError)
    kind = type(body).__name__
    assert str(error) == f"body must be the request's raw bytes, not {kind}: the signature covers every one of them"


@pytest.mark.parametrize("name", [KEY_ID, SIGNATURE, TIMESTAMP])
def test_a_missing_header(name: str) -> None:
    for headers in ({key: value for key, value in signed().items() if key != name}, {**signed(), name: ""}):
        error = refusal(headers)
        assert isinstance(error, InvalidSignatureError)
        assert error.http_status == 404
        assert name in str(error)


@pytest.mark.parametrize("name", [KEY_ID, SIGNATURE, TIMESTAMP])
def test_a_header_twice(name: str) -> None:
    headers = signed()
    for second in ("x", ""):
        assert isinstance(refusal({**headers, name: [headers[name], second or headers[name]]}), WebhookError)
        assert isinstance(refusal({**headers, name: f"{headers[name]}, {second}"}), WebhookError)
    assert "has no RSA key 'k1, k1'" in str(refusal({**headers, KEY_ID: ["k1", "k1"]}))


def test_an_environ_of_wsgi() -> None:
    environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in signed().items()}
    assert verifier().verify({"REQUEST_METHOD": "POST", **environ}, BODY)


@pytest.mark.parametrize(
    "stamp",
    [
        STAMP,
        "2026-03-14T09:26:53",
        "2026-03-14T09:26:53.1234567Z",
        "2026-03-14T10:26:53+01:00",
        "2026-03-14 09:26:53+00:00",
        "20260314T092653Z",
        "1773480413",
        "1773480413.123",
    ],
)
@pytest.mark.usefixtures("chicago")  # which a time without an offset has nothing to do with
def test_times_that_are_read(stamp: str) -> None:
    assert verifier(tolerance=1).verify(signed(stamp=stamp), BODY)


@pytest.mark.parametrize("off", [300, -300, 299.5, 0])
def test_within_the_tolerance(off: float) -> None:
    assert verifier(now=NOW + off).verify(signed(), BODY)


@pytest.mark.parametrize(("off", "words"), [(301, "301 s ago"), (-301, "301 s in the future"), (1e9, "ago")])
def test_beyond_the_tolerance(off: float, words: str) -> None:
    error = refusal(signed(), by=verifier(now=NOW + off))
    assert isinstance(error, StaleTimestampError)
    assert error.http_status == 400
    assert words in str(error)


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-03-14\ud80009:26:53Z", "2026-03-14é09:26:53Z", "now", "may 5", "nan", "inf", "1e9", "-1773480413",
        "177348041300000", "177348041", "١٧٧٣٤٨٠٤١٣", "2026-13-01", " " + STAMP, STAMP + "\n",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "\ud800", "0" * 10_000, "é",
    ],
)  # fmt: skip
def test_times_that_are_not_read(stamp: str) -> None:
    error = refusal({**signed(), TIMESTAMP: stamp})
    assert isinstance(error, StaleTimestampError)
    assert str(error).startswith(("x-shipengine-timestamp is no time: ", "it was signed "))
    assert error.http_status == 400
    if stamp == "0" * 10_000:
        assert str(error) == f"x-shipengine-timestamp is no time: '{'0' * 79}…'"


def test_a_clock_that_tells_nothing() -> None:
    assert isinstance(refusal(signed(), by=verifier(now=float("nan"))), StaleTimestampError)


def test_five_minutes_are_tolerated_if_nothing_is_said() -> None:
    for off, is_read in ((299, True), (301, False), (-299, True), (-301, False)):
        judge = Verifier(jwks(jwk()), clock=lambda off=off: NOW + off)  # type: ignore[misc]
        if is_read:
            assert judge.verify(signed(), BODY)
        else:
            assert isinstance(refusal(signed(), by=judge), StaleTimestampError)


def test_a_lookup_that_is_none() -> None:
    said = "lookup must be an asynchronous function, not of type dict: for a set of keys, a Verifier is enough"
    with pytest.raises(InvalidArgumentError) as caught:
        webhooks.AsyncVerifier(jwks(jwk()))  # type: ignore[arg-type]
    assert str(caught.value) == said


def test_a_tolerance_that_cannot_be() -> None:
    for judge in (Verifier, webhooks.AsyncVerifier):
        for tolerance in (-1, float("nan"), float("inf"), "300", None):
            with pytest.raises(InvalidArgumentError, match=r"^tolerance must be seconds, from 0 and at most 86,400$"):
                judge(lambda _: jwks(), tolerance=tolerance)  # type: ignore[arg-type,return-value]
    assert Verifier(jwks(jwk()), tolerance=0, clock=lambda: NOW).verify(signed(), BODY)


@pytest.mark.parametrize("keys", [None, {}, {"keys": None}, {"keys": {}}, [], "keys", b"{}", 7])
def test_a_key_set_that_is_none(keys: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Verifier(keys)
    assert str(caught.value) == 'jwks_or_lookup must be a key set, {"keys": […]}, or a function from a key id'


def test_a_lookup_may_give_a_set_or_a_key_or_none() -> None:
    asked: list[str] = []

    def through(answer: Any) -> Verifier:
        def lookup(kid: str) -> Any:
            asked.append(kid)
            return answer

        return Verifier(lookup, clock=lambda: NOW)

    for answer in (jwks(jwk()), jwk(), {key: value for key, value in jwk().items() if key != "kid"}):
        assert through(answer).verify(signed(), BODY)
    for useless in (None, jwks(), jwk(kid="k2"), jwk(private_key(name="other")), {}):
        assert isinstance(refusal(signed(), by=through(useless)), InvalidSignatureError)
    assert set(asked) == {"k1"}
    for nonsense in (["key"], "key", 7, b"{}"):
        error = refusal(signed(), by=through(nonsense))
        assert isinstance(error, InvalidArgumentError)
        kind = type(nonsense).__name__
        assert str(error) == (f"jwks_or_lookup has returned a value of type {kind}: return a key set, a key or None")


def test_a_lookup_may_be_asynchronous() -> None:
    async def lookup(kid: str) -> Any:
        return jwks(jwk()) if kid == "k1" else None

    async def look_up_one(kid: str) -> Any:
        return {key: value for key, value in jwk().items() if key != "kid"}

    for ask in (lookup, look_up_one):
        exact = webhooks.AsyncVerifier(ask, tolerance=0, clock=lambda: NOW)
        assert asyncio.run(exact.verify(signed(), BODY)).resource_type == "API_TRACK"
    judge = webhooks.AsyncVerifier(lookup, clock=lambda: NOW)
    with pytest.raises(InvalidSignatureError):
        asyncio.run(judge.verify(signed(kid="k2"), BODY))
    late = webhooks.AsyncVerifier(lookup, clock=lambda: NOW + 301)
    with pytest.raises(StaleTimestampError):
        asyncio.run(late.verify(signed(), BODY))


def test_every_byte_of_the_signature_counts() -> None:
    headers = signed()
    signature = base64.b64decode(headers[SIGNATURE])
    judge = verifier()
    for at in range(len(signature)):
        for flip in (1, 0x80):
            wrong = bytearray(signature)
            wrong[at] ^= flip
            error = refusal({**headers, SIGNATURE: base64.b64encode(wrong).decode()}, by=judge)
            assert isinstance(error, InvalidSignatureError)
            assert str(error) == "the signature does not fit the delivery"
            assert error.http_status == 401
    for longer in (signature[:-1], signature[1:], signature + b"\0", b"\0" + signature, b"\0", signature * 2):
        refusal({**headers, SIGNATURE: base64.b64encode(longer).decode()}, by=judge)


def test_every_character_of_the_written_signature_counts() -> None:
    headers = signed()
    written, judge = headers[SIGNATURE], verifier()
    for at in range(len(written)):
        for other in "A", "B", "/", "=", " ", "\n", "-", "_", "é", "\0":
            if other != written[at]:
                wrong = written[:at] + other + written[at + 1 :]
                assert isinstance(refusal({**headers, SIGNATURE: wrong}, by=judge), InvalidSignatureError), (at, other)
    for wrong in (written[:-1], written[:-2], written + "=", written + "\n", " " + written, written + "A", "===="):
        error = refusal({**headers, SIGNATURE: wrong}, by=judge)
        assert isinstance(error, InvalidSignatureError)
        assert str(error) == "the signature is not base64"


def test_every_byte_of_the_body_counts() -> None:
    headers, judge = signed(), verifier()
    for at in range(len(BODY)):
        wrong = bytearray(BODY)
        wrong[at] ^= 1
        assert isinstance(refusal(headers, bytes(wrong), judge), InvalidSignatureError)
    for body in (BODY[:-1], BODY + b" ", b" " + BODY, b"", BODY + BODY):
        assert isinstance(refusal(headers, body, judge), InvalidSignatureError)


def test_a_timestamp_of_another_delivery() -> None:
    assert isinstance(refusal({**signed(), TIMESTAMP: "2026-03-14T09:26:54Z"}), InvalidSignatureError)
    # The full stop moves: the bytes that are signed are the same, but what is left for a body is no JSON.
    moved = {**signed(stamp="1773480413.5"), TIMESTAMP: "1773480413"}
    assert isinstance(refusal(moved, b"5." + BODY), InvalidPayloadError)


def test_forgeries() -> None:
    other, message = private_key(name="other"), STAMP.encode() + b"." + BODY
    public = private_key().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    curve = ec.generate_private_key(ec.SECP256R1())
    forged = {
        "another key": other.sign(message, padding.PKCS1v15(), SHA256()),
        "an HMAC with the public key": hmac.digest(pem, message, "sha256"),
        "an HMAC as long as a signature": hmac.digest(pem, message, "sha256") * 8,
        "an elliptic curve": curve.sign(message, ec.ECDSA(SHA256())),
        "SHA-1": private_key().sign(message, padding.PKCS1v15(), SHA1()),
        "SHA-512": private_key().sign(message, padding.PKCS1v15(), SHA512()),
        "PSS": private_key().sign(message, padding.PSS(padding.MGF1(SHA256()), 32), SHA256()),
        "the body alone": private_key().sign(BODY, padding.PKCS1v15(), SHA256()),
        "the digest itself": hashlib.sha256(message).digest(),
        "nothing": b"",
        "zeros": bytes(256),
    }
    judge = verifier(jwk(), {**jwk(), "kty": "EC"}, {"kty": "oct", "kid": "k1", "k": number(7)})
    for name, signature in forged.items():
        error = refusal({**signed(), SIGNATURE: base64.b64encode(signature).decode()}, by=judge)
        assert isinstance(error, InvalidSignatureError), name


def test_keys_that_do_not_count() -> None:
    small, plain = private_key(2047), signed()
    numbers = private_key().public_key().public_numbers()
    useless: list[Any] = [
        *[jwk(small), jwk(private_key(1024)), jwk(use="enc"), jwk(use="SIG"), jwk(use=7)],
        *[jwk(kid=None), jwk(kid=7), jwk(kid=["k1"]), jwk(kid="K1"), jwk(kty="EC"), jwk(kty=None)],
        *[jwk(n=7), jwk(n=None), jwk(n=""), jwk(n="é"), jwk(n=number(numbers.n + 1)), jwk(n="!" + number(numbers.n))],
        *[jwk(e=65537), jwk(e=""), jwk(e="AA"), jwk(e=number(2))],
        *[{"kid": "k1"}, {"kty": "RSA"}, None, 7, "k1", [], {}],
    ]
    for key in useless:
        headers = {str(jwk(one)): signed(key=one) for one in (small, private_key(1024))}.get(str(key), plain)
        assert isinstance(refusal(headers, by=verifier(key)), InvalidSignatureError), key
    assert verifier(*useless, jwk()).verify(plain, BODY)


def test_keys_that_do_count() -> None:
    curve = {"kty": "EC", "crv": "P-256", "kid": "k1", "x": "AA", "y": "AA"}
    for keys in (
        [{key: value for key, value in jwk().items() if key != "use"}],
        [jwk(use=None)],
        [curve, jwk()],
        [jwk(), curve],
        [jwk(private_key(name="other")), jwk()],  # two of one id: both are ShipEngine's
        [jwk(kid="k0"), jwk(), jwk(kid="k2")],
        [jwk(alg="RS256", x5c=[], private=None)],
    ):
        assert verifier(*keys).verify(signed(), BODY)
    big = private_key(3072)
    assert verifier(jwk(big)).verify(signed(key=big), BODY)


@pytest.mark.parametrize("kid", ["k2", "k1\r\nx: y", "k1\0", "k1 ", "é" * 100, "\ud800", "k" * 100_000, "../../jwks"])
def test_key_ids_of_strangers(kid: str) -> None:
    error = refusal({**signed(), KEY_ID: kid})
    assert isinstance(error, InvalidSignatureError)
    assert error.http_status == 401
    if kid == "k" * 100_000:
        assert str(error) == f"ShipEngine has no RSA key '{'k' * 79}…'"


def test_a_key_is_read_once() -> None:
    ring = _signature.KeyRing(jwks(jwk()))
    assert ring.find("k1") is ring.find("k1")
    assert ring._found == {"k1": ring.find("k1")}
    assert [ring.find("k2"), ring.find("k1") != []] == [[], True]
    assert list(ring._found) == ["k1"]


NOT_JSON = [b"", b" ", b"{", b"\xff\xfe", b"\xff" + BODY, BODY[:-1], BODY + b"}", b"NaN", b'{"a": NaN}', b"<html>",
            BODY.decode().encode("utf-16"), b"[" * 100_000, b'{"a":' * 100_000, b'{"a": 1e400}']  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_signed_but_not_json(body: bytes) -> None:
    error = refusal(signed(body), body)
    assert isinstance(error, InvalidPayloadError)
    assert error.http_status == 400
    assert error.body == body


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_of_jsons(number: str) -> None:
    with pytest.raises(InvalidPayloadError, match=f"^the body is not JSON: {number} is no number of JSON's$"):
        parse(f'{{"a": {number}}}')


def test_a_number_beyond_all_numbers() -> None:
    digits = "1" * 39 + "e400"
    with pytest.raises(InvalidPayloadError) as caught:
        parse(f'{{"resource_type": "API_TRACK", "data": {{"weight": {digits}}}}}')
    assert str(caught.value) == f"the body is not JSON: {'1' * 39}… is no number of JSON's"


def event(**data: object) -> dict[str, object]:
    return {"resource_type": "API_TRACK", "data": data}


NO_UPDATES: list[tuple[object, str]] = [
    (None, "it must be an object, not null"),
    ([], "it must be an object, not a list"),
    ("text", "it must be an object, not a string"),
    ({}, "it has no resource_type"),
    ({"resource_type": "API_TRACK"}, "it has no data"),
    ({"data": {}}, "it has no resource_type"),
    ({"resource_type": None, "data": {}}, "resource_type must be a string, not null"),
    ({"resource_type": "API_BATCH", "data": {}}, "its resource_type is 'API_BATCH'"),
    ({"resource_type": "x" * 99, "data": {}}, f"its resource_type is '{'x' * 79}…'"),
    ({"resource_type": "API_TRACK", "data": None}, "data must be an object, not null"),
    ({"resource_type": "API_TRACK", "data": []}, "data must be an object, not a list"),
    (
        {"resource_type": "API_TRACK", "data": {}, "resource_url": 7},
        "resource_url must be a string or null, not a whole number",
    ),
    (event(events=7), "data.events must be a list or null, not a whole number"),
    (event(events={}), "data.events must be a list or null, not an object"),
    (event(events=[7]), "data.events[0] must be an object, not a whole number"),
    (event(events=[{}, None]), "data.events[1] must be an object, not null"),
    (event(events=[{"latitude": "30"}]), "data.events[0].latitude must be a number or null, not a string"),
    (event(events=[{"latitude": True}]), "data.events[0].latitude must be a number or null, not true or false"),
    (event(tracking_number=7), "data.tracking_number must be a string or null, not a whole number"),
    (event(tracking_number=["1Z"]), "data.tracking_number must be a string or null, not a list"),
    (event(status_code=1.5), "data.status_code must be a string or null, not a number"),
    (event(carrier_id="se-1"), "data.carrier_id must be a whole number or null, not a string"),
    (event(carrier_id=True), "data.carrier_id must be a whole number or null, not true or false"),
    (event(carrier_id=1.5), "data.carrier_id must be a whole number or null, not a number"),
]


@pytest.mark.parametrize(("document", "words"), NO_UPDATES, ids=[plain(words) for _, words in NO_UPDATES])
def test_signed_but_no_update(document: object, words: str) -> None:
    body = json.dumps(document).encode()
    error = refusal(signed(body), body)
    assert isinstance(error, InvalidPayloadError)
    assert str(error) == f"the body is no tracking update: {words}"
    assert error.body == body


def test_ten_megabytes() -> None:
    body = json.dumps({**DOCUMENT, "padding": "x" * 10_000_000}, default=str).encode()
    assert verifier().verify(signed(body), body).additional_properties["padding"] == "x" * 10_000_000
    assert isinstance(refusal(signed(), body), InvalidSignatureError)


def models(event: TrackingEvent) -> Iterator[Any]:
    yield event
    yield event.data
    yield from event.data.events or ()


def test_what_nobody_knows_is_kept() -> None:
    found = parse(json.dumps({**event(status_code="ZZ", colour="red", events=[{"size": [1]}]), "more": {"a": 1}}))
    assert found.data.status_code == "ZZ"
    assert found.data.additional_properties == {"colour": "red"}
    assert found.additional_properties == {"more": {"a": 1}}
    assert found.data.events
    assert found.data.events[0].additional_properties == {"size": [1]}


def test_every_member_may_be_null() -> None:
    for model in models(parse(json.dumps(event(events=[{}])))):
        for member in attrs.fields(type(model)):
            if member.init and member.name not in ("resource_type", "data", "events"):
                place = {webhooks.TrackingInformation: 1, webhooks.TrackingInformationEvent: 2}.get(type(model), 0)
                document = event(events=[{member.name: None}] if place == 2 else None)
                document |= {member.name: None} if place == 0 else {}
                document |= {"data": {member.name: None}} if place == 1 else {}
                found = parse(json.dumps(document))
                assert getattr(list(models(found))[place], member.name) is None


def test_what_is_left_out_is_unset() -> None:
    assert parse(json.dumps(event())).data.tracking_number is webhooks.UNSET
    assert not webhooks.UNSET


@pytest.mark.parametrize("depth", range(900, 1100, 5))
def test_an_odd_date_that_is_nested_deeply(depth: int) -> None:
    text = json.dumps(event(events=[{"occurred_at": "x"}])).replace('"x"', "[" * depth + "]" * depth)
    refused = None
    try:
        assert parse(text).data.events
    except InvalidPayloadError as error:
        refused = str(error), error.body
    assert refused in (None, ("the body is nested too deeply", text.encode()))


def test_a_body_that_is_nested_more_deeply_than_python_reads() -> None:
    text = "[" * 100_000
    with pytest.raises(InvalidPayloadError) as caught:
        parse(text)
    assert (str(caught.value), caught.value.body) == ("the body is nested too deeply", text.encode())


def test_a_number_may_be_written_in_other_ways() -> None:
    data = parse(json.dumps(event(carrier_id=7.0, events=[{"latitude": 30}]))).data
    assert (data.carrier_id, type(data.carrier_id)) == (7, int)
    assert data.events
    assert data.events[0].latitude == 30


@pytest.mark.parametrize("body", [None, 7, -1, {"a": 1}, [1, 2], object()])
def test_what_is_no_body_cannot_be_parsed(body: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="raw bytes"):
        parse(body)


@pytest.mark.parametrize("code", ["DE", "de", "De"])
def test_codes_in_any_case(code: str) -> None:
    assert parse(json.dumps(event(status_code=code))).data.status_code is StatusCode.DE


@pytest.mark.parametrize("code", ["ZZ", "zz", "d e"])
def test_codes_that_nobody_knows_stay_as_they_are(code: str) -> None:
    assert parse(json.dumps(event(status_code=code))).data.status_code == code


ZONE = timezone(timedelta(hours=-6))
DATES: list[tuple[object, object]] = [
    ("2026-03-14T09:26:53Z", datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)),
    ("2026-03-14T09:26:53", datetime(2026, 3, 14, 9, 26, 53)),
    ("2026-03-14T09:26:53-06:00", datetime(2026, 3, 14, 9, 26, 53, tzinfo=ZONE)),
    ("2026-03-14T09:26:53.1Z", datetime(2026, 3, 14, 9, 26, 53, 100_000, tzinfo=UTC)),
    ("2026-03-14T09:26:53.1234567Z", datetime(2026, 3, 14, 9, 26, 53, 123_456, tzinfo=UTC)),
    ("2026-03-14T09:26:53.1234567", datetime(2026, 3, 14, 9, 26, 53, 123_456)),
    ("not a date", "not a date"),
    ("03/14/2026 9:26 AM", "03/14/2026 9:26 AM"),
    ("", ""),
    ("9999-12-31T24:00:00", "9999-12-31T24:00:00"),
    ("2026-02-30T00:00:00", "2026-02-30T00:00:00"),
    (1_773_480_413, "1773480413"),
    (1_780_123_101_530, "1780123101530"),
    ("1780123101530", "1780123101530"),
    (20_260_314, "20260314"),
    (True, "true"),
    (["2026"], '["2026"]'),
    (None, None),
]


@pytest.mark.parametrize(("sent", "read"), DATES, ids=[plain(str(sent)) for sent, _ in DATES])
def test_dates(sent: object, read: object) -> None:
    found = parse(json.dumps(event(actual_delivery_date=sent, events=[{"occurred_at": sent}])))
    assert found.data.actual_delivery_date == read
    assert found.data.events
    assert found.data.events[0].occurred_at == read
    if isinstance(read, datetime):
        assert isinstance(found.data.actual_delivery_date, datetime)
        assert found.data.actual_delivery_date.utcoffset() == read.utcoffset()


def test_a_text_is_parsed_too() -> None:
    assert parse(BODY.decode()) == parse(BODY) == parse(b"\xef\xbb\xbf" + BODY)
    with pytest.raises(InvalidPayloadError) as caught:
        parse("\ud800")
    assert caught.value.body == b"\xed\xa0\x80"


ODD_DATES: list[tuple[object, datetime | None]] = [
    ("03/14/2026 9:26 AM", datetime(2026, 3, 14, 9, 26)),
    ("14 March 2026", datetime(2026, 3, 14)),
    ("Sat, 14 Mar 2026 09:26:53 GMT", datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)),
    ("2026-03-14 09:26:53 -0600", datetime(2026, 3, 14, 9, 26, 53, tzinfo=ZONE)),
    ("2026-03-14 09:26:53 CST", datetime(2026, 3, 14, 9, 26, 53)),
    ("20260314092653", datetime(2026, 3, 14, 9, 26, 53)),
    (datetime(2026, 3, 14, tzinfo=UTC), datetime(2026, 3, 14, tzinfo=UTC)),
    ("2026-03-14 09:26:53 GMT-0600", None), ("2026-03-14 09:26 UTC+3", None), ("2026-03-14 09:26 EST-0500", None),
    ("Sat March 2026", None), ("3/2026 Sat", None), ("26-03-14", None), ("14 March 26", None),
    ("may 5", None), ("Saturday", None), ("10:30", None), ("2026", None), ("March 2026", None), ("", None), (" ", None),
    ("2026-03-14".ljust(100), datetime(2026, 3, 14)), ("2026-03-14".ljust(101), None),
    ("not a date", None), (None, None), (7, None), (webhooks.TrackingEvent, None), ("9" * 101, None),
    ("99999999999", None), ("2026-02-30", None), ("2026-03-14 09:26 +99:99", None), ("\0", None),
    ("1e400", None), ("0x10", None), ("2026-03-14 10:" + "1" * 30, None), ("2026-03-14 " + "1" * 40 + "h", None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "read"), ODD_DATES, ids=[plain(str(value)[:30]) for value, _ in ODD_DATES])
def test_parse_date(value: object, read: datetime | None) -> None:
    found = parse_date(value)
    assert found == read
    if found is not None and read is not None:
        assert found.utcoffset() == read.utcoffset()


def test_the_models_members_are_the_documents() -> None:
    """The shape is read off the models: a member that was renamed in Python would go unchecked."""
    schemas = COMPONENTS["schemas"]
    for model in models(parse(json.dumps(event(events=[{}])))):
        named = {member.name for member in attrs.fields(type(model)) if member.init}
        assert named == set(schemas[type(model).__name__]["properties"])


def test_exceptions_survive_pickling() -> None:
    for error in (
        InvalidSignatureError("no", 404),
        InvalidPayloadError("no", b"body"),
        StaleTimestampError("no"),
        WebhookError("no"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (str(again), vars(again), again.http_status) == (str(error), vars(error), error.http_status)


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    _signature._cryptography.cache_clear()
    _signature._load.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for make in (lambda: verifier(jwk()), lambda: webhooks.AsyncVerifier(lambda _: None)):  # type: ignore[arg-type,return-value]
        with pytest.raises(ImportError) as missing:
            make()
        words = "checking signatures needs the package cryptography: pip install 'shipengine-tracking[webhooks]'"
        assert str(missing.value) == words
    assert parse(BODY)


def test_all_is_what_there_is() -> None:
    for name in webhooks.__all__:
        assert hasattr(webhooks, name)
