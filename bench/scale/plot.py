"""The picture: how long, what it costs, and what the time goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.scale import grid
from bench.scale.binding import Binding
from bench.scale.grid import Outcomes
from bench.scale.job import Outcome
from bench.scale.report import span

# Of Okabe and Ito, and greys for what is nobody's limit.
COLOURS: Final = {
    Binding.CONCURRENCY: "#009E73",
    Binding.STARTS: "#D55E00",
    Binding.ENVIRONMENTS: "#F0E442",
    Binding.INVOCATIONS: "#000000",
    Binding.GETS: "#0072B2",
    Binding.PUTS: "#56B4E9",
    Binding.GATHER: "#CC79A7",
    Binding.PLAN: "#E69F00",
    Binding.MAP_RUN: "#999999",
    Binding.LAST: "#D0D0D0",
}
_WHITE_ON: Final = (Binding.CONCURRENCY, Binding.STARTS, Binding.GETS)
_SERVICES: Final = (("Lambda", "#7F9BB3"), ("Step Functions", "#D9A441"), ("S3", "#5B7F5B"))
_LINES: Final = ((grid.AT_FIRST, 0), (grid.RAISED, 7), (grid.PREPARED, -7))  # and how far up its name goes
_GREY: Final = "#666666"
_NARROW: Final = 0.055  # of the width: too little for its number


def draw(outcomes: Outcomes, path: Path) -> None:
    """A PNG file. Needs the outcomes of `grid.everything()`."""
    matplotlib.use("Agg")
    style = {"font.size": 10, "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left"}
    with plt.rc_context(style):
        figure = plt.figure(figsize=(13, 10.5), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=(1.2, 1), hspace=0.04)
        walls, costs = above.subplots(1, 2, width_ratios=(1.7, 1), gridspec_kw={"wspace": 0.05})
        _walls(walls, outcomes)
        _costs(costs, outcomes)
        _waits(below.subplots(), outcomes)
        figure.savefig(path, dpi=120)
        plt.close(figure)


def _walls(axes: Axes, outcomes: Outcomes) -> None:
    counts = sorted({*grid.PARTS, *grid.BETWEEN})
    used = set()
    for setting, up in _LINES:
        found = [outcomes[setting.of(count)] for count in counts]
        seconds = [outcome.seconds for outcome in found]
        axes.plot(counts, seconds, color=_GREY, linewidth=1.6, zorder=2)
        for count, outcome in zip(counts, found, strict=True):
            used.add(outcome.binding)
            axes.plot(count, outcome.seconds, "o", color=COLOURS[outcome.binding], markersize=11, zorder=3)
        at = (counts[-1], seconds[-1])
        text = f"{setting.name}: {span(seconds[-1])}"
        axes.annotate(text, at, xytext=(12, up), textcoords="offset points", va="center")
    for setting in (grid.AT_FIRST, grid.RAISED):
        ideal = [outcomes[setting.of(count)].ideal_seconds for count in counts]
        axes.plot(counts, ideal, ":", color=_GREY, linewidth=1.4, zorder=1)
        place = (counts[-2] * 1.15, ideal[-2] * 1.15 / 1.22)
        axes.annotate(f"ideal at {setting.concurrency:,}", place, color=_GREY, fontsize=9, va="top")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(counts[0] * 0.8, counts[-1] * 13)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_xticks([], minor=True)
    axes.set_ylim(25, 15 * 3600)
    axes.set_yticks(
        [30, 60, 300, 600, 1800, 3600, 4 * 3600, 10 * 3600],
        ["30 s", "1 min", "5 min", "10 min", "30 min", "1 h", "4 h", "10 h"],
    )
    axes.set_yticks([], minor=True)
    axes.grid(color="#E8E8E8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"parts of {grid.USUAL_SECONDS} s")
    axes.set_title("Wall time, by concurrency")
    note = "Standard children, unless Express.\nS3 ready: eight partitions, else one at first."
    axes.text(0.985, 0.03, note, transform=axes.transAxes, ha="right", va="bottom", color=_GREY, fontsize=9)
    handles = [
        Line2D([], [], marker="o", linestyle="", color=COLOURS[name], markersize=10, label=name.value)
        for name in COLOURS
        if name in used
    ]
    axes.legend(handles=handles, title="limited by", loc="upper left", frameon=False, alignment="left")
    _bare(axes)


def _costs(axes: Axes, outcomes: Outcomes) -> None:
    parts, usual = grid.PARTS[0], grid.USUAL_SECONDS
    groups = [
        ("Standard", [(f"{s} s", outcomes[grid.AT_FIRST.of(parts, s)]) for s in grid.PART_SECONDS]),
        ("Express", [(f"{s} s", outcomes[grid.AT_FIRST_EXPRESS.of(parts, s)]) for s in grid.PART_SECONDS]),
        (
            f"images, {usual} s",
            [
                ("S3 ready", outcomes[grid.AT_FIRST_PREPARED.of(parts, images=True)]),
                ("not", outcomes[grid.AT_FIRST.of(parts, images=True)]),
            ],
        ),
    ]
    place, ticks, names = 0.0, [], []
    for title, bars in groups:
        start, step = place, 1.0 if len(bars) > 2 else 1.3
        for name, outcome in bars:
            _bar(axes, place, outcome)
            ticks.append(place)
            names.append(name)
            place += step
        middle = (start + place - step) / 2
        transform = axes.get_xaxis_transform()
        axes.text(middle, -0.075, title, transform=transform, ha="center", va="top", fontweight="bold")
        place += 0.6
    axes.set_xticks(ticks, names)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("US dollars")
    axes.set_title("Cost of a million frames, by part_seconds")
    handles = [Patch(color=colour, label=name) for name, colour in reversed(_SERVICES)]
    axes.legend(handles=handles, frameon=False, loc="upper left")
    _bare(axes)


def _bar(axes: Axes, place: float, outcome: Outcome) -> None:
    cost, millions, top = outcome.cost, outcome.frames / 1e6, 0.0
    amounts = (cost.lambda_dollars, cost.step_functions_dollars, cost.s3_dollars)
    for (_, colour), amount in zip(_SERVICES, amounts, strict=True):
        axes.bar(place, amount / millions, 0.8, bottom=top, color=colour)
        top += amount / millions
    axes.annotate(f"{top:.2f}", (place, top), xytext=(0, 3), textcoords="offset points", ha="center")


def _waits(axes: Axes, outcomes: Outcomes) -> None:
    rows = [(count, setting) for count in grid.PARTS for setting in grid.SETTINGS]
    found = [outcomes[setting.of(count)] for count, setting in rows]
    used = [name for name in COLOURS if any(outcome.waits[name] > 0.01 * outcome.seconds for outcome in found)]
    settings = len(grid.SETTINGS)
    places = [number + 0.6 * (number // settings) for number in range(len(rows))]
    for place, outcome in zip(places, found, strict=True):
        left = 0.0
        for name in used:
            share = outcome.waits[name] / outcome.seconds
            axes.barh(place, share, 0.86, left=left, color=COLOURS[name], edgecolor="white", linewidth=0.5)
            if share >= _NARROW:
                colour = "white" if name in _WHITE_ON else "black"
                told = span(outcome.waits[name])
                axes.text(left + share / 2, place, told, ha="center", va="center", fontsize=8.5, color=colour)
            left += share
        axes.text(1.006, place, span(outcome.seconds), va="center")
    axes.set_yticks(places, [setting.name for _, setting in rows])
    axes.tick_params(axis="y", length=0)
    for number, count in enumerate(grid.PARTS):
        middle = sum(places[number * settings : (number + 1) * settings]) / settings
        transform = axes.get_yaxis_transform()
        text = f"{count:,}\nparts"
        axes.text(-0.2, middle, text, transform=transform, ha="center", va="center", fontweight="bold")
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_title(f"What the wall time goes on, by concurrency (parts of {grid.USUAL_SECONDS} s)")
    handles = [Patch(color=COLOURS[name], label=name.value) for name in used]
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.45, 0.0), ncols=-(-len(used) // 2), frameon=False
    )
    _bare(axes)


def _bare(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
