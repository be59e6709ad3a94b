"""Joins own code's results for the pieces of a video in one object, in the order of rows."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from function.errors import CorruptMedia
from function.frames.own_code import Values
from function.jobs.store import Store
from function.models.fingerprint import digest
from function.models.formats import FORMATS
from function.models.job import Job
from function.models.places import MANIFEST_SUFFIX, Output
from function.models.result import DecodeResult
from function.output.applied import Results, write_applied
from function.output.publish import Publication, finished
from function.output.undo_log import Journal
from function.session import Session

_BUFFER_BYTES: Final = 1 << 20
_ITEMS: Final = 4096  # read at a time


def join(store: Store, job: Job, pieces: Sequence[str], key: str, session: Session) -> dict[str, Any]:
    """Write the results in these files of the job to `key`, the manifest last, and return it; what is there is kept.

    A piece's rows are ascending, and may lie between those of others. Raises SourceNotFound, CorruptMedia and the
    errors of Publication.
    """
    manifests = [store.json(piece + MANIFEST_SUFFIX) for piece in pieces]
    asked = digest([manifest["request"] for manifest in manifests])
    output, writing = Output(bucket=store.output.bucket, key=key), job.model_copy(update={"if_exists": "reuse"})
    if before := finished(session.client, output, writing, asked, DecodeResult):
        return before
    rows = np.concatenate([np.array(manifest["frames"]["rows"], np.int64) for manifest in manifests])
    times = [_times(manifest) for manifest in manifests]
    piece_of = np.repeat(np.arange(len(pieces)), [len(some) for some in times])
    order = np.argsort(rows, kind="stable")
    name = manifests[0]["applied"]["function"]
    journal = Journal.begin(session, asked, output.manifest_key)
    with Publication(session.client, output, writing, journal) as publication:
        sizes = [int(manifest["output"][0]["bytes"]) for manifest in manifests]
        opened = [_File(store, piece, size) for piece, size in zip(pieces, sizes, strict=True)]
        parts = _parts(opened, FORMATS[job.piece_format].writer == "lines", piece_of[order])
        results = Results(name, rows[order], np.concatenate(times)[order].tolist(), parts)
        written = write_applied(publication, output, job.written_as, results)
        whole = {
            **manifests[0],
            "request": asked,
            "frames": {"count": len(rows), "rows": rows[order].tolist(), "timestamps": results.seconds},
            "output": [one.model_dump(exclude_none=True) for one in written],
            "manifest": f"s3://{output.bucket}/{output.manifest_key}",
            "counters": {name: sum(m["counters"][name] for m in manifests) for name in manifests[0]["counters"]},
        }
        if np.isnan(results.seconds).any():
            del whole["frames"]["timestamps"]
        if all("asked" in manifest["frames"] for manifest in manifests):
            seconds = np.concatenate([manifest["frames"]["asked"] for manifest in manifests])
            whole["frames"]["asked"] = seconds[order].tolist()
        publication.put_manifest(json.dumps(whole).encode())
    return whole


def _times(manifest: dict[str, Any]) -> NDArray[np.float64]:
    frames = manifest["frames"]
    return np.array(frames.get("timestamps", [np.nan] * frames["count"]), np.float64)


def _parts(files: Sequence[_File], is_lines: bool, piece_of: NDArray[np.int64]) -> Iterator[Values]:
    """Yield the results in the order that `piece_of` tells: from which piece's file each next one is.

    Raises CorruptMedia if a file does not hold so many.
    """
    borders = [0, *(np.flatnonzero(np.diff(piece_of)) + 1).tolist(), len(piece_of)]
    readers: dict[int, Callable[[int], Values]] = {}
    for start, stop in pairwise(borders):
        number = int(piece_of[start])
        for done in range(start, stop, _ITEMS):
            count = min(_ITEMS, stop - done)
            try:
                if number not in readers:
                    readers[number] = _reader(files[number], is_lines)
                values = readers[number](count)
            except (ValueError, EOFError, KeyError):
                values = []
            if len(values) != count:
                raise CorruptMedia(f"job: {files[number].uri} is damaged; run the job again, which makes it again")
            yield values


def _reader(raw: _File, is_lines: bool) -> Callable[[int], Values]:
    """A function that reads the next results of a piece, so many."""
    file = io.BufferedReader(raw, _BUFFER_BYTES)
    if is_lines:
        return lambda count: [json.loads(line)["value"] for line in islice(file, count)]
    npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file)
    item = int(np.prod(shape[1:])) * dtype.itemsize
    return lambda count: np.frombuffer(file.read(count * item), dtype).reshape(-1, *shape[1:])


class _File(io.RawIOBase):
    """A file of the job, read by ranges from its beginning."""

    def __init__(self, store: Store, name: str, size: int) -> None:
        self.uri = store.uri(name)
        self._store, self._name, self._size, self._at = store, name, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer and return how much."""
        stop = min(self._at + len(buffer), self._size)
        if stop <= self._at:
            return 0
        data = self._store.get(self._name, Range=f"bytes={self._at}-{stop - 1}")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
