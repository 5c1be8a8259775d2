"""Say whether the checked-out revision can be released, and what to do if not: `make release-check`.

First come all checks that take no time. Then the script builds the sdist and the wheel into build/release/, tests the
wheel, and writes build/sbom.cdx.json, which lists what an installation of the wheel contains.
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
    """Check everything; return 1 if something is left to do."""
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
        run("twine", "check", "--strict", *packages)
        # RELEASE makes the tests use these packages instead of building new ones.
        run(sys.executable, "-m", "pytest", "-m", "slow", "tests/packaging/test_wheel.py", RELEASE=str(BUILT))
        _list_parts(next(path for path in packages if path.suffix == ".whl"))
    except subprocess.CalledProcessError as error:
        print(f"To do: fix what this command reports: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    print(f"Ready: git tag v{__version__}, then upload what is in {BUILT.relative_to(ROOT)}/.")
    return 0


def tree(status: str) -> list[str]:
    """Return what is left to do, given the output of `git status --porcelain`."""
    files = [line[3:] for line in status.splitlines()]
    return [f"commit or remove what has changed: {', '.join(files)}"] if files else []


def version(number: str, tags: list[str]) -> list[str]:
    """Return what is left to do, given the version and the tags in git."""
    where = "overlay/shipengine_tracking/_version.py"
    try:
        normal = str(Version(number))
    except InvalidVersion:
        return [f"{number!r} in {where} is not a valid version (PEP 440): write one such as 1.2.0"]
    if normal != number:
        return [f"write the version in {where} as {normal}, not {number}"]
    if {number, f"v{number}"} & set(tags):
        return [f"raise the version in {where}: git has a tag of {number}"]
    return []


def changelog(text: str, number: str) -> list[str]:
    """Return what is left to do, given the changelog."""
    sections = re.findall(r"^## \[([^\]]+)\](.*)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    bodies = {name: body.strip() for name, _, body in sections}
    dates = {name: date for name, date, _ in sections}
    if number not in bodies:
        return [f"in CHANGELOG.md, rename [Unreleased] to [{number}] - YYYY-MM-DD, and add a new [Unreleased]"]
    todo = []
    if not re.fullmatch(r" - \d{4}-\d\d-\d\d", dates[number]):
        todo.append(f"in CHANGELOG.md, date the section: ## [{number}] - 2026-12-31")
    if not bodies[number]:
        todo.append(f"in CHANGELOG.md, describe {number}")
    if bodies.get("Unreleased"):
        todo.append(f"in CHANGELOG.md, move the entries of [Unreleased] to [{number}]: they are in this release")
    return todo


def parts(sbom: str) -> dict[str, str]:
    """Return the names and versions of the components in a bill of materials, its subject included."""
    document = json.loads(sbom)
    return {one["name"]: one.get("version", "") for one in [document["metadata"]["component"], *document["components"]]}


def _build() -> list[Path]:
    shutil.rmtree(BUILT, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", BUILT, ROOT)
    return sorted(BUILT.iterdir())


def _list_parts(wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        run("uv", "venv", "--quiet", "--python", sys.executable, python.parent.parent)
        run("uv", "pip", "install", "--quiet", "--python", python, f"{wheel}[webhooks]")
        subject = Path(folder) / "pyproject.toml"  # cyclonedx-py cannot read a dynamic version
        text = (ROOT / "pyproject.toml").read_text()
        subject.write_text(text.replace('dynamic = ["version"]', f'version = "{__version__}"'))
        make = ["cyclonedx-py", "environment", "--mc-type", "library", "--output-reproducible", "--validate"]
        run(*make, "--pyproject", subject, "--output-file", SBOM, python)
    print(f"{SBOM.relative_to(ROOT)}:", ", ".join(" ".join(part) for part in parts(SBOM.read_text()).items()))


def run(*command: str | Path, **environment: str) -> None:
    """Run a command and show it."""
    print(f"== {Path(command[0]).name} {' '.join(map(str, command[1:]))}", flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | environment)


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
