"""The result of a request, as the manifest keeps it and as Lambda returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from function.event import Event
from function.publish import Written
from function.rows import Rows
from function.source import S3Source

if TYPE_CHECKING:
    from hwang.decoder import Decoder

MAX_LISTED: Final = 1000


def describe(request: Event, source: S3Source, decoder: Decoder, rows: Rows, written: list[Written]) -> dict[str, Any]:
    """The whole result: what was written, the frames with their times, the video, and what it took."""
    index, stats = decoder.video_index, decoder.stats
    return {
        "output": written,
        "objects": len(written),
        "manifest": f"s3://{request.output.bucket}/{request.output.manifest_key}",
        "frames": {"count": len(rows), "rows": rows.tolist(), "timestamps": index.timestamps()[rows].tolist()},
        "video": {
            "uri": source.uri,
            "etag": source.etag.strip('"'),
            "bytes": source.size,
            "width": index.width,
            "height": index.height,
            "frames": len(index),
            "fps": index.fps(),
            "codec": index.codec,
            "container": index.container,
        },
        "counters": {
            "bytes_read": source.bytes_read,
            "requests": source.requests,
            "samples_decoded": stats.samples_decoded,
            "samples_skipped": stats.samples_skipped,
            "frames_decoded": stats.frames,
        },
    }


def returned(whole: dict[str, Any]) -> dict[str, Any]:
    """The result as it is returned: without the lists that only the manifest can hold."""
    result = dict(whole)
    if len(whole["output"]) > MAX_LISTED:
        result["output"] = whole["output"][:MAX_LISTED]
    if whole["frames"]["count"] > MAX_LISTED:
        result["frames"] = {"count": whole["frames"]["count"]}
    return result
