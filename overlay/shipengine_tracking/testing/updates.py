"""Updates as the API sends them: the history of each package, signatures and deliveries."""

from __future__ import annotations

import json
import logging
import time
import uuid
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import httpx
from attrs import define, field

from .protocol import RejectionError, Subscription

log = logging.getLogger(__name__)

MAX_TRIES, RETRY_PAUSE = 3, 7200.0  # ShipEngine tries three times, two hours apart, and then drops the update
TIMEOUT = 10.0  # seconds that a receiver may take

_DESCRIPTIONS = {
    "UN": "Unknown", "AC": "Accepted", "IT": "In Transit", "DE": "Delivered", "EX": "Exception",
    "AT": "Delivery Attempt", "NY": "Not Yet In System", "SP": "Delivered To Collection Location",
}  # fmt: skip
_SECONDS = "%Y-%m-%dT%H:%M:%S"


class Update(NamedTuple):
    """A signed update: the headers and the body of a POST to a receiver."""

    headers: dict[str, str]
    body: bytes


class TrackedPackages:
    """The subscriptions, and the state of each package: what `get` returns and updates carry."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []
        self._ended: set[str] = set()  # packages whose subscription ended with a delivery or a delivery exception
        self._carriers: dict[str, str | None] = {}  # of all packages that were ever subscribed
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._states: dict[str, dict[str, Any]] = {}

    def start(self, package: Subscription, carrier: str | None) -> None:
        """Subscribe a package."""
        self.subscriptions.append(package)
        self._carriers[package.tracking_number] = "usps" if carrier == "stamps_com" else carrier  # as ShipEngine does
        self._ended.discard(package.tracking_number)

    def is_subscribed(self, number: str) -> bool:
        """Return whether a package was started and not stopped."""
        return any(one.tracking_number == number for one in self.subscriptions)

    def stop(self, number: str) -> None:
        """End all subscriptions of a package, or raise a `RejectionError`."""
        if not self.is_subscribed(number) or number in self._ended:
            raise RejectionError(404, "not_found", f"{number} is not being tracked.", error_type="validation")
        self.subscriptions[:] = [one for one in self.subscriptions if one.tracking_number != number]

    def get(self, number: str) -> dict[str, Any]:
        """Return the `TrackingInformation` of a package. Raise a `RejectionError` if it was never subscribed."""
        if number not in self._carriers:
            raise RejectionError(404, "not_found", f"{number} is not being tracked.", error_type="validation")
        return self._states.get(number) or _tracking_info(number, self._carriers[number], "NY", [])

    def add(self, number: str, status_code: str, url: str, data: dict[str, Any]) -> bytes:
        """Add an event to a package; return the body of the update, in which `data` replaces members.

        Dates have several forms, as in the API.
        """
        events, carrier = self._events.get(number, []), self._carriers.get(number)
        if events:
            moment = datetime.fromisoformat(events[0]["occurred_at"]) + timedelta(hours=6)
        else:
            moment = datetime.fromtimestamp(time.time(), UTC) - timedelta(days=2)
        description = _DESCRIPTIONS.get(status_code.upper())
        event = {
            "occurred_at": moment.strftime(_SECONDS + "Z"),
            "carrier_occurred_at": (moment - timedelta(hours=6)).strftime(_SECONDS),
            "description": description, "city_locality": "AUSTIN", "state_province": "TX", "postal_code": "78701",
            "country_code": "US", "company_name": "", "signer": "", "event_code": status_code,
            "status_code": status_code, "status_description": description, "latitude": None, "longitude": None,
        }  # fmt: skip
        events = [event, *events]
        state = _tracking_info(number, carrier, status_code, events)
        if status_code.upper() == "DE":
            state["actual_delivery_date"] = moment.strftime(_SECONDS + ".%f0Z")
        state |= data
        query = urlencode({"carrier_code": carrier, "tracking_number": number}, quote_via=quote)
        resource = f"{url}/v1/tracking?{query}" if carrier else None
        body = json.dumps({"resource_url": resource, "resource_type": "API_TRACK", "data": state}).encode()
        self._events[number], self._states[number] = events, state
        if status_code.upper() in ("DE", "EX"):
            self._ended.add(number)
        return body


def _tracking_info(number: str, carrier: str | None, status_code: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "tracking_number": number, "tracking_url": None, "status_code": status_code, "status_detail_code": None,
        "status_description": _DESCRIPTIONS.get(status_code.upper()),
        "carrier_code": carrier, "carrier_id": None,
        "ship_date": events[-1]["carrier_occurred_at"][:10] + "T00:00:00" if events else None,
        "estimated_delivery_date": None, "actual_delivery_date": None, "exception_description": None, "events": events,
    }  # fmt: skip


class Signer:
    """Signs deliveries. Its public `keys` include an elliptic-curve key for each RSA key, as ShipEngine's do."""

    def __init__(self) -> None:
        from ..webhooks import _signature  # its ImportError says what to install

        self._scheme = _signature
        self._private, self.keys = _first_pair()

    def rotate(self, *, keep: bool) -> None:
        """Sign with a new key; `keep` the old ones in the public key set."""
        self._private, keys = _new_pair()
        self.keys = [*(self.keys if keep else ()), *keys]

    def sign(self, body: bytes, timestamp: str) -> dict[str, str]:
        """Return the three headers of a delivery."""
        scheme, key_id = self._scheme, self.keys[-1]["kid"]
        signature = b64encode(self._private.sign(timestamp.encode() + b"." + body, *scheme.ALGORITHM)).decode()
        return {scheme.KEY_ID: key_id, scheme.SIGNATURE: signature, scheme.TIMESTAMP: timestamp}


def _new_pair() -> tuple[Any, list[dict[str, str]]]:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    private, curve = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    numbers, point = private.public_key().public_numbers(), curve.public_key().public_numbers()
    ec_key = {"kty": "EC", "crv": "P-256", "x": _encode(point.x, 32), "y": _encode(point.y, 32)}
    rsa_key = {"kty": "RSA", "n": _encode(numbers.n), "e": _encode(numbers.e)}
    return private, [{**key, "kid": str(uuid.uuid4()), "use": "sig"} for key in (ec_key, rsa_key)]


_first_pair = cache(_new_pair)  # takes 100 ms or more, so all fakes of a process share it


def _encode(number: int, length: int = 0) -> str:
    return urlsafe_b64encode(number.to_bytes(length or (number.bit_length() + 7) // 8)).rstrip(b"=").decode()


@define(eq=False)
class Delivery:
    """An update that is being delivered to a webhook.

    Attributes:
        url: The receiver.
        body: The body of the POST.
        headers: The headers of the last try. Each try has a new signature.
        statuses: The result of each try: the status of the response, or the name of the exception.
    """

    url: str
    body: bytes
    headers: dict[str, str] = field(factory=dict[str, str], repr=False)
    statuses: list[int | str] = field(factory=list[int | str])

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver accepted it."""
        return bool(self.statuses) and str(self.statuses[-1]).startswith("2")


def post(delivery: Delivery, headers: dict[str, str]) -> bool:
    """Post an update once; return whether the receiver accepted it."""
    delivery.headers = headers
    try:
        verify = not delivery.url.startswith("http:")  # loading certificates takes 15 ms
        with httpx.Client(trust_env=False, timeout=TIMEOUT, verify=verify) as client:
            response = client.post(delivery.url, content=delivery.body, headers=headers)
            delivery.statuses.append(response.status_code)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last one for an invalid host name
        delivery.statuses.append(type(error).__name__)
    log.info("%s <- an update: %s", delivery.url, delivery.statuses[-1])
    return delivery.is_accepted
