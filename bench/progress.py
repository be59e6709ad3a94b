"""What is going on: a moving line on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

T = TypeVar("T")


class Progress:
    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:48}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._console = console
        self._bars = Bars(*columns, console=console, disable=not console.is_terminal)
        self._begun = time.monotonic()
        self._detail = self._bars.add_task("", total=None)

    def track(self, title: str, items: Sequence[T], name: Callable[[T], str]) -> Iterator[T]:
        task = self._bars.add_task(title, total=len(items))
        for item in items:
            self.tell(f"{title}: {name(item)}")
            yield item
            self._bars.advance(task)

    def tell(self, text: str) -> None:
        self._bars.update(self._detail, description=text)
        if not self._console.is_terminal:
            self._console.print(f"bench: {time.monotonic() - self._begun:5.0f} s  {text}", highlight=False)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
