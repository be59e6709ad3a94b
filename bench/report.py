"""The results as tables."""

from __future__ import annotations

from collections.abc import Iterable

from bench import clips, stats, workloads
from bench.contestants import EVERYONE, HWANG, HWANG_OUT, LIMIT, PEERS
from bench.results import Results
from bench.table import Table

TITLES = {contestant.name: contestant.title for contestant in EVERYONE}
PEER_NAMES = tuple(peer.name for peer in PEERS)
MEMORY_CELL = ("h264-1080p", "W2")
OPEN_CLIP = "h264-720p"
NONE = "-"

INTRODUCTION = """# Benchmark

hwang beside other decoders and beside a *limit*: a small C++ program over the very libraries that hwang uses, which
does nothing but decode the samples that are needed and convert the frames that are asked for.

![Time on the clock, relative to the fastest other decoder](bench.png)

Regenerate all of this with `make bench` (below 45 minutes on two cores; `QUICK=1` takes a few, and `CLIPS=`,
`WORKLOADS=`, `REPEAT=` choose). Measured on {processor}, {cores} cores, Linux {kernel}, on {date}.

* Every decoder runs in a process and an environment of its own, in the configuration that serves it best: those with a
  thread count get several tried, and go on with the fastest. The rows are the same for all, drawn with one seed.
* Rounds are interleaved, each begun by another decoder; figures are medians of three rounds, of up to nine where they
  are short. Who needs four times what the fastest needs is measured once. *Warm* means that the video is open and has
  been decoded from before; a request of under two seconds is measured right behind another like it. *Cold* is open,
  index and one request in a fresh process, imports not counted. While one is measured the others are suspended, as
  decord2 goes on working after it has answered.
* Every frame shows its number as a barcode over real footage, read from the returned pixels once the clock has stopped.
* Time on the cores (CPU) holds on a busy machine; time on the clock (wall) only on an idle one.
* hwang's plain `frames(rows)` is compared with the others, as they too return new memory;
  `frames(rows, out=buffer)` with the limit, as that too writes into memory it has.
"""


def markdown(results: Results) -> str:
    machine = results.machine
    introduction = INTRODUCTION.format(
        processor=machine.processor, cores=machine.cores, kernel=machine.kernel, date=machine.date
    )
    return "\n".join([introduction, *(table.markdown() for table in tables(results))])


def tables(results: Results) -> list[Table]:
    """Those that have something to tell."""
    made = [make(results) for make in (ratios, times, cold, wrong, accuracy, remote, footprint)]
    return [table for table in made if table.rows]


def ratios(results: Results) -> Table:
    rows = []
    for (clip, workload), cell in stats.medians(results.records).items():
        peer = stats.best(cell, PEER_NAMES)
        ours = (HWANG_OUT.name,) if HWANG_OUT.name in cell else (HWANG.name,)
        against_limit = [stats.ratio(cell, ours, (LIMIT.name,), figure) for figure in ("wall", "cpu")]
        against_peers = [stats.ratio(cell, (HWANG.name,), PEER_NAMES, figure) for figure in ("wall", "cpu")]
        fastest = f"{TITLES[peer[0]]}, {peer[1]:.3f} s" if peer else "none"
        rows.append((*_cell(clip, workload), *map(_ratio, against_limit), *map(_ratio, against_peers), fastest))
    header = (
        "clip",
        "request",
        "wall ÷ limit",
        "CPU ÷ limit",
        "wall ÷ best other",
        "CPU ÷ best other",
        "fastest other",
    )
    return Table("hwang, relative", header, tuple(rows), "Below 1 hwang is faster. Warm.")


def times(results: Results) -> Table:
    names = [contestant.name for contestant in EVERYONE]
    rows = []
    for (clip, workload), cell in stats.medians(results.records).items():
        figures = [f"{cell[name].wall:.3f} / {cell[name].cpu:.3f}" if name in cell else NONE for name in names]
        rows.append((*_cell(clip, workload), *figures, str(max(median.rounds for median in cell.values()))))
    note = "Seconds on the clock / on the cores, warm. - means no answer; the reasons are below."
    return Table("All decoders", ("clip", "request", *(TITLES[name] for name in names), "rounds"), tuple(rows), note)


def cold(results: Results) -> Table:
    names = [contestant.name for contestant in EVERYONE if contestant not in (LIMIT, HWANG_OUT)]
    rows = []
    for (clip, workload), cell in stats.medians(results.records, "cold").items():
        figures = [f"{cell[name].wall:.3f} / {cell[name].cpu:.3f}" if name in cell else NONE for name in names]
        rows.append((*_cell(clip, workload), *figures))
    note = "Seconds on the clock / on the cores for open, index and request in a fresh process."
    return Table("Cold", ("clip", "request", *(TITLES[name] for name in names)), tuple(rows), note)


