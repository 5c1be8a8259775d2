"""FakeShipEngine: an HTTP server on loopback, from the standard library, with one thread per connection."""

from __future__ import annotations

import logging
import re
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from http.client import responses
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Self

from .protocol import RateLimit, RejectionError, Request, Response, Subscription, error, read_package, request_ids
from .updates import MAX_TRIES, RETRY_PAUSE, Delivery, Signer, TrackedPackages, Update, post
from .webhooks import WebhookRegistry

log = logging.getLogger(__name__)

WEBHOOKS = "/v1/environment/webhooks"
MAX_CLOSE = 2.0  # seconds that `close` waits for threads


class FakeShipEngine:
    """Responds like the API, records requests, and fails when told to.

    Unlike the sandbox, it sends updates and knows all carriers. It accepts what the API's documentation does not rule
    out: a carrier ID alone, or with any carrier code.

    Args:
        connected: The carriers connected to the account, from carrier ID to carrier code.
        api_key: The only valid key.
        port: The port to listen on; 0 picks a free one.
        rate_limit: The account's rate limit; None for no limit.
        webhook_url: Where to send the updates of subscribed packages, see `journey`. They also go to the webhook that
            is registered for the event `track`, with its headers.
        webhook_pause: Seconds between two tries to deliver an update. There are at most three tries.
        journey: The status codes that are sent for each subscribed package, in order, until it is stopped. A
            journey does not end at `DE` or `EX`.
        journey_pause: Seconds between two updates of a journey. Their events are six hours apart in any case.
        repeat: Whether a journey delivers each update twice.
        shuffle: Whether a journey delivers its updates out of order: the newest first.

    Attributes:
        url: Its address, for `base_url=`.
        api_key: Its key, for `api_key=`.
        requests: All requests so far.
        subscriptions: One for each accepted `start`, repeats included. `stop` removes all with its tracking number.
        webhooks: The registered webhooks, as JSON objects.
        connections: How many connections have been opened so far.
        deliveries: All updates that have been sent so far.
    """

    def __init__(
        self,
        connected: Mapping[str, str] | None = None,
        *,
        api_key: str = "TEST_of_the_fake_server",
        port: int = 0,
        rate_limit: RateLimit | None = None,
        webhook_url: str | None = None,
        webhook_pause: float = RETRY_PAUSE,
        journey: Iterable[str] = ("IT", "DE"),
        journey_pause: float = 0.0,
        repeat: bool = False,
        shuffle: bool = False,
    ):
        self.api_key, self.connected, self.rate_limit = api_key, dict(connected or {}), rate_limit
        self.webhook_url, self.webhook_pause = webhook_url, webhook_pause
        self.journey, self.journey_pause, self.repeat, self.shuffle = tuple(journey), journey_pause, repeat, shuffle
        self.deliveries: list[Delivery] = []
        self.requests: list[Request] = []
        self.connections = 0
        self._registry = WebhookRegistry()
        self.webhooks = self._registry.webhooks
        self._packages = TrackedPackages()
        self.subscriptions = self._packages.subscriptions
        self._operations: dict[str, dict[str, Callable[[Request], object]]] = {
            "/v1/tracking/start": {"POST": self._start},
            "/v1/tracking/stop": {"POST": lambda request: self._packages.stop(self._package(request).tracking_number)},
            "/v1/tracking": {"GET": lambda request: self._packages.get(self._package(request).tracking_number)},
            WEBHOOKS: {"GET": lambda _: self.webhooks, "POST": self._registry.create},
            WEBHOOKS + "/": {"PUT": self._registry.update, "DELETE": self._registry.delete},  # with an ID
            "/jwks": {"GET": lambda _: {"keys": self._signer.keys}},
        }
        self._enqueued: deque[Response] = deque()
        self._lock = threading.Lock()
        self._server = _Server(port, self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._server.start_thread(self._server.serve_forever, 0.005)

    @cached_property
    def _signer(self) -> Signer:  # only signing needs cryptography; used under the lock, because making keys is slow
        return Signer()

    def enqueue(self, *responses: Response) -> None:
        """Send these responses to the next requests, in order and one each, instead of the usual ones."""
        self._enqueued.extend(responses)

    def update(self, tracking_number: str, status_code: str = "IT", **data: object) -> Update:
        """Return the headers and the body of a signed update, for the test client of your framework.

        Args:
            tracking_number: The package. The update lists all events so far, newest first.
            status_code: The new status: `IT` in transit, `DE` delivered, …
            data: Members of the update's `data` to replace.
        """
        body = self._add_event(tracking_number, status_code, data)
        return Update(self._headers(body), body)

    def deliver(
        self, tracking_number: str, status_code: str = "IT", *, to: str | None = None, **data: object
    ) -> Delivery:
        """Send a signed update to a URL, or to `webhook_url` and the registered webhook; return it after the first try.

        An update that the receiver does not accept is sent again in the background. This waits for the response, so
        call it in another thread if the receiver runs in your event loop: `await asyncio.to_thread(fake.deliver, …)`.
        """
        receivers: list[dict[str, Any]] = [{"url": to, "headers": []}] if to else self._receivers()
        if not receivers:
            raise ValueError("no URL to deliver to: pass to=…, set webhook_url or register a webhook")
        body = self._add_event(tracking_number, status_code, data)
        deliveries = [self._deliver(receiver, body) for receiver in receivers]
        return deliveries[0]

    def sign(self, body: bytes, timestamp: str | None = None) -> dict[str, str]:
        """Return the three headers of a delivery, signed with the current key. The default timestamp is now."""
        with self._lock:
            now = time.gmtime(time.time())  # tests replace time.time
            return self._signer.sign(body, timestamp or time.strftime("%Y-%m-%dT%H:%M:%SZ", now))

    def rotate_key(self, keep: bool = True) -> None:
        """Sign with a new key from now on; `keep` the old one in `/jwks`.

        A verifier fetches the new key one minute after its last fetch, or later.
        """
        with self._lock:
            self._signer.rotate(keep=keep)

    def _headers(self, body: bytes) -> dict[str, str]:
        return {"Content-Type": "application/json", **self.sign(body)}

    def _receivers(self) -> list[dict[str, Any]]:
        """Return the webhooks that updates go to."""
        registered = [webhook for webhook in self.webhooks if webhook["event"] == "track"]
        return [{"url": self.webhook_url, "headers": []}, *registered] if self.webhook_url else registered

    def _add_event(self, number: str, status_code: str, data: dict[str, Any]) -> bytes:
        with self._lock:
            return self._packages.add(number, status_code, self.url, data)

    def _deliver(self, receiver: dict[str, Any], body: bytes) -> Delivery:
        delivery = Delivery(receiver["url"], body)
        self.deliveries.append(delivery)
        self._try_delivery(delivery, {header["key"]: header["value"] for header in receiver["headers"]}, MAX_TRIES - 1)
        return delivery

    def _try_delivery(self, delivery: Delivery, custom: dict[str, str], retries: int) -> None:
        def retry() -> None:
            if not self._server.closed.wait(self.webhook_pause):
                self._try_delivery(delivery, custom, retries - 1)

        if not post(delivery, {**custom, **self._headers(delivery.body)}) and retries:
            self._server.start_thread(retry)

    def _send_journey(self, number: str, receivers: list[dict[str, Any]]) -> None:
        bodies = (body for code in self.journey for body in [self._add_event(number, code, {})] * (1 + self.repeat))
        for body in reversed(list(bodies)) if self.shuffle else bodies:
            for receiver in receivers:
                self._deliver(receiver, body)
            if self._server.closed.wait(self.journey_pause) or not self._packages.is_subscribed(number):
                return

    def respond(self, request: Request) -> Response:
        """Record a request and return the response to it."""
        with self._lock:
            self.requests.append(request)
            if self._enqueued:
                return self._enqueued.popleft()
            headers: dict[str, str] = {}
            try:
                body = self._find_operation(request, headers)(request)
            except RejectionError as rejection:
                return rejection.response(headers=headers)
            headers |= request_ids()
            return Response.of(204, headers=headers) if body is None else Response.of(200, body, headers)

    def _find_operation(self, request: Request, headers: dict[str, str]) -> Callable[[Request], object]:
        """Return the operation that a request calls, or raise a `RejectionError`; add the headers of the response."""
        path = WEBHOOKS + "/" if request.path.startswith(WEBHOOKS + "/") else request.path
        if path != "/jwks":  # which needs no key and is not limited
            is_allowed, limits = self.rate_limit.count(time.monotonic()) if self.rate_limit else (True, {})
            headers.update(limits)
            if not is_allowed:
                raise RejectionError(429, "rate_limit_exceeded", "Too many calls.", error_type="system")
            if request.headers.get("api-key") != self.api_key:
                raise RejectionError(401, "unauthorized", "The API key is missing or not valid.", error_type="security")
        operations = self._operations.get(path)
        if operations is None:
            raise RejectionError(404, "not_found", "No such path.", error_type="validation")
        if request.method not in operations:
            headers["Allow"] = ", ".join(operations)
            raise RejectionError(405, "unspecified", f"Use {headers['Allow']}.", error_type="validation")
        return operations[request.method]

    def _start(self, request: Request) -> None:
        package = self._package(request)
        self._packages.start(package, package.carrier_code or self.connected.get(package.carrier_id or ""))
        if receivers := self._receivers():
            self._server.start_thread(self._send_journey, package.tracking_number, receivers)

    def _package(self, request: Request) -> Subscription:
        return read_package(request, self.connected)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, close all connections and end all deliveries. Closing twice is fine."""
        self._server.close()


class _Server(ThreadingTCPServer):
    """The sockets and the threads of a fake."""

    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port: int, fake: FakeShipEngine):
        self.fake, self.closed = fake, threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self._name = f"FakeShipEngine on port {self.server_address[1]}"

    def start_thread(self, work: Callable[..., object], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, name=self._name, daemon=True).start()

    def close(self) -> None:
        self.closed.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + MAX_CLOSE
        for thread in threading.enumerate():
            if thread.name == self._name:
                thread.join(max(0.0, end - time.monotonic()))

    def process_request(self, request: Any, client_address: Any) -> None:
        self.fake.connections += 1
        self._open.add(request)
        self.start_thread(self.process_request_thread, request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # which means that the client closed the connection
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _respond(self) -> None:
        assert isinstance(self.server, _Server)
        try:
            request = Request(self.command, self.path, self.headers.items(), self._read_body())
        except ValueError:
            return self.send_error(400)
        response = self.server.fake.respond(request)
        self.server.closed.wait(response.delay)
        self._send(response)
        self.close_connection = response.then != "keep" or self.close_connection
        if response.then == "reset":  # closing with a linger time of 0 seconds sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif response.then == "hang":
            self.server.closed.wait()
        return None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_QUERY = _respond  # noqa: N815

    def _read_body(self) -> bytes:
        """Return the body. Raises ValueError if its length, or that of a chunk, is not a short number."""
        if "transfer-encoding" not in self.headers:
            return self.rfile.read(_parse_length(self.headers.get("content-length", "0"), 10))
        chunks = list[bytes]()
        while size := _parse_length(self.rfile.readline(10).strip().decode("latin-1"), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline(10)
        self.rfile.readline(10)
        return b"".join(chunks)

    def _send(self, response: Response) -> None:
        status_line = response.data[: response.data.find(b"\r\n")]  # not `partition`: it would copy a large body
        log.info("%s -> %s", self.requestline, status_line.decode("latin-1"))
        self.wfile.write(response.data)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Reject what is not a valid request, with the API's error body."""
        self.close_connection = True
        self._send(error(code, "unspecified", message or responses[code], headers={"Connection": "close"}))


def _parse_length(digits: str, base: int) -> int:
    if not re.fullmatch("[0-9A-Fa-f]{1,8}", digits):
        raise ValueError("not a valid length")
    return int(digits, base)
