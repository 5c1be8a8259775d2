"""Say how many mutants the tests killed, from the notes that mutmut keeps: the end of `make mutate`."""

import json
import sys
from collections import Counter
from pathlib import Path

LEAST = 0.95

# The meaning of exit codes. mutmut's own figures count an error outside of the tests (255) as a timeout.
MEANINGS = {0: "survived", 1: "killed", 3: "killed", 5: "survived", 33: "survived", 36: "out of time"}
MEANINGS |= dict.fromkeys((-24, 24, 152), "out of time")


def main() -> int:
    """Read the notes in the given folder; return 1 if too few of all mutants were killed."""
    results = dict[str, str]()
    for path in Path(sys.argv[1]).rglob("*.meta"):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        results.update({name: MEANINGS.get(code, "not tried") for name, code in codes.items()})
    count = Counter(results.values())
    killed = count["killed"] + count["out of time"]
    print(
        f"{killed} of {len(results)} mutants killed ({killed / len(results):.1%}), {count['out of time']} of them by "
        f"running out of time; {count['survived']} survived, {count['not tried']} not tried to the end"
    )
    if count["not tried"]:
        names = " ".join(name for name, result in results.items() if result == "not tried")
        print(f"To try those again: make mutate MUTANTS='{names}'")
    return 0 if killed >= LEAST * len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
