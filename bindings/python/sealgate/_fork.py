"""Replaces the package's own locks after a fork: the threads that held them do not exist in the child.

The library's locks need nothing here: it allows no fork while a thread is inside it.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_holders: weakref.WeakSet[Any] = weakref.WeakSet()


def give_lock(holder: Any) -> None:
    """Gives an object a reentrant ``_lock``: a signal handler or a destructor may take it again on the same thread."""
    holder._lock = threading.RLock()
    _holders.add(holder)


def _in_child() -> None:
    for holder in list(_holders):
        holder._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
