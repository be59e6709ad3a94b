"""How much is measured: from the environment of `make bench`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.workloads import BY_NAME, OF_CLIP, Workload

QUICK_CLIPS = ("h264-720p", "hevc-720p")
QUICK_WORKLOADS = ("W1", "W3", "W4", "W6")


@dataclass(frozen=True)
class Settings:
    clips: tuple[str, ...]
    workloads: tuple[str, ...]
    rounds: int  # that a cell (clip x workload) is measured, unless they take too long
    most_rounds: int  # of a cell whose rounds are short
    cold_rounds: int
    steady_seconds: float  # a cell gets more rounds until this
    budget_seconds: float  # no further round is begun if it would end past this
    small_clips: int | None  # of the accuracy table; None: all

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """QUICK=1, CLIPS="a b", WORKLOADS="W2 W3", REPEAT=5. Raises ValueError for unknown names."""
        quick = environment.get("QUICK", "") not in ("", "0")
        clips = tuple(environment.get("CLIPS", "").replace(",", " ").split())
        asked = tuple(environment.get("WORKLOADS", "").replace(",", " ").split())
        for names, known in ((clips, list(OF_CLIP)), (asked, list(BY_NAME))):
            for name in set(names) - set(known):
                raise ValueError(f"{name!r} is none of {', '.join(known)}")
        rounds = int(environment.get("REPEAT") or (2 if quick else 3))
        return cls(
            clips or (QUICK_CLIPS if quick else tuple(OF_CLIP)),
            asked or (QUICK_WORKLOADS if quick else tuple(BY_NAME)),
            rounds,
            rounds if quick or environment.get("REPEAT") else 3 * rounds,
            1 if quick else 2,
            15,
            20 if quick else 120,
            8 if quick else None,
        )

    def cells(self) -> list[tuple[str, list[Workload]]]:
        """The clips and what is asked of each, in the order of measuring."""
        chosen = [(clip, [BY_NAME[name] for name in OF_CLIP[clip] if name in self.workloads]) for clip in self.clips]
        return [(clip, asked) for clip, asked in chosen if asked]
