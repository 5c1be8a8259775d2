"""Print the mutation score from mutmut's results, as the last step of `make mutate`. Exits with 1 if it is too low.

mutmut's own figures count a run that failed before its tests began (exit code 255) as a timeout, and so as killed.
"""

import json
import sys
from pathlib import Path

MIN_SCORE = 0.95
KILLED = {1, 3, 36, 24, -24, 152}  # the last four are timeouts
SURVIVED = {0, 5, 33}


def main() -> int:
    """Read the results in the given folder."""
    codes = dict[str, int | None]()
    for path in Path(sys.argv[1]).rglob("*.meta"):
        codes |= json.loads(path.read_text())["exit_code_by_key"]
    killed = sum(code in KILLED for code in codes.values())
    print(f"{killed} of {len(codes)} mutants killed ({killed / len(codes):.1%})")
    if unfinished := [name for name, code in codes.items() if code not in KILLED | SURVIVED]:
        print(f"To retry those whose tests did not run: make mutate MUTANTS='{' '.join(unfinished)}'")
    return 0 if killed >= MIN_SCORE * len(codes) else 1


if __name__ == "__main__":
    sys.exit(main())
