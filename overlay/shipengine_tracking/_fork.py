"""Resets objects in a forked process: it has none of the other threads, which may have held locks."""

import os
from typing import Any
from weakref import WeakSet

_objects = WeakSet[Any]()
reset_after_fork = _objects.add  # `reset` of the object is called


def _reset_all() -> None:
    for one in list(_objects):
        one.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
