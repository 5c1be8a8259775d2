"""The allowed imports: spec -> generated -> overlay -> users."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import shipengine_tracking

ROOT = Path(__file__).parents[2]
OVERLAY, GENERATED = "shipengine_tracking", "shipengine_tracking_generated"
MODULES = [*(ROOT / "overlay").rglob("*.py"), *(ROOT / "generated").rglob("*.py")]
PUBLIC = {*shipengine_tracking.__all__, "webhooks", "testing"}

# What the generated code and each module or package of the overlay may import of the others.
MAY_IMPORT = {
    **{name: set[str]() for name in ("generated", "_version", "_fork", "_responses", "_auth")},
    "exceptions": {"_responses", "generated"},
    "_models": {"_responses", "generated"},
    "_config": {"_auth", "exceptions"},
    "_http": {"_auth", "_config", "_fork", "_responses", "_version", "exceptions", "generated"},
    "_bulk": {"_config", "_http", "exceptions", "generated"},
    "client": {"_bulk", "_config", "_http", "_models", "exceptions", "generated"},
    "webhooks": {"_config", "_fork", "_models", "_responses", "exceptions", "generated"},
    "testing": {"webhooks"},
    "cli": {*PUBLIC, "exceptions"},
    "__main__": {"cli"},
    "__init__": {"_bulk", "_models", "_version", "client", "exceptions", "generated"},
}
# Modules that block, open sockets, or start threads and processes.
IO_MODULES = {"asyncio", "os", "socket", "threading", "subprocess", "selectors"}
WITHOUT_IO = ("exceptions.py", "_responses.py", "_models.py", "_http/flow.py", "webhooks/_payload.py")


def imported_names(path: Path) -> Iterator[str]:
    """Yield the absolute names that a module imports."""
    package = path.relative_to(ROOT).parts[1:]  # without overlay/ or generated/
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: -node.level], *filter(None, [node.module])]) if node.level else node.module
            yield from (f"{base}.{alias.name}" for alias in node.names)


def part(name: str) -> str:
    """Return which part of this project an absolute name belongs to, or "other"."""
    package, _, inside = name.partition(".")
    return {OVERLAY: inside.partition(".")[0], GENERATED: "generated"}.get(package, "other")


def test_modules_import_only_the_parts_below_them_and_pure_ones_no_io() -> None:
    for path in MODULES:
        own = part(".".join(path.relative_to(ROOT).with_suffix("").parts[1:]))
        for name in imported_names(path):
            allowed = part(name) in MAY_IMPORT[own] | {own, "other"} and (own != "cli" or "._" not in name)
            assert allowed, f"{path} may not import {name}"
            pure = str(path).endswith(WITHOUT_IO)
            assert not (pure and name.partition(".")[0] in IO_MODULES), f"{path} may not import {name}"
