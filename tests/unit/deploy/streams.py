"""A model of coded video that knows nothing of plans: which picture needs which, and what a decoder makes of it.

Streams are built the way encoders build them: groups of pictures, each with a sync sample, pictures that lead it (are
decoded after it and displayed before it, HEVC's RASL and RADL) and pictures that trail it. As encoders guarantee,
a trailing picture needs nothing from before its sync sample, and no leading picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
from hypothesis import strategies as st

from hwang.index import VideoIndex

LOST = -1
"""A reference to a picture that was cut off with the beginning of the file."""


@dataclass(frozen=True)
class Picture:
    """One sample. It comes out right if it is fed after all that it refers to, and those came out right."""

    references: frozenset[int]  # sample numbers, all earlier in decode order
    display: float  # rank in presentation order
    sync: bool = False
    resets: bool = False  # nothing behind it refers to anything before it
    disposable: bool = False
    shown: bool = True
    size: int = 1
    pts: int = 0


@dataclass(frozen=True)
class Stream:
    """Samples in decode order, and the file that holds them."""

    pictures: tuple[Picture, ...]
    offsets: tuple[int, ...]
    sync_table: tuple[bool, ...]  # what the container says, which need not be the truth
    rows: tuple[int, ...]  # row -> sample

    def index(self) -> VideoIndex:
        pts = [picture.pts for picture in self.pictures]
        return VideoIndex(
            sample_offset=np.array(self.offsets, np.uint64),
            sample_size=np.array([picture.size for picture in self.pictures], np.uint32),
            pts=np.array(pts, np.int64),
            dts=np.arange(len(pts)),
            sync=np.array(self.sync_table, np.bool_),
            disposable=np.array([picture.disposable for picture in self.pictures], np.bool_),
            order=np.array(self.rows, np.uint32),
            row_pts=np.arange(len(self.rows)),
            width=64,
            height=48,
            time_base=(1, 25),
            duration_ticks=len(self.rows),
            container="mov",
            codec="hevc",
        )

    def decode(self, fed: Iterable[int]) -> set[int]:
        """The samples that a fresh decoder gets right, fed with `fed` in that order."""
        right: set[int] = set()
        available: set[int] = set()
        for number in fed:
            picture = self.pictures[number]
            if picture.resets:
                available.clear()
            if picture.references <= available:
                right.add(number)
                available.add(number)
        return right

    def is_right(self, first: int, wanted: Iterable[int]) -> bool:
        """Whether a decoder that is fed everything from sample `first` on gets all of `wanted`."""
        return set(wanted) <= self.decode(range(first, len(self.pictures)))


@dataclass
class _Builder:
    """Appends groups of pictures in decode order."""

    random: Random
    reorder: bool  # pictures that lead their sync sample, and B pictures
    radl: bool  # leading pictures that need only what follows their sync sample; no table tells them from the others
    pictures: list[Picture] = field(default_factory=list)
    referable: list[int] = field(default_factory=list)  # of the group before: what leading pictures may refer to

    def _some(self, candidates: list[int]) -> frozenset[int]:
        """One to three of `candidates`; the last one is the likeliest."""
        falling = range(len(candidates), 0, -1)
        return frozenset(self.random.choices(candidates[::-1], falling, k=self.random.randint(1, 3)))

    def _add(self, references: frozenset[int], display: float, **more: bool) -> int:
        self.pictures.append(Picture(references, display, size=self.random.randint(1, 90), **more))
        return len(self.pictures) - 1

    def group(self, number: int, length: int) -> None:
        """One group: its sync sample, what leads it, then an anchor and the pictures between two anchors, again."""
        before, base = self.referable, number * 1000.0
        leading = self.random.randint(0, 3) if self.reorder and (before or self.radl) else 0
        opens = bool(leading) and bool(before) and not (self.radl and self.random.random() < 0.5)
        sync = self._add(frozenset(), base, sync=True, resets=not opens)
        self._between([*before, sync] if opens else [sync], base - 500, leading, before[-1:] if opens else [])
        self.referable = [sync]
        while len(self.pictures) - sync - leading < length:
            base += 10
            anchor = self._add(self._some(self.referable), base)
            self.referable += [anchor]
            self.referable += self._between(self.referable, base - 9, self.random.randint(0, 4) * self.reorder, [])

    def _between(self, candidates: list[int], first: float, count: int, needed: list[int]) -> list[int]:
        """`count` B pictures, displayed in any order from `first` on; some refer to each other (a pyramid)."""
        added: list[int] = []
        for place in self.random.sample(range(count), count):
            added.append(self._add(self._some([*candidates, *added]) | set(needed), first + place))
        return added


@st.composite
def streams(draw: st.DrawFn, *, radl: bool = False, jumps: bool = False, lying_sync_table: bool = False) -> Stream:
    """Streams of up to about 60 samples.

    radl: with leading pictures that a decoder could have had from their own sync sample.
    jumps: with timestamps that start anew at a sync sample, as concatenated files have.
    lying_sync_table: the container marks samples that decoding cannot start at.
    """
    lengths = draw(
        st.one_of(
            st.lists(st.integers(1, 10), min_size=1, max_size=6),
            st.lists(st.just(1), min_size=1, max_size=20),  # all-intra
            st.tuples(st.integers(20, 40)).map(list),  # one giant group
        )
    )
    random = draw(st.randoms(use_true_random=True))  # many small choices: one seed is faster than drawing each
    builder = _Builder(random, draw(st.booleans()), radl)
    for number, length in enumerate(lengths):
        builder.group(number, length)
    pictures = _cut(random, builder.pictures)
    pictures = _timed(random, _flagged(random, pictures), jumps)
    table = [picture.sync for picture in pictures]
    if lying_sync_table:
        table = [sync or random.random() < 0.5 for sync in table]
    elif random.random() < 0.1:  # a container without a table
        table = [False] * len(pictures)
    return Stream(tuple(pictures), _placed(random, pictures), tuple(table), _edited(random, pictures))


def _cut(random: Random, pictures: list[Picture]) -> list[Picture]:
    """A file that begins in the middle, now and then. What then cannot be decoded is not shown."""
    first = random.randrange(len(pictures)) if random.random() < 0.2 else 0
    kept = [
        replace(picture, references=frozenset(max(number - first, LOST) for number in picture.references))
        for picture in pictures[first:]
    ]
    right = Stream(tuple(kept), (), (), ()).decode(range(len(kept)))
    return [replace(picture, shown=number in right) for number, picture in enumerate(kept)]


def _flagged(random: Random, pictures: list[Picture]) -> list[Picture]:
    """Some hidden, some of the unreferenced marked disposable, some of those without any bytes."""
    referenced = frozenset[int]().union(*(picture.references for picture in pictures))
    result = []
    for number, picture in enumerate(pictures):
        fate = random.choice(["plain", "plain", "disposable", "hidden", "empty"])
        loose = number not in referenced
        if fate == "disposable" and loose:
            picture = replace(picture, disposable=True)
        if fate == "hidden" or (fate == "empty" and loose and not picture.sync):
            picture = replace(picture, shown=False, size=picture.size if fate == "hidden" else 0)
        result.append(picture)
    return result


def _timed(random: Random, pictures: list[Picture], jumps: bool) -> list[Picture]:
    """Timestamps that ascend in display order by uneven steps, some of zero, from anywhere, below zero too."""
    pts, time = [0] * len(pictures), random.randint(-50, 50)
    for number in sorted(range(len(pictures)), key=lambda number: pictures[number].display):
        time += random.randint(pictures[number].sync, 5)
        pts[number] = time
    shift = 0
    for number, picture in enumerate(pictures):
        if jumps and picture.sync and picture.resets:
            shift = random.randint(-100, 100)
        pts[number] += shift
    return [replace(picture, pts=time) for picture, time in zip(pictures, pts, strict=True)]


def _placed(random: Random, pictures: list[Picture]) -> tuple[int, ...]:
    """Byte offsets: with sound between the samples, and seldom not in decode order."""
    places = range(len(pictures))
    layout = random.sample(places, len(places)) if random.random() < 0.2 else places
    offsets, end = [0] * len(pictures), random.randint(0, 100)
    for number in layout:
        end += random.choice([0, 0, 0, 1, 40, 400])
        offsets[number] = end
        end += pictures[number].size
    return tuple(offsets)


def _edited(random: Random, pictures: list[Picture]) -> tuple[int, ...]:
    """Rows in presentation order; now and then an edit list shows a part of them again."""
    shown = [number for number, picture in enumerate(pictures) if picture.shown]
    rows = sorted(shown, key=lambda number: (pictures[number].pts, number))
    if rows and random.random() < 0.2:
        rows += rows[random.randrange(len(rows)) :]
    return tuple(rows)
