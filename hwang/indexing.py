"""Index any video: parse sample tables of MP4, read other containers from end to end."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwang import _core
from hwang.errors import CorruptMediaError, UnsupportedMediaError
from hwang.index import ONE_PICTURE_A_SAMPLE, VideoIndex, check_sample_count, presentation_order
from hwang.parameters import SequenceParameters, sequence_parameters
from hwang.picture import check_picture_size
from hwang.plan import REQUEST_COST_BYTES
from hwang.spool import Spool
from hwang.timeline import credible_duration

_NO_PTS = np.iinfo(np.int64).min

_REORDERING = frozenset(["h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3"])
"""Codecs with pictures that are decoded before others and shown after them."""

_LOOK_AT_SAMPLES, _LOOK_AT_BYTES = 128, 4 << 20
"""Limits of what is read to find out whether a video has such pictures."""


def finished(index: VideoIndex, spool: Spool, threads: int, max_pixels: int, stop: _core.StopFlag) -> VideoIndex:
    """Return the index, completed by decoding if the container does not determine the order of the frames.

    Raises CorruptMediaError, UnsupportedMediaError or LimitExceededError if it cannot be decoded at all.
    """
    if not index.samples:
        raise CorruptMediaError("the video track has no samples; the file was cut off, or never finished")
    if not (index.width and index.height):
        raise UnsupportedMediaError(f"the size of the {index.codec} pictures cannot be determined")
    check_picture_size(index.width, index.height, max_pixels)
    stated = sequence_parameters(index.codec, index.extradata)
    if _times_contradict_order(index, stated, spool, stop):
        return _learnt(_as_demuxed(index, spool, max_pixels, stop), spool, threads, stop)
    if index.container == "mov" and index.codec == "h264" and not (stated and stated.frames_only):
        index = _with_fields_paired(index, spool, stop)
    if not _order_is_doubtful(index):
        return index
    if index.container != "mov":
        return _learnt(index, spool, threads, stop)
    decoded = core_video(index, threads).presentation_order(spool.whole(), stop)
    keep = np.isin(index.order, decoded)  # the times are sound, and an edit list may show a sample twice
    return dataclasses.replace(index, order=index.order[keep], row_pts=index.row_pts[keep])


def _as_demuxed(index: VideoIndex, spool: Spool, max_pixels: int, stop: _core.StopFlag) -> VideoIndex:
    """Return the samples of an MP4 as FFmpeg's demuxer has them: what it hides depends on times that make no sense."""
    if index.container != "mov":
        return index
    demuxed = scan_index(spool, None, max_pixels, stop)
    same_track = np.isin(demuxed.sample_offset[:1], index.sample_offset).all()
    if not same_track:
        return index
    return dataclasses.replace(demuxed, rotation=index.rotation, track_id=index.track_id)


def _times_contradict_order(
    index: VideoIndex, stated: SequenceParameters | None, spool: Spool, stop: _core.StopFlag
) -> bool:
    """Return whether the timestamps cannot be those of the pictures.

    They contradict each other if later rows have earlier times, and the parameters of the sequence if these let the
    decoder hold back fewer pictures than such an order takes, and key frames that are shown before what they follow.
    They are suspect if they ascend in decode order, or if
    several are the same, although the decoder may change the order: then the first samples tell whether it does.
    """
    if (np.diff(index.row_pts) < 0).any():
        return True
    if index.codec not in _REORDERING:
        return False
    pts, sync = index.pts[index.sample_size > 0], index.sync[index.sample_size > 0]
    if index.container == "mov" and (pts[1:] < np.maximum.accumulate(pts)[:-1])[sync[1:]].any():
        return True
    allowed = stated.reorder if stated and stated.frames_only and not index.configurations else None
    if allowed is not None and _held_back(pts, more_than=allowed):
        return True
    if stated and stated.reorder == 0:
        return False
    if (np.diff(pts) < 0).any() and (np.diff(np.sort(pts, kind="stable")) > 0).all():
        return False
    samples = np.arange(min(index.samples, _LOOK_AT_SAMPLES), dtype=np.uint32)
    samples = samples[np.cumsum(index.sample_size[samples], dtype=np.int64) <= _LOOK_AT_BYTES]
    source = spool.ranges(index.byte_ranges(samples, REQUEST_COST_BYTES)) if index.ranged else spool.whole()
    return core_video(index, 1).reorders(source, samples, stop)


def _held_back(pts: NDArray[np.int64], *, more_than: int) -> bool:
    """Return whether more samples than that are decoded before, and shown after, some other one."""
    rest = pts
    for _ in range(more_than + 1):
        highest = np.maximum.accumulate(rest)  # then the second highest so far, and so on
        rest = np.minimum(np.append(_NO_PTS, highest[:-1]), rest)
    return bool((highest > pts).any())


