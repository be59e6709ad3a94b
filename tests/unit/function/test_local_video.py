"""A file of this machine as the video: in `python -m function`, and nowhere else."""

from __future__ import annotations

import pytest

from function.errors import BadRequest, SourceForbidden, SourceNotFound
from function.models.event import Decode, parse_event
from function.models.places import LocalFile, Url
from function.source.reader import FileOfThisMachine

EVENT = {"frames": "all", "format": "inline"}


@pytest.mark.parametrize("path", ["/clips/a.mp4", "./a.mp4", "a b.mp4", "C:a.mp4"])
def test_a_path_is_a_video_here(path: str) -> None:
    request = parse_event({"video": path, **EVENT}, local_files=True)
    assert isinstance(request, Decode)
    assert request.video == LocalFile.model_construct(path=path)


@pytest.mark.parametrize("video", ["/etc/passwd", "./a.mp4", {"path": "/etc/passwd"}])
def test_no_event_can_name_a_file(video: object) -> None:
    with pytest.raises(BadRequest, match="must be like s3://bucket/key or https://host/path"):
        parse_event({"video": video, **EVENT})


def test_an_address_of_a_file_is_one_that_the_policy_refuses() -> None:
    request = parse_event({"video": "file:///etc/passwd", **EVENT}, local_files=True)
    assert isinstance(request, Decode)
    assert request.video == Url(url="file:///etc/passwd")


def test_addresses_stay_addresses_here() -> None:
    request = parse_event({"video": "s3://films/a.mp4", **EVENT}, local_files=True)
    assert isinstance(request, Decode)
    assert request.video.uri == "s3://films/a.mp4"  # type: ignore[union-attr]


def test_a_file_that_cannot_be_read_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SourceNotFound, match="does not exist"):
        FileOfThisMachine(str(tmp_path / "none.mp4"))
    with pytest.raises(SourceForbidden, match="is no file"):
        FileOfThisMachine(str(tmp_path))
