"""The picture: time on the clock of every decoder, relative to the fastest that is not hwang, a panel a clip."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

from bench import clips
from bench.contenders import HWANG, LIMIT, PEERS
from bench.results import Median, Results, best, medians
from bench.workloads import WORKLOADS

COMPARED = (HWANG, *PEERS)
COLORS = ("#000000", "#E69F00", "#009E73", "#56B4E9", "#CC79A7", "#D55E00")  # Okabe and Ito's
MARKERS = "os^vPX"
TITLES = {w.name: f"{w.name}\n{fill(w.title, 9)}" for w in WORKLOADS}
MAX_RATIO = 8.0  # times the fastest; what is slower sits on the edge
COLUMNS = 2


def draw(results: Results, path: Path) -> None:
    """Writes a PNG file with a panel for each clip that was measured, or none if there is none."""
    matplotlib.use("Agg")
    cells = medians(results.of("warm"))
    names = list(dict.fromkeys(clip for clip, _ in cells))
    if not names:
        return
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
    Image.open(path).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def _panel(axes: Axes, title: str, cells: dict[str, dict[str, Median]]) -> None:
    peers = [peer.name for peer in PEERS]
    units = {workload: reference[1] for workload, cell in cells.items() if (reference := best(cell, peers))}
    places = {workload: place for place, workload in enumerate(units)}
    for number, (contender, color, marker) in enumerate(zip(COMPARED, COLORS, MARKERS, strict=True)):
        shown = [workload for workload in units if contender.name in cells[workload]]
        x = [places[workload] + (number - len(COMPARED) / 2) * 0.09 for workload in shown]
        y = [min(cells[workload][contender.name].wall / units[workload], MAX_RATIO) for workload in shown]
        axes.plot(x, y, marker, color=color, label=contender.title, markersize=6, zorder=3)
    shown = [workload for workload in units if LIMIT.name in cells[workload]]
    x, y = [places[w] - 0.42 for w in shown], [cells[w][LIMIT.name].wall / units[w] for w in shown]
    axes.hlines(y, x, [left + 0.84 for left in x], colors="#555555", linewidth=2, label="limit of the libraries")
    axes.axhline(1, color="#BBBBBB", linewidth=0.8, linestyle="--", zorder=0)
    axes.set_yscale("log", base=2)
    axes.set_ylim(0.2, MAX_RATIO * 1.1)
    ticks = [0.25, 0.5, 1, 2, 4, 8]
    axes.set_yticks(ticks, [f"{tick:g} x" for tick in ticks])
    axes.set_xticks(range(len(places)), [TITLES[workload] for workload in places], fontsize=8)
    axes.set_xlim(-0.6, max(len(places), 2) - 0.4)
    axes.set_title(title, fontsize=10, loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
