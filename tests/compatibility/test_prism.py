"""Prism serves the spec: both clients get each documented response and example of their operations."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from document import DOCUMENT
from spec import SPEC
from spec_lookup import needs_key, operations, resolved
from support import KEY, PACKAGE, Caller, wait_until

NEEDS_NPM = pytest.mark.skipif(not shutil.which("npm") and os.environ.get("CI") != "true", reason="needs npm")
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


def cases() -> Iterator[Any]:
    for operation in filter(needs_key, operations(DOCUMENT)):
        name = operation["operationId"]
        for status, response in operation["responses"].items():
            code = {"4XX": "422", "5XX": "503"}.get(status, status)
            content = resolved(DOCUMENT, response).get("content", {}).get("application/json", {})
            for example, node in content.get("examples", {"": {}}).items():
                prefer = f"code={code}" + (f", example={example}" if example else "")
                value = resolved(DOCUMENT, node).get("value")
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


@pytest.mark.parametrize(("operation", "arguments", "code", "prefer", "value"), list(cases()))
def test_documented_response_reaches_the_client(
    operation: str, arguments: dict[str, Any], code: str, prefer: str, value: Any, prism: str, caller: Caller
) -> None:
    def ask_prism(request: httpx.Request) -> httpx.Response:
        headers = {**request.headers, "Prefer": prefer}
        response = httpx.request(request.method, request.url, headers=headers, content=request.read(), trust_env=False)
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    example = httpx.MockTransport(lambda _: httpx.Response(int(code), json=value))
    result, expected = (
        caller.call(arguments, operation=operation, api_key=KEY, base_url=prism, transport=transport)
        for transport in (httpx.MockTransport(ask_prism), example)
    )
    assert repr(result) == repr(expected)
    assert getattr(result, "retry_after", None) == (12 if code == "429" else None)
