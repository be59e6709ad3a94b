"""A table, for the terminal and for Markdown."""

from __future__ import annotations

from dataclasses import dataclass

import rich.table

LEFT_COLUMNS = 2  # the others are figures, unless a table says otherwise


@dataclass(frozen=True)
class Table:
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    left_columns: int = LEFT_COLUMNS

    def markdown(self) -> str:
        lines = [f"## {self.title}", ""]
        if self.note:
            lines += [self.note, ""]
        lines.append(f"| {' | '.join(self.header)} |")
        lines.append("|" + "".join(" --- |" if i < self.left_columns else " ---: |" for i in range(len(self.header))))
        lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in self.rows]
        return "\n".join(lines) + "\n"

    def rich(self) -> rich.table.Table:
        table = rich.table.Table(title=self.title, title_justify="left", caption_justify="left", box=None)
        for i, name in enumerate(self.header):
            table.add_column(name, justify="left" if i < self.left_columns else "right")
        for row in self.rows:
            table.add_row(*row)
        return table
