"""Prism serves the spec: both clients get each documented response and example of their operations."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from operator import methodcaller
from pathlib import Path
from typing import Any

import httpx
import pytest

import shipengine_tracking
from document import DOCUMENT
from shipengine_tracking import APIError
from shipengine_tracking.webhooks import parse_date
from spec import SPEC
from support import KEY, PACKAGE, Caller, wait_until

HAS_NPM = shutil.which("npm") or os.environ.get("CI") == "true"
NEEDS_NPM = pytest.mark.skipif(not HAS_NPM, reason="needs node and npm")
pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600), NEEDS_NPM]

PRISM = "@stoplight/prism-cli@5.16.0"
FOLDER = Path(__file__).parents[2] / "build" / f"prism-{PRISM.rpartition('@')[2]}"
WEBHOOK = {"url": "https://example.com/shipengine", "headers": {"X-Shop": "books"}}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "start_tracking": ("start", PACKAGE),
    "stop_tracking": ("stop", PACKAGE),
    "get_tracking_log": ("get", {**PACKAGE, "carrier_id": "se-28529731"}),
    "list_webhooks": ("list_webhooks", {}),
    "create_webhook": ("create_webhook", WEBHOOK),
    "update_webhook": ("update_webhook", {"webhook_id": "se-3150628", **WEBHOOK}),
    "delete_webhook": ("delete_webhook", {"webhook_id": "se-3150628"}),
}
EXCEPTIONS = {
    "carrier_not_connected": "CarrierError", "tracking_not_supported": "CarrierError", "trial_expired": "AccountError",
    "400": "InvalidRequestError", "401": "AuthenticationError", "404": "NotFoundError", "409": "InvalidRequestError",
    "422": "InvalidRequestError", "429": "RateLimitError", "500": "ServerError", "503": "ServerError",
}  # fmt: skip


def resolve(node: dict[str, Any]) -> Any:
    if "$ref" not in node:
        return node
    _, components, kind, name = node["$ref"].split("/")
    return DOCUMENT[components][kind][name]


def cases() -> Iterator[Any]:
    for operation in (operation for path in DOCUMENT["paths"].values() for operation in path.values()):
        name = operation["operationId"]
        if name == "get_jwks":  # only the verifiers fetch it
            continue
        for status, response in operation["responses"].items():
            code = {"4XX": "422", "5XX": "503"}.get(status, status)
            content = resolve(response).get("content", {}).get("application/json", {})
            for example, node in content.get("examples", {"": {}}).items():
                prefer = f"code={code}" + (f", example={example}" if example else "")
                value = resolve(node).get("value")
                yield pytest.param(*CALLS[name], code, prefer, value, id=f"{name}-{code}-{example}".rstrip("-"))


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the spec, and reject requests and responses that it does not allow; yield the URL."""
    program, log = FOLDER / "node_modules" / ".bin" / "prism", tmp_path_factory.mktemp("prism") / "log"
    if not program.exists():
        install = ["npm", "install", "--loglevel=error", "--no-save", "--no-audit", "--no-fund", PRISM]
        subprocess.run([*install, "--prefix", str(FOLDER)], check=True, timeout=500)
    command = [str(program), "mock", "--errors", "--port", "0", str(SPEC)]
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            wait_until(lambda: "listening on" in log.read_text() or process.poll() is not None, 120)
            (url,) = re.findall(r"listening on (http://\S+)", log.read_text()) or pytest.fail(log.read_text())
            yield url
        finally:
            process.terminate()


def shows(actual: Any, example: Any) -> bool:
    """Return whether a value has all that the example has. Dates may have another form."""
    if isinstance(example, dict):
        return all(shows(actual[name], value) for name, value in example.items())
    if isinstance(example, list):
        return len(actual) == len(example) and all(map(shows, actual, example))
    return bool(actual == example or parse_date(actual) == parse_date(example) is not None)


@pytest.mark.parametrize(("operation", "arguments", "code", "prefer", "value"), list(cases()))
def test_documented_response_reaches_the_client(
    operation: str, arguments: dict[str, Any], code: str, prefer: str, value: Any, prism: str, caller: Caller
) -> None:
    is_sync = caller.kind == "sync"
    transport: Any = httpx.HTTPTransport(verify=False) if is_sync else httpx.AsyncHTTPTransport(verify=False)
    method = "handle_request" if is_sync else "handle_async_request"
    handle = getattr(transport, method)

    def handle_preferring(request: httpx.Request) -> Any:
        request.headers["Prefer"] = prefer
        return handle(request)

    setattr(transport, method, handle_preferring)
    result = caller.call(arguments, operation=operation, api_key=KEY, base_url=prism, transport=transport)
    if code in ("200", "204"):
        assert shows(json.loads(json.dumps(result, default=methodcaller("to_dict"))), value), result
    else:
        assert isinstance(result, APIError), result
        assert type(result) is getattr(shipengine_tracking, EXCEPTIONS.get(str(result.code)) or EXCEPTIONS[code])
        assert (str(result.status_code), result.request_id) == (code, value["request_id"])
        assert shows([error.to_dict() for error in result.errors], value["errors"])
        assert result.retry_after == (12 if code == "429" else None)
