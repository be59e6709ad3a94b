"""Movie headers (moov): the index of one track."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwang.errors import CorruptMediaError, UnsupportedMediaError
from hwang.index import NO_CROPPING, ONE_PICTURE_A_SAMPLE, Cropping, VideoIndex, presentation_order
from hwang.isobmff.boxes import FullBox, TopBox, WindowReader, descend, read_payload
from hwang.isobmff.edit_list import Edit, Presentation, apply_edits, held_back, read_edit_list, time_offset
from hwang.isobmff.fragment_walk import find_fragments, fragment_boxes
from hwang.isobmff.fragments import Defaults, FragmentReader, read_track_defaults
from hwang.isobmff.sample_entry import SampleEntry, external, read_sample_entries
from hwang.isobmff.sample_table import Samples, read_sample_table
from hwang.isobmff.track import choose_track, read_tracks
from hwang.parameters import SequenceParameters, begins_with_parameter_sets, sequence_parameters
from hwang.timeline import credible_duration

_CHROMA = {"prores": (1, 0), "dnxhd": (1, 0), "dvvideo": (1, 0), "png": (0, 0), "qtrle": (0, 0)}
"""Binary logarithms of the pixels that share a chroma sample, for codecs of which most videos are not 4:2:0."""

_FIRST_BYTES = 1024  # of the first sample: parameter sets stand in front


class Movie:
    """A movie header and the track chosen in it."""

    def __init__(self, reader: WindowReader, box: TopBox, number: int | None) -> None:
        if box.end > reader.size:
            raise CorruptMediaError(
                f"the movie header ('moov') needs {box.end - reader.size} bytes more than there are; "
                "the file is truncated"
            )
        self._reader = reader
        self._moov = read_payload(reader, box, _FIRST_BYTES)
        if descend(self._moov, b"cmov") is not None:
            raise UnsupportedMediaError("the movie header is compressed (QuickTime 'cmov'); remux the video")
        self._tracks = read_tracks(self._moov)
        self._track = choose_track(self._tracks, number)
        self._timescale = self._movie_timescale()
        self._media_timescale = self._track.timescale or self._timescale or 1
        if self._media_timescale >= 1 << 31:
            raise CorruptMediaError(f"a timescale of {self._media_timescale}; the header is damaged")
        mvex = descend(self._moov, b"mvex")
        self._defaults = mvex and read_track_defaults(mvex.payload, self._track.number)
        self._walk_from, self._places = find_fragments(reader, box.end) if self._defaults else (box.end, frozenset())

    @property
    def fragmented(self) -> bool:
        """True if samples may lie in fragments behind the header, so that index() makes requests."""
        return self._defaults is not None

    def _movie_timescale(self) -> int:
        mvhd = descend(self._moov, b"mvhd")
        if mvhd is None:
            return 0
        fields = FullBox(mvhd)
        fields.take(16 if fields.version == 1 else 8)
        return fields.number(4)

    def index(self) -> VideoIndex:
        """Return the index. Makes one request for each fragment that is not in the file's own directory.

        Samples that lie behind the end of a truncated file are kept, so that rows keep their numbers.
        Raises like open_movie().
        """
        stbl = descend(self._track.payload, b"mdia", b"minf", b"stbl")
        if stbl is None:
            raise CorruptMediaError(f"track {self._track.number} has no sample table; the header is damaged")
        stsd = descend(stbl.payload, b"stsd")
        if stsd is None:
            raise CorruptMediaError(f"track {self._track.number} has no 'stsd': the codec is unknown")
        entries = read_sample_entries(stsd)
        samples = read_sample_table(stbl.payload, self._reader.size)
        rows = self._rows(samples)
        if self._defaults:
            in_movie = len(samples)
            samples, shown = self._fragments(self._defaults, samples)
            rows = self._with_fragments(rows, samples, shown, in_movie)
        return self._table(samples, rows, self._descriptions(entries, samples))

    def _fragments(self, defaults: Defaults, samples: Samples) -> tuple[Samples, NDArray[np.bool_]]:
        """Return `samples` and those of the fragments, and a mask of those shown."""
        fragments = FragmentReader(self._track.number, defaults, samples, self._reader.size)
        for box in fragment_boxes(self._reader, self._walk_from, self._places):
            fragments.add(read_payload(self._reader, box), box.offset)
        return fragments.result()

    def _edits(self) -> list[Edit]:
        elst = descend(self._track.payload, b"edts", b"elst")
        return read_edit_list(elst, self._timescale, self._media_timescale) if elst else []

    def _rows(self, samples: Samples) -> Presentation:
        """Return the rows of the samples in moov.

        From the first track without samples in moov on, FFmpeg takes the file for a fragmented one, and edit lists
        only shift. It also ignores edit lists if chunks outnumber samples.
        """
        before = self._tracks[: self._tracks.index(self._track) + 1]
        edits = self._edits()
        if edits and not samples.spare_chunks and all(track.sampled for track in before):
            return apply_edits(samples, edits)
        shift = 0 if all(track.sampled for track in before) else time_offset(edits)
        order = presentation_order(samples.pts)
        return Presentation(order, samples.pts[order] - shift, samples.duration, held_back(samples, order))

    def _with_fragments(
        self, rows: Presentation, samples: Samples, shown: NDArray[np.bool_], in_movie: int
    ) -> Presentation:
        """Return the rows of moov, then of the fragments, which FFmpeg ignores for the decoder's delay."""
        shown[:in_movie] = False
        order = presentation_order(samples.pts, shown)
        return Presentation(
            np.concatenate([rows.order, order]),
            np.concatenate([rows.pts, samples.pts[order] - time_offset(self._edits())]),
            samples.duration,
            rows.reorder,
        )

    def _descriptions(self, entries: list[SampleEntry], samples: Samples) -> list[tuple[int, SampleEntry]]:
        """Return the descriptions in use, each with the first sample that uses it. They are all of one codec."""
        used = [(first, entries[number - 1]) for first, number in samples.descriptions if 0 < number <= len(entries)]
        used = used or [(0, entries[0])]
        if len(codecs := {entry.codec for _, entry in used}) > 1:
            raise UnsupportedMediaError(f"one track of {' and '.join(sorted(codecs))}; remux it into parts")
        dref = descend(self._track.payload, b"mdia", b"minf", b"dinf", b"dref")
        if dref is not None and any(external(dref.payload, entry.data_reference) for _, entry in used):
            raise UnsupportedMediaError("the frames are in another file that this one refers to; remux it")
        return used

    def _table(self, samples: Samples, rows: Presentation, descriptions: list[tuple[int, SampleEntry]]) -> VideoIndex:
        known = [ticks for ticks in (self._track.duration, samples.duration, rows.duration) if ticks > 0]
        stated = min(known, default=0)
        # The ffmpeg tool does not decode empty packets.
        shown = slice(None) if samples.size.all() else samples.size[rows.order] > 0
        entry = descriptions[0][1]
        (width, height), cropping, coded_size = self._picture(entry)
        return VideoIndex(
            sample_offset=samples.offset,
            sample_size=samples.size,
            pts=samples.pts,
            dts=samples.dts,
            sync=samples.sync,
            disposable=samples.disposable & (entry.codec in ONE_PICTURE_A_SAMPLE),
            order=rows.order[shown],
            row_pts=rows.pts[shown],
            width=width,
            height=height,
            time_base=(1, self._media_timescale),
            duration_ticks=credible_duration(stated, rows.pts, _last_stay(samples, rows, stated)),
            container="mov",
            codec=entry.codec,
            codec_tag=entry.tag,
            extradata=entry.extradata,
            rotation=self._track.rotation,
            track_id=self._track.number,
            sample_aspect_ratio=_aspect_ratio(entry, self._track.size),
            color=entry.color,
            reorder=rows.reorder if entry.codec == "h264" else 0,
            field_order=entry.field_order,
            bits_per_coded_sample=entry.depth,
            cropping=cropping,
            coded_size=coded_size,
            configurations=tuple((first, entry.extradata) for first, entry in descriptions[1:]),
            sets_unknown=self._carries_sets(samples, entry),
        )

    def _picture(self, entry: SampleEntry) -> tuple[tuple[int, int], Cropping, tuple[int, int]]:
        """Return the size after cropping, the cropping, and the size before. What the coded video states counts."""
        stated = sequence_parameters(entry.codec, entry.extradata)
        width, height = (
            (stated.width, stated.height)
            if stated
            else (entry.width or self._track.size[0], entry.height or self._track.size[1])
        )
        if stated and stated.crops_end_only and _within_last_macroblocks(entry, stated):
            width, height = entry.width, entry.height
        left, top, right, bottom = entry.cropping
        if entry.cropping == NO_CROPPING or left + right >= width or top + bottom >= height:
            return (width, height), NO_CROPPING, (0, 0)
        across, down = stated.chroma if stated else _CHROMA.get(entry.codec, (1, 1))
        # The ffmpeg tool crops to whole chroma samples.
        cropped = (width - left - right) >> across << across, (height - top - bottom) >> down << down
        return cropped, entry.cropping, (width, height)

    def _carries_sets(self, samples: Samples, entry: SampleEntry) -> bool:
        """Return whether the first sample has parameter sets of its own, as far as that is known without a request."""
        if not len(samples):
            return False
        begin = self._reader.peek(int(samples.offset[0]), min(int(samples.size[0]), _FIRST_BYTES))
        return begin is not None and begins_with_parameter_sets(entry.codec, entry.extradata, begin)


