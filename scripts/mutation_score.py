"""Say how many of the mutants the tests have killed, by what mutmut has noted: the end of `make mutate`."""

import json
import sys
from collections import Counter
from pathlib import Path

LEAST = 0.95

# What the process that tries a mutant ends with. Read here, for mutmut's own figures take one that met an error before
# its tests began (255) for one that has run out of time.
SAYS = {0: "survived", 1: "killed", 3: "killed", 5: "survived", 33: "survived", 36: "out of time"}
SAYS |= dict.fromkeys((-24, 24, 152), "out of time")


def main() -> int:
    """Read what is noted in the folder that is named; 1 if too few were killed, or some were not tried."""
    ends = Counter[str]()
    for path in Path(sys.argv[1]).rglob("*.meta"):
        ends.update(SAYS.get(code, "not tried") for code in json.loads(path.read_text())["exit_code_by_key"].values())
    killed = ends["killed"] + ends["out of time"]
    print(
        f"{killed} of {ends.total()} mutants killed ({killed / ends.total():.1%}), {ends['out of time']} of them by "
        f"running out of time; {ends['survived']} survived, {ends['not tried']} not tried"
    )
    return 0 if killed >= LEAST * ends.total() and not ends["not tried"] else 1


if __name__ == "__main__":
    sys.exit(main())
