"""Index any video: parse sample tables of MP4, read other containers from end to end."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from hwang import _core
from hwang.errors import CorruptMediaError, UnsupportedMediaError
from hwang.index import ONE_PICTURE_A_SAMPLE, VideoIndex, check_sample_count, presentation_order
from hwang.parameters import may_have_fields
from hwang.picture import check_picture_size
from hwang.plan import REQUEST_COST_BYTES
from hwang.ranges import coalesce
from hwang.spool import Spool

__all__ = ["core_video", "finished", "scan_index"]

_NO_PTS = np.iinfo(np.int64).min


def finished(index: VideoIndex, spool: Spool, threads: int, max_pixels: int, stop: _core.StopFlag) -> VideoIndex:
    """Return the index, completed by decoding if the container does not determine the order of the frames.

    Raises CorruptMediaError, UnsupportedMediaError or LimitExceededError if it cannot be decoded at all.
    """
    if not index.samples:
        raise CorruptMediaError("the video track has no samples; the file was cut off, or never finished")
    if not (index.width and index.height):
        raise UnsupportedMediaError(f"the size of the {index.codec} pictures cannot be determined")
    check_picture_size(index.width, index.height, max_pixels)
    if index.container == "mov" and index.codec == "h264" and may_have_fields(index.extradata):
        index = _with_fields_paired(index, spool, stop)
    return _learn_order(index, spool, threads, stop) if _order_is_doubtful(index) else index


def _with_fields_paired(index: VideoIndex, spool: Spool, stop: _core.StopFlag) -> VideoIndex:
    """Return the index without rows for second fields.

    Fields are recognized by the samples' content, which is read if the first two are the fields of one frame.
    """
    video = core_video(index, 1)
    samples = np.arange(index.samples, dtype=np.uint32)
    first = coalesce(index.sample_offset[:2], index.sample_size[:2], REQUEST_COST_BYTES)
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
        index.bits_per_coded_sample,
        index.reorder,
        index.color,
        index.sample_offset,
        index.sample_size,
        index.pts,
        index.sync.view(np.uint8),
        index.byte_addressable,
        threads,
    )


def scan_index(spool: Spool, track: int | None, max_pixels: int, stop: _core.StopFlag) -> VideoIndex:
    """Index a container that has to be read from end to end."""
    if track is not None:
        raise UnsupportedMediaError(
            "tracks can be chosen in MP4 and MOV only; in other containers the first one is used"
        )
    found = _core.scan(spool.whole(), max_pixels, stop)
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
        "duration_ticks": max(found["duration"], 0),
        "separate_fields": bool(second_field.any()),
    }
    return VideoIndex(**columns)


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


def _learn_order(index: VideoIndex, spool: Spool, threads: int, stop: _core.StopFlag) -> VideoIndex:
    """Decode everything once to learn the order. An edit list still decides which samples are shown, and when."""
    order = core_video(index, threads).presentation_order(spool.whole(), stop)
    if index.container == "mov":
        keep = np.isin(index.order, order)
        return dataclasses.replace(index, order=index.order[keep], row_pts=index.row_pts[keep])
    pts = _presented_at(index, order)
    return dataclasses.replace(index, pts=pts, order=order, row_pts=pts[order])


def _presented_at(index: VideoIndex, order: np.typing.NDArray[np.uint32]) -> np.typing.NDArray[np.int64]:
    """Return timestamps in agreement with the order: the container's own, or else sorted decoding times."""
    own = index.pts[order]
    if (own != _NO_PTS).all() and (np.diff(own) > 0).all():
        return index.pts
    dts = np.where(index.dts == _NO_PTS, np.arange(index.samples), index.dts)
    pts = np.array(dts)
    pts[order] = np.sort(dts[order])
    return pts
