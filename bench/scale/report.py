"""The outcomes as a page."""

from __future__ import annotations

from math import ceil
from typing import Final

from bench.scale import grid
from bench.scale.assumptions import Limits, assumptions, read_on
from bench.scale.binding import Binding
from bench.scale.costs import Costs
from bench.scale.grid import Outcomes, Setting, Sizes
from bench.scale.job import Outcome
from bench.scale.words import INTRODUCTION, METHOD, SHORT
from bench.table import Table

_HEADER: Final = (
    "parts",
    "part_seconds",
    "limited by",
    "ideal",
    "wall",
    "ideal ÷ wall",
    "Lambda $",
    "Step Functions $",
    "S3 $",
    "together $",
    "$ a million frames",
)
_LEFT: Final = 3
_ITEM_BYTES: Final = 120  # of a part among the items of a Map Run
_SETTINGS: Final = (
    (
        grid.AT_FIRST,
        "1,000 at once",
        "What an account may do at first, and what `deploy/frames.asl.json` does: Standard children.",
    ),
    (grid.RAISED, "10,000 at once", "The same with Lambda's quota raised to the most that one Map Run uses."),
    (
        grid.EXPRESS,
        "10,000 at once, Express children",
        "They start ten times as fast, and must end within five minutes.",
    ),
    (
        grid.PREPARED,
        "10,000 at once, Express children, S3 ready",
        "Also with videos and results over eight of S3's partitions each from the start.",
    ),
)


def markdown(outcomes: Outcomes, costs: Costs, limits: Limits, sizes: Sizes = grid.PARTS) -> str:
    """Needs the outcomes of `grid.everything(sizes)`."""
    some = next(iter(outcomes.values()))
    introduction = INTRODUCTION.format(
        how=costs.how,
        date=costs.date,
        variation=costs.variation,
        read=read_on(),
        parts_of_a_job=int(limits.parts_of_a_job),
        region=some.cost.prices_of,
        prices_of=some.cost.of,
        memory=limits.memory_mb,
    )
    tables = [results(setting, title, note, outcomes, sizes) for setting, title, note in _SETTINGS]
    tables += [images(outcomes, sizes), asks(outcomes, limits, sizes), assumed()]
    method = METHOD.format(items=limits.parts_of_a_job * _ITEM_BYTES / 1e6)
    return "\n".join([introduction, short(outcomes, limits, sizes), *(table.markdown() for table in tables), method])


def short(outcomes: Outcomes, limits: Limits, sizes: Sizes) -> str:
    """The findings, with their numbers."""
    small, middle, large = sizes
    first, express, prepared = (outcomes[s.of(middle)] for s in (grid.AT_FIRST, grid.EXPRESS, grid.PREPARED))
    image, image_prepared = (outcomes[s.of(small, images=True)] for s in (grid.AT_FIRST, grid.AT_FIRST_PREPARED))
    most = outcomes[grid.AT_FIRST.of(large)]
    shortest, _, longest = (outcomes[grid.AT_FIRST.of(middle, seconds)] for seconds in grid.PART_SECONDS)
    return SHORT.format(
        small=small,
        parts=middle,
        first=span(first.seconds),
        share=first.ideal_seconds / first.seconds,
        largest=most.ideal_seconds / most.seconds,
        rate=limits.standard_start_rate,
        standard=_about(limits.standard_start_rate * first.work_seconds / middle),
        readers=_about(limits.get_rate * first.work_seconds / first.map.gets),
        slow=express.map.lowest_speed,
        dearer=express.cost.dollars / prepared.cost.dollars,
        gather=span(first.steps["gather"]),
        most=_about(limits.timeout_seconds / first.steps["gather"] * middle),
        gathering=prepared.steps["gather"] / prepared.seconds,
        prepared=span(prepared.seconds),
        images=span(image.seconds),
        plain=span(outcomes[grid.AT_FIRST.of(small)].seconds),
        image_objects=_about(image.map.puts / image.map.done),
        image_s3=image_prepared.cost.s3_dollars / image_prepared.cost.dollars,
        overhead=shortest.cost.step_functions_dollars / shortest.cost.dollars,
        longer=1 - longest.cost.dollars / longest.frames / (first.cost.dollars / first.frames),
    )


def results(setting: Setting, title: str, note: str, outcomes: Outcomes, sizes: Sizes) -> Table:
    rows = [row(outcomes[scenario]) for scenario in grid.table(setting, sizes)]
    return Table(title, _HEADER, tuple(rows), note, left_columns=_LEFT)


