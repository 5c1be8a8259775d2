"""README and its like are code: every Python block runs, every target and every file that they name exists."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import httpx
import pytest

import test_wheel
from shipengine_tracking import exceptions
from shipengine_tracking.testing import FakeShipEngine, Weather

ROOT = Path(__file__).parent.parent
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "spec/README.md"]
TEXTS = [(ROOT / name).read_text() for name in DOCUMENTS]
BLOCKS = [
    block
    for text in [*TEXTS, (ROOT / "CHANGELOG.md").read_text()]
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block {number}" for number, _ in enumerate(BLOCKS, 1)])
def test_block(block: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    (tmp_path / "packages.csv").write_text("tracking_number,carrier_code\n1Z,ups\n")
    done = subprocess.run(
        command(block), env=environment(fake), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "" or "tqdm" in block
    calls_the_service = "TrackingClient() as client" in block
    assert len(fake.subscriptions) == (1 if calls_the_service else 0)


@contextmanager
def serving(block: str, fake: FakeShipEngine, folder: Path) -> Iterator[str]:
    """Run a receiver of README's as its own server does; yield the URL of its webhook."""
    (folder / "receiver.py").write_text(block)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    way = ["flask", "--app", "receiver", "run"] if "Flask" in block else ["uvicorn", "receiver:app"]
    command = [sys.executable, "-m", *way, "--port", port]
    with subprocess.Popen(command, env=environment(fake), cwd=folder, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", int(port))):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/shipengine"
        process.terminate()


RECEIVERS = [block for block in BLOCKS if ".verify(" in block]


@pytest.mark.parametrize("block", RECEIVERS, ids=["Flask", "FastAPI"])
def test_receiver(block: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    assert len([line for line in block.splitlines() if line]) < 15
    with serving(block, fake, tmp_path) as url:
        assert fake.deliver("1Z", status_code="DE", to=url).statuses == [204]
        sent = fake.deliveries[0]
        for body, headers, status in (
            (sent.body, sent.headers, 204),  # again: it is no worse than the first time
            (sent.body.replace(b"1Z", b"2Z"), sent.headers, 401),
            (sent.body, {}, 404),
            (sent.body, fake.sign(sent.body, "2020-01-01T00:00:00Z"), 400),
        ):
            assert httpx.post(url, content=body, headers=headers).status_code == status
    assert [request.path for request in fake.requests] == ["/jwks"]


def command(block: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", block]


def environment(fake: FakeShipEngine) -> dict[str, str]:
    return {**os.environ, "SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}


@pytest.mark.slow
def test_the_resumable_program_is_killed_twenty_times(tmp_path: Path) -> None:
    (program,) = (block for block in BLOCKS if "start_many" in block)
    numbers = {f"{number:020}" for number in range(750)}
    packages = [(number, carrier) for number in sorted(numbers) for carrier in ("ups", "fedex")]
    rows = "".join(f"{number},{carrier}\n" for number, carrier in packages)
    (tmp_path / "packages.csv").write_text("tracking_number,carrier_code\n" + rows)
    random = Random(20)
    with FakeShipEngine(weather=Weather({"slow": 1.0}, delay=0.01)) as fake:
        kills = 0
        while kills < 20:
            before = len(fake.requests)
            with subprocess.Popen(
                command(program), env=environment(fake), cwd=tmp_path, stderr=subprocess.DEVNULL
            ) as process:
                while len(fake.requests) == before and process.poll() is None:
                    time.sleep(0.001)
                time.sleep(random.uniform(0, 0.08))
                process.kill()
            assert process.returncode == -signal.SIGKILL, "there were too few packages for so many kills"
            kills += 1
        started = (tmp_path / "started.txt").read_text().splitlines()
        assert 0 < len(started) < len(packages)
        subprocess.run(command(program), env=environment(fake), cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
        assert {(one.tracking_number, one.carrier_code) for one in fake.subscriptions} == set(packages)
        repeats = len(fake.subscriptions) - len(packages)
    assert {tuple(line.split()) for line in (tmp_path / "started.txt").read_text().splitlines()} == set(packages)
    assert repeats <= 20 * 3 * 8


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_targets_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = (ROOT / document).read_text()
    named = re.findall(r"`make ([a-z-]+)", text) + re.findall(r"^\$ make ([a-z-]+)", text, re.MULTILINE)
    assert set(named) <= targets


def files_named(text: str) -> set[str]:
    """The paths in code quotes and in the drawing of the house; not those that make writes into build/."""
    quoted = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|toml|txt|yaml))`", text)
    drawn = re.findall(r"^((?:[\w.-]+/)+[\w.-]*)  ", text, re.MULTILINE)
    linked = re.findall(r"\]\(([\w./-]+)\)", text)
    return {name for name in quoted + drawn + linked if not name.startswith("build/")}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_exist(document: str) -> None:
    places = [ROOT, (ROOT / document).parent]
    named = files_named((ROOT / document).read_text())
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_files_are_found() -> None:
    assert files_named("`a.md` `b/c` [d](d.yaml) `text/…` `/jwks` `make test`\ne/    what\n`build/f`") == {
        "a.md", "b/c", "d.yaml", "e/",
    }  # fmt: skip


def test_lists_of_tests_name_what_is_there() -> None:
    mutmut = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    named = mutmut["pytest_add_cli_args_test_selection"] + [f"tests/test_{name}.py" for name in test_wheel.SUITE]
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_contributing_fits_a_screen() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 50


@pytest.mark.parametrize("text", [TEXTS[0], exceptions.__doc__], ids=["README", "the module"])
def test_the_tree_of_exceptions_is_drawn_as_it_is(text: str) -> None:
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
