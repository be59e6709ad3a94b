"""One decode for several results, each of which is made by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import numpy as np

from function.clock import Clock
from function.frames.rows import Rows
from hwang.index import VideoIndex
from hwang.request import FrameOptions

if TYPE_CHECKING:
    from hwang.decoder import Decoder

T = TypeVar("T")


class _AbandonedError(Exception):
    """Another result could not be made, so this one is of no use."""


@dataclass(eq=False)
class _Reader:
    """One result's request for frames, and the part that it works on: None before the first and between two."""

    rows: Rows
    max_bytes: int
    form: FrameOptions
    part: tuple[slice, Any] | None = None
    is_served: bool = False  # it has had the last part, or wants no more


class SharedDecode:
    """A decoder for several results at once, which they use like hwang's Decoder, each in its own thread.

    Once all results that are not finished ask for frames, those that ask for the same rows are served by one decode,
    part by part; a part is followed by the next one when all are done with it. Equal forms are converted once.
    """

    def __init__(self, decoder: Decoder, clock: Clock) -> None:
        self._decoder = decoder
        self._clock = clock
        self._changed = threading.Condition()
        self._asking: list[_Reader] = []
        self._unfinished = 0
        self._error: BaseException | None = None

    @property
    def video_index(self) -> VideoIndex:
        """The decoder's index."""
        return self._decoder.video_index

    def run(self, makers: Sequence[Callable[[], T]]) -> list[T]:
        """Call each maker in a thread and return their results. Raises the first exception of any or of the decoder.

        After an exception the others get no further frames, and all have ended when this returns.
        """
        self._unfinished = len(makers)
        with ThreadPoolExecutor(len(makers), "hwang-result") as pool:
            try:
                made = [pool.submit(self._made, maker) for maker in makers]
                while group := self._next_group():
                    self._serve(group)
            except BaseException as error:
                self._fail(error)
                raise
        if self._error:
            raise self._error
        return [future.result() for future in made]

    def batches(self, rows: Rows, max_bytes: int, **form: Unpack[FrameOptions]) -> Iterator[tuple[slice, Any]]:
        """Yield what Decoder.batches() does; the parts may be larger or smaller. For the threads of run()."""
        reader = _Reader(rows, max_bytes, form)
        with self._changed:
            self._asking.append(reader)
            self._changed.notify_all()
        try:
            while part := self._part_of(reader):
                yield part
                del part
                self._set(reader, None)
        finally:
            reader.is_served = True
            self._set(reader, None)

    def _made(self, maker: Callable[[], T]) -> T:
        try:
            return maker()
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            with self._changed:
                self._unfinished -= 1
                self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _next_group(self) -> list[_Reader]:
        """Wait until all ask, and return those that ask for the same rows; none if all have finished or one failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or len(self._asking) == self._unfinished)
            if self._error or not self._asking:
                return []
            first = self._asking[0].rows
            group = [reader for reader in self._asking if np.array_equal(reader.rows, first)]
            self._asking = [reader for reader in self._asking if reader not in group]
            return group

    def _serve(self, group: list[_Reader]) -> None:
        wanted = [reader.form for reader in group]
        forms = [form for at, form in enumerate(wanted) if form not in wanted[:at]]
        parts = self._decoder.batches_in(forms, group[0].rows, sum(reader.max_bytes for reader in group))
        for part, frames in self._clock.items("decode", parts):
            handed_out = [frames[forms.index(form)] for form in wanted]
            for at, form in enumerate(wanted):
                if form in wanted[:at] and isinstance(handed_out[at], np.ndarray):  # readers may change their own
                    handed_out[at] = handed_out[at].copy()
            for reader, its_frames in zip(group, handed_out, strict=True):
                self._set(reader, (part, its_frames))
            del frames, handed_out, its_frames
            with self._changed:
                self._changed.wait_for(lambda: self._error or all(reader.part is None for reader in group))
                if self._error:
                    return
        for reader in group:
            reader.is_served = True
            self._set(reader, None)

    def _set(self, reader: _Reader, part: tuple[slice, Any] | None) -> None:
        with self._changed:
            reader.part = None if reader.is_served else part
            self._changed.notify_all()

    def _part_of(self, reader: _Reader) -> tuple[slice, Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._error or reader.part or reader.is_served)
            if self._error:
                raise _AbandonedError
            return reader.part