def images(outcomes: Outcomes, sizes: Sizes) -> Table:
    chosen = [(setting.name, outcomes[setting.of(sizes[0], images=True)]) for setting in grid.IMAGES]
    note = (
        "The same frames as images (`jpeg`, `png`, `webp`), where the tables above have an object for each piece of a "
        "video."
    )
    rows = tuple((name, *row(outcome)) for name, outcome in chosen)
    return Table("An object for each frame", ("at once", *_HEADER), rows, note, left_columns=_LEFT + 1)


def asks(outcomes: Outcomes, limits: Limits, sizes: Sizes) -> Table:
    """What each concurrency needs, beside what an account has."""
    settings = ((grid.AT_FIRST, False), (grid.RAISED, False), (grid.AT_FIRST, True), (grid.RAISED, True))
    rows = [
        _ask(outcomes[setting.of(sizes[0], seconds, images=as_images)], limits)
        for setting, as_images in settings
        for seconds in ((grid.USUAL_SECONDS,) if as_images else grid.PART_SECONDS)
    ]
    note = (
        "While all work at once. Bold is more than there is without asking. For *at once*: raise Lambda's quota "
        "*Concurrent executions*. For *starts*: longer parts, Express children, or several jobs side by side. For "
        "*reads* and *writes*: have AWS Support split the prefixes beforehand, or spread videos and results over "
        f"prefixes that are busy already. New environments come at {limits.environment_rate:.0f} a second after the "
        f"first {limits.environment_burst:,.0f}; that cannot be raised and need not be."
    )
    header = (
        "written as",
        "part_seconds",
        "at once",
        f"starts a second, of {limits.standard_start_rate:,.0f} or {limits.express_start_rate:,.0f}",
        f"reads a second, of {limits.get_rate:,.0f}",
        f"writes a second, of {limits.put_rate:,.0f}",
        "partitions for reads, writes",
    )
    return Table("What to ask AWS for", header, tuple(rows), note)


def assumed() -> Table:
    rows = []
    for entry in assumptions():
        source = f"[page]({entry.source})" if entry.source.startswith("http") else f"`{entry.source}`"
        rows.append((f"`{entry.name}`", f"{entry.value:,g} {entry.unit}", entry.kind, entry.says, source))
    header = ("assumption", "value", "how sure", "what it is", "source")
    note = (
        f"Looked up on {read_on()} in stored copies of the pages. *Documented*: by the service; *reported*: by "
        "somebody else; *measured*; *ours*: what this tree does; *assumed*: a guess on the cautious side. The table is "
        "`bench/scale/assumptions.toml`."
    )
    return Table("Assumptions", header, tuple(rows), note, left_columns=len(header))


def span(seconds: float) -> str:
    """As a person says it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def row(outcome: Outcome) -> tuple[str, ...]:
    scenario, cost = outcome.scenario, outcome.cost
    amounts = (cost.lambda_dollars, cost.step_functions_dollars, cost.s3_dollars, cost.dollars)
    return (
        f"{scenario.parts:,}",
        f"{scenario.part_seconds:g}",
        _limited_by(outcome),
        span(outcome.ideal_seconds),
        span(outcome.seconds),
        f"{outcome.ideal_seconds / outcome.seconds:.0%}",
        *(f"{amount:,.2f}" for amount in amounts),
        f"{cost.dollars / outcome.frames * 1e6:,.2f}",
    )


def _limited_by(outcome: Outcome) -> str:
    name = outcome.binding
    told = name.value if name is Binding.CONCURRENCY else f"{name.value}, {span(outcome.waits[name])}"
    return "; ".join([told, *(f"**{why}**" for why in outcome.broken)])


def _ask(outcome: Outcome, limits: Limits) -> tuple[str, ...]:
    scenario = outcome.scenario
    starts = scenario.concurrency * scenario.parts / outcome.work_seconds
    reads, writes = (starts * count / outcome.map.done for count in (outcome.map.gets, outcome.map.puts))
    return (
        "an object a frame" if scenario.images else "an object a piece",
        f"{scenario.part_seconds:g}",
        _bold(f"{scenario.concurrency:,.0f}", scenario.concurrency > grid.USUAL),
        _bold(f"{starts:,.0f}", starts > limits.standard_start_rate),
        _bold(f"{reads:,.0f}", reads > limits.get_rate),
        _bold(f"{writes:,.0f}", writes > limits.put_rate),
        f"{ceil(reads / limits.get_rate)}, {ceil(writes / limits.put_rate)}",
    )


def _about(value: float) -> str:
    """With two figures that count."""
    return f"{float(f'{value:.2g}'):,.0f}"


def _bold(text: str, yes: bool) -> str:
    return f"**{text}**" if yes else text
