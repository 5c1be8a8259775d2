"""The fake's network: an HTTP server of the standard library, on loopback, one thread a connection."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from .answers import Answer, Request, Subscription, decide, error, request_ids
from .deliveries import PAUSE, Delivery, Postman, Signer, update
from .weather import RateLimit, Weather, too_many

log = logging.getLogger(__name__)


class FakeShipEngine:
    """Answers like the API, records what it was asked, and fails as you script it.

    It is no sandbox: whatever its key, it delivers updates and knows all carriers. Where the API's documentation is
    silent it accepts: a carrier id alone, and any carrier code beside it.

    Args:
        connected: The carriers connected to the account: carrier id -> carrier code.
        api_key: The only key it accepts.
        port: The port to listen at; 0 takes any that is free.
        rate_limit: The account's rate limit; None does not limit.
        weather: Random trouble; None for none.
        webhook_url: Where to deliver updates: each package that is subscribed goes `journey`'s way. None for nowhere.
        webhook_pause: Seconds before an update that was not accepted is tried again; three tries in all.

    Attributes:
        url: Its address, for `base_url=`.
        api_key: Its key, for `api_key=`.
        requests: Every request so far.
        subscriptions: Every subscription made so far, in order, repeats included.
        connections: How many connections have been opened to it so far.
        journey: The status codes that are delivered for each subscribed package, in their order.
        deliveries: Every update that has set out so far.
    """

    def __init__(
        self,
        connected: Mapping[str, str] | None = None,
        *,
        api_key: str = "TEST_of_the_fake_server",
        port: int = 0,
        rate_limit: RateLimit | None = None,
        weather: Weather | None = None,
        webhook_url: str | None = None,
        webhook_pause: float = PAUSE,
    ):
        self.api_key = api_key
        self.connected = dict(connected or {})
        self.rate_limit = rate_limit
        self.weather = weather
        self.webhook_url = webhook_url
        self.journey: tuple[str, ...] = ("IT", "DE")
        self.deliveries: list[Delivery] = []
        self.requests: list[Request] = []
        self.subscriptions: list[Subscription] = []
        self.connections = 0
        self.ended = threading.Event()
        self._script: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._signer = Signer()
        self._postman = Postman(self._signer, webhook_pause)
        self._server = _Server(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next requests, one each and in their order, instead of its own."""
        with self._lock:
            self._script.extend(answers)

    def deliver(
        self, tracking_number: str, *, status_code: str = "IT", to: str | None = None, **data: object
    ) -> Delivery:
        """Deliver a signed update; return it after its first try. One that is not accepted is tried again later.

        Args:
            tracking_number: The package.
            status_code: What has become of it: `IT` in transit, `DE` delivered, …
            to: The URL; if None, `webhook_url`.
            data: Members of the update's `data` that are to be as given.
        """
        url = to or self.webhook_url
        if url is None:
            raise ValueError("there is no URL to deliver to: pass to=… or set webhook_url")
        carriers = (
            one.carrier_code or self.connected.get(one.carrier_id or "")
            for one in reversed(self.subscriptions)
            if one.tracking_number == tracking_number
        )
        document = update(tracking_number, next(carriers, None), status_code, self.url, datetime.now(UTC))
        document["data"] |= data
        delivery = Delivery(url, json.dumps(document).encode())
        self.deliveries.append(delivery)
        self._postman.deliver(delivery)
        return delivery

    def sign(self, body: bytes, timestamp: str) -> dict[str, str]:
        """Return the headers of a delivery, signed with the present key, for bodies of your own."""
        return self._signer.sign(body, timestamp)

    def rotate_key(self, *, keep: bool = True) -> None:
        """Sign with a new key from now on; `keep` the old one in `/jwks`, or not."""
        self._signer.rotate(keep=keep)

    def _travel(self, package: Subscription, url: str) -> None:
        for status_code in self.journey:
            if self.ended.is_set():
                return
            self.deliver(package.tracking_number, status_code=status_code, to=url)

    def answer(self, request: Request) -> Answer:
        """Record a request and return the answer to it."""
        with self._lock:
            self.requests.append(request)
            if self._script:
                return self._script.popleft()
            if (request.method, request.path) == ("GET", "/jwks"):
                return self._public_keys()  # for anybody: no key is asked for
            passes, headers = self.rate_limit.count(time.monotonic()) if self.rate_limit else (True, {})
            if not passes:
                return too_many(headers)
            trouble = self.weather.strikes() if self.weather else None
            if self.weather and trouble not in (None, "slow"):
                return self.weather.answer(str(trouble), headers)
            decision = decide(request, self.api_key, self.connected, headers)
            if isinstance(decision, Answer):
                return decision
            self.subscriptions.append(decision)
            if self.webhook_url is not None:
                self._postman.later(partial(self._travel, decision, self.webhook_url))
            headers = {**request_ids(), **headers}
            return Answer.of(204, headers=headers, delay=self.weather.delay if self.weather and trouble else 0.0)

    def _public_keys(self) -> Answer:
        try:
            return Answer.of(200, self._signer.jwks(), request_ids())
        except ImportError as missing:
            return error(500, "unspecified", str(missing), error_type="system")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Stop listening and break off every connection. Ending twice is fine."""
        if not self.ended.is_set():
            self.ended.set()
            if self._thread.ident is not None:
                self._server.shutdown()
                self._thread.join()
            self._server.disconnect()
            self._server.server_close()
            self._postman.end()


class _Server(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], fake: FakeShipEngine):
        self.fake = fake
        self._connections: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        # As ThreadingMixIn does, but so that an end can wait for threads which need not be waited for at exit.
        self.fake.connections += 1
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        self._connections[request] = thread
        thread.start()

    def _serve(self, connection: socket.socket, client_address: Any) -> None:
        try:
            with suppress(OSError):  # the client went away, as clients do
                self.finish_request(connection, client_address)
        finally:
            self._connections.pop(connection, None)
            self.shutdown_request(connection)

    def disconnect(self) -> None:
        for connection, thread in list(self._connections.items()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        assert isinstance(self.server, _Server)
        fake = self.server.fake
        if "transfer-encoding" in self.headers:
            self.send_error(411, "Send a Content-Length.")
            return
        length = self.headers.get("content-length", "0")
        body = self.rfile.read(int(length)) if length.isdecimal() else b""
        answer = fake.answer(Request(self.command, self.path, dict(self.headers.items()), body))
        fake.ended.wait(answer.delay)
        self.wfile.write(answer.head if self.command == "HEAD" else answer.data)
        for byte in answer.drip:
            fake.ended.wait(answer.pace)
            self.wfile.write(bytes([byte]))
        log.info("%s %s -> %s", self.command, self.path, answer.data[:40].split(b"\r\n")[0].decode("latin-1"))
        if answer.then != "keep":
            self.close_connection = True
        if answer.then == "reset":
            # To close a socket that lingers for 0 seconds is to reset its connection.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif answer.then == "hang":
            fake.ended.wait()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_TRACE = do_QUERY = _answer  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, in the API's shape too."""
        if code >= 500:  # a page of HTML, as from a proxy
            super().send_error(code, message)
            return
        self.close_connection = True
        headers = {"Connection": "close"}
        refusal = error(code, "unspecified", message or "This is no request.", error_type="validation", headers=headers)
        self.wfile.write(refusal.data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name it overrides
        """Say nothing on stderr; the log has it."""
