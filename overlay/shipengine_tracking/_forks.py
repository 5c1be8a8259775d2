"""What begins anew in a process that has forked: whoever held its locks is in the other process."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class HoldsLocks(Protocol):
    """What threads share."""

    def begin_anew(self) -> None:
        """Begin with new locks and no connections: the old ones are the other process's."""
        ...


_HOLDERS = WeakSet[HoldsLocks]()


def survives_forks(holder: HoldsLocks) -> None:
    """Have it begin anew in every process that is forked off."""
    _HOLDERS.add(holder)


def _after_fork() -> None:
    for holder in list(_HOLDERS):
        holder.begin_anew()


# Where there is none, such as on Windows, there are no forks.
getattr(os, "register_at_fork", dict)(after_in_child=_after_fork)
