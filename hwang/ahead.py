"""Working ahead of a consumer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

__all__ = ["one_ahead"]

Item = TypeVar("Item")


def one_ahead(items: Iterator[Item], stop: Callable[[], None]) -> Iterator[Item]:
    """The same items, the next one made in another thread while the caller works on this one.

    Left early, it calls `stop` and waits for the item that is being made.
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # slow to import, not always needed

    with ThreadPoolExecutor(1, "hwang-ahead") as thread:
        pending: Future[list[Item]] = thread.submit(_take, items)
        try:
            while taken := pending.result():
                pending = thread.submit(_take, items)
                yield taken[0]
        finally:
            if not pending.done():
                stop()


def _take(items: Iterator[Item]) -> list[Item]:
    return [item for _, item in zip(range(1), items, strict=False)]
