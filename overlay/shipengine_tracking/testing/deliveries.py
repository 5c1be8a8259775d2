"""The fake's webhooks: tracking updates in the API's shape, signed and delivered as the API does."""

from __future__ import annotations

import base64
import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from attrs import define, field, frozen

from .._signature import KEY_ID, SIGNATURE, TIMESTAMP, cryptography_missing

log = logging.getLogger(__name__)

# The vendor's rule: three tries, two hours apart, and then the update is dropped.
TRIES, PAUSE = 3, 7200.0
TIMEOUT, LONGEST_GOODBYE = 10.0, 2.0  # seconds that a receiver may take, and at the fake's end

_WORDS = {
    "UN": "Unknown", "AC": "Accepted", "IT": "In Transit", "DE": "Delivered", "EX": "Exception",
    "AT": "Delivery Attempt", "NY": "Not Yet In System", "SP": "Delivered To Collection Location",
}  # fmt: skip


def update(tracking_number: str, carrier_code: str | None, status_code: str, url: str, now: datetime) -> dict[str, Any]:
    """Return an update as the API words it: with a `null` for all that it does not know, dates in several forms."""
    moment = now.astimezone(UTC)
    description = _WORDS.get(status_code.upper())
    event: dict[str, Any] = {
        "occurred_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "carrier_occurred_at": moment.strftime("%Y-%m-%dT%H:%M:%S"),
        "description": description,
        "city_locality": "AUSTIN",
        "state_province": "TX",
        "postal_code": "78701",
        "country_code": "US",
        "company_name": "",
        "signer": "",
        "event_code": status_code,
        "status_code": status_code,
        "status_description": description,
        "latitude": None,
        "longitude": None,
    }
    carrier = "usps" if carrier_code == "stamps_com" else carrier_code  # as it comes back
    data = {
        "tracking_number": tracking_number,
        "tracking_url": None,
        "status_code": status_code,
        "status_detail_code": None,
        "status_description": description,
        "carrier_code": carrier,
        "carrier_id": None,
        "ship_date": moment.strftime("%Y-%m-%dT00:00:00"),
        "estimated_delivery_date": None,
        "actual_delivery_date": moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z") if status_code.upper() == "DE" else None,
        "exception_description": None,
        "events": [event],
    }
    query = urlencode({"carrier_code": carrier, "tracking_number": tracking_number} if carrier else {}, quote_via=quote)
    resource = f"{url}/v1/tracking?{query}" if query else None
    return {"resource_url": resource, "resource_type": "API_TRACK", "data": data}


@define(eq=False)
class Delivery:
    """An update on its way to a webhook.

    Attributes:
        url: Where it goes.
        body: What is sent.
        headers: The headers of the last try; each try is signed anew.
        statuses: How each try has ended: the status of the answer, or the name of the network's failure.
    """

    url: str
    body: bytes
    headers: dict[str, str] = field(factory=dict[str, str], repr=False)
    statuses: list[int | str] = field(factory=list[int | str])

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver has taken it."""
        return bool(self.statuses) and str(self.statuses[-1]).startswith("2")


@frozen
class _Pair:
    """A private key, and what `/jwks` shows of it: as in the API's set, with a key of another kind beside it."""

    private: Any
    key_id: str
    public: list[dict[str, str]]


def _new_pair() -> _Pair:
    try:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
    except ImportError as error:
        raise cryptography_missing() from error
    private, key_id = rsa.generate_private_key(65537, 2048), str(uuid.uuid4())
    numbers = private.public_key().public_numbers()
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    curve = {"kty": "EC", "kid": str(uuid.uuid4()), "crv": "P-256", "x": _word(point.x), "y": _word(point.y)}
    return _Pair(private, key_id, [curve, {"kty": "RSA", "kid": key_id, "n": _word(numbers.n), "e": _word(numbers.e)}])


_first_pair = cache(_new_pair)  # shared by all fakes of a process, for it takes 100 ms and more


class Signer:
    """The fake's keys. The first are made when they are needed."""

    def __init__(self) -> None:
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys."""
        self._last()
        return {"keys": [{**key, "use": "sig"} for pair in self._pairs for key in pair.public]}

    def rotate(self, *, keep: bool) -> None:
        """Sign with a new key from now on; `keep` the old ones in the public set, or not."""
        self._last()
        self._pairs = [*(self._pairs if keep else ()), _new_pair()]

    def sign(self, body: bytes, timestamp: str) -> dict[str, str]:
        """Return the three headers of a delivery."""
        pair = self._last()
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        signature = pair.private.sign(timestamp.encode() + b"." + body, PKCS1v15(), SHA256())
        return {KEY_ID: pair.key_id, SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: timestamp}

    def _last(self) -> _Pair:
        with self._lock:
            if not self._pairs:
                self._pairs = [_first_pair()]
            return self._pairs[-1]


class Postman:
    """Delivers updates, and tries again later what was not accepted."""

    def __init__(self, signer: Signer, pause: float):
        self._signer = signer
        self._pause = pause
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def deliver(self, delivery: Delivery) -> None:
        """Try now, once; other tries come by themselves."""
        if not self._try(delivery):
            self.later(lambda: self._try_again(delivery))

    def later(self, work: Callable[[], None]) -> None:
        """Do something in the background."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads = [one for one in [*self._threads, thread] if one.is_alive()]

    def end(self) -> None:
        """Try nothing more."""
        self._ended.set()
        deadline = time.monotonic() + LONGEST_GOODBYE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _try_again(self, delivery: Delivery) -> None:
        for _ in range(TRIES - 1):
            if self._ended.wait(self._pause) or self._try(delivery):
                return

    def _try(self, delivery: Delivery) -> bool:
        timestamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        delivery.headers = {"Content-Type": "application/json", **self._signer.sign(delivery.body, timestamp)}
        try:
            verify = not delivery.url.startswith("http:")  # where there is no TLS, 15 ms of loading are saved
            with httpx.Client(trust_env=False, timeout=TIMEOUT, verify=verify) as client:
                answer = client.post(delivery.url, content=delivery.body, headers=delivery.headers)
                delivery.statuses.append(answer.status_code)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last of a name that no host can have
            delivery.statuses.append(type(error).__name__)
        log.info("%s <- an update: %s", delivery.url, delivery.statuses[-1])
        return delivery.is_accepted


def _word(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
