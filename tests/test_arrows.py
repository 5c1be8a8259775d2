"""spec -> generated -> overlay -> people: who may import whom, held over the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GENERATED = "shipengine_tracking_generated"
OVERLAY = "shipengine_tracking"

# From the bottom up: a module imports only what stands above it in this list. With it, what it may know of generated/.
ROOMS: dict[str, set[str]] = {
    "_version": set(),
    "_answers": set(),
    "exceptions": {"models"},
    "_api_key": set(),
    "_arguments": set(),
    "_forks": set(),
    "retry": set(),
    "_gate": set(),
    "gates": set(),
    "_quick": set(),
    "_seam": set(),
    "slots": {"client"},
    "connections": set(),
    "_shape": {"models"},
    "_signature": set(),
    "webhooks": {"models"},
    "keys": set(),
    "bulk": set(),
    "crews": set(),
    "_client": set(),
    "client": {"api"},
    "__init__": {"models"},
    "testing.answers": set(),
    "testing.weather": set(),
    "testing.deliveries": set(),
    "testing.server": set(),
    "testing.__init__": set(),
    "testing.__main__": set(),
}
DO_IO = {"asyncio", "os", "socket", "socketserver", "http.server", "threading"}
PURE = {
    "_answers",
    "exceptions",
    "_arguments",
    "_api_key",
    "retry",
    "_gate",
    "_seam",
    "_shape",
    "_signature",
    "webhooks",
    "bulk",
    "_quick",
    "testing.answers",
    "testing.weather",
}


def imports(package: Path, path: Path) -> Iterator[str]:
    """Yield the full names that a module imports, each name of a `from` apart."""
    inside = path.relative_to(package.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = inside[: -node.level] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def room(package: Path, path: Path) -> str:
    return ".".join(path.relative_to(package).with_suffix("").parts)


def modules() -> list[Path]:
    return sorted((ROOT / "overlay" / OVERLAY).rglob("*.py"))


def test_the_list_is_the_house() -> None:
    assert {room(ROOT / "overlay" / OVERLAY, path) for path in modules()} == set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_arrows_of_the_overlay(path: Path) -> None:
    package = ROOT / "overlay" / OVERLAY
    name = room(package, path)
    below = list(ROOMS)[: list(ROOMS).index(name)]
    for imported in imports(package, path):
        if imported.startswith(GENERATED):
            part = imported.split(".")[1]
            # The package's own __init__ hands `Client` on.
            assert {"Client": "client"}.get(part, part) in ROOMS[name] | {"types"}, f"{name} imports {imported}"
        elif imported.startswith(OVERLAY + "."):
            rest = imported.removeprefix(OVERLAY + ".")
            assert any(rest == other or rest.startswith(other + ".") for other in below), f"{name} imports {imported}"
        elif name in PURE:
            assert imported.split(".")[0] not in DO_IO, f"{name} is pure, but imports {imported}"


def test_generated_imports_nothing_of_ours() -> None:
    package = ROOT / "generated" / GENERATED
    for path in package.rglob("*.py"):
        for imported in imports(package, path):
            assert not imported.startswith(OVERLAY + "."), f"{path} imports {imported}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_a_module_is_a_house_not_a_warehouse(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines < 250, f"{path.name} has {lines} lines: split it by what it does"
