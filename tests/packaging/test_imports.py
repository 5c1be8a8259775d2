"""Which part of the code may import which: spec -> generated -> overlay -> users."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import shipengine_tracking

ROOT = Path(__file__).parents[2]
GENERATED, OVERLAY = "shipengine_tracking_generated", "shipengine_tracking"

# What each module or package of the overlay may import of the others.
MAY_IMPORT = {
    "_version": set[str](),
    "_responses": set[str](),
    "_auth": set[str](),
    "exceptions": {"_responses"},
    "_models": {"_responses"},
    "_config": {"_auth", "exceptions"},
    "_http": {"_auth", "_config", "_models", "_responses", "_version", "exceptions"},
    "_bulk": {"_config", "_http", "exceptions"},
    "client": {"_bulk", "_config", "_http", "_models", "exceptions"},
    "webhooks": {"_config", "_models", "_responses", "exceptions"},
    "testing": {"webhooks"},
    "cli": {*shipengine_tracking.__all__, "exceptions", "webhooks"},
    "__main__": {"cli"},
    "__init__": {"_bulk", "_models", "_version", "client", "exceptions"},
}
# Modules that block, open sockets, or start threads and processes.
IO_MODULES = {"asyncio", "os", "socket", "threading", "subprocess", "selectors", "http.server"}
WITHOUT_IO = ["exceptions.py", "_responses.py", "_models.py", "_http/flow.py", "webhooks/_payload.py"]


def imported_names(path: Path, root: Path) -> Iterator[str]:
    """Yield the absolute names that a module imports."""
    package = path.relative_to(root).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: -node.level], *filter(None, [node.module])]) if node.level else node.module
            yield from (f"{base}.{alias.name}" for alias in node.names)


def modules(part: str) -> list[Path]:
    folder = ROOT / "overlay" / OVERLAY
    return sorted((folder / part).rglob("*.py")) if (folder / part).is_dir() else [folder / f"{part}.py"]


def test_every_part_of_the_overlay_has_a_rule() -> None:
    folder = ROOT / "overlay" / OVERLAY
    parts = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts == MAY_IMPORT.keys()


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_overlay_part_imports_only_the_parts_below_it(part: str) -> None:
    for path in modules(part):
        for name in imported_names(path, ROOT / "overlay"):
            if name.startswith(f"{OVERLAY}."):
                assert name.split(".")[1] in MAY_IMPORT[part] | {part}, f"{path.name} imports {name}"


def test_generated_code_does_not_import_the_overlay() -> None:
    for path in (ROOT / "generated").rglob("*.py"):
        assert not [name for name in imported_names(path, ROOT / "generated") if name.startswith(f"{OVERLAY}.")]


def test_fake_server_does_not_import_the_generated_code() -> None:
    for path in modules("testing"):
        assert not [name for name in imported_names(path, ROOT / "overlay") if name.startswith(GENERATED)]


@pytest.mark.parametrize("name", WITHOUT_IO)
def test_pure_module_imports_no_io(name: str) -> None:
    imported = set(imported_names(ROOT / "overlay" / OVERLAY / name, ROOT / "overlay"))
    assert not {module for module in imported if module.split(".")[0] in IO_MODULES or module in IO_MODULES}
