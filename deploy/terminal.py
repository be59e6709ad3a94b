"""Output that only a terminal shows: colors, and a bar for each layer that is pushed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn

from deploy.registry import LayerStatus, Progress


class Terminal(Console):
    """Console of rich that raises the error of a closed stream."""

    def on_broken_pipe(self) -> None:
        """Raise the error; rich would end the program here."""
        raise


@contextmanager
def bars(terminal: Console) -> Iterator[Progress]:
    """Show a bar for each layer in the block."""
    columns = (TextColumn("  {task.description:<22}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    tasks: dict[str, TaskID] = {}
    with progress.Progress(*columns, console=terminal, transient=True) as shown:

        def show(layer: str, status: LayerStatus, done: int, total: int) -> None:
            if layer not in tasks:
                tasks[layer] = shown.add_task(layer, total=total)
            shown.update(
                tasks[layer], description=f"{layer} {status}", completed=done if status == "uploading" else total
            )

        yield show
