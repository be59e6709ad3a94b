"""Working ahead of a consumer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from hwang.timelimit import Deadline, Task

__all__ = ["one_ahead", "one_ahead_within"]

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


def one_ahead_within(
    items: Iterator[Item],
    deadline: Deadline,
    begin: Callable[[Callable[[], list[Item]]], Task[list[Item]]],
    part_with: Callable[[Task[Any]], None],
) -> Iterator[Item]:
    """The same with a limit for each item: `deadline` for the first, as long for the others once they are asked for.

    `begin` makes tasks. Each is handed to `part_with` if nobody waits for it any more.
    """
    pending = begin(lambda: _take(items))
    try:
        while taken := pending.result(deadline):
            pending = begin(lambda: _take(items))
            yield taken[0]
            deadline = deadline.again()
    finally:
        pending.end(deadline.seconds)
        part_with(pending)


def _take(items: Iterator[Item]) -> list[Item]:
    return [item for _, item in zip(range(1), items, strict=False)]
