import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx

from shipengine_tracking import TrackingClient
from shipengine_tracking.testing import FakeShipEngine
from shipengine_tracking.webhooks import Verifier
from support import NUMBER, PACKAGE


def create_app() -> Any:
    """Make a client and a verifier, and use the client, before the server forks."""
    client, verifier = TrackingClient(), Verifier()
    client.start(**PACKAGE)

    def receive(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        verifier.verify(headers, environ["wsgi.input"].read())
        client.start(tracking_number=str(os.getpid()), carrier_code="ups")
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]

    return receive


def test_forked_workers_use_the_client_and_the_verifier(fake_shipengine: FakeShipEngine) -> None:
    pids, deadline = set[str](), time.monotonic() + 60
    headers, body = fake_shipengine.update(NUMBER)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(4) as threads:
        url, address = f"http://127.0.0.1:{listener.getsockname()[1]}/", f"fd://{listener.fileno()}"
        options = ["--preload", "--no-control-socket", "--workers=2", "--worker-class", "gthread", "--bind", address]
        command = [sys.executable, "-m", "gunicorn", *options, "use_gunicorn:create_app()"]
        with subprocess.Popen(command, pass_fds=[listener.fileno()]) as server:
            try:
                while len(pids) < 2 and time.monotonic() < deadline:
                    responses = threads.map(partial(httpx.post, headers=headers, content=body, timeout=60), [url] * 4)
                    pids |= {response.raise_for_status().text for response in responses}
            finally:
                server.terminate()
    assert {one.tracking_number for one in fake_shipengine.subscriptions} == {NUMBER, *pids}
    assert [request.path for request in fake_shipengine.requests].count("/jwks") == len(pids) == 2
    assert fake_shipengine.connections >= 5  # two of each worker, and that of the process that forked them
