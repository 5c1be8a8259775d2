"""Write generated/ from the spec: `make generate`. With --check, only say whether it is what the spec says.

The bytes follow from the spec and the pinned tools alone. A fresh tree is made in build/, which git ignores, and takes
the old one's place by two renames; a run that fails or is stopped before them leaves the old tree as it was.
"""

import argparse
import copy
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import spec
import trees

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sysconfig.get_path("scripts"))
PACKAGE = "generated/shipengine_tracking_generated"

# With these options ruff reads no configuration and no ignore file of the host.
ISOLATED = "--isolated --no-respect-gitignore --no-cache --target-version py311"
POST_HOOKS = [f"ruff check . {ISOLATED} --fix-only --select F,I,UP", f"ruff format . {ISOLATED} --line-length 120"]


class GenerateError(Exception):
    """The tree cannot be written; the message says what to fix."""


def main() -> int:
    """Write or check the tree; 1 if that fails, 128 + signal if stopped."""
    stop = Stop()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if the tree is not what the spec says"
    )
    parser.add_argument("--spec", type=Path, default=spec.SPEC)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "generated", help="the tree; build/ beside it is used too"
    )
    options = parser.parse_args()
    output: Path = options.output.absolute()
    try:
        with locked(output.parent, stop) as lock:
            return run(options.spec, output, options.check, stop, lock)
    except (GenerateError, spec.SpecError, OSError) as error:
        stop.check()  # a Ctrl-C may have been what broke it
        print(error, file=sys.stderr)
        return 1


class Stop:
    """SIGINT or SIGTERM, looked at between steps: raised at any moment it could cut the clearing up short."""

    def __init__(self) -> None:
        self.signal = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        self.signal = number

    def check(self) -> None:
        """Leave if a signal has come."""
        if self.signal:
            print(f"stopped by {signal.Signals(self.signal).name}, nothing is changed", file=sys.stderr)
            sys.exit(128 + self.signal)

    def last_check(self) -> None:
        """Leave if a signal has come; after this none is heard, not even while Python shuts down."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self.check()


@contextmanager
def locked(directory: Path, stop: Stop) -> Iterator[int]:
    """One run at a time. The lock on a directory needs no file, and ends with the last process that holds it."""
    lock = os.open(directory, os.O_RDONLY)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            stop.check()
            time.sleep(0.05)
        yield lock
    finally:
        os.close(lock)


def run(source: Path, output: Path, check: bool, stop: Stop, lock: int) -> int:
    """Generate and compare, then report or swap. Leaves nothing in build/."""
    build = output.parent / "build"
    work, old = build / "generate", build / "generate-old"
    try:
        trees.remove(work)
        if not check:
            trees.settle(output, old)
        fresh = generate(source, work, stop, lock)
        changes = trees.differences(fresh, output)
        stop.last_check()
        if check and changes:
            verdict = f"{spec.shown(output)}/ is not what {spec.shown(source)} says: run `make generate`"
            raise GenerateError("\n".join([*changes, verdict]))
        if changes:
            trees.swap(fresh, output, old)
        print(f"{spec.shown(output)}/ is what {spec.shown(source)} says")
        return 0
    finally:
        if not check:
            trees.settle(output, old)
        trees.remove(work)
        with suppress(OSError):
            build.rmdir()


def generate(source: Path, work: Path, stop: Stop, lock: int) -> Path:
    """A fresh tree inside the work directory."""
    require_pinned_tools()
    document = spec.load(source)
    if problems := spec.problems(document):
        raise GenerateError("\n".join(f"{spec.shown(source)}: {problem}" for problem in problems))
    work.mkdir(parents=True)
    # As JSON: the generator must not read the document otherwise than the checks did.
    (work / "spec.json").write_text(json.dumps(generator_input(document)), encoding="utf-8")
    (work / "config.json").write_text(json.dumps({"post_hooks": POST_HOOKS}), encoding="utf-8")
    if run_generator(work, stop, lock):
        words = readable((work / "words").read_text(encoding="utf-8", errors="replace"))
        raise GenerateError(f"{spec.shown(source)}: the generator refuses it:\n{words}")
    (work / PACKAGE / "py.typed").touch()  # not written with `--meta none`
    return (work / PACKAGE).parent


def generator_input(document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that requires every member of the objects that only the server sends."""
    from spec_places import loaded_schemas  # imports the validator, which takes long

    # Otherwise each attribute would be `str | None | Unset`. The published spec requires only what always arrives;
    # the overlay's loader sets missing members to None before generated code reads them.
    prepared = copy.deepcopy(document)
    for name in loaded_schemas(document):
        schema = prepared["components"]["schemas"][name]
        schema["required"] = list(schema["properties"])
    return prepared


def require_pinned_tools() -> None:
    """Another version would write other bytes."""
    try:
        ruff = subprocess.run([TOOLS / "ruff", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise GenerateError(f"ruff does not run: {error}") from error
    found = {ruff.replace(" ", "=="), f"openapi-python-client=={metadata.version('openapi-python-client')}"}
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    if strange := found.difference(pinned):
        raise GenerateError(f"not the version that pyproject.toml pins: {', '.join(sorted(strange))}")


def run_generator(work: Path, stop: Stop, lock: int) -> int:
    """Run openapi-python-client to its end, or kill it with all its hooks; its words are in a file."""
    command = [
        sys.executable,
        "-m",
        "openapi_python_client",
        "generate",
        "--path",
        "spec.json",
        "--config",
        "config.json",
    ]
    command += ["--meta", "none", "--fail-on-warning", "--overwrite", "--output-path", PACKAGE]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RUFF_"))}
    environment["PATH"] = f"{TOOLS}{os.pathsep}{environment.get('PATH', os.defpath)}"
    # The generator keeps imports in sets, whose order is the hash seed's.
    environment |= {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "_TYPER_STANDARD_TRACEBACK": "1"}
    with (work / "words").open("wb") as words:
        # If this run is killed, the lock lets the next one wait until the generator has left the work directory.
        child = subprocess.Popen(
            command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT,
            start_new_session=True, pass_fds=[lock],
        )  # fmt: skip
    try:
        while child.poll() is None:
            stop.check()
            time.sleep(0.02)
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return child.returncode


def readable(words: str) -> str:
    """The generator's words without its frame; of a crash the exception alone."""
    words = re.split(r'^  File "[^\n]*\n(?:    [^\n]*\n)*', words, flags=re.MULTILINE)[-1]
    words = re.sub(r"<[\w.]+ object at 0x[0-9a-f]+>", "…", words)
    frame = ("Generating ", "Warning(s) encountered", "Error(s) encountered", "If you believe this was")
    return "\n".join(f"  {line}" for line in words.splitlines() if line.strip() and not line.startswith(frame))


if __name__ == "__main__":
    sys.exit(main())