def wrong(results: Results) -> Table:
    """Frames of the timed requests that were not the ones asked for, and requests that failed."""
    rows = []
    for contestant in EVERYONE:
        runs = [record for record in results.records if record.contestant == contestant.name]
        errors = {record.error for record in runs if record.error} | {results.absent.get(contestant.name, "")} - {""}
        places = sorted({f"{record.clip} {record.workload}" for record in runs if record.wrong})
        row = (contestant.title, _several([*places, *sorted(errors)]), str(sum(record.wrong for record in runs)))
        rows.append((*row, str(sum(bool(record.error) for record in runs))))
    return Table("Wrong frames while racing", ("decoder", "where, why", "wrong frames", "failed requests"), tuple(rows))


def accuracy(results: Results) -> Table:
    rows = []
    for contestant in EVERYONE:
        verdicts = [verdict for verdict in results.verdicts if verdict.contestant == contestant.name]
        if verdicts:
            counts = [str(sum(v.verdict == kind for v in verdicts)) for kind in ("right", "error", "wrong")]
            rows.append((contestant.title, _several(v.clip for v in verdicts if v.verdict == "wrong"), *counts))
    note = (
        "Small generated clips of many containers, codecs and oddities (open groups of pictures, edit lists, "
        "fragments), their rows in random order. A clip is right if every frame is; an error is an exception; wrong is "
        "silent."
    )
    return Table("Exactness", ("decoder", "silently wrong in", "right", "error", "wrong"), tuple(rows), note)


def remote(results: Results) -> Table:
    floor = results.remote_floor_bytes
    rows = [("floor", "", f"{floor / 1e6:.2f}", "1.00", "", "", "")]
    for fetched in results.remote:
        if fetched.error:
            rows.append((TITLES[fetched.contestant], fetched.error, NONE, NONE, NONE, NONE, NONE))
        else:
            size, share = f"{fetched.sent_bytes / 1e6:.2f}", f"{fetched.sent_bytes / floor:.2f}"
            figures = (size, share, str(fetched.requests), f"{fetched.wall:.2f}", str(fetched.wrong))
            rows.append((TITLES[fetched.contestant], "", *figures))
    rows += [(TITLES[name], reason, NONE, NONE, NONE, NONE, NONE) for name, reason in results.absent.items()]
    note = (
        f"{len(results.remote_rows)} spread frames of a 740 MB MP4 behind a counting HTTP server on this machine. The "
        "floor is the file's index and every group of pictures concerned, up to its last frame wanted. decord2 and "
        "OpenCV read URLs only where their wheels' FFmpeg can."
    )
    header = ("decoder", "problem", "MB", "÷ floor", "requests", "seconds", "wrong frames")
    return Table("Frames over HTTP", header, tuple(rows), note)


def footprint(results: Results) -> Table:
    opened = {}
    for contestant in EVERYONE:
        at = [r for r in results.records if (r.kind, r.clip, r.contestant) == ("cold", OPEN_CLIP, contestant.name)]
        good = [record for record in at if not record.error]
        opened[contestant.name] = min((record.open_wall for record in good), default=None), good[:1]
    rows = []
    for weight in results.footprints:
        seconds, runs = opened[weight.contestant]
        memory = _memory(results, weight.contestant)
        figures = (
            f"{weight.installed_bytes / 1e6:.0f}",
            f"{weight.import_seconds:.2f}",
            f"{seconds * 1000:.1f}" if seconds is not None else NONE,
            f"{runs[0].read_bytes / 1e6:.2f}" if runs else NONE,
            f"{memory / 1e6:.0f}" if memory is not None else NONE,
        )
        rows.append((TITLES[weight.contestant], weight.error or weight.version, *figures))
    note = (
        "Installed: the packages with numpy and the libraries beyond the distribution's. torchcodec counts with torch "
        "as its registry has it, and the CUDA libraries that it is linked to. Import: beyond numpy. Open, index and "
        f"bytes read: {clips.BY_NAME[OPEN_CLIP].title}, {workloads.BY_NAME[workloads.COLD].title}, cold. Memory: the "
        "process's peak "
        f"without the frames themselves, {clips.BY_NAME[MEMORY_CELL[0]].title}, "
        f"{workloads.BY_NAME[MEMORY_CELL[1]].title}."
    )
    header = ("decoder", "version", "installed MB", "import s", "open ms", "read MB", "memory MB")
    return Table("Weight", header, tuple(rows), note)


def _memory(results: Results, name: str) -> int | None:
    runs = [
        record.peak_bytes - record.output_bytes
        for record in results.records
        if (record.clip, record.workload) == MEMORY_CELL and record.contestant == name and not record.error
    ]
    return max(runs, default=None)


def _cell(clip: str, workload: str) -> tuple[str, str]:
    return clips.BY_NAME[clip].title, f"{workload} {workloads.BY_NAME[workload].title}"


def _ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _several(items: Iterable[str]) -> str:
    return "; ".join(items)
