"""Videos of an unexpected kind, and damaged ones: every frame that is given is exact, all others are named.

M3, M5, M6, M8 to M11, M16, M18, M19 and M21 of docs/robustness.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cloud import bad_media as making
from tests.cloud.asked import OF_VIDEOS, OK, Asked, Put, check_report, frames_in
from tests.cloud.bad_media import BadMedia, Make, patched, strange_times
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.decoder.hostile import H264, LAVFI
from tests.support.clips import BY_NAME, FRAMES, linear_decode

CUTS = 24
SIZE = (160, 96)


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


@pytest.fixture
def bad_media(function: Function, tmp_path: Path) -> BadMedia:
    return BadMedia(tmp_path, function.stack.scratch)


def as_it_is(clip: str) -> Make:
    return lambda bad_media: bad_media.data(clip)


LIKE = {  # a file, and the clip whose frames it has
    "M6-sound-first": (making.with_sound_first, "h264-no-b"),
    "M6-timecode-first": (making.with_timecode_first, "h264-closed-gop"),
    "M6-two-videos-mp4": (making.two_videos("mp4"), "h264-no-b"),
    "M6-two-videos-mkv": (making.two_videos("mkv"), "h264-no-b"),
    "M21-no-fragment-index": (making.without_fragment_index, "h264-fragmented"),
    "M13-0x0": (patched("h264-no-b", b"avc1", 24, 0, 0, size=2), "h264-no-b"),  # the track's own size counts
    "M15-own-index": (making.own_index, "h264-fragmented"),
    "M21-no-cues": (making.without_cues, "h264-matroska"),
    **{
        f"{row}-{clip}": (as_it_is(clip), clip)
        for row, clips in {
            "M9": ("h264-open-gop", "h264-open-gop-mov", "h264-intra-refresh", "hevc-open-gop"),
            "M10": ("h264-trimmed", "h264-delayed", "h264-negative-ctts"),
            "M16": ("h264-vfr", "h264-mpegts", "h264-flv", "mpeg4-b-frames", "h264-raw"),
            "M19": (
                "h264-rotated",
                "h264-444",
                "hevc-10bit",
                "h264-full-range-709",
                "h264-odd-size",
                "prores",
                "png-mov",
            ),
            "M21": ("h264-fragmented", "h264-fragmented-delay", "mpeg2-program-stream", "av1-ivf"),
        }.items()
        for clip in clips
    },
}


@pytest.mark.parametrize(("make", "clip"), LIKE.values(), ids=LIKE.keys())
def test_all_frames_of_an_unusual_video_are_exact(make: Make, clip: str, asked: Asked, bad_media: BadMedia) -> None:
    truth, suffix = asked.truth(clip), BY_NAME[clip].suffix
    answer = asked.frames(asked.video(make(bad_media), f"video.{suffix}"))
    assert answer.code == OK, answer.value
    assert answer.value["frames"]["count"] == len(truth)
    asked.exact(answer, truth)


def hdr(transfer: str) -> tuple[str, ...]:
    said = f"log-level=error:pools=1:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    ten_bits = ("-pix_fmt", "yuv420p10le", "-tag:v", "hvc1")
    return (*ten_bits, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", said)


SOURCE = (*LAVFI, "testsrc2=d=0.8:s=160x96")
MADE = {
    "M19-interlaced": ("video.mp4", (*SOURCE, *H264, "-flags", "+ildct+ilme", "-g", "5")),
    "M19-alpha": ("video.mov", (*SOURCE, "-c:v", "png", "-pix_fmt", "rgba")),
    "M19-alpha-webm": ("video.webm", (*SOURCE, "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-cpu-used", "8")),
    "M19-hdr": ("video.mp4", (*SOURCE, *hdr("smpte2084"))),
    "M19-hlg": ("video.mp4", (*SOURCE, *hdr("arib-std-b67"))),
    "M19-sample-aspect": ("video.mp4", (*SOURCE, "-vf", "setsar=2/1", *H264)),
    "M19-gray": ("video.mp4", (*SOURCE, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "gray")),
    "M19-422-10bit": ("video.mp4", (*SOURCE, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv422p10le")),
    "M16-fast-clock": ("video.mkv", (*SOURCE, "-vf", "settb=1/1000000000,setpts=N*40000000", *H264)),
    "M19-still": ("still.mp4", (*LAVFI, "color=red:d=0.04:s=160x96", "-frames:v", "1", *H264)),
    "M10-empty-edit": ("video.mp4", ("-itsoffset", "0.5", *SOURCE, *H264, "-output_ts_offset", "1")),
}


@pytest.mark.parametrize(("name", "arguments"), MADE.values(), ids=MADE.keys())
def test_all_frames_of_an_unusual_picture_are_exact(
    name: str, arguments: tuple[str, ...], asked: Asked, bad_media: BadMedia
) -> None:
    path = bad_media.encode(name, *arguments)
    answer = asked.frames(asked.video(path.read_bytes(), name))
    assert answer.code == OK, answer.value
    assert answer.value["inline"]["dtype"] == "uint8"
    asked.exact(answer, linear_decode(path, SIZE))


def test_a_video_is_turned_as_its_metadata_says(asked: Asked, bad_media: BadMedia) -> None:
    """M19"""
    video = asked.video(bad_media.data("h264-rotated"))
    answer = asked.frames(video, [0, 39], rotate=True)
    turns = answer.value["video"]["rotation"] // 90
    assert turns in (1, 3)
    asked.exact(answer, np.rot90(asked.truth("h264-rotated")[[0, 39]], -turns, axes=(1, 2)))


JUDGED = {  # each row is the tool's, or named
    "M8-depth": (making.another_depth_midway, "joined.h264", (64, 48)),
    "M9-headless": (making.headless, "headless.ts", SIZE),
    "M10-rate": (patched("h264-trimmed", b"elst", 16, 0x20000), "rate.mp4", SIZE),
    "M10-dwell": (patched("h264-trimmed", b"elst", 16, 0), "dwell.mp4", SIZE),
    "M10-negative": (patched("h264-trimmed", b"elst", 12, -5), "negative.mp4", SIZE),
    "M16-one-time": (patched("h264-no-b", b"stts", 8, 40, 0), "times.mp4", SIZE),
    "M16-long-times": (patched("h264-no-b", b"stts", 8, 40, (1 << 31) - 1), "times.mp4", SIZE),
    "M16-negative-times": (patched("h264-no-b", b"stts", 8, 40, (1 << 32) - 512), "times.mp4", SIZE),
    "M21-jump": (making.jumping_clock, "jump.ts", SIZE),
    "M21-wrap": (making.wrapping_clock, "wrap.ts", SIZE),
    "M21-growing": (making.growing, "growing.mp4", SIZE),
}


@pytest.mark.parametrize(("make", "name", "size"), JUDGED.values(), ids=JUDGED.keys())
def test_every_row_is_the_tools_or_named(
    make: Make, name: str, size: tuple[int, int], asked: Asked, bad_media: BadMedia
) -> None:
    path = bad_media.folder / name
    path.write_bytes(make(bad_media))
    shown = linear_decode(path, size)
    video = asked.video(path.read_bytes(), name)
    count = asked.function.invoke({"action": "probe", "video": video})
    if count.code != OK:
        asked.refused(count, OF_VIDEOS, name)
        return
    assert count.value["video"]["frames"] == len(shown)
    _, answer = asked.sound_rows(video, shown, also=shown)
    asked.hold(answer)


@pytest.mark.parametrize(
    "times",
    ["N*0", "-N", "mod(N\\,5)", "4611686018427387904+N", "if(mod(N\\,2)\\,N\\,NOPTS)"],
    ids=lambda t: f"M16-{t}",
)
@pytest.mark.parametrize("suffix", ["mkv", "nut", "avi"])
def test_strange_times_give_the_tools_frames_or_an_error(
    times: str, suffix: str, asked: Asked, bad_media: BadMedia
) -> None:
    try:
        data = strange_times(times, suffix)(bad_media)
    except AssertionError:
        data = b""  # the muxer refuses to write them
    answer = asked.frames(asked.video(data, f"strange.{suffix}"))
    if answer.code == OK:
        shown = {frame.tobytes() for frame in linear_decode(bad_media.folder / f"strange.{suffix}", SIZE)}
        assert {frame.tobytes() for frame in frames_in(answer)} <= shown
    else:
        check_report(answer, OF_VIDEOS, f"strange.{suffix}")
    asked.hold(answer)


def test_of_a_truncated_video_the_earlier_frames_are_exact(asked: Asked, bad_media: BadMedia) -> None:
    """M3: wherever it is cut; without its header it is none."""
    data, truth = bad_media.data("h264-faststart"), asked.truth()
    start = data.index(b"mdat")
    sound, answer = [], None
    for number in range(CUTS):
        length = 40 + (len(data) - 40) * number // CUTS
        video = asked.video(data[:length], f"{length}.mp4")
        if length <= start:
            answer = asked.frames(video, [0])
            check_report(answer, ["CorruptMedia"], f"{length}.mp4")
        else:
            rows, answer = asked.sound_rows(video, truth)
            sound.append(len(rows))
    assert sound == sorted(sound), "the longer, the more frames"
    assert sound[-1] > FRAMES // 2
    assert answer
    asked.hold(answer)


@pytest.mark.parametrize("clip", ["h264-closed-gop", "hevc-open-gop", "vp9-mp4", "av1"], ids=lambda clip: f"M5-{clip}")
def test_a_damaged_sample_harms_no_frame_that_does_not_need_it(clip: str, asked: Asked, bad_media: BadMedia) -> None:
    video = asked.video(making.a_sample_of_noise(bad_media, clip))
    rows, answer = asked.sound_rows(video, asked.truth(clip))
    assert len(rows) >= 10
    assert len(rows) < FRAMES
    asked.hold(answer)


def test_noise_is_named_unless_the_tool_too_takes_it_for_a_picture(asked: Asked, bad_media: BadMedia) -> None:
    """M5"""
    data = making.noisy(bad_media)
    also = linear_decode(bad_media.folder / "noisy.mp4", SIZE)
    rows, answer = asked.sound_rows(asked.video(data), asked.truth("h264-closed-gop"), also)
    assert len(rows) < FRAMES
    asked.hold(answer)


@pytest.mark.parametrize("suffix", ["h264", "ts", "mkv", "mp4"], ids=lambda suffix: f"M8-{suffix}")
def test_a_size_that_changes_is_refused_or_scaled_on_request(suffix: str, asked: Asked, bad_media: BadMedia) -> None:
    video = asked.video(making.another_size_midway(suffix)(bad_media), f"joined.{suffix}")
    truth = linear_decode(bad_media.folder / "64.h264", (64, 48))
    np.testing.assert_array_equal(frames_in(asked.frames(video, [0, 1])), truth[:2])
    check_report(asked.frames(video, [22]), ["UnsupportedMedia"], "128x48")
    asked.exact(asked.frames(video, [19]), truth[[19]])
    assert frames_in(asked.frames(video, [0, 22], size={"max_side": 32})).shape == (2, 24, 32, 3)


def test_a_size_that_the_container_misstates(asked: Asked, bad_media: BadMedia) -> None:
    """M13: the coded video's own counts, whether its header states it or only its pictures."""
    for name, entry in (("h264-no-b", b"avc1"), ("mjpeg-mov", b"jpeg"), ("prores", b"apco")):
        video = asked.video(patched(name, entry, 24, 64, 48, size=2)(bad_media), f"{name}.mov")
        asked.exact(asked.frames(video, [7]), asked.truth(name)[[7]])
        answer = asked.frames(video, [7, 3], size={"max_side": 80})
        assert frames_in(answer).shape == (2, 48, 80, 3)
        assert (answer.value["video"]["width"], answer.value["video"]["height"]) == (160, 96)


def test_a_time_table_that_claims_two_billion_samples(asked: Asked, bad_media: BadMedia) -> None:
    """M11: the samples that are there count."""
    video = asked.video(patched("h264-no-b", b"stts", 8, (1 << 31) - 1)(bad_media))
    answer = asked.frames(video, [(1 << 31) - 2])
    check_report(answer, ["FrameOutOfRange"], "40 frames")
    assert answer.seconds < 1
    asked.exact(asked.frames(video, [39]), asked.truth("h264-no-b")[[39]])


def test_the_last_frame_of_a_long_group_is_exact(asked: Asked, bad_media: BadMedia) -> None:
    """M18"""
    video = asked.video(making.long_group(bad_media))
    last = linear_decode(bad_media.folder / "long.mp4", (64, 48))[-1:]
    answer = asked.frames(video, [4999])
    assert answer.value["video"]["keyframes"] == 1
    asked.exact(answer, last)
