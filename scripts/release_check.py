"""Say whether what is checked out can be released, and what to do if not: `make release-check`.

First come the questions that cost nothing, all at once. Then it builds the sdist and the wheel into build/release/,
tests the wheel, and writes build/sbom.cdx.json, which lists what an installation of the wheel brings.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.version import InvalidVersion, Version

from shipengine_tracking import __version__

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "build" / "release"
SBOM = ROOT / "build" / "sbom.cdx.json"


def main() -> int:
    """Check everything; 1 if something is left to do."""
    todo = [
        *tree(_output("git", "status", "--porcelain")),
        *version(__version__, _output("git", "tag").splitlines()),
        *changelog((ROOT / "CHANGELOG.md").read_text(), __version__),
    ]
    for sentence in todo:
        print(f"To do: {sentence}", file=sys.stderr)
    if todo:
        return 1
    try:
        packages = _build()
        _run("twine", "check", "--strict", *packages)
        # What is tested is what goes out.
        _run(sys.executable, "-m", "pytest", "-m", "slow", "tests/test_wheel.py", RELEASE=str(BUILT))
        _list_parts(next(path for path in packages if path.suffix == ".whl"))
    except subprocess.CalledProcessError as error:
        print(f"To do: mend what is said above. It was: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    print(f"Ready: git tag v{__version__}, then upload what is in {BUILT.relative_to(ROOT)}/.")
    return 0


def tree(status: str) -> list[str]:
    """What stands in the way, by what `git status --porcelain` prints."""
    files = [line[3:] for line in status.splitlines()]
    return [f"commit or remove what git does not have: {', '.join(files)}"] if files else []


def version(number: str, tags: list[str]) -> list[str]:
    """What stands in the way, by the version and by git's tags."""
    where = "overlay/shipengine_tracking/_version.py"
    try:
        normal = str(Version(number))
    except InvalidVersion:
        return [f"give {where} a version such as 1.2.0 (PEP 440): {number!r} is none"]
    if normal != number:
        return [f"write the version in {where} as {normal}, not {number}"]
    if {number, f"v{number}"} & set(tags):
        return [f"raise the version in {where}: git has a tag of {number}"]
    return []


def changelog(text: str, number: str) -> list[str]:
    """What stands in the way, by the changelog."""
    sections = re.findall(r"^## \[([^\]]+)\](.*)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    bodies = {name: body.strip() for name, _, body in sections}
    dates = {name: date for name, date, _ in sections}
    if number not in bodies:
        return [f"in CHANGELOG.md, rename [Unreleased] to [{number}] - and the date, and begin a new [Unreleased]"]
    todo = []
    if not re.fullmatch(r" - \d{4}-\d\d-\d\d", dates[number]):
        todo.append(f"in CHANGELOG.md, date the section: ## [{number}] - 2026-12-31")
    if not bodies[number]:
        todo.append(f"in CHANGELOG.md, say what is in {number}")
    if bodies.get("Unreleased"):
        todo.append(f"in CHANGELOG.md, move what is [Unreleased] to [{number}]: it is in this release")
    return todo


def parts(sbom: str) -> dict[str, str]:
    """Read the names and versions of the components in a bill of materials, its subject included."""
    document = json.loads(sbom)
    return {one["name"]: one.get("version", "") for one in [document["metadata"]["component"], *document["components"]]}


def _build() -> list[Path]:
    shutil.rmtree(BUILT, ignore_errors=True)
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", BUILT, ROOT)
    return sorted(BUILT.iterdir())


def _list_parts(wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        _run("uv", "venv", "--quiet", "--python", sys.executable, python.parent.parent)
        _run("uv", "pip", "install", "--quiet", "--python", python, f"{wheel}[webhooks]")
        subject = Path(folder) / "pyproject.toml"  # cyclonedx-py reads no version that hatchling has to find
        text = (ROOT / "pyproject.toml").read_text()
        subject.write_text(text.replace('dynamic = ["version"]', f'version = "{__version__}"'))
        make = ["cyclonedx-py", "environment", "--mc-type", "library", "--output-reproducible", "--validate"]
        _run(*make, "--pyproject", subject, "--output-file", SBOM, python)
    print(f"{SBOM.relative_to(ROOT)}:", ", ".join(" ".join(part) for part in parts(SBOM.read_text()).items()))


def _run(*command: str | Path, **environment: str) -> None:
    print(f"== {Path(command[0]).name} {' '.join(map(str, command[1:]))}", flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | environment)


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
