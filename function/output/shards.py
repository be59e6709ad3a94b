"""Writes pictures as WebDataset shards: tar archives with `VIDEO/NAME.jpg` and `VIDEO/NAME.json` for each frame."""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import IO, Final, cast

import numpy as np

from function.frames.pictures import Frames
from function.models.form import SHARD_MB
from function.models.formats import FORMATS, SHARD_PICTURE
from function.models.result import Member, Written
from function.output.decoded import DecodedFrames, encode
from function.output.publish import Publication

PART_BYTES: Final = 48 << 20  # few large parts: a request for each picture is what shards avoid
_BLOCK_BYTES: Final = tarfile.BLOCKSIZE


def write_shards(publication: Publication, frames: DecodedFrames) -> list[Written]:
    """Write each row once, ascending: below a prefix in shards of about `shard_mb`, else in one."""
    output, request = frames.output, frames.request
    most = (request.shard_mb or SHARD_MB) * 10**6 if output.is_prefix else math.inf
    written: list[Written] = []
    shard: _Shard | None = None
    for name, picture, facts in _pictures(frames):
        if shard and shard.size >= most:
            written.append(shard.close())
            shard = None
        if shard is None:
            shard = _Shard(publication, frames.shard_key(len(written)), frames.facts.content_type)
        shard.add(name, picture, facts)
    assert shard, "a request has at least one frame"
    return [*written, shard.close()]


def _pictures(frames: DecodedFrames) -> Iterator[tuple[str, bytes, dict[str, object]]]:
    """Yield name, encoded picture and facts of each frame; several are encoded at a time."""
    request, template = frames.request, frames.request.template
    kind = request.picture or SHARD_PICTURE
    rows, first = np.unique(frames.pictures.rows, return_index=True)

    def encoded(frame: Frames) -> bytes:
        return encode(frame, kind, request.quality)

    with ThreadPoolExecutor() as pool:
        for part, batch in frames.pictures.batches(rows):
            places = zip(rows[part].tolist(), first[part].tolist(), strict=True)
            for (row, position), data in zip(places, pool.map(encoded, batch), strict=True):
                seconds = frames.seconds[position]
                name = template.name(row=row, position=position, seconds=seconds, ext=FORMATS[kind].extensions[0])
                facts = {"video": frames.video_uri, "row": row, "seconds": None if math.isnan(seconds) else seconds}
                yield f"{frames.video_name}/{name}", data, facts


class _Shard:
    """A tar on its way to S3. Its bytes depend on nothing but its members."""

    def __init__(self, publication: Publication, key: str, content_type: str) -> None:
        self._writer = publication.open(key, None, content_type, PART_BYTES)
        self._tar = tarfile.open(fileobj=cast("IO[bytes]", self._writer), mode="w|", bufsize=1 << 20)  # noqa: SIM115
        self._members: list[Member] = []

    @property
    def size(self) -> int:
        """Bytes of the members so far."""
        return self._tar.offset

    def add(self, name: str, picture: bytes, facts: dict[str, object]) -> None:
        """Append a picture, and its facts beside it."""
        stem = name.rpartition(".")[0]
        self._add(name, picture)
        offset = self._tar.offset - -(-len(picture) // _BLOCK_BYTES) * _BLOCK_BYTES
        self._members.append(Member(name=name, row=cast("int", facts["row"]), offset=offset, bytes=len(picture)))
        self._add(f"{stem}.json", json.dumps(facts).encode())

    def close(self) -> Written:
        """Make the archive visible."""
        self._tar.close()
        return self._writer.close().model_copy(update={"members": self._members})

    def _add(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        self._tar.addfile(entry, BytesIO(data))
