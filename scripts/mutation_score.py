"""Say how many of the mutants the tests have killed, by the figures that mutmut exports: the end of `make mutate`."""

import json
import sys
from pathlib import Path

LEAST = 0.95


def main() -> int:
    """Read the file that is named; 1 if too few were killed, or some were not tried."""
    figures: dict[str, int] = json.loads(Path(sys.argv[1]).read_text())
    every, survived = figures["total"], figures["survived"] + figures["no_tests"] + figures["suspicious"]
    untried = every - survived - figures["killed"] - figures["timeout"]
    killed = every - survived - untried
    print(f"{killed} of {every} mutants killed ({killed / every:.1%}), {survived} survived, {untried} not tried")
    return 0 if killed >= LEAST * every and not untried else 1


if __name__ == "__main__":
    sys.exit(main())
