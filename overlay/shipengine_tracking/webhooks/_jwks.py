"""ShipEngine's public keys, fetched from `/jwks` when a delivery names an unknown one."""

from __future__ import annotations

import json
import os
import threading
import time
from base64 import b64decode
from concurrent.futures import Future
from contextlib import suppress
from math import inf
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from .._config import DEFAULT_BASE_URL, check_base_url
from .._fork import reset_after_fork
from .._responses import is_list, is_object
from ..exceptions import InvalidArgumentError, KeysUnavailableError

MIN_KEY_SIZE = 2048  # bits
MIN_FETCH_INTERVAL = 60.0  # seconds between two fetches, so that forged key IDs cannot trigger a flood of requests
MAX_AGE = 86_400.0  # seconds until the keys are refreshed, so that a withdrawn key is not trusted forever
FETCH_TIMEOUT = 10.0  # seconds
MAX_BYTES = 1_000_000

Keys = dict[str, list[RSAPublicKey]]  # by ID; two keys may share an ID


def read_jwks(jwks: object) -> Keys:
    """Return the RSA signing keys of a key set. Other and weak keys are ignored."""
    members = jwks.get("keys") if is_object(jwks) else None
    if not is_list(members):
        raise InvalidArgumentError('jwks must be a key set: {"keys": […]}')
    keys: Keys = {}
    for jwk in filter(is_object, members):
        if jwk.get("kty") == "RSA" and jwk.get("use") in (None, "sig") and isinstance(jwk.get("kid"), str):
            with suppress(KeyError, TypeError, ValueError):  # this key is not valid
                key = RSAPublicNumbers(_integer(jwk["e"]), _integer(jwk["n"])).public_key()
                if key.key_size >= MIN_KEY_SIZE:
                    keys.setdefault(jwk["kid"], []).append(key)
    return keys


def _integer(text: str) -> int:
    return int.from_bytes(b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))


class KeyStore:
    """The keys of a verifier, for all threads and event loops. Each fetch runs in a thread of its own."""

    def __init__(self, jwks: dict[str, Any] | None, base_url: str | None):
        self._base_url = None if base_url is None else check_base_url(base_url)
        self._is_static = jwks is not None
        self._source = self._url = ""
        self._keys, self._fetched_at = read_jwks(jwks) if self._is_static else Keys(), -inf
        self.reset()
        reset_after_fork(self)

    def reset(self) -> None:
        """Forget the last fetch. In a forked process it never ends, and another thread may have held the lock."""
        self._lock, self._last_attempt_at = threading.Lock(), -inf
        self._fetch: Future[Exception | None] | None = None  # the result is what went wrong

    def fetch_for(self, key_id: str) -> Future[Exception | None] | None:
        """Start a fetch if one is due; return the fetch to wait for, or None if the key is known."""
        if self._is_static:
            return None
        # Looked up at each use: tests set the variable after they have imported a module-level verifier.
        source = self._base_url or os.environ.get("SHIPENGINE_BASE_URL") or DEFAULT_BASE_URL
        with self._lock:
            if source != self._source:
                self._url = check_base_url(self._base_url)
                self._source, self._keys, self._fetched_at = source, {}, -inf
                self._fetch, self._last_attempt_at = None, -inf
            is_known = key_id in self._keys
            is_fresh = is_known and _is_within(MAX_AGE, self._fetched_at)
            if not is_fresh and not _is_within(MIN_FETCH_INTERVAL, self._last_attempt_at):
                self._start_fetch()
            return None if is_known else self._fetch

    def _start_fetch(self) -> None:
        self._fetch = fetch = Future[Exception | None]()
        fetch.set_running_or_notify_cancel()  # so that a cancelled task does not cancel it for the others
        try:
            threading.Thread(target=self._fetch_keys, args=(self._url, fetch), daemon=True).start()
            self._last_attempt_at = time.time()
        except RuntimeError as error:  # no more threads can be started
            fetch.set_result(error)

    def _fetch_keys(self, url: str, fetch: Future[Exception | None]) -> None:
        try:
            if not (keys := read_jwks(_download(f"{url}/jwks"))):
                raise ValueError("the key set has no usable RSA key")
        except Exception as error:
            fetch.set_result(error)
        else:
            with self._lock:
                if fetch is self._fetch:  # otherwise a later one has replaced it
                    self._keys, self._fetched_at = keys, time.time()
            fetch.set_result(None)

    def find(self, key_id: str) -> list[RSAPublicKey]:
        """Return the keys with an ID. Raises KeysUnavailableError if it has no key and the last fetch failed."""
        failure: Exception | None = None
        if key_id not in self._keys and (fetch := self._fetch):  # the fetch may end before the next line
            failure = fetch.result() if fetch.done() else TimeoutError(f"no response within {FETCH_TIMEOUT:g} s")
        keys = self._keys.get(key_id, [])
        if failure is not None and not keys:
            message = f"the public keys could not be fetched from {self._url}, so the signature cannot be checked"
            raise KeysUnavailableError(message) from failure
        return keys


def _is_within(seconds: float, moment: float) -> bool:
    return 0 <= time.time() - moment < seconds  # false if the clock was set back, so that fetches continue


def _download(url: str) -> object:
    body, deadline = b"", time.monotonic() + FETCH_TIMEOUT
    is_secure = not url.startswith("http:")  # on loopback, loading certificates takes 15 ms, and a proxy cannot help
    headers = {"Accept-Encoding": "identity"}
    with httpx.stream(
        "GET", url, headers=headers, timeout=FETCH_TIMEOUT, trust_env=is_secure, verify=is_secure
    ) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES or time.monotonic() > deadline:
                raise ValueError(f"the response is too long or too slow: {len(body)} bytes so far")
    return json.loads(body)
