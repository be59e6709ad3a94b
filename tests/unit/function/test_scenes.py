"""Frames that are found by looking: cuts beside those that were drawn, good frames, and what a search costs."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from function.clock import Clock
from function.errors import BadRequest, FrameCorrupt, LimitExceeded
from function.frames.rows import MAX_LOOKS, looks
from function.frames.scenes import Seen, cuts, find, measured, representatives, scenes
from function.jobs.pieces import pieces_of
from function.models.event import Decode, Plan, parse_event
from function.models.job import Job
from function.models.selection import Representative, SceneOptions, Scenes
from function.session import Session
from hwang.errors import CorruptFrameError
from tests.support.fakes3 import FakeS3
from tests.support.shots import SIZE, Clip, Shot
from tests.unit.function.fakedecoder import VIDEO, FakeDecoder, FakeVideo, index_of, install

DRAWN = 20
SCENES = Scenes(scenes=SceneOptions())
Drawn = list[tuple[Clip, NDArray[np.int64], Seen]]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    """The labelled set: 20 clips, and what the looks at them have seen."""
    clips = []
    for seed in range(DRAWN):
        clip = Clip(seed)
        rows = looks(SCENES, index_of(len(clip), SIZE))
        clips.append((clip, rows, Seen([measured(np.stack([clip.frame(row) for row in rows.tolist()]))])))
    return clips


def shot_of(clip: Clip, row: int) -> Shot:
    return next(shot for shot in clip.shots if shot.first <= row < shot.stop)


def is_good(clip: Clip, row: int) -> bool:
    """Neither blurred, nor a flash, nor darker than a third by a fade."""
    shot = shot_of(clip, row)
    since, left = row - shot.first, shot.stop - 1 - row
    return since >= shot.blurred and row != shot.flash and 3 * min(since, left) >= shot.faded


def test_cuts_are_found_within_a_fifth_of_a_second_with_precision_and_recall_of_95_percent(drawn: Drawn) -> None:
    right = found = there = 0
    for clip, rows, seen in drawn:
        left = list(clip.cuts)
        for row in rows[cuts(seen, SCENES.scenes.threshold)].tolist():
            found += 1
            hits = [cut for cut in left if cut[0] <= row <= cut[1] + 5]
            right += bool(hits)
            left = [cut for cut in left if cut not in hits[:1]]
        there += len(clip.cuts)
    assert there > 150
    assert (right / found >= 0.95, right / there >= 0.95) == (True, True), (right, found, there)


def test_the_frames_of_scenes_are_good_ones_of_different_shots(drawn: Drawn) -> None:
    good = total = 0
    for clip, looked_at, seen in drawn:
        rows = looked_at[scenes(seen, SCENES.scenes.threshold, None)].tolist()
        assert len({shot_of(clip, row).first for row in rows}) == len(rows)
        good += sum(is_good(clip, row) for row in rows)
        total += len(rows)
    assert good >= 0.98 * total, (good, total)


def test_representatives_are_good_and_none_comes_twice(drawn: Drawn) -> None:
    for clip, looked_at, seen in drawn:
        rows = looked_at[representatives(seen, 3)].tolist()
        assert all(is_good(clip, row) for row in rows)
        shown = {(id(shot.picture), shot.pan[0] > 0, shot.pan[1] > 0) for shot in (shot_of(clip, row) for row in rows)}
        assert len(shown) == len(rows) == 3


def flat(values: list[int]) -> Any:
    """A video whose rows show a plain color or, if the number is above 255, one of the pictures that are not plain."""

    def draw(row: int, width: int, height: int) -> NDArray[np.uint8]:
        value = values[row]
        if value <= 255:
            return np.full((height, width, 3), value, np.uint8)
        return np.random.default_rng(value).integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)

    return FakeDecoder(index_of(len(values), (32, 32), gop=1), draw=draw)


def test_a_video_without_any_good_frame_gives_one_all_the_same() -> None:
    for wanted in (SCENES, Representative(representative=5)):
        assert find(wanted, flat([0] * 30), Clock()).tolist() == [0]


def test_the_same_picture_is_no_second_representative() -> None:
    assert len(find(Representative(representative=5), flat([0, 0, *[300] * 20, *[301] * 8, 255]), Clock())) == 2


def test_one_representative_is_of_what_is_shown_the_longest() -> None:
    [row] = find(Representative(representative=1), flat([*[301] * 8, *[300] * 20, *[302] * 8]), Clock())
    assert 8 <= row < 28


def test_of_too_many_scenes_the_longest_count_and_come_in_order() -> None:
    values = [*[300] * 20, *[301] * 50, *[302] * 20, *[303] * 50]
    assert find(SCENES, flat(values), Clock()).tolist() == [0, 20, 70, 90]
    assert find(Scenes(scenes=SceneOptions(max=2)), flat(values), Clock()).tolist() == [20, 90]
    assert find(Scenes(scenes=SceneOptions(max=9)), flat(values), Clock()).tolist() == [0, 20, 70, 90]


def test_a_flash_and_a_black_frame_are_no_cuts() -> None:
    assert find(SCENES, flat([*[300] * 20, *[255] * 5, *[300] * 20, *[0] * 5, *[300] * 20]), Clock()).tolist() == [0]


def test_a_longer_black_divides_scenes() -> None:
    assert find(SCENES, flat([*[0] * 15, *[300] * 20, *[0] * 20, *[300] * 20]), Clock()).tolist() == [15, 55]


@pytest.mark.parametrize("size", [(2, 2), (3, 1), (1, 40), (16, 2)])
def test_videos_of_few_pixels_have_scenes_too(size: tuple[int, int]) -> None:
    for wanted in (SCENES, Representative(representative=1)):
        assert len(find(wanted, cast("Any", FakeDecoder(index_of(20, size))), Clock())) == 1


@pytest.mark.parametrize(
    ("count", "gop", "changes", "expected"),
    [
        (100, 25, {}, np.arange(0, 100, 5)),
        (1, 25, {}, [0]),
        (100, 25, {"time_base": (1, 2)}, np.arange(99)),  # two a second
    ],
)
def test_a_short_video_is_looked_at_five_times_a_second(count: int, gop: int, changes: Any, expected: Any) -> None:
    assert looks(SCENES, index_of(count, SIZE, gop=gop, **changes)).tolist() == list(expected)


def test_a_long_video_is_looked_at_by_its_key_frames_and_evenly_where_these_are_rare() -> None:
    hour = 25 * 3600
    assert looks(SCENES, index_of(hour, SIZE, gop=100)).tolist() == list(range(0, hour, 100))
    often = looks(SCENES, index_of(hour, SIZE, gop=10))
    assert len(often) == MAX_LOOKS
    assert (often % 10 == 0).all()
    rare = looks(SCENES, index_of(hour, SIZE, gop=hour))
    assert (len(rare), int(np.diff(rare).max())) == (MAX_LOOKS, 30)


def test_representatives_are_looked_for_among_key_frames_if_there_are_enough() -> None:
    wanted = Representative(representative=2)
    assert looks(wanted, index_of(1000, SIZE, gop=50)).tolist() == list(range(0, 1000, 50))
    assert len(looks(wanted, index_of(1000, SIZE, gop=500))) == 200
    assert looks(wanted, index_of(7, SIZE, gop=500)).tolist() == list(range(7))


def test_frames_that_cannot_be_decoded_are_passed_over() -> None:
    decoder = flat([*[300] * 20, *[301] * 20])
    decoder.fails = (20, CorruptFrameError("row 20 is damaged", rows=[20]))
    assert find(SCENES, decoder, Clock()).tolist() == [0, 25]
    lone = flat([300])
    lone.fails = (0, CorruptFrameError("row 0 is damaged", rows=[0]))
    with pytest.raises(CorruptFrameError):
        find(SCENES, lone, Clock())


@pytest.fixture
def video(monkeypatch: pytest.MonkeyPatch) -> FakeVideo:
    fake = install(monkeypatch, index_of(60, (32, 32)))
    fake.decoder.draw = flat([*[300] * 20, *[301] * 40]).draw
    return fake


def answer(**fields: Any) -> dict[str, Any]:
    from function.actions.decode import decode
    from function.actions.inspect import plan

    request = parse_event({"video": VIDEO, **fields})
    session = Session(cast("Any", FakeS3()))
    if isinstance(request, Plan):
        return plan(request, session)
    assert isinstance(request, Decode)
    return decode(request, session)


def test_a_decode_finds_its_frames_and_names_them(video: FakeVideo) -> None:
    result = answer(frames={"scenes": {}}, output="s3://out/run/", format="png")
    assert result["frames"] == {"count": 2, "rows": [0, 20], "timestamps": [0.0, 0.8]}
    assert [written["row"] for written in result["output"]] == [0, 20]
    assert video.decoder.decoded == [*range(0, 60, 5), 0, 20]
    assert "look" in result["milliseconds"]
    assert answer(frames={"representative": 1}, format="inline")["frames"]["count"] == 1


def test_a_size_that_the_container_misstates_is_learnt_by_looking(video: FakeVideo) -> None:
    video.decoder.true_size = (64, 32)
    result = answer(frames={"scenes": {}}, output="s3://out/run/", format="png")
    assert (result["video"]["width"], result["output"][0]["shape"]) == (64, [32, 32, 3])


def test_what_does_not_fit_is_refused_before_looking(video: FakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "64")
    with pytest.raises(LimitExceeded):
        answer(frames={"scenes": {}}, output="s3://out/run/")
    assert video.decoder.decoded == []


def test_a_damaged_video_without_a_good_frame_is_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, index_of(1, (32, 32)))
    fake.decoder.fails = (0, CorruptFrameError("row 0 is damaged", rows=[0]))
    with pytest.raises(FrameCorrupt):
        answer(frames={"scenes": {}}, output="s3://out/run/")


@pytest.mark.usefixtures("video")
def test_a_plan_is_an_upper_bound_of_the_search_and_of_what_it_finds() -> None:
    done = answer(frames={"scenes": {"max": 3}}, output="s3://out/run/")
    planned = answer(action="plan", frames={"scenes": {"max": 3}})
    assert planned["frames"] == {"count": 3}
    assert planned["cost"]["samples"] == 2 * 12  # every fifth, a key frame, is looked at
    assert planned["cost"]["samples"] >= done["counters"]["samples_decoded"]
    whole = answer(action="plan", frames="0:60:5")
    assert planned["cost"]["milliseconds"] >= whole["cost"]["milliseconds"]


def test_a_job_neither_cuts_nor_looks_at_a_video_that_is_to_be_searched() -> None:
    frames = {"scenes": {"threshold": 0.1, "max": 20}}
    job = Job.model_validate(
        {"videos": "s3://films/", "output": "s3://results/run/", "frames": frames, "part_seconds": 1}
    )
    assert not job.is_divisible
    [piece] = pieces_of(index_of(30_000, (1920, 1080)), 10**9, job, 2**31)
    one_pass = Job.model_validate({**job.document(), "frames": "0:30000:10", "format": "sheet"})
    [whole] = pieces_of(index_of(30_000, (1920, 1080)), 10**9, one_pass, 2**31)
    assert piece.seconds > 1.5 * whole.seconds
    assert job.frames_document() == frames


@pytest.mark.parametrize(
    "frames",
    [
        {"scenes": {"threshold": 0}},
        {"scenes": {"threshold": 1.5}},
        {"scenes": {"max": 0}},
        {"scenes": 3},
        {"representative": 0},
        {"representative": 101},
        {"representative": 1, "scenes": {}},
    ],
)
def test_searches_that_make_no_sense_are_refused(frames: Any) -> None:
    with pytest.raises(Exception, match="frames"):
        parse_event({"video": VIDEO, "frames": frames, "output": "s3://out/run/"})


@pytest.mark.parametrize("search", [{"scenes": {"max": 2}}, {"representative": 2}])
@pytest.mark.parametrize(
    ("name", "value"), [("from", 1), ("to", -1), ("max", 3), ("snap", "keyframe"), ("strict", True)]
)
def test_a_search_is_of_the_whole_video_and_says_so(search: dict[str, Any], name: str, value: Any) -> None:
    with pytest.raises(BadRequest) as raised:
        parse_event({"video": VIDEO, "frames": {**search, name: value}, "output": "s3://out/run/"})
    message = f"scenes and representative look at the whole video, and take no {name} beside them"
    assert raised.value.detail["problems"] == [{"path": "frames", "message": message}]