def _last_stay(samples: Samples, rows: Presentation, stated: int) -> int:
    """Return the ticks for which the sample of the last row is on display, 0 if the tables do not say it.

    stated: ticks that all rows last, as a header has it.
    """
    if not len(rows.order):
        return 0
    shown = samples.pts[rows.order[-1]]
    later = samples.pts[samples.pts > shown]
    if len(later):
        return int(later.min()) - int(shown)
    offsets = samples.pts - samples.dts
    if (offsets != offsets[0]).any():  # reordered: samples last so long in decode order, so it is the header's to say
        stay = stated - (int(rows.pts[-1]) - int(rows.pts[0]))
        return stay if 0 < stay <= samples.duration else 0
    late = max(0, int(samples.dts[0]))  # of fragments: a recording that goes on
    return max(0, samples.duration - late - (int(shown) - int(samples.pts.min())))


def _within_last_macroblocks(entry: SampleEntry, stated: SequenceParameters) -> bool:
    """Return whether H.264's decoder cuts off what the sample entry leaves out: some cameras rely on that."""
    sizes = ((entry.width, stated.width), (entry.height, stated.height))
    return all(0 < shown <= coded and -shown // 16 == -coded // 16 for shown, coded in sizes)


def _aspect_ratio(entry: SampleEntry, shown: tuple[int, int]) -> tuple[int, int]:
    """Return the pixels' spacing, or else that which makes a coded picture as large as it is shown, as FFmpeg does."""
    if all(entry.spacing):
        return entry.spacing
    if 0 in (*shown, entry.width, entry.height) or shown == (entry.width, entry.height):
        return 0, 1
    return entry.height * shown[0], entry.width * shown[1]
