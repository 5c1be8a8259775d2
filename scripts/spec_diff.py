"""List what changed in the spec since a git revision, and fail on a breaking change: `make spec-diff BASE=…`.

A change is breaking if it can make a correct client fail: something was removed, a request needs more than before, or
a response contains something that a client did not have to expect. To accept it, add the printed sentence to
CHANGELOG.md.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spec import SPEC, SpecError, load, walk
from spec_places import Document
from spec_shape import Promise, promises

ROOT = SPEC.parent.parent
CHANGELOG = Path("CHANGELOG.md")
WIDER_IF_HIGHER = dict.fromkeys(("maxLength", "maximum", "maxItems", "maxProperties"), True) | dict.fromkeys(
    ("minLength", "minimum", "minItems", "minProperties"), False
)

# Whether the change can break a client, and what changed.
Change = tuple[bool, str]


def main() -> int:
    """Print all changes; return 1 if a breaking one is not in a new line of CHANGELOG.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("base", help="a git revision to compare with, such as HEAD^ or v1.2.0")
    base = options.parse_args().base
    try:
        old, new = load_at(base), load(SPEC)
    except SpecError as error:
        sys.exit(str(error))
    changes = compare(old, new)
    for breaking, sentence in changes:
        print(f"{'BREAKING' if breaking else 'harmless'}  {sentence}")
    print(f"{len(changes)} changes of the spec since {base}")
    unnamed = sorted({sentence for breaking, sentence in changes if breaking} - named_since(base))
    for sentence in unnamed:
        print(f"Breaking, and no new line of {CHANGELOG} says: {sentence}", file=sys.stderr)
    return 1 if unnamed else 0


def compare(old: Document, new: Document) -> list[Change]:
    """Return the changes between two versions, breaking changes first."""
    before, after = promises(old), promises(new)
    gone, come = _outermost(before.keys() - after.keys()), _outermost(after.keys() - before.keys())
    changes = [(True, f"{place} is gone") for place in gone]
    changes += [(_demands(after[place]), f"{place} is new") for place in come]
    for place in before.keys() & after.keys():
        changes += [(breaking, f"{place} {what}") for breaking, what in _differences(before[place], after[place])]
    both = {place for place, _ in walk(old)} & {place for place, _ in walk(new)} - {"#/components/examples"}
    reworded = {place for place, _ in _prose(old) ^ _prose(new)} & both
    changes += [(False, f"{place} reads differently or has other examples") for place in reworded]
    return sorted(changes, key=lambda change: (not change[0], change[1]))


def load_at(revision: str) -> Document:
    """Load the spec of a git revision."""
    text = _git_show(revision, SPEC.relative_to(ROOT))
    if text is None:
        raise SpecError(f"{revision} is not a git revision, or has no {SPEC.relative_to(ROOT)}")
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / f"{revision.replace('/', '-')}-{SPEC.name}"
        page.write_text(text)
        return load(page)


def named_since(revision: str) -> set[str]:
    """Return the lines added to CHANGELOG.md since a revision, without list markers."""
    now = (ROOT / CHANGELOG).read_text() if (ROOT / CHANGELOG).exists() else ""
    then = _git_show(revision, CHANGELOG) or ""
    return {line.strip(" -*") for line in set(now.splitlines()) - set(then.splitlines())}


def _git_show(revision: str, path: Path) -> str | None:
    shown = subprocess.run(["git", "show", f"{revision}:{path}"], cwd=ROOT, capture_output=True, text=True, check=False)
    return shown.stdout if shown.returncode == 0 else None


def _differences(old: Promise, new: Promise) -> Iterator[Change]:
    asked = new.asked
    if old.note != new.note:
        yield True, f"was {old.note}, is {new.note}"
    if old.required != new.required:
        yield new.required == asked, f"is {'now' if new.required else 'no longer'} required"
    for kind in new.types - old.types:
        yield not asked and "anything" not in old.types, f"may now be {kind}"
    for kind in old.types - new.types:
        # Removing a type from a response is harmless; a format decides how the generated client reads it.
        yield (asked and "anything" not in new.types) or "(" in kind, f"is no longer {kind}"
    yield from ((True, f"no longer knows {value}") for value in old.values - new.values)
    yield from ((False, f"now knows {value}") for value in new.values - old.values if old.values)
    if old.closed != new.closed:
        yield new.closed == asked, f"{'takes no other values' if new.closed else 'may have other values'} now"
    yield from _limit_changes(old, new)
    if old.rest != new.rest:
        yield True, "changed in a way that this check does not understand"


def _limit_changes(old: Promise, new: Promise) -> Iterator[Change]:
    before, after = dict(old.limits), dict(new.limits)
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was is None or now is None or key not in WIDER_IF_HIGHER:
            narrower = now is not None and now != was
        else:
            narrower = (now < was) if WIDER_IF_HIGHER[key] else (now > was)
        if was != now:
            yield narrower and new.asked, f"had {key} {was}, has {now}"


def _demands(promise: Promise) -> bool:
    return promise.asked and promise.required


def _outermost(places: set[str]) -> list[str]:
    """Leave out places inside another one: they were added or removed with it."""
    return [place for place in sorted(places) if not any(place != other and _within(place, other) for other in places)]


def _within(place: str, other: str) -> bool:
    return place.startswith(tuple(other + mark for mark in (":", ",", ".", "[")))


def _prose(document: Document) -> set[tuple[str, str]]:
    """Return all prose and examples, each with the part of the document that it belongs to."""
    keys = ("description", "summary", "title", "version", "examples", "value", "x-enumDescriptions", "x-codeSamples")
    texts = ((place.split("/"), node) for place, node in walk(document))
    return {("/".join(place[:4]), "/".join([*place, str(node)])) for place, node in texts if place[-1] in keys}


if __name__ == "__main__":
    sys.exit(main())
