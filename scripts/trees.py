"""Compare, swap and delete directory trees: what `make generate` needs to leave the old tree or the new one."""

import os
import shutil
import stat
import time
from pathlib import Path

import spec


def differences(fresh: Path, output: Path) -> list[str]:
    """Each path that is not the same in both trees, with a word."""
    wanted, found = tree(fresh), tree(output)
    changed = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    words = ["missing" if path not in found else "extra" if path not in wanted else "differs" for path in changed]
    return [f"{word:8} {spec.shown(output / path)}" for word, path in zip(words, changed, strict=True)]


def tree(root: Path) -> dict[Path, object]:
    """All that git would keep of each path from the root on, the root included; nothing of Python's caches."""
    paths = [root] if os.path.lexists(root) else []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        paths += [Path(folder, name) for name in folders + files]
    return {path.relative_to(root): content(path, path.lstat().st_mode) for path in paths}


def content(path: Path, mode: int) -> object:
    """What a path is, and holds."""
    if stat.S_ISREG(mode):
        return mode & stat.S_IXUSR, path.read_bytes()
    return path.readlink() if stat.S_ISLNK(mode) else stat.S_IFMT(mode)


def swap(fresh: Path, output: Path, old: Path) -> None:
    """Put the fresh tree in the place of the output, which goes to old: two renames."""
    if os.path.lexists(output):
        output.rename(old)
    fresh.rename(output)


def settle(output: Path, old: Path) -> None:
    """End a swap wherever it was cut short: where there is no new tree, the old one comes back."""
    if os.path.lexists(old) and not os.path.lexists(output):
        old.rename(output)
    remove(old)


def remove(path: Path) -> None:
    """Delete a path, whatever it is; a process just killed may still be writing into it for a moment."""
    for _ in range(50):
        if path.is_symlink() or path.is_file():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.lexists(path):
            return
        time.sleep(0.02)
    raise OSError(f"{spec.shown(path)} cannot be deleted")
