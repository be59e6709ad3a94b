"""The story of one request: what is asked, where it is, whether it fits, decode, write, tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from function.clock import Clock
from function.errors import from_exception
from function.event import Event, Format, parse_event
from function.limits import batch_bytes, check_memory, check_storage, function_memory
from function.outputs import write_npy, write_pictures, write_sheet
from function.publish import Publication, Written
from function.reduce import Reduced, reducer
from function.result import describe, returned
from function.rows import Rows, resolve_rows
from function.sheet import layout
from function.source import S3Source
from hwang.decoder import Decoder
from hwang.errors import HwangError
from hwang.plan import make_plan

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def run(event: object, client: S3Client) -> dict[str, Any]:
    """Does what the event asks and returns the result: JSON values, and lists of at most 1,000 items.

    The manifest, written last, is the result with its lists whole and without its times. Raises FunctionError.
    """
    clock = Clock()
    request = parse_event(event)
    with clock.phase("open"):
        source = S3Source(client, request.video)
    try:
        with clock.phase("open"):
            decoder = Decoder(source)
        with decoder:
            return _decode(request, client, source, decoder, clock)
    except HwangError as error:
        raise from_exception(error, source.uri) from error


def _decode(request: Event, client: S3Client, source: S3Source, decoder: Decoder, clock: Clock) -> dict[str, Any]:
    with clock.phase("open"):
        index = decoder.video_index
        rows = resolve_rows(request.frames, index)
        written_as = request.resolved_format(len(rows))
        # What is not addressed by bytes has been fetched whole by now; a damaged table may point behind the end.
        fetched = min(make_plan(index, rows).bytes_to_read, source.size) if index.byte_addressable else 0
        memory = function_memory()
        check_memory(index.width, index.height, len(rows), written_as, request.reduce, fetched, memory)
        stored = len(rows) * index.height * index.width * 3 if written_as == "npy" and not request.reduce else 0
        check_storage(stored, fetched)
    with Publication(client, request.output.bucket) as publication:
        work = _Work(request, decoder, rows, publication, clock, batch_bytes(index.width, index.height))
        reduced: Reduced | None = None
        if request.reduce:
            reduced = work.reduce()
            with clock.phase("write"):
                written = [write_npy(publication, request.output.key, reduced.shape, reduced.dtype, [reduced])]
        else:
            written = work.write(written_as, source.uri)
        whole = describe(request, source, decoder, rows, written)
        if reduced is not None and reduced.ndim == 0:
            whole["reduced"] = int(reduced)
        with clock.phase("write"):
            manifest = json.dumps(whole).encode()
            publication.put_bytes(request.output.manifest_key, manifest, "application/json")
    return returned(whole) | {"milliseconds": clock.milliseconds()}


class _Work:
    """Decoded frames on their way into the output."""

    def __init__(
        self,
        request: Event,
        decoder: Decoder,
        rows: Rows,
        publication: Publication,
        clock: Clock,
        max_bytes: int,
    ) -> None:
        self._request = request
        self._decoder = decoder
        self._rows = rows
        self._publication = publication
        self._clock = clock
        self._max_bytes = max_bytes

    def reduce(self) -> Reduced:
        assert self._request.reduce
        result = reducer(self._request.reduce)
        # Their order does not matter to a reduction, and distinct ascending rows decode each sample once.
        distinct, counts = np.unique(self._rows, return_counts=True)
        for part, frames in self._batches(distinct):
            with self._clock.phase("reduce"):
                result.add(frames, counts[part])
        return result.result()

    def write(self, written_as: Format, video: str) -> list[Written]:
        index, output = self._decoder.video_index, self._request.output
        match written_as:
            case "npy":
                shape = (len(self._rows), index.height, index.width, 3)
                with self._clock.phase("write"):
                    return [write_npy(self._publication, output.key, shape, np.dtype(np.uint8), self._in_order())]
            case "sheet":
                seconds = index.timestamps()[self._rows].tolist()
                title = f"{video.rpartition('/')[2]}   {index.width}x{index.height}   {index.fps():.5g} fps"
                sheet = layout(len(self._rows), index.width, index.height)
                batches = self._batches(np.unique(self._rows))
                with self._clock.phase("write"):
                    rows = self._rows.tolist()
                    return [write_sheet(self._publication, output, sheet, title, rows, seconds, batches)]
            case "jpeg" | "png":
                distinct = np.array(list(dict.fromkeys(self._rows.tolist())), dtype=np.int64)
                batches = self._batches(distinct)
                with self._clock.phase("write"):
                    return write_pictures(self._publication, output, written_as, distinct.tolist(), batches)

    def _in_order(self) -> Iterator[NDArray[np.uint8]]:
        """The frames as asked for, one or several at a time; ascending rows are decoded once, however often each."""
        if (np.diff(self._rows) < 0).any():
            yield from (frames for _, frames in self._batches(self._rows))
            return
        distinct, counts = np.unique(self._rows, return_counts=True)
        for part, frames in self._batches(distinct):
            for frame, count in zip(frames, counts[part].tolist(), strict=True):
                yield from repeat(frame, count)

    def _batches(self, rows: Rows) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        return self._clock.items("decode", self._decoder.batches(rows, self._max_bytes))
