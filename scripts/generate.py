"""Write generated/ from the spec: `make generate`. With --check, only compare the two: `make generate-check`.

The result depends only on the spec and the pinned tools. It is written to a temporary directory and moved into place
when it is complete, so a run that fails leaves the old tree.
"""

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import spec
from spec_lookup import loaded_schemas

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "generated"
PACKAGE = "shipengine_tracking_generated"

# With these options, ruff ignores the configuration and ignore files of this machine.
ISOLATED = "--isolated --no-respect-gitignore --no-cache --target-version py311"
COMMANDS = [
    "openapi_python_client generate --path spec.json --config config.json --fail-on-warning"
    f" --meta none --output-path generated/{PACKAGE}",
    f"ruff check generated {ISOLATED} --fix-only --select F,I,UP",
    f"ruff format generated {ISOLATED} --line-length 120",
]
# The whole environment of the tools. The generator keeps imports in sets, whose order depends on the hash seed.
ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "_TYPER_STANDARD_TRACEBACK": "1"}


class GenerationError(Exception):
    """The code cannot be generated. The message says what to fix."""


def main() -> int:
    """Write or check generated/; return 1 if --check finds a difference."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="write nothing; fail if generated/ is out of date")
    check: bool = options.parse_args().check
    try:
        differences = run(spec.SPEC, GENERATED, check=check)
    except (GenerationError, spec.SpecError) as error:
        sys.exit(str(error))
    print("".join(f"{difference}\n" for difference in differences), end="")
    if check and differences:
        sys.exit("generated/ is out of date: run `make generate`")
    print("generated/ was written" if differences else "generated/ is up to date")
    return 0


def run(source: Path, output: Path, *, check: bool = False) -> list[str]:
    """Generate code from the source. Replace the output with it unless told to check; return the differences."""
    require_pinned_tools()
    document = spec.load(source)
    if problems := spec.problems(document):
        raise GenerationError("\n".join(f"{spec.shown(source)}: {problem}" for problem in problems))
    build = output.parent / "build"  # on the same file system, so that moving is renaming
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="generate-", dir=build) as folder:
        work = Path(folder)
        # As JSON, so that the generator cannot read YAML differently from the checks.
        (work / "spec.json").write_text(json.dumps(generator_input(document)), encoding="utf-8")
        (work / "config.json").write_text('{"post_hooks": []}', encoding="utf-8")
        for command in COMMANDS:
            _run_tool(command, work)
        fresh = work / "generated"
        (fresh / PACKAGE / "py.typed").touch()  # which `--meta none` leaves out
        found = compare(fresh, output)
        if found and not check:
            if output.exists():
                output.rename(work / "old")
            fresh.rename(output)
    return found


def generator_input(document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that requires every member of the objects that only the server sends."""
    # Otherwise each attribute would be `str | None | Unset`. The published spec requires only what always arrives;
    # the overlay's loader sets missing members to None before generated code reads them.
    prepared = copy.deepcopy(document)
    for name in loaded_schemas(document):
        schema = prepared["components"]["schemas"][name]
        schema["required"] = list(schema["properties"])
    return prepared


def require_pinned_tools() -> None:
    """Check the versions of the tools: other versions write different code."""
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    for tool in (f"{name}=={version(name)}" for name in ("openapi-python-client", "ruff")):
        if tool not in pinned:
            raise GenerationError(f"{tool} is not the version that pyproject.toml pins: use `make generate`")


def compare(fresh: Path, output: Path) -> list[str]:
    """Return the path of each file that differs, with a word for the difference."""
    wanted, found = _files(fresh), _files(output)
    changed = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    words = ["missing" if path not in found else "extra" if path not in wanted else "differs" for path in changed]
    return [f"{word:8} {output.name}/{path}" for word, path in zip(words, changed, strict=True)]


def _files(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def _run_tool(command: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder, env=ENVIRONMENT, capture_output=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        raise GenerationError(f"{command.split()[0]} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
