"""The results as a page of tables."""

from __future__ import annotations

from collections.abc import Sequence

from bench import clips, workloads
from bench.contenders import HWANG, LIMIT, PEERS, TITLES
from bench.results import Figure, Median, Results, best, medians, ratio

PEER_NAMES = tuple(peer.name for peer in PEERS)
MEMORY_CELL = ("h264-1080p", "W2")
OPEN_CLIP = "h264-720p"
LEFT_COLUMNS = 2  # of every table; the others are figures
NONE = "-"
FIGURES: tuple[Figure, ...] = ("wall", "cpu")

INTRODUCTION = """# Benchmark

This page compares hwang with other decoders, and with a *limit*: C++ over the same libraries that does nothing but
decode the needed samples and convert the requested frames.

![Wall time, relative to the fastest other decoder](bench.png)

`make bench` measures all of this again (below 45 minutes on two cores; `QUICK=1` takes a few, and `CLIPS=`,
`WORKLOADS=`, `REPEAT=` choose). Measured on {processor}, {cores} cores, Linux {kernel}, on {date}.

* Each decoder runs in its own process and environment, in its best configuration: with the fastest of several thread
  counts. All decode the same rows, drawn with one seed.
* Rounds are interleaved, and each begins with another decoder; figures are medians of three rounds, or of up to nine
  short ones. A decoder that takes four times as long as the fastest is measured once. *Warm*: the video is open and was
  decoded from before; a request of under two seconds follows another like it. *Cold*: open, index and one request in a
  fresh process, without imports. The other decoders are suspended meanwhile, because decord2 works on after it has
  answered.
* Every frame shows its number as a barcode over real footage, which is read from the returned pixels afterwards.
* CPU time is valid on a busy machine, wall time only on an idle one.
* hwang returns new memory, as the others do; the limit reuses memory.
"""


def markdown(results: Results) -> str:
    """The page, with the tables that there are results for."""
    tables = (ratios, times, cold, wrong, exactness, remote, footprint)
    return INTRODUCTION.format(**vars(results)) + "".join(table(results) for table in tables)


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """A table below its heading and note; empty if it has no rows."""
    if not rows:
        return ""
    lines = ["", f"## {title}", "", *([note, ""] if note else []), f"| {' | '.join(header)} |"]
    lines.append("|" + "".join(" --- |" if i < LEFT_COLUMNS else " ---: |" for i in range(len(header))))
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def ratios(results: Results) -> str:
    """hwang's time in units of the limit's and of the best other's."""
    rows = []
    for where, cell in medians(results.of("warm")).items():
        peer = best(cell, PEER_NAMES)
        compared = [(others, figure) for others in ((LIMIT.name,), PEER_NAMES) for figure in FIGURES]
        values = [ratio(cell, HWANG.name, others, figure) for others, figure in compared]
        figures = [NONE if value is None else f"{value:.2f}" for value in values]
        rows.append((*_titles(where), *figures, f"{TITLES[peer[0]]}, {peer[1]:.3f} s" if peer else "none"))
    columns = ("wall ÷ limit", "CPU ÷ limit", "wall ÷ best other", "CPU ÷ best other", "fastest other")
    return _table("hwang, relative", ("clip", "request", *columns), rows, "Below 1 hwang is faster. Warm.")


def times(results: Results) -> str:
    """Every contender's times in every warm cell."""
    rows = [
        (*_titles(where), *(_times(cell.get(name)) for name in TITLES), str(max(m.rounds for m in cell.values())))
        for where, cell in medians(results.of("warm")).items()
    ]
    note = "Seconds of wall time / CPU time, warm. - means no answer; the reasons are below."
    return _table("All decoders", ("clip", "request", *TITLES.values(), "rounds"), rows, note)


def cold(results: Results) -> str:
    """Every contender's times in a fresh process."""
    names = [name for name in TITLES if name != LIMIT.name]
    rows = [
        (*_titles(where), *(_times(cell.get(name)) for name in names))
        for where, cell in medians(results.of("cold")).items()
    ]
    note = "Seconds of wall time / CPU time for open, index and request in a fresh process."
    return _table("Cold", ("clip", "request", *(TITLES[name] for name in names)), rows, note)


