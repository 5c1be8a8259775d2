"""README and the other documents: the programs of README run, and all targets and files that are named exist."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import httpx
import pytest

from shipengine_tracking import ShipEngineError, TrackingClient, exceptions
from shipengine_tracking._http.flow import RETRYABLE_STATUSES
from shipengine_tracking.testing import FakeShipEngine
from support import wait_until

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.* ## ", MAKEFILE, re.MULTILINE))
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
RECEIVERS = [block for block in BLOCKS if ".verify(" in block]
PROGRAMS = [block for block in BLOCKS if block not in RECEIVERS]


def environment(fake: FakeShipEngine) -> dict[str, str]:
    return {**os.environ, "SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}


@pytest.mark.parametrize("block", PROGRAMS, ids=["start", "many-packages", "testing"])
def test_program_of_readme_runs_against_the_fake_server(block: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    (tmp_path / "packages.csv").write_text("tracking_number,carrier_code\n1Z,ups\n", encoding="utf-8-sig")
    command = [sys.executable, "-W", "error", "-c", block]
    done = subprocess.run(command, env=environment(fake), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or "tqdm" in block
    assert len(fake.subscriptions) == ("TrackingClient() as client" in block)


@pytest.mark.parametrize("block", RECEIVERS, ids=["Flask", "FastAPI"])
def test_receiver_of_readme_accepts_and_rejects_deliveries(block: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    (tmp_path / "receiver.py").write_text(block)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}/shipengine"
    server = ["flask", "--app", "receiver", "run"] if "Flask" in block else ["uvicorn", "receiver:app"]
    command = [sys.executable, "-m", *server, "--port", port]

    def post(headers: dict[str, str], body: bytes) -> int | None:
        with suppress(httpx.ConnectError):  # the server does not listen yet
            return httpx.post(url, content=body, headers=headers, timeout=60).status_code
        return None

    headers, body = fake.update("1Z", "DE")
    with subprocess.Popen(command, env=environment(fake), cwd=tmp_path, stdout=DEVNULL, stderr=DEVNULL) as process:
        try:
            wait_until(lambda: post(headers, body) == 204, 60)
            assert post(headers, body.replace(b"1Z", b"2Z")) == 401
            assert post({}, body) == 404
        finally:
            process.terminate()
    assert [request.path for request in fake.requests] == ["/jwks"]


@pytest.mark.slow
def test_bulk_program_of_readme_loses_nothing_when_killed(fake: FakeShipEngine, tmp_path: Path) -> None:
    (program,) = (block for block in BLOCKS if "start_many" in block)
    command = [sys.executable, "-c", program]
    rows = [f"{number:020},ups\n" for number in range(1500)]
    (tmp_path / "packages.csv").write_text("tracking_number,carrier_code\n" + "".join(rows))
    settings: dict[str, Any] = {"env": environment(fake), "cwd": tmp_path, "stderr": DEVNULL}
    for kill in range(1, 21):
        with subprocess.Popen(command, **settings) as process:
            wait_until(lambda: len(fake.requests) >= kill * 40)  # noqa: B023 used at once
            process.kill()
    assert len({subscription.tracking_number for subscription in fake.subscriptions}) < len(rows)
    subprocess.run(command, check=True, **settings)
    assert {f"{subscription.tracking_number},ups\n" for subscription in fake.subscriptions} == set(rows)
    assert len(fake.subscriptions) - len(rows) <= 20 * 3 * 8


def test_readme_and_its_examples_are_short() -> None:
    assert len(README.splitlines()) <= 240
    assert max(len(block.splitlines()) for block in BLOCKS) <= 15


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "spec/README.md"])
def test_make_targets_and_files_in_document_exist(document: str) -> None:
    assert set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) == TARGETS  # all have descriptions
    text = (ROOT / document).read_text()
    assert set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", text, re.MULTILINE)) <= TARGETS
    quoted = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|toml|txt|yaml))`", text)
    drawn = re.findall(r"^((?:[\w.-]+/)+[\w.-]*)  ", text, re.MULTILINE)
    linked = re.findall(r"\]\(([\w./-]+)\)", text)
    places = [ROOT, (ROOT / document).parent, ROOT / "overlay" / "shipengine_tracking"]
    for name in quoted + drawn + linked:
        assert name.startswith("build/") or any((place / name).exists() for place in places), name


def test_retryable_statuses_in_documents_are_those_of_the_code() -> None:
    for text in (README, TrackingClient.__init__.__doc__, (ROOT / "spec" / "openapi.yaml").read_text()):
        named = re.search(r"(?:or a status of|\*\*Retry\*\*)([^.]*)\.", text or "")
        assert named
        ranges = re.findall(r"([0-9]{3})(?: to ([0-9]{3}))?", named[1])
        statuses = {status for first, last in ranges for status in range(int(first), int(last or first) + 1)}
        assert statuses == RETRYABLE_STATUSES


@pytest.mark.parametrize("text", [README, exceptions.__doc__], ids=["README", "docstring"])
def test_documented_exception_tree_matches_the_classes(text: str) -> None:
    drawn = re.findall(r"^([ │├└─]*)(\w+Error)\b", text, re.MULTILINE)
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, ShipEngineError)]
    depths = [sum(issubclass(base, ShipEngineError) for base in kind.__mro__[1:]) for kind in kinds]
    assert [name for _, name in drawn] == [kind.__name__ for kind in kinds]
    assert [len(marks) - len(drawn[0][0]) for marks, _ in drawn] == [4 * depth for depth in depths]
