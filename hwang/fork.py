"""Locks that a forked child finds free: the threads that held them do not exist there."""

from __future__ import annotations

import os
import threading
import weakref


class Lock:
    """A threading.Lock for `with` that is free in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @staticmethod
    def free_all() -> None:
        """Make every lock free, in a child."""
        for lock in tuple(_locks):
            lock._lock = threading.Lock()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()
os.register_at_fork(after_in_child=Lock.free_all)
