"""README and the other documents: every Python block runs, and every target and file that they name exists."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import httpx
import pytest

from shipengine_tracking import TrackingClient, exceptions
from shipengine_tracking._http.flow import RETRYABLE_STATUSES
from shipengine_tracking.testing import FakeShipEngine
from support import wait_until

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "spec/README.md"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.* ## ", MAKEFILE, re.MULTILINE))
README = (ROOT / "README.md").read_text()
BLOCKS = [
    block for name in DOCUMENTS for block in re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
]
RECEIVERS = [block for block in BLOCKS if ".verify(" in block]


def command(block: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", block]


def environment(fake: FakeShipEngine) -> dict[str, str]:
    return {**os.environ, "SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}


@pytest.mark.parametrize("block", [pytest.param(block, id=f"block {at}") for at, block in enumerate(BLOCKS, 1)])
def test_python_block_runs_against_the_fake_server(block: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    (tmp_path / "packages.csv").write_text("tracking_number,carrier_code\n1Z,ups\n", encoding="utf-8-sig")
    done = subprocess.run(
        command(block), env=environment(fake), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or "tqdm" in block
    assert len(fake.subscriptions) == ("TrackingClient() as client" in block)


@contextmanager
def serving(block: str, fake: FakeShipEngine, folder: Path) -> Iterator[str]:
    """Run a receiver with the server of its framework; yield the URL of its webhook."""
    (folder / "receiver.py").write_text(block)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = ["flask", "--app", "receiver", "run"] if "Flask" in block else ["uvicorn", "receiver:app"]
    line = [sys.executable, "-m", *server, "--port", str(port)]
    with subprocess.Popen(line, env=environment(fake), cwd=folder, stdout=DEVNULL, stderr=DEVNULL) as process:
        wait_until(lambda: process.poll() is not None or is_open(port), 60)
        yield f"http://127.0.0.1:{port}/shipengine"
        process.terminate()


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.mark.parametrize("block", [pytest.param(block, id=f"receiver {at}") for at, block in enumerate(RECEIVERS, 1)])
def test_receiver_of_readme_accepts_and_rejects_deliveries(block: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    with serving(block, fake, tmp_path) as url:
        assert fake.deliver("1Z", "DE", to=url).statuses == [204]
        headers, body = fake.deliveries[0].headers, fake.deliveries[0].body
        other = b'{"resource_type": "API_BATCH"}'
        for sent, given, status in (
            (body, headers, 204),  # a repeat
            (body.replace(b"1Z", b"2Z"), headers, 401),
            (body, {}, 404),
            (body, fake.sign(body, "2020-01-01T00:00:00Z"), 400),
            (other, fake.sign(other), 204),
        ):
            assert httpx.post(url, content=sent, headers=given).status_code == status
    assert [request.path for request in fake.requests] == ["/jwks"]


@pytest.mark.slow
def test_bulk_program_of_readme_loses_nothing_when_killed_twenty_times(fake: FakeShipEngine, tmp_path: Path) -> None:
    (program,) = (block for block in BLOCKS if "start_many" in block)
    numbers = [f"{number:020}" for number in range(1500)]
    rows = "".join(f"{number},ups\n" for number in numbers)
    (tmp_path / "packages.csv").write_text("tracking_number,carrier_code\n" + rows)
    line = command(program)
    settings: dict[str, Any] = {"env": environment(fake), "cwd": tmp_path, "stderr": DEVNULL}
    for kill in range(1, 21):
        with subprocess.Popen(line, **settings) as process:
            wait_until(lambda: len(fake.requests) >= kill * 40)  # noqa: B023 used at once
            process.kill()
    assert 0 < len((tmp_path / "started.txt").read_text().split()) < len(numbers)
    subprocess.run(line, check=True, **settings)
    started = [subscription.tracking_number for subscription in fake.subscriptions]
    assert set(started) == set(numbers)
    assert len(started) - len(numbers) <= 20 * 3 * 8
    assert set((tmp_path / "started.txt").read_text().split()) == {str(line) for line in range(2, len(numbers) + 2)}


def test_readme_and_its_examples_are_short() -> None:
    assert len(README.splitlines()) <= 240
    assert max(len(block.splitlines()) for block in BLOCKS) <= 15


def test_every_make_target_has_a_description() -> None:
    assert set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) == TARGETS


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_in_document_exist(document: str) -> None:
    assert set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE)) <= TARGETS


def files_named(text: str) -> set[str]:
    """Return the paths in code quotes, in drawings of the tree and in links, except those below build/."""
    quoted = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|toml|txt|yaml))`", text)
    drawn = re.findall(r"^((?:[\w.-]+/)+[\w.-]*)  ", text, re.MULTILINE)
    linked = re.findall(r"\]\(([\w./-]+)\)", text)
    return {name for name in quoted + drawn + linked if not name.startswith("build/")}


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_files_in_document_exist(document: str) -> None:
    overlay = ROOT / "overlay" / "shipengine_tracking"
    places = [ROOT, (ROOT / document).parent, overlay]
    named = files_named((ROOT / document).read_text())
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(README, id="README"),
        pytest.param(TrackingClient.__init__.__doc__, id="docstring"),
        pytest.param((ROOT / "spec" / "openapi.yaml").read_text(), id="spec"),
    ],
)
def test_named_retryable_statuses_are_those_of_the_code(text: str) -> None:
    named = re.search(r"(?:or a status of|\*\*Retry\*\*)([^.]*)\.", text)
    assert named
    ranges = re.findall(r"([0-9]{3})(?: to ([0-9]{3}))?", named[1])
    statuses = {status for first, last in ranges for status in range(int(first), int(last or first) + 1)}
    assert statuses == RETRYABLE_STATUSES


@pytest.mark.parametrize(
    "text", [pytest.param(README, id="README"), pytest.param(exceptions.__doc__, id="exceptions.py")]
)
def test_drawn_exception_tree_equals_the_classes(text: str) -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    text = re.sub("^    ", "", text, flags=re.MULTILINE) if text == exceptions.__doc__ else text
    for marks, name in re.findall(r"^((?:│   |    )*(?:[├└]── )?)([A-Z]\w+Error)\b", text, re.MULTILINE):
        above = [*above[: len(marks) // 4], name]
        drawn[name] = above[-2] if len(above) > 1 else "Exception"
    assert drawn == {
        name: kind.__bases__[0].__name__
        for name, kind in vars(exceptions).items()
        if isinstance(kind, type) and issubclass(kind, exceptions.ShipEngineError)
    }
