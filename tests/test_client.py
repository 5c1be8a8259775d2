"""What a client refuses, and what it sends: over real sockets, for both clients."""

from __future__ import annotations

import asyncio
import copy
import enum
import pickle
import threading
import traceback
from contextlib import suppress
from typing import Any

import httpx
import pytest

import shipengine_tracking
from conftest import PACKAGE, Caller, plain
from shipengine_tracking import AsyncTrackingClient, ClientStateError, InvalidArgumentError, TrackingClient
from shipengine_tracking._api_key import ApiKey
from shipengine_tracking._quick import QuickClient
from shipengine_tracking._seam import _refuse_socks
from shipengine_tracking.testing import Answer, FakeShipEngine, Subscription

NUMBER = PACKAGE["tracking_number"]
KEY = "TEST_key_that_nobody_may_see"


class Carrier(str, enum.Enum):  # noqa: UP042 as people have them
    UPS = "ups"


# --- the key and the other settings ---------------------------------------------------------------------------------


def make(caller: Caller, **settings: Any) -> TrackingClient | AsyncTrackingClient:
    return caller.client_class(**settings)


def test_no_key(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPENGINE_API_KEY", "")
    with pytest.raises(InvalidArgumentError, match="pass api_key=… or set SHIPENGINE_API_KEY"):
        make(caller)


def test_settings_of_the_environment(caller: Caller, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPENGINE_API_KEY", fake.api_key)
    monkeypatch.setenv("SHIPENGINE_BASE_URL", fake.url)
    assert caller.call() is None
    assert fake.subscriptions == [Subscription(NUMBER, "stamps_com")]


def test_arguments_go_before_the_environment(
    caller: Caller, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPENGINE_API_KEY", "another")
    monkeypatch.setenv("SHIPENGINE_BASE_URL", "https://another.invalid")
    assert caller.ask(fake) is None


@pytest.mark.parametrize(
    "key", ["", " " + KEY, KEY + "\n", KEY + " ", f"{KEY[:9]}\r\n{KEY[9:]}", KEY + "é", KEY + "\x00", "\t", b"TEST", 7]
)
def test_impossible_key(caller: Caller, key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^api_key ") as caught:
        make(caller, api_key=key)
    assert not isinstance(key, str) or len(key) < 9 or key[:9] not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match=r"^on_behalf_of "):
        make(caller, api_key=KEY, on_behalf_of=key)
    if isinstance(key, str) and key and "\x00" not in key:
        monkeypatch.setenv("SHIPENGINE_API_KEY", key)
        with pytest.raises(InvalidArgumentError, match=r"^SHIPENGINE_API_KEY "):
            make(caller)


@pytest.mark.parametrize(
    "url",
    [
        "", "api.shipengine.com", "ftp://api.shipengine.com", "http://api.shipengine.com", "https://", "https:///v1",
        "http://127.0.0.1.example", "http://10.0.0.1", "http://localhost.example", "https://user:pw@host", "https://h?",
        "https://host/?a=b", "https://host/#top", "https://host:port", "https://ho st", "https://h\n", b"https://host",
        7,
        "https://" + "a" * 70_000, "https://[::1", "https://\ud800", "https://h:0", "https://h:99999", "https://h:-1",
        "https://a..b", "https://.example", "https://" + "a" * 64, "https://xn--a",
    ],
)  # fmt: skip
def test_impossible_address(caller: Caller, url: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^base_url "):
        make(caller, api_key=KEY, base_url=url)


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.9.9.9", "http://[::1]:8080/api", "https://host/a/b/"]
)
def test_possible_address(caller: Caller, url: str) -> None:
    assert repr(make(caller, api_key=KEY, base_url=url)) == f"<{caller.client_class.__name__} of {url}>"


@pytest.mark.parametrize("prefix", ["/proxy/shipengine", "/proxy/shipengine/"])
def test_path_of_the_address_is_kept(caller: Caller, fake: FakeShipEngine, prefix: str) -> None:
    fake.script(Answer.of(204))
    assert caller.call(api_key=fake.api_key, base_url=fake.url + prefix) is None
    assert fake.requests[0].path == "/proxy/shipengine/v1/tracking/start"


SECONDS = "must be seconds, more than 0 and at most 86,400"
NO_CHARACTER = "a space at an end, a line break or a character that no such value has: copy it once more"
SAID: list[tuple[dict[str, Any], str]] = [
    ({"api_key": None}, "there is no API key: pass api_key=… or set SHIPENGINE_API_KEY"),
    ({"api_key": 7}, "api_key must be a string, not int"),
    ({"api_key": ""}, "api_key is empty"),
    ({"api_key": "a "}, f"api_key holds {NO_CHARACTER}"),
    ({"on_behalf_of": "a\n"}, f"on_behalf_of holds {NO_CHARACTER}"),
    ({"base_url": 7}, "base_url must be a string, not int"),
    (
        {"base_url": "https://h:p"},
        "base_url is not a URL (Invalid port: 'p'): give one such as https://api.shipengine.com",
    ),
    ({"base_url": "ftp://host"}, "base_url must be a whole URL such as https://api.shipengine.com"),
    (
        {"base_url": "http://10.0.0.1"},
        "base_url must begin with https, for the key is sent there (http on loopback only)",
    ),
    ({"base_url": "https://h:65536"}, "base_url has an impossible port: ports go from 1 to 65535"),
    ({"base_url": "https://h?"}, "base_url must hold no user, no ? and no #: only a host and perhaps a path"),
    ({"timeout": 0}, f"timeout {SECONDS}"),
    ({"timeout": httpx.Timeout(5, read=0)}, f"timeout (read) {SECONDS}"),
    ({"timeout": 86_400.1}, f"timeout {SECONDS}"),
    ({"deadline": 0}, f"deadline {SECONDS}"),
    ({"deadline": True}, f"deadline {SECONDS}"),
    ({"max_wait": -1}, "max_wait must be seconds, from 0 and at most 86,400"),
    ({"max_wait": False}, "max_wait must be seconds, from 0 and at most 86,400"),
    ({"max_retries": -1}, "max_retries must be a whole number, 0 or more"),
    ({"max_retries": True}, "max_retries must be a whole number, 0 or more"),
    ({"max_retries": 1.5}, "max_retries must be a whole number, 0 or more"),
    ({"max_connections": 0}, "max_connections must be a whole number, 1 or more"),
    ({"requests_per_minute": 0}, "requests_per_minute must be a whole number, 1 or more"),
]


@pytest.mark.parametrize(("wrong", "said"), SAID, ids=[plain(f"{wrong}") for wrong, _ in SAID])
def test_what_is_said_of_a_setting(caller: Caller, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        make(caller, **{"api_key": KEY, **wrong})
    assert str(caught.value) == said


def test_the_settings_if_nothing_is_said(caller: Caller) -> None:
    settings = make(caller, api_key=KEY)._settings
    assert settings.timeout == httpx.Timeout(30.0)
    assert (settings.deadline, settings.max_retries, settings.max_wait, settings.max_connections) == (
        60.0,
        3,
        90.0,
        100,
    )
    assert (settings.requests_per_minute, settings.on_behalf_of, settings.transport) == (None, None, None)
    assert settings.base_url == "https://api.shipengine.com"
    assert make(caller, api_key=KEY, max_wait=0)._settings.max_wait == 0.0


def test_an_address_of_the_environment_is_named(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPENGINE_BASE_URL", "host")
    with pytest.raises(InvalidArgumentError) as caught:
        make(caller, api_key=KEY)
    assert str(caught.value) == "SHIPENGINE_BASE_URL must be a whole URL such as https://api.shipengine.com"


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "https://h:1"}, {"base_url": "https://h:65535"}, {"timeout": 86_400}, {"deadline": 86_400},
        {"max_wait": 0}, {"max_wait": 0.0}, {"max_retries": 0}, {"max_connections": 1}, {"requests_per_minute": 1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_just_can_be(caller: Caller, settings: dict[str, Any]) -> None:
    make(caller, api_key=KEY, **settings)


@pytest.mark.parametrize("timeout", [0, -1, True, None, "30", float("nan"), float("inf"), 1e9, httpx.Timeout(0)])
def test_impossible_timeout(caller: Caller, timeout: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^timeout (\(connect\) )?must be seconds"):
        make(caller, api_key=KEY, timeout=timeout)


def test_timeouts_apart(caller: Caller, fake: FakeShipEngine) -> None:
    fake.script(Answer(b"", "hang"))
    ended = caller.ask(fake, timeout=httpx.Timeout(None, read=0.1))
    assert isinstance(ended, shipengine_tracking.APITimeoutError)
    assert "ReadTimeout" in str(ended)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "nonsense://nowhere"),
        ("HTTPS_PROXY", "http://host:port"),
        ("HTTPS_PROXY", "http://[::1"),
        ("ALL_PROXY", "::::"),
        ("HTTPS_PROXY", "SOCKS5://127.0.0.1:9"),
        ("ALL_PROXY", "socks5h://127.0.0.1:9"),
        ("NO_PROXY", "a b,[::1,*x"),
        ("SSL_CERT_FILE", "nowhere"),
    ],
)
def test_impossible_environment(caller: Caller, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidArgumentError, match=name):
        make(caller, api_key=KEY)


def test_transport_of_the_other_kind(caller: Caller) -> None:
    other = httpx.AsyncHTTPTransport() if caller.kind == "sync" else httpx.HTTPTransport()
    for transport in (other, "transport"):
        with pytest.raises(InvalidArgumentError) as caught:
            make(caller, api_key=KEY, transport=transport)
        kind = "BaseTransport" if caller.kind == "sync" else "AsyncBaseTransport"
        assert str(caught.value) == f"transport must be an httpx.{kind}, not {type(transport).__name__}"


def test_the_client_shows_no_key(caller: Caller) -> None:
    client = make(caller, api_key=KEY, transport=httpx.MockTransport(lambda _: httpx.Response(204)))
    todo: list[object] = [client]
    seen: list[object] = []
    while todo:
        value = todo.pop()
        if not any(value is other for other in seen):
            seen.append(value)
            assert KEY not in repr(value)
            assert KEY not in str(value)
            if not isinstance(value, ApiKey):
                todo += vars(value).values() if hasattr(value, "__dict__") else ()
                todo += value.values() if isinstance(value, dict) else ()
    assert len(seen) > 20
    for way in (pickle.dumps, copy.deepcopy):
        with pytest.raises(
            TypeError, match=r"^a client cannot be pickled: it holds the API key\. Make one in each process$"
        ):
            way(client)


# --- the arguments of start -----------------------------------------------------------------------------------------

SURROGATE = "94\ud800"
OF_NUMBER = "give the carrier's number of the package, as a string: leading zeros count"
OF_CODE = "give ShipEngine's code of the carrier, such as 'ups', or leave it out beside carrier_id"
OF_ID = "give the id of a connected carrier, such as 'se-28529731', or leave it out beside carrier_code"
HALF = "holds half a character (a lone surrogate): read it again with the right encoding"
LONG = "is too long: a URL takes 65,536 characters, percent-encoded"
LOOKS = (
    "carrier_id must look like se-28529731, with at most 25 characters: take it from ShipEngine's list of your "
    "carriers. The name of a carrier goes into carrier_code"
)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tracking_number": ""}, f"tracking_number is empty: {OF_NUMBER}"),
    ({"tracking_number": " \t\n\u3000"}, f"tracking_number is blank: {OF_NUMBER}"),
    ({"tracking_number": None}, f"tracking_number must be a string, not None: {OF_NUMBER}"),
    ({"tracking_number": 9405511899}, f"tracking_number must be a string, not int: {OF_NUMBER}"),
    ({"tracking_number": b"94055"}, f"tracking_number must be a string, not bytes: {OF_NUMBER}"),
    ({"tracking_number": SURROGATE}, f"tracking_number {HALF}"),
    ({"tracking_number": "1" * 65_537}, f"tracking_number {LONG}"),
    ({"tracking_number": "€" * 7_300}, f"tracking_number {LONG}"),
    ({"tracking_number": " " * 21_900 + "1"}, f"tracking_number {LONG}"),
    ({"carrier_code": ""}, f"carrier_code is empty: {OF_CODE}"),
    ({"carrier_code": " "}, f"carrier_code is blank: {OF_CODE}"),
    ({"carrier_code": 1}, f"carrier_code must be a string, not int: {OF_CODE}"),
    ({"carrier_code": SURROGATE}, f"carrier_code {HALF}"),
    ({"carrier_code": "u" * 65_537}, f"carrier_code {LONG}"),
    (
        {"carrier_code": None},
        "carrier_code is missing: say whose number it is, such as carrier_code='ups', or carrier_id='se-…' for a "
        "carrier that is connected to your account",
    ),
    ({"carrier_id": ""}, f"carrier_id is empty: {OF_ID}"),
    ({"carrier_id": 28529731}, f"carrier_id must be a string, not int: {OF_ID}"),
    *(({"carrier_id": wrong}, LOOKS) for wrong in ("28529731", "se-1\n", "SE-1", "se-", "xse-1", "ups")),
    ({"carrier_id": "se-" + "1" * 23}, LOOKS),
]


@pytest.mark.parametrize(("wrong", "text"), REFUSED, ids=[plain(f"{w!r:.40}-{t[:40]}") for w, t in REFUSED])
def test_refused_before_anything_is_sent(
    caller: Caller, fake: FakeShipEngine, wrong: dict[str, Any], text: str
) -> None:
    ended = caller.ask(fake, {**PACKAGE, **wrong})
    assert type(ended) is InvalidArgumentError
    assert isinstance(ended, ValueError)
    assert ended.attempts == 0
    assert str(ended) == text
    assert fake.requests == []


def test_the_longest_url_that_is_sent(caller: Caller, fake: FakeShipEngine) -> None:
    room = 65_536 - len(f"{fake.url}/v1/tracking/start?tracking_number=&carrier_code=ups")
    fake.script(Answer.of(204), Answer.of(204))
    for number in ("9" * room, "€" * (room // 9) + "9" * (room % 9)):
        assert caller.ask(fake, {**PACKAGE, "carrier_code": "ups", "tracking_number": number}) is None
        ended = caller.ask(fake, {**PACKAGE, "carrier_code": "ups", "tracking_number": number + "9"})
        assert str(ended) == f"tracking_number {LONG}"
    assert [len(fake.url + request.target) for request in fake.requests] == [65_536] * 2


SENT = [
    {"tracking_number": "a b&carrier_code=ups#x", "carrier_code": "ups"},
    {"tracking_number": "+", "carrier_code": "/"},
    {"tracking_number": "é", "carrier_code": "ü ö"},
    {"tracking_number": "%20%zz", "carrier_code": "?"},
    {"tracking_number": "\x00\r\nAPI-Key: x", "carrier_code": "ups"},
    {"tracking_number": " padded ", "carrier_code": "ups"},
    {"tracking_number": "9" * 5_000, "carrier_code": "ups"},
    {"tracking_number": "9" * 65_000, "carrier_code": "ups"},
    {"tracking_number": "🚚", "carrier_id": "se-28529731"},
    {"tracking_number": "1", "carrier_id": "se-a-1-b2"},
    {"tracking_number": "1", "carrier_id": "se-" + "1" * 22},
    {"tracking_number": "1", "carrier_code": "dhl_express", "carrier_id": "se-28529731"},
    {"tracking_number": "1", "carrier_code": Carrier.UPS},
]


@pytest.mark.parametrize("package", SENT, ids=[plain(str(package)[:60]) for package in SENT])
def test_sent_exactly_as_given(caller: Caller, fake: FakeShipEngine, package: dict[str, str]) -> None:
    fake.script(Answer.of(204))
    assert caller.ask(fake, package) is None
    (request,) = fake.requests
    assert dict(request.query) == {name: str.__str__(value) for name, value in package.items()}
    assert len(request.query) == len(package)
    assert request.target.isascii()
    assert "+" not in request.target


def test_one_call_is_one_request(caller: Caller, fake: FakeShipEngine) -> None:
    assert caller.ask(fake, on_behalf_of="se-123456") is None
    (request,) = fake.requests
    assert request.method == "POST"
    assert request.path == "/v1/tracking/start"
    assert sorted(request.query) == sorted(PACKAGE.items())
    assert request.body == b""
    assert request.headers["API-Key"] == fake.api_key
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["On-Behalf-Of"] == "se-123456"
    assert request.headers["User-Agent"].startswith(f"shipengine-tracking/{shipengine_tracking.__version__} ")
    assert "Cookie" not in request.headers


def test_no_header_for_nobody(caller: Caller, fake: FakeShipEngine) -> None:
    assert caller.ask(fake) is None
    assert "On-Behalf-Of" not in fake.requests[0].headers


def test_cookies_are_not_kept(caller: Caller, fake: FakeShipEngine) -> None:
    fake.script(Answer.of(204, headers={"Set-Cookie": "AWSALB=1; Path=/"}))
    assert caller.calls(PACKAGE, PACKAGE, api_key=fake.api_key, base_url=fake.url) == [None, None]
    assert "Cookie" not in fake.requests[1].headers


def test_the_key_goes_to_no_other_host(caller: Caller, fake: FakeShipEngine) -> None:
    with FakeShipEngine() as other:
        fake.script(
            *(Answer.of(status, headers={"Location": other.url + "/v1/tracking/start"}) for status in (302, 307))
        )
        for ended in caller.calls(PACKAGE, PACKAGE, api_key=fake.api_key, base_url=fake.url):
            assert type(ended) is shipengine_tracking.APIError
        assert other.requests == []


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [(Answer.of(204), True), (Answer.of(404), True), (Answer(b"", "reset"), False), (Answer(b"?", "close"), False)],
    ids=["204", "404", "reset", "nonsense"],
)
def test_a_connection_goes_on_after_a_whole_answer_only(
    answer: Answer, is_kept: bool, fake: FakeShipEngine, caller: Caller
) -> None:
    async def run_it(client: AsyncTrackingClient) -> bool:
        async with client:
            (first,) = client._connections._free
            with suppress(shipengine_tracking.ShipEngineError):
                await client.start(**PACKAGE)
            return first in client._connections._free

    fake.script(answer)
    settings: dict[str, Any] = {"api_key": fake.api_key, "base_url": fake.url, "max_retries": 0}
    if caller.kind == "async":
        assert asyncio.run(run_it(AsyncTrackingClient(**settings))) == is_kept
        return
    with TrackingClient(**settings) as client:
        (first,) = client._connections._free
        with suppress(shipengine_tracking.ShipEngineError):
            client.start(**PACKAGE)
        assert (first in client._connections._free) == is_kept


def test_connections_are_kept(caller: Caller, fake: FakeShipEngine) -> None:
    before = fake.connections
    assert caller.calls(*[PACKAGE] * 5, api_key=fake.api_key, base_url=fake.url) == [None] * 5
    assert fake.connections == before + 1


def test_a_proxy_of_the_environment(caller: Caller, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes through a tunnel of TLS or not at all."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, fake.url)
    ended = caller.call(api_key=KEY, base_url="https://host.invalid")
    assert isinstance(ended, shipengine_tracking.APIConnectionError)
    assert "ProxyError" in str(ended)  # the fake makes no tunnels
    assert (fake.connections, fake.requests) == (1, [])
    with FakeShipEngine() as other:
        assert caller.ask(other) is None
        assert len(other.requests) == 1
    assert fake.connections == 1


def test_a_socks_proxy(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(InvalidArgumentError, match=r"cannot be used \(SOCKS proxies are not supported\): look at "):
        make(caller, api_key=KEY)
    make(caller, api_key=KEY, base_url="http://127.0.0.1:9")  # through no proxy at all
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    _refuse_socks("api.shipengine.com")  # HTTPS_PROXY goes before ALL_PROXY
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(ValueError, match="SOCKS"):
        _refuse_socks("api.shipengine.com")
    monkeypatch.setenv("NO_PROXY", "shipengine.com")
    _refuse_socks("api.shipengine.com")
    with pytest.raises(InvalidArgumentError, match="socksio"):  # httpx makes it ready all the same
        make(caller, api_key=KEY)


def test_a_proxy_that_no_name_can_have(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in ("http://127.0.0.1:99999", "http://a..b", "http://" + "a" * 64):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        ended = caller.call(api_key=KEY, base_url="https://host.invalid")
        assert isinstance(ended, shipengine_tracking.ShipEngineError)


def test_no_proxy(caller: Caller, fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    ended = caller.call(api_key=KEY, base_url=fake.url.replace("http:", "https:"))
    assert isinstance(ended, shipengine_tracking.APIConnectionError)
    assert fake.connections == 1


@pytest.mark.parametrize("wrong", [{"timeout": -1}, {"api_key": f" {KEY}"}, {"base_url": "x"}, {"max_retries": -1}])
def test_the_frames_of_a_refusal_show_no_key(caller: Caller, wrong: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"api_key": KEY, **wrong}
    with pytest.raises(InvalidArgumentError) as caught:
        make(caller, **settings)
    assert caught.value.__traceback__ is not None
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if frame.f_globals["__name__"].startswith("shipengine_tracking")]
    assert ours
    assert KEY not in repr([frame.f_locals for frame in ours])
    assert repr(ours[0].f_locals["self"]) == f"<{caller.client_class.__name__}, not made>"


def test_the_frames_of_an_environment_out_of_order_show_no_key(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere")
    with pytest.raises(InvalidArgumentError) as caught:
        make(caller, api_key=KEY)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame.f_locals for frame in frames if frame.f_globals["__name__"].startswith("shipengine_tracking")]
    assert ours
    assert KEY not in repr(ours)


def test_a_request_with_parts_of_its_own_keeps_them() -> None:
    with QuickClient(base_url="https://host") as client:
        request = client.build_request("POST", "/p", params={"a": "b"}, headers={"X-Some": "1"}, json=[1])
    assert str(request.url) == "https://host/p?a=b"
    assert (request.headers["x-some"], request.content) == ("1", b"[1]")


@pytest.mark.parametrize("status", [204, 400])
def test_a_mock_transport(caller: Caller, status: int) -> None:
    """Users test their own code with it."""
    content = {"request_id": "1", "errors": [{"error_code": "invalid_status", "message": "No."}]}
    transport = httpx.MockTransport(
        lambda _: httpx.Response(204) if status == 204 else httpx.Response(400, json=content)
    )
    ended = caller.call(api_key=KEY, transport=transport)
    assert str(ended) == ("None" if status == 204 else "400 invalid_status: No. [request id 1]")


# --- its state ------------------------------------------------------------------------------------------------------


def test_a_closed_client(fake: FakeShipEngine) -> None:
    client = TrackingClient(fake.api_key, base_url=fake.url)
    with client:
        client.start(**PACKAGE)
    client.close()
    with pytest.raises(ClientStateError, match="closed: make a new one"):
        client.start(**PACKAGE)
    with pytest.raises(ClientStateError, match="closed"), client:
        pass
    assert len(fake.requests) == 1


def test_a_closed_async_client(fake: FakeShipEngine) -> None:
    async def run() -> None:
        client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
        async with client:
            await client.start(**PACKAGE)
        await client.aclose()
        with pytest.raises(ClientStateError, match="closed: make a new one"):
            await client.start(**PACKAGE)
        with pytest.raises(ClientStateError, match="closed"):
            async with client:
                pass

    asyncio.run(run())
    assert len(fake.requests) == 1


def test_a_close_that_is_broken_off_closes_everything() -> None:
    closed: list[str] = []

    class Slot:
        def __init__(self, name: str):
            self.name = name

        def close(self) -> None:
            closed.append(self.name)
            raise OSError(self.name)

    class AsyncSlot(Slot):
        async def close(self) -> None:  # type: ignore[override]
            closed.append(self.name)
            await asyncio.sleep(0.01 if self.name == "2" else 0)

    class Transport(httpx.MockTransport):
        def close(self) -> None:
            closed.append("transport")

        async def aclose(self) -> None:
            closed.append("transport")

    client = TrackingClient(KEY, transport=Transport(lambda _: httpx.Response(204)))
    client._connections._free[:] = [Slot("1"), Slot("2")]  # type: ignore[list-item]
    with pytest.raises(OSError, match="1"):
        client.close()
    assert closed == ["2", "1", "transport"]
    client.close()

    async def run() -> None:
        client = AsyncTrackingClient(KEY, transport=Transport(lambda _: httpx.Response(204)))
        client._connections._free[:] = [AsyncSlot("1"), AsyncSlot("2")]  # type: ignore[list-item]
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing

    closed.clear()
    asyncio.run(run())
    assert closed == ["2", "1", "transport"]


def test_closed_by_another_thread_amid_a_call(fake: FakeShipEngine) -> None:
    fake.script(Answer(b"", "hang"))
    ended: list[BaseException] = []
    client = TrackingClient(fake.api_key, base_url=fake.url, timeout=5)

    def call() -> None:
        try:
            client.start(**PACKAGE)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not fake.requests:
        pass
    client.close()
    fake.end()
    thread.join()
    assert isinstance(ended[0], shipengine_tracking.ShipEngineError)


def test_an_async_client_in_a_second_loop(fake: FakeShipEngine) -> None:
    fake.script(Answer.of(204, headers={"Connection": "close"}, then="close"))  # so that no connection is left behind
    client = AsyncTrackingClient(fake.api_key, base_url=fake.url)
    asyncio.run(client.start(**PACKAGE))
    for again in (client.start(**PACKAGE), client.aclose()):
        with pytest.raises(ClientStateError, match=r"^this client belongs to another event loop: make one in"):
            asyncio.run(again)
    assert len(fake.requests) == 1


def test_many_threads_share_a_client(fake: FakeShipEngine) -> None:
    with TrackingClient(fake.api_key, base_url=fake.url) as client:

        def work(worker: int) -> None:
            for number in range(20):
                client.start(tracking_number=f"{worker}-{number}", carrier_code="ups")

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {s.tracking_number for s in fake.subscriptions} == {f"{w}-{n}" for w in range(8) for n in range(20)}
    assert len(fake.requests) == 160


def test_many_tasks_share_a_client(fake: FakeShipEngine) -> None:
    async def run() -> None:
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            await asyncio.gather(*(client.start(tracking_number=str(n), carrier_code="ups") for n in range(160)))

    asyncio.run(run())
    assert {s.tracking_number for s in fake.subscriptions} == {str(n) for n in range(160)}
    assert len(fake.requests) == 160


def test_cancelling_leaves_the_client_usable(fake: FakeShipEngine) -> None:
    async def run() -> None:
        fake.script(Answer(b"", "hang"))
        async with AsyncTrackingClient(fake.api_key, base_url=fake.url) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.start(**PACKAGE), 0.1)
            await client.start(**PACKAGE)

    asyncio.run(run())
    assert len(fake.requests) == 2


def test_the_least_that_can_be_set(fake: FakeShipEngine, caller: Caller) -> None:
    assert caller.ask(fake, max_connections=1, requests_per_minute=1, max_retries=0, max_wait=0) is None
    for name in ("max_connections", "requests_per_minute"):
        with pytest.raises(InvalidArgumentError, match=f"^{name} must be a whole number, 1 or more$"):
            make(caller, api_key=KEY, **{name: 0})
