"""Output that only a terminal shows: colors, and a bar for each layer that is pushed."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from deploy.registry.progress import ARRIVED, LayerStatus


class Terminal(Console):
    """Console of rich that raises the error of a closed stream."""

    def on_broken_pipe(self) -> None:
        """Raise the error; rich would end the program here."""
        raise


def bars(terminal: Console) -> Progress:
    """Return an empty display of bars."""
    columns = (TextColumn("  {task.description:<22}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=terminal, transient=True)


class LayerBars:
    """Progress as a bar for each layer."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._tasks: dict[str, TaskID] = {}

    def layer(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002
        """Draw the bar of a layer."""
        if id not in self._tasks:
            self._tasks[id] = self._shown.add_task(id, total=None)
        arrived = status in ARRIVED
        self._shown.update(
            self._tasks[id],
            description=f"{id} {ARRIVED.get(status, status)}",
            completed=total if arrived else done,
            total=total or (1 if arrived else None),
        )
