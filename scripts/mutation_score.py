"""Say how many of the mutants the tests have killed, by what mutmut has noted: the end of `make mutate`."""

import json
import sys
from collections import Counter
from pathlib import Path

LEAST = 0.95

# What the process that tries a mutant ends with. Read here, for mutmut's own figures take one that met an error outside
# of its tests (255) for one that has run out of time.
SAYS = {0: "survived", 1: "killed", 3: "killed", 5: "survived", 33: "survived", 36: "out of time"}
SAYS |= dict.fromkeys((-24, 24, 152), "out of time")


def main() -> int:
    """Read what is noted in the folder that is named; 1 if too few were killed. Who was not tried was not."""
    ends = dict[str, str]()
    for path in Path(sys.argv[1]).rglob("*.meta"):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        ends.update({name: SAYS.get(code, "not tried") for name, code in codes.items()})
    count = Counter(ends.values())
    killed = count["killed"] + count["out of time"]
    print(
        f"{killed} of {len(ends)} mutants killed ({killed / len(ends):.1%}), {count['out of time']} of them by running "
        f"out of time; {count['survived']} survived, {count['not tried']} not tried to the end"
    )
    if count["not tried"]:
        names = " ".join(name for name, end in ends.items() if end == "not tried")
        print(f"Those can be tried again: make mutate MUTANTS='{names}'")
    return 0 if killed >= LEAST * len(ends) else 1


if __name__ == "__main__":
    sys.exit(main())
