import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from calls import PACKAGE

from shipengine_tracking.testing import FakeShipEngine


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_forked_workers_use_the_client_and_the_verifier_made_before(
    worker_class: str, fake_shipengine: FakeShipEngine
) -> None:
    number, pids, deadline = PACKAGE["tracking_number"], set[str](), time.monotonic() + 60
    headers, body = fake_shipengine.update(number)
    options = ["--preload", "--no-control-socket", "--workers=2", "--worker-class", worker_class]
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(4) as threads:
        url, descriptor = f"http://127.0.0.1:{listener.getsockname()[1]}/", listener.fileno()
        command = [sys.executable, "-m", "gunicorn", *options, "--bind", f"fd://{descriptor}", "wsgi:receive"]

        def post(_: int) -> str:
            return httpx.post(url, headers=headers, content=body, timeout=60, trust_env=False).raise_for_status().text

        with subprocess.Popen(command, cwd=Path(__file__).parent, pass_fds=[descriptor]) as server:
            try:
                while len(pids) < 2 and time.monotonic() < deadline:
                    pids |= set(threads.map(post, range(4)))
            finally:
                server.terminate()
    assert len(pids) == 2
    assert {one.tracking_number for one in fake_shipengine.subscriptions} == {number, *pids}
    assert [request.path for request in fake_shipengine.requests].count("/jwks") == 2
    assert fake_shipengine.connections >= 5  # two of each worker, and that of the process that forked them
