"""The picture: time on the clock of every decoder, relative to the fastest that is not hwang, a panel a clip."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from bench import clips, stats
from bench.contestants import HWANG, HWANG_OUT, LIMIT, PEERS
from bench.results import Results
from bench.workloads import WORKLOADS

# Okabe and Ito's colours, told apart without colour by the markers.
STYLES = {
    HWANG.name: ("#000000", "o"),
    HWANG_OUT.name: ("#0072B2", "D"),
    "pyav": ("#E69F00", "s"),
    "torchcodec-exact": ("#009E73", "^"),
    "torchcodec-approximate": ("#56B4E9", "v"),
    "decord": ("#CC79A7", "P"),
    "opencv": ("#D55E00", "X"),
}
TITLES = {w.name: f"{w.name}\n{fill(w.title, 9)}" for w in WORKLOADS}
MOST = 8.0  # times the fastest; what is slower sits on the edge
COLUMNS = 2


def draw(results: Results, path: Path) -> None:
    """A PNG file with a panel for each clip that was measured."""
    matplotlib.use("Agg")
    cells = stats.medians(results.records)
    names = list(dict.fromkeys(clip for clip, _ in cells))
    lines = -(-len(names) // COLUMNS)
    figure, grid = plt.subplots(lines, COLUMNS, figsize=(11, 0.8 + 2.9 * lines), squeeze=False, layout="constrained")
    panels = list(grid.flat)
    for axes, name in zip(panels, names, strict=False):
        _panel(axes, clips.BY_NAME[name].title, {w: cell for (clip, w), cell in cells.items() if clip == name})
    for axes in panels[len(names) :]:
        axes.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=4)
    figure.suptitle("Time on the clock, relative to the fastest decoder beside hwang (lower is better)")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _panel(axes: Axes, title: str, cells: dict[str, dict[str, stats.Median]]) -> None:
    peers = [peer.name for peer in PEERS]
    references = {workload: stats.best(cell, peers) for workload, cell in cells.items()}
    units = {workload: reference[1] for workload, reference in references.items() if reference}
    places = {workload: place for place, workload in enumerate(units)}
    contestants = [HWANG, HWANG_OUT, *PEERS]
    for number, contestant in enumerate(contestants):
        points = [
            (places[w] + (number - len(contestants) / 2) * 0.09, min(cells[w][contestant.name].wall / unit, MOST))
            for w, unit in units.items()
            if contestant.name in cells[w]
        ]
        colour, marker = STYLES[contestant.name]
        x, y = zip(*points, strict=True) if points else ((), ())
        axes.plot(x, y, marker, color=colour, label=contestant.title, markersize=6, zorder=3)
    limit = [(places[w], cells[w][LIMIT.name].wall / unit) for w, unit in units.items() if LIMIT.name in cells[w]]
    for i, (place, value) in enumerate(limit):
        label = "limit of the libraries" if i == 0 else None
        axes.hlines(value, place - 0.42, place + 0.42, colors="#555555", linewidth=2, label=label)
    axes.axhline(1, color="#BBBBBB", linewidth=0.8, linestyle="--", zorder=0)
    axes.set_yscale("log", base=2)
    axes.set_ylim(0.2, MOST * 1.1)
    ticks = [0.25, 0.5, 1, 2, 4, 8]
    axes.set_yticks(ticks, [f"{tick:g} x" for tick in ticks])
    axes.set_xticks(range(len(places)), [TITLES[workload] for workload in places], fontsize=8)
    axes.set_xlim(-0.6, max(len(places), 2) - 0.4)
    axes.set_title(title, fontsize=10, loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