def wrong(results: Results) -> str:
    """Frames of the timed requests that were not the ones asked for, and requests that failed."""
    rows = []
    for name, title in TITLES.items():
        runs = [record for record in results.of("warm") + results.of("cold") if record.contender == name]
        errors = {record.error for record in runs} | {results.absent.get(name, "")}
        places = sorted({f"{record.clip} {record.workload}" for record in runs if record.wrong})
        figures = sum(record.wrong for record in runs), sum(bool(record.error) for record in runs)
        rows.append((title, "; ".join([*places, *sorted(errors - {""})]), *map(str, figures)))
    return _table("Wrong frames while racing", ("decoder", "where, why", "wrong frames", "failed requests"), rows)


def exactness(results: Results) -> str:
    """The small clips that each contender has right, fails at, or has silently wrong."""
    rows = []
    for name, title in TITLES.items():
        runs = [record for record in results.of("exact") if record.contender == name]
        failed, silent = [run for run in runs if run.error], [run for run in runs if run.wrong]
        counts = len(runs) - len(failed) - len(silent), len(failed), len(silent)
        if runs:
            rows.append((title, "; ".join(run.clip for run in silent), *map(str, counts)))
    note = (
        "Small generated clips of many containers, codecs and oddities (open groups of pictures, edit lists, "
        "fragments), their rows in random order. A clip is right if every frame is; an error is an exception; wrong is "
        "silent."
    )
    return _table("Exactness", ("decoder", "silently wrong in", "right", "error", "wrong"), rows, note)


def remote(results: Results) -> str:
    """The bytes and requests of a few frames over HTTP."""
    floor = results.remote_floor_bytes
    rows: list[tuple[str, ...]] = [("floor", "", f"{floor / 1e6:.2f}", "1.00", "", "", "")]
    for run in results.of("remote"):
        size, share = f"{run.read_bytes / 1e6:.2f}", f"{run.read_bytes / floor:.2f}"
        figures = (size, share, str(run.requests), f"{run.wall:.2f}", str(run.wrong))
        rows.append((TITLES[run.contender], run.error, *((NONE,) * len(figures) if run.error else figures)))
    note = (
        f"{workloads.REMOTE.title} frames of a 740 MB MP4 behind a counting HTTP server on this machine. The "
        "floor is the file's index and every group of pictures concerned, up to its last frame wanted. decord2 and "
        "OpenCV read URLs only if their wheels' FFmpeg can."
    )
    header = ("decoder", "problem", "MB", "÷ floor", "requests", "seconds", "wrong frames")
    return _table("Frames over HTTP", header, rows, note)


def footprint(results: Results) -> str:
    """The weight of each contender: installed, imported, opened and at work."""
    rows = []
    for weight in results.footprints:
        runs = [run for run in results.records if run.contender == weight.contender and not run.error]
        opened = [run for run in runs if (run.kind, run.clip) == ("cold", OPEN_CLIP)]
        at_work = [run for run in runs if (run.kind, run.clip, run.workload) == ("warm", *MEMORY_CELL)]
        figures = (
            f"{weight.installed_bytes / 1e6:.0f}",
            f"{weight.import_seconds:.2f}",
            f"{min(run.open_wall for run in opened) * 1000:.1f}" if opened else NONE,
            f"{opened[0].read_bytes / 1e6:.2f}" if opened else NONE,
            f"{max(run.peak_bytes - run.output_bytes for run in at_work) / 1e6:.0f}" if at_work else NONE,
        )
        rows.append((TITLES[weight.contender], weight.error or weight.version, *figures))
    note = (
        "Installed: the packages with numpy and the libraries beyond the distribution's. torchcodec counts with torch "
        "as its registry has it, and the CUDA libraries that it is linked to. Import: beyond numpy. Open, index and "
        f"bytes read: {clips.BY_NAME[OPEN_CLIP].title}, {workloads.COLD.title}, cold. Memory: the process's peak "
        f"without the frames themselves, {', '.join(_titles(MEMORY_CELL))}."
    )
    header = ("decoder", "version", "installed MB", "import s", "open ms", "read MB", "memory MB")
    return _table("Weight", header, rows, note)


def _titles(where: tuple[str, str]) -> tuple[str, str]:
    clip, workload = where
    return clips.BY_NAME[clip].title, f"{workload} {workloads.BY_NAME[workload].title}"


def _times(median: Median | None) -> str:
    return f"{median.wall:.3f} / {median.cpu:.3f}" if median else NONE
