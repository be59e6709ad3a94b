"""What parts cost: measured ones, and any number of others drawn from them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from bench.scale.assumptions import Limits

FILE: Final = Path(__file__).with_name("costs.json")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A part that was done. `gets` and `puts` are its pieces' requests to S3, `bytes` what those read."""

    predicted_seconds: float
    seconds: float
    bytes: int
    gets: int
    puts: int
    frames: int
    pieces: int


@dataclass(frozen=True)
class Parts:
    """float64 [parts] each. `seconds`: of work of one attempt, with S3 as fast as it can be."""

    seconds: Floats
    gets: Floats
    puts: Floats
    frames: Floats

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(frozen=True)
class Costs:
    """`how`: how they were measured. `videos`: that the samples are the work of."""

    how: str
    date: str
    videos: int
    samples: tuple[Sample, ...]

    @property
    def seconds_of_a_video(self) -> float:
        return sum(sample.predicted_seconds for sample in self.samples) / self.videos

    @property
    def variation(self) -> float:
        """The standard deviation of measured over predicted seconds, in units of its mean."""
        ratios = [sample.seconds / sample.predicted_seconds for sample in self.samples]
        return float(np.std(ratios) / np.mean(ratios))

    def draw(self, count: int, part_seconds: float, limits: Limits, rng: np.random.Generator) -> Parts:
        """Parts that are predicted to take `part_seconds`: samples at random, each scaled to that length.

        The measured seconds are without S3's latency and bandwidth: those come on top, and nothing of them overlaps.
        """
        columns = np.array([[float(v) for v in asdict(sample).values()] for sample in self.samples])
        predicted, seconds, size, gets, puts, frames, _ = columns[rng.integers(len(columns), size=count)].T
        scale = part_seconds / predicted
        gets = gets * scale + limits.gets_of_a_part
        puts = puts * scale + limits.puts_of_a_part
        waiting = (gets + puts) * limits.request_seconds / limits.connections + size * scale / limits.bytes_per_second
        return Parts(seconds * scale + waiting + limits.part_overhead_seconds, gets, puts, frames * scale)

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        document = json.loads(path.read_text())
        names = [field.name for field in fields(Sample)]
        samples = tuple(Sample(**dict(zip(names, row, strict=True))) for row in document.pop("samples"))
        return cls(**{name: document[name] for name in ("how", "date", "videos")}, samples=samples)

    def write(self, path: Path = FILE) -> None:
        """JSON with a sample a line, its values in the order of Sample's fields."""
        head = json.dumps({"how": self.how, "date": self.date, "videos": self.videos}, indent=1)[:-2]
        names = json.dumps([field.name for field in fields(Sample)])
        lines = ",\n  ".join(json.dumps(list(asdict(sample).values())) for sample in self.samples)
        path.write_text(f'{head},\n "columns": {names},\n "samples": [\n  {lines}\n ]\n}}\n')


def measured(manifest: dict[str, Any]) -> Costs:
    """From a job's manifest, `_manifest.json` or `_job/summary.json`. Raises ValueError if no part is in it.

    A part that took more than one attempt is left out: its pieces were not all done in the last.
    """
    objects: Counter[int] = Counter()
    for result in manifest["results"]:
        objects[result["part"]] += result.get("objects", len(result["output"])) + 1  # and its manifest
    samples = tuple(
        Sample(
            predicted_seconds=part["predicted_seconds"],
            seconds=round(part["ended"] - part["started"], 3),
            bytes=part["bytes_read"],
            gets=part["requests"],
            puts=objects[part["part"]],
            frames=part["frames"],
            pieces=part["pieces"],
        )
        for part in manifest["timeline"]
        if part["attempts"] == 1 and part["predicted_seconds"] > 0
    )
    if not samples:
        raise ValueError("the manifest tells of no part that was done in one attempt")
    day = datetime.fromtimestamp(manifest["ended"], UTC).date().isoformat()
    how = (
        f"the {len(samples)} parts of {manifest['job']} that were done in one attempt, over {manifest['videos']} videos"
    )
    return Costs(how, day, manifest["videos"], samples)
