"""Index of MP4, MOV and their relatives (ISO base media files), from headers alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hwang.boxes import Fields, Payload, TopBox, WindowReader, descend, name, top_level
from hwang.editlist import Edit, Rows, apply_edits, held_back, read_edit_list, time_offset
from hwang.errors import CorruptMediaError, LimitExceededError, UnsupportedMediaError
from hwang.fragments import FragmentReader, read_track_defaults
from hwang.index import ONE_PICTURE_A_SAMPLE, VideoIndex, presentation_order
from hwang.sampleentry import SampleEntry, external, read_sample_entries
from hwang.sampletable import Samples, read_sample_table
from hwang.source import RangeSource
from hwang.track import choose_track, read_tracks

__all__ = ["read_index"]

_FIRST = frozenset([b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"sidx", b"emsg"])
_LARGEST_HEADER = 256 << 20  # bytes


def read_index(source: RangeSource, track: int | None = None) -> VideoIndex | None:
    """Index the first video track, or the one with id `track`; None if these are no ISO base media bytes.

    Reads box headers, moov and moof boxes only: at most 3 requests and 64 KiB beside moov, and one request per
    fragment. Rows are the frames that the ffmpeg tool shows with `-noautorotate -fps_mode passthrough`.
    Samples that lie behind the end of a truncated file are kept, so that rows keep their numbers.
    Raises UnsupportedMediaError, EncryptedMediaError, CorruptMediaError, LimitExceededError, SourceError.
    """
    reader = WindowReader(source)
    if reader.read(0, 8)[4:] not in _FIRST:
        return None
    seen: set[bytes] = set()
    boxes = top_level(reader)
    for box in boxes:
        seen.add(box.kind)
        if box.kind == b"moov":
            if box.end > source.size:
                raise CorruptMediaError(
                    f"the movie header ('moov') needs {box.end - source.size} bytes more than there are; "
                    "the file is truncated"
                )
            movie = _Movie(_payload(reader, box), track)
            return movie.index(reader, boxes)
    if b"meta" in seen and b"mdat" in seen:
        raise UnsupportedMediaError("a still image (HEIF or AVIF), not a video")
    if b"moof" in seen:
        raise CorruptMediaError("media segments without a header ('moov'); put the initialization segment in front")
    raise CorruptMediaError(
        "the movie header ('moov') is missing: the file is truncated, or was still being written when it was copied"
    )


def _payload(reader: WindowReader, box: TopBox) -> Payload:
    size = box.end - box.body
    if size > _LARGEST_HEADER:
        raise LimitExceededError(f"a header {name(box.kind)} of {size} bytes; at most {_LARGEST_HEADER} are read")
    return memoryview(reader.read(box.body, size))


class _Movie:
    """A moov box and the track chosen in it."""

    def __init__(self, moov: Payload, number: int | None) -> None:
        if descend(moov, b"cmov") is not None:
            raise UnsupportedMediaError("the movie header is compressed (QuickTime 'cmov'); remux the video")
        self.moov = moov
        self.tracks = read_tracks(moov)
        self.track = choose_track(self.tracks, number)
        self.timescale = self._movie_timescale()
        self.media_timescale = self.track.timescale or self.timescale or 1
        if self.media_timescale >= 1 << 31:
            raise CorruptMediaError(f"a timescale of {self.media_timescale}; the header is damaged")

    def _movie_timescale(self) -> int:
        mvhd = descend(self.moov, b"mvhd")
        if mvhd is None:
            return 0
        fields = Fields(mvhd)
        fields.take(16 if fields.version_and_flags()[0] == 1 else 8)
        return fields.number(4)

    def index(self, reader: WindowReader, following: Iterator[TopBox]) -> VideoIndex:
        """The finished index; `following` are the boxes behind moov, walked only if there may be fragments."""
        stbl = descend(self.track.payload, b"mdia", b"minf", b"stbl")
        if stbl is None:
            raise CorruptMediaError(f"track {self.track.number} has no sample table; the header is damaged")
        stsd = descend(stbl.payload, b"stsd")
        if stsd is None:
            raise CorruptMediaError(f"track {self.track.number} has no 'stsd': the codec is unknown")
        entries = read_sample_entries(stsd)
        samples = read_sample_table(stbl.payload, reader.size)
        rows = self._rows(samples)
        mvex = descend(self.moov, b"mvex")
        defaults = mvex and read_track_defaults(mvex.payload, self.track.number)
        if defaults:
            fragments = FragmentReader(self.track.number, defaults, samples, reader.size)
            for box in following:
                if box.kind == b"moof" and box.end <= reader.size:
                    fragments.add(_payload(reader, box), box.offset)
            in_movie = len(samples)
            samples, shown = fragments.result()
            rows = self._with_fragments(rows, samples, shown, in_movie)
        return self._table(samples, rows, self._description(entries, samples))

    def _edits(self) -> list[Edit]:
        elst = descend(self.track.payload, b"edts", b"elst")
        return read_edit_list(elst, self.timescale, self.media_timescale) if elst else []

    def _rows(self, samples: Samples) -> Rows:
        """Rows of the samples in moov.

        As soon as FFmpeg meets a track without samples in moov it takes the file for a fragmented one, and from
        there on edit lists only shift. It also stops before edit lists where chunks outnumber samples.
        """
        before = self.tracks[: self.tracks.index(self.track) + 1]
        edits = self._edits()
        if edits and not samples.spare_chunks and all(track.sampled for track in before):
            return apply_edits(samples, edits)
        shift = 0 if all(track.sampled for track in before) else time_offset(edits)
        order = presentation_order(samples.pts)
        return Rows(order, samples.pts[order] - shift, samples.duration, held_back(samples, order))

    def _with_fragments(self, rows: Rows, samples: Samples, shown: NDArray[np.bool_], in_movie: int) -> Rows:
        """Rows of moov, then those of the fragments, which FFmpeg does not ask for the decoder's delay."""
        shown[:in_movie] = False
        order = presentation_order(samples.pts, shown)
        return Rows(
            np.concatenate([rows.order, order]),
            np.concatenate([rows.pts, samples.pts[order] - time_offset(self._edits())]),
            samples.duration,
            rows.reorder,
        )

    def _description(self, entries: list[SampleEntry], samples: Samples) -> SampleEntry:
        """The one description that all samples use."""
        used = {entries[number - 1] for number in samples.descriptions if 0 < number <= len(entries)}
        if len(used) > 1:
            raise UnsupportedMediaError(f"{len(used)} different codec configurations in one track; remux it into parts")
        entry = used.pop() if used else entries[0]
        dref = descend(self.track.payload, b"mdia", b"minf", b"dinf", b"dref")
        if dref is not None and external(dref.payload, entry.data_reference):
            raise UnsupportedMediaError("the frames are in another file that this one refers to; remux it")
        return entry

    def _table(self, samples: Samples, rows: Rows, entry: SampleEntry) -> VideoIndex:
        known = [ticks for ticks in (self.track.duration, samples.duration, rows.duration) if ticks > 0]
        # The ffmpeg tool does not decode empty packets.
        shown = slice(None) if samples.size.all() else samples.size[rows.order] > 0
        return VideoIndex(
            sample_offset=samples.offset,
            sample_size=samples.size,
            pts=samples.pts,
            dts=samples.dts,
            sync=samples.sync,
            disposable=samples.disposable & (entry.codec in ONE_PICTURE_A_SAMPLE),
            order=rows.order[shown],
            row_pts=rows.pts[shown],
            width=entry.width or self.track.size[0],
            height=entry.height or self.track.size[1],
            time_base=(1, self.media_timescale),
            duration_ticks=min(known, default=0),
            container="mov",
            codec=entry.codec,
            codec_tag=entry.tag,
            extradata=entry.extradata,
            rotation=self.track.rotation,
            track_id=self.track.number,
            color=entry.color,
            reorder=rows.reorder if entry.codec == "h264" else 0,
            bits_per_coded_sample=entry.depth,
        )
