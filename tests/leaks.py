"""Where a key could hide in an exception."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path

import httpx

TESTS = str(Path(__file__).parent)  # whose own variables hold the key


def places(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield each place in an exception and in everything that it refers to, with its text."""
    yield "traceback", "".join(traceback.format_exception(error))
    todo: list[tuple[str, object]] = [("error", error)]
    seen: list[object] = []  # holds them, so that no id is used twice
    while todo:
        path, value = todo.pop()
        if any(value is other for other in seen) or value is None:
            continue
        seen.append(value)
        yield path, repr(value)
        yield f"str({path})", str(value)
        if isinstance(value, BaseException):
            todo += [(f"{path}.{name}", getattr(value, name)) for name in ("__cause__", "__context__", "args")]
            frame = value.__traceback__
            while frame is not None:
                local = frame.tb_frame.f_locals
                if not frame.tb_frame.f_code.co_filename.startswith(TESTS):
                    todo += [(f"{path}@{frame.tb_frame.f_code.co_name}.{name}", local[name]) for name in local]
                frame = frame.tb_next
        if isinstance(value, dict):
            todo += [(f"{path}[{name!r}]", item) for name, item in value.items()]
        elif isinstance(value, list | tuple | set | frozenset):
            todo += [(f"{path}[{index}]", item) for index, item in enumerate(value)]
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            todo += [(f"{path}.{name}", item) for name, item in vars(value).items()]
        if isinstance(value, httpx.Headers):  # whose repr is not all it holds
            todo.append((f"{path}.raw", value.raw))


def find_leaks(error: BaseException, key: str) -> list[str]:
    """Return the places where the key appears, in any form."""
    shown = [path for path, text in places(error) if key in text or key.encode().hex() in text]
    for path, data in (("pickle", pickle.dumps(error)), ("copy", repr(vars(copy.deepcopy(error))).encode())):
        if key.encode() in data:
            shown.append(path)
    return shown
