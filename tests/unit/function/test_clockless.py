"""Raw streams state no times: what a request gets, and what it is told."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from function.errors import UnsupportedMedia, from_exception
from function.frames.rows import resolve_frames
from function.frames.sheet import caption
from function.models.event import Decode, parse_event
from function.models.result import FrameList
from hwang.errors import ClockError
from tests.unit.hwang.timelines import constant_rate

INDEX = dataclasses.replace(constant_rate(50), clockless=True, duration_ticks=0)


def rows(frames: object) -> Any:
    request = parse_event({"video": "s3://films/clip.h264", "frames": frames, "output": "s3://out/part1.npy"})
    assert isinstance(request, Decode)
    return resolve_frames(request.frames, INDEX).rows


@pytest.mark.parametrize("frames", [{"timestamps": [0]}, {"every_seconds": 1}])
def test_a_request_by_time_is_unsupported_and_names_the_remedy(frames: object) -> None:
    with pytest.raises(UnsupportedMedia, match="ask for rows"):
        rows(frames)


@pytest.mark.parametrize("frames", [[3], "0:50:10", {"keyframes": True}, {"count": 5}])
def test_other_requests_have_rows_and_no_times(frames: object) -> None:
    found = rows(frames)
    result = FrameList.of(found.tolist(), INDEX.timestamps()[found].tolist())
    assert result.timestamps is None
    assert json.loads(json.dumps(result.model_dump(exclude_none=True), allow_nan=False))["rows"] == found.tolist()
    assert [caption(3, second) for second in INDEX.timestamps()[:1]] == ["#3"]


def test_the_decoders_own_error_has_a_public_code() -> None:
    assert type(from_exception(ClockError("no times"))) is UnsupportedMedia