def _with_fields_paired(index: VideoIndex, spool: Spool, stop: _core.StopFlag) -> VideoIndex:
    """Return the index without rows for second fields.

    Fields are recognized by the samples' content, which is read if the first two are the fields of one frame.
    """
    video = core_video(index, 1)
    samples = np.arange(index.samples, dtype=np.uint32)
    first = index.byte_ranges(samples[:2], REQUEST_COST_BYTES)
    if not video.second_fields(spool.ranges(first), samples[:2], stop).any():
        return index
    shown = video.second_fields(spool.whole(), samples, stop)[index.order] == 0
    return dataclasses.replace(index, order=index.order[shown], row_pts=index.row_pts[shown], separate_fields=True)


def core_video(index: VideoIndex, threads: int) -> _core.Video:
    """Return the core's view of the index: it shares the arrays."""
    return _core.Video(
        index.codec,
        index.codec_tag,
        index.extradata,
        index.width,
        index.height,
        index.cropping,
        index.coded_size if any(index.coded_size) else (index.width, index.height),
        index.bits_per_coded_sample,
        index.reorder,
        index.field_order,
        index.color,
        index.sample_offset,
        index.sample_size,
        index.pts,
        index.sync.view(np.uint8),
        index.configurations,
        index.parameter_sets,
        index.byte_addressable,
        index.transport,
        threads,
    )


def scan_index(spool: Spool, track: int | None, max_pixels: int, stop: _core.StopFlag) -> VideoIndex:
    """Index a container that has to be read from end to end."""
    if track is not None:
        raise UnsupportedMediaError(
            "tracks can be chosen in MP4 and MOV only; in other containers the first one is used"
        )
    with spool.to_scan(stop) as source:
        found = _core.scan(source, max_pixels, stop)
    check_sample_count(len(found["pts"]))
    pts, second_field = found["pts"], found["second_field"] != 0
    order = presentation_order(pts, (found["hidden"] == 0) & (found["sample_size"] > 0) & ~second_field)
    columns: dict[str, Any] = {**found}
    del columns["hidden"], columns["second_field"], columns["duration"]
    columns |= {
        "sync": found["sync"] != 0,
        "disposable": (found["disposable"] != 0) & (found["codec"] in ONE_PICTURE_A_SAMPLE),
        "order": order,
        "row_pts": pts[order],
        "duration_ticks": 0 if found["clockless"] else _duration(max(found["duration"], 0), pts[order]),
        "separate_fields": bool(second_field.any()),
        "configurations": tuple(found["configurations"]),
        "parameter_sets": tuple(found["parameter_sets"]),
    }
    return VideoIndex(**columns)


def _duration(stated: int, row_pts: NDArray[np.int64]) -> int:
    return stated if (row_pts == _NO_PTS).any() else credible_duration(stated, row_pts)


def _order_is_doubtful(index: VideoIndex) -> bool:
    """True for missing or repeated timestamps, and for pictures before the first one that can be decoded."""
    shown = index.pts[index.order]
    if not len(shown) or not index.sync.any():
        return True
    first = int(np.flatnonzero(index.sync)[0])
    undecodable = first > 0 or int(shown.min()) < int(index.pts[first])
    if index.container == "mov":
        return undecodable
    return undecodable or bool((index.pts == _NO_PTS).any()) or len(np.unique(shown)) < len(shown)


def _learnt(index: VideoIndex, spool: Spool, threads: int, stop: _core.StopFlag) -> VideoIndex:
    """Return the index with its rows in the order in which a decoder shows them: everything is decoded once."""
    with spool.stream(stop) if index.ranged else nullcontext(spool.whole()) as source:
        decoded = core_video(index, threads).presentation_order(source, stop)
    order = decoded[np.isin(decoded, index.order)]
    pts = _presented_at(index, order)
    duration = index.duration_ticks if index.clockless else _duration(index.duration_ticks, pts[order])
    return dataclasses.replace(index, pts=pts, order=order, row_pts=pts[order], duration_ticks=duration)


def _presented_at(index: VideoIndex, order: np.typing.NDArray[np.uint32]) -> np.typing.NDArray[np.int64]:
    """Return timestamps in agreement with the order: the container's own, or else sorted decoding times."""
    own = index.pts[order]
    if (own != _NO_PTS).all() and (np.diff(own) > 0).all():
        return index.pts
    dts = np.where(index.dts == _NO_PTS, np.arange(index.samples), index.dts)
    pts = np.array(dts)
    pts[order] = np.sort(dts[order])
    return pts
