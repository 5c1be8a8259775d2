"""The allowed imports: spec -> generated -> overlay -> users."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import shipengine_tracking

ROOT = Path(__file__).parents[2]
OVERLAY, GENERATED = ROOT / "overlay" / "shipengine_tracking", ROOT / "generated" / "shipengine_tracking_generated"
MODULES = sorted(OVERLAY.rglob("*.py"))
PUBLIC = {*shipengine_tracking.__all__, "webhooks", "testing"}

# What each module or package of the overlay may import of the others, and whether it may import the generated code.
MAY_IMPORT = {
    "_version": set[str](),
    "_fork": set[str](),
    "_responses": set[str](),
    "_auth": set[str](),
    "exceptions": {"_responses", "generated"},
    "_models": {"_responses", "generated"},
    "_config": {"_auth", "exceptions"},
    "_http": {"_auth", "_config", "_fork", "_models", "_responses", "_version", "exceptions", "generated"},
    "_bulk": {"_config", "_http", "exceptions", "generated"},
    "client": {"_bulk", "_config", "_http", "_models", "exceptions", "generated"},
    "webhooks": {"_config", "_fork", "_models", "_responses", "exceptions", "generated"},
    "testing": {"webhooks"},
    "cli": {*PUBLIC, "exceptions"},
    "__main__": {"cli"},
    "__init__": {"_bulk", "_models", "_version", "client", "exceptions", "generated"},
}
# Modules that block, open sockets, or start threads and processes.
IO_MODULES = {"asyncio", "os", "socket", "threading", "subprocess", "selectors", "http.server"}
WITHOUT_IO = ["exceptions.py", "_responses.py", "_models.py", "_http/flow.py", "webhooks/_payload.py"]


def imported_names(path: Path) -> Iterator[str]:
    """Yield the absolute names that a module imports."""
    package = path.relative_to(ROOT).parts[1:]  # without overlay/ or generated/
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: -node.level], *filter(None, [node.module])]) if node.level else node.module
            yield from (f"{base}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(OVERLAY))) for path in MODULES])
def test_module_of_the_overlay_imports_only_the_parts_below_it(path: Path) -> None:
    part = path.relative_to(OVERLAY).parts[0].removesuffix(".py")
    for name in imported_names(path):
        package, _, inside = name.partition(".")
        imported = "generated" if package == GENERATED.name else inside.partition(".")[0]
        if package in (OVERLAY.name, GENERATED.name):
            assert imported in MAY_IMPORT[part] | {part}, f"{part} may not import {name}"
            assert part != "cli" or not re.search(r"\._[a-z]", name), f"{name} is private"


def test_generated_code_does_not_import_the_overlay() -> None:
    for path in GENERATED.rglob("*.py"):
        assert OVERLAY.name not in {name.partition(".")[0] for name in imported_names(path)}


@pytest.mark.parametrize("name", WITHOUT_IO)
def test_pure_module_imports_no_io(name: str) -> None:
    imported = set(imported_names(OVERLAY / name))
    assert not {module for module in imported if module.split(".")[0] in IO_MODULES or module in IO_MODULES}
