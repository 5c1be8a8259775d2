"""Resets objects in a forked process, where nothing releases the locks that other threads held."""

import os
from typing import Any
from weakref import WeakSet

_resettable = WeakSet[Any]()
reset_after_fork = _resettable.add  # registers an object: a forked process calls its `reset`


def _reset_all() -> None:
    for one in list(_resettable):
        one.reset()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows lacks it
    os.register_at_fork(after_in_child=_reset_all)
