"""The arguments of a client and of its calls: what is rejected before anything is sent, and what is sent."""

from __future__ import annotations

import enum
import traceback
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from shipengine_tracking import APITimeoutError, InvalidArgumentError
from shipengine_tracking.testing import FakeShipEngine, Response, Subscription
from support import KEY, NUMBER, PACKAGE, Caller, ascii_id


class Carrier(str, enum.Enum):  # noqa: UP042 the usual way to write it
    UPS = "ups"


# --- the client


def test_environment_provides_key_and_address_and_arguments_override_it(
    caller: Caller, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPENGINE_API_KEY", fake.api_key)
    monkeypatch.setenv("SHIPENGINE_BASE_URL", fake.url)
    assert caller.call() is None
    monkeypatch.setenv("SHIPENGINE_API_KEY", "another")
    monkeypatch.setenv("SHIPENGINE_BASE_URL", "https://another.invalid")
    assert caller.call_fake(fake) is None
    assert fake.subscriptions == [Subscription(NUMBER, "stamps_com")] * 2


KEYS = (" " + KEY, KEY + " ", KEY + "\n", f"{KEY[:9]}\r\n{KEY[9:]}", KEY + "é", f'"{KEY}', f"{KEY}'")
INVALID_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "api_key": ("", 7, *KEYS),
    "on_behalf_of": ("", "se-1\r\nA: b"),
    "base_url": (
        "", "api.shipengine.com", "ftp://api.shipengine.com", "http://api.shipengine.com", "http://10.0.0.1", "https://",
        "https://user:pw@host", "https://h?", "https://host/#top", "https://host:port", "https://ho st", 7,
        "https://h/ ", "https://h:0", "https://h:65536", "https://a..b", "https://xn--a", "https://\ud800", "https://[::1",
        "https://api.shipengine.com/v1/", "https://api.shipengine.com/V1/tracking",
    ),
    "timeout": (0, -1, True, None, "30", float("nan"), 86_400.1, httpx.Timeout(5, pool=0)),
    "deadline": (0,),
    "max_wait": (-1,),
    "max_retries": (-1, True, 1.5, "3"),
    "max_connections": (0,),
    "requests_per_minute": (0,),
}  # fmt: skip
INVALID_ENVIRONMENT = {
    "SHIPENGINE_API_KEY": ("", KEY + "\n"),
    "SHIPENGINE_BASE_URL": ("host",),
    "HTTPS_PROXY": ("nonsense://nowhere", "http://host:port"),
    "ALL_PROXY": ("socks5://127.0.0.1:9",),  # httpx needs socksio for it, which is not installed here
    "SSL_CERT_FILE": ("nowhere",),
}


def pairs(table: dict[str, tuple[Any, ...]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, values in table.items() for value in values]


def assert_rejected(caller: Caller, name: str, **arguments: Any) -> None:
    """Assert that a client is rejected with the name, without showing the key."""
    with pytest.raises(InvalidArgumentError, match=rf"\b{name}\b") as caught:
        caller.client_class(**arguments)
    assert KEY[:9] not in str(caught.value)
    every_frame = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    frames = [frame.f_locals for frame in every_frame if frame.f_globals["__name__"].startswith("shipengine_tracking")]
    assert KEY not in repr(frames)
    assert caller.client_class.__name__ in repr(frames[0]["self"])


@pytest.mark.parametrize(("name", "value"), pairs(INVALID_ARGUMENTS))
def test_invalid_argument_of_a_client_is_rejected_by_name(name: str, value: Any, caller: Caller) -> None:
    assert_rejected(caller, name, **{"api_key": KEY, name: value})


def test_transport_of_the_other_client_is_rejected(caller: Caller) -> None:
    transport = httpx.AsyncHTTPTransport() if caller.kind == "sync" else httpx.HTTPTransport()
    assert_rejected(caller, "transport", api_key=KEY, transport=transport)


@pytest.mark.parametrize(("name", "value"), pairs(INVALID_ENVIRONMENT))
def test_invalid_environment_of_a_client_is_rejected_by_name(
    name: str, value: str, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert_rejected(caller, name, api_key=None if name == "SHIPENGINE_API_KEY" else KEY)


def test_path_of_the_base_url_is_kept(caller: Caller, fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(204))
    assert caller.call(api_key=fake.api_key, base_url=fake.url + "/proxy/shipengine/") is None
    assert fake.requests[0].path == "/proxy/shipengine/v1/tracking/start"


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.9.9.9", "http://[::1]:8080/api", "https://h:1", "https://h:65535"]
)
def test_extreme_arguments_of_a_client_are_accepted(url: str, caller: Caller) -> None:
    limits: dict[str, Any] = {"max_wait": 0, "max_retries": 0, "max_connections": 1, "requests_per_minute": 1}
    client = caller.client_class(KEY, base_url=url, timeout=86_400, deadline=86_400, **limits)
    assert url in repr(client)


def test_timeout_parts_are_separate(caller: Caller, fake: FakeShipEngine) -> None:
    fake.enqueue(Response(b"", "hang"))
    error = caller.call_fake(fake, timeout=httpx.Timeout(None, read=0.1))
    assert isinstance(error, APITimeoutError)
    assert isinstance(error.__cause__, httpx.ReadTimeout)


# --- a call


INVALID_PACKAGES: dict[str, tuple[Any, ...]] = {
    "tracking_number": ("", None, 7, " 1Z", "1Z\n", "\ufeff1Z", "1.23E+21", "1,23e+21", "9E+21", "-123.4E+5"),
    "carrier_code": ("", 1, "ups\n", None),
    "carrier_id": ("", "28529731", "se-1\n", "SE-1", "se-", "xse-1", "se-" + "1" * 23),
}


@pytest.mark.parametrize(("name", "value"), pairs(INVALID_PACKAGES))
@pytest.mark.parametrize("operation", ["start", "stop", "get"])
def test_invalid_argument_of_a_call_is_rejected_before_sending(
    operation: str, name: str, value: Any, caller: Caller
) -> None:
    transport = httpx.MockTransport(Mock(side_effect=AssertionError))
    error = caller.call({**PACKAGE, name: value}, operation=operation, api_key=KEY, transport=transport)
    assert type(error) is InvalidArgumentError
    assert error.attempts == 0
    assert str(error).startswith(name)
    assert ": " in str(error)  # the remedy follows


@pytest.mark.parametrize(
    "package",
    [
        {"tracking_number": "a b&carrier_code=ups#x", "carrier_code": "ups"},
        {"tracking_number": "é", "carrier_code": "ü ö"},
        {"tracking_number": "%20%zz+", "carrier_code": "/?"},
        {"tracking_number": "1E5", "carrier_code": "ups"},
        {"tracking_number": "🚚", "carrier_id": "se-28529731"},
        {"tracking_number": "1", "carrier_id": "se-a-1-b2"},
        {"tracking_number": "1", "carrier_id": "se-" + "1" * 22},
        {"tracking_number": "1", "carrier_code": "dhl_express", "carrier_id": "se-28529731"},
        {"tracking_number": "1", "carrier_code": Carrier.UPS},
    ],
    ids=lambda package: ascii_id(str(package)[:60]),
)
def test_arguments_are_sent_exactly_as_given(caller: Caller, fake: FakeShipEngine, package: dict[str, str]) -> None:
    fake.enqueue(Response.of(204))
    assert caller.call_fake(fake, package) is None
    (request,) = fake.requests
    assert sorted(request.query) == sorted((name, str.__str__(value)) for name, value in package.items())
    assert request.target.isascii()
    assert "+" not in request.target
