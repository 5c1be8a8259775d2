"""Run the tests on each of the given Python versions that is installed: `make test-pythons`.

Looks for python3.X on PATH and for the versions that pyenv has installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

THIS = f"3.{sys.version_info.minor}"


def main(versions: list[str]) -> int:
    """Run `make test` on each Python, in an environment of its own; return 1 if one fails or none is found."""
    results = dict.fromkeys(versions, "not found")
    for version, python in find(versions).items():
        print(f"== Python {version}: {python}", flush=True)
        venv = ".venv" if version == THIS else f"build/python{version}"
        done = subprocess.run(["make", "--no-print-directory", "test", f"VENV={venv}", f"PYTHON={python}"], check=False)
        results[version] = "failed" if done.returncode else "passed"
    print("".join(f"Python {version}: {result}\n" for version, result in results.items()), end="")
    return 0 if "passed" in results.values() and "failed" not in results.values() else 1


def find(versions: list[str]) -> dict[str, str]:
    """Return a working Python for each version that is found."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {THIS: sys.executable}
    for version in versions:
        for python in (shutil.which(f"python{version}"), *sorted(pyenv.glob(f"versions/{version}.*/bin/python"))):
            # A shim of pyenv fails if its version is not selected.
            if python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
                found.setdefault(version, str(python))
    return {version: found[version] for version in versions if version in found}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
