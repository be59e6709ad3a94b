"""Videos that are broken, lie or bomb: refused in words, soon, in little memory.

M1, M2, M4, M6, M7, M12 to M17 and M20 of docs/robustness.md. Those that give frames are in test_frames.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.cloud import bad_media as making
from tests.cloud.asked import OF_VIDEOS, OK, Asked, Put, check_report, frames_in
from tests.cloud.bad_media import BadMedia, Make, copied, cut, encoded, patched
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.decoder.hostile import LAVFI
from tests.support.boxes import box, u32
from tests.support.patch import body

SOON_SECONDS = 10
COUNT_SECONDS = 2  # for headers that claim billions


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


@pytest.fixture
def bad_media(function: Function, tmp_path: Path) -> BadMedia:
    return BadMedia(tmp_path, function.stack.scratch)


@dataclass(frozen=True)
class Case:
    """`named` is in the message, beside the video's name."""

    make: Make
    codes: tuple[str, ...]
    named: str = ""
    name: str = "video.mp4"
    frames: tuple[int, ...] = (0,)
    seconds: float = SOON_SECONDS


def given(content: bytes) -> Make:
    return lambda bad_media: content  # noqa: ARG005


UNSUPPORTED, CORRUPT, FRAMES, LIMIT = ("UnsupportedMedia",), ("CorruptMedia",), ("FrameCorrupt",), ("LimitExceeded",)
BROKEN = (*CORRUPT, *FRAMES)
ANY = tuple(sorted(OF_VIDEOS))
FTYP = box(b"ftyp", b"isom", u32(0), b"isom")
ZIP = b"PK\x03\x04" + bytes(500)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
CASES = {
    "M1-text": Case(given(b"frames, please\n" * 100), UNSUPPORTED),
    "M1-html": Case(given(b"<!DOCTYPE html><html><body>200 OK, or so it says</body></html>"), UNSUPPORTED),
    "M1-json": Case(given(b'{"video": "s3://videos/small.mp4"}' * 20), UNSUPPORTED),
    "M1-zip": Case(given(ZIP), UNSUPPORTED),
    "M1-pdf": Case(given(PDF * 9), UNSUPPORTED),
    "M1-zeros": Case(given(bytes(100_000)), UNSUPPORTED),
    "M1-one-byte": Case(given(b"x"), (*UNSUPPORTED, *CORRUPT)),
    "M2-mdat-only": Case(given(FTYP + box(b"mdat", bytes(5000))), CORRUPT, "moov"),
    "M2-header-cut-off": Case(cut("h264-closed-gop", 0.66), CORRUPT, "moov"),
    "M2-header-cut": Case(cut("h264-closed-gop", 0.98), CORRUPT),
    "M2-no-samples": Case(patched("h264-no-b", b"stsz", 8, 0), CORRUPT),
    "M4-406-bytes": Case(lambda bad_media: bad_media.data("h264-closed-gop")[:406], CORRUPT),
    "M4-406-bytes-faststart": Case(lambda bad_media: bad_media.data("h264-faststart")[:406], CORRUPT),
    "M6-audio-mp4": Case(encoded("tone.mp4", *LAVFI, "sine=d=1", "-c:a", "aac"), UNSUPPORTED, "no video"),
    "M6-audio-mkv": Case(encoded("tone.mkv", *LAVFI, "sine=d=1", "-c:a", "aac"), UNSUPPORTED, "no video"),
    "M6-cover": Case(making.cover_picture, UNSUPPORTED, "no video"),
    "M7-cenc": Case(making.encrypted, ("Encrypted",), "encrypted"),
    "M7-cbcs": Case(making.encrypted_by_pattern, ("Encrypted",), "encrypted"),
    "M11-ten-million": Case(making.many_samples_in_few_bytes, (*LIMIT, *BROKEN)),
    "M13-32767x32767": Case(patched("mjpeg-mov", b"jpeg", 24, 32767, 32767, size=2), LIMIT, seconds=COUNT_SECONDS),
    "M13-65535x65535": Case(patched("mjpeg-mov", b"jpeg", 24, 65535, 65535, size=2), LIMIT, seconds=COUNT_SECONDS),
    "M13-65535x1": Case(patched("mjpeg-mov", b"jpeg", 24, 65535, 1, size=2), ANY, seconds=COUNT_SECONDS),
    "M13-16384x8704": Case(making.honest_large_picture, LIMIT, seconds=COUNT_SECONDS, name="large.mov"),
    "M14-mjpeg": Case(making.large_picture("mjpeg"), (*LIMIT, *FRAMES, *UNSUPPORTED), name="bomb.mov"),
    "M14-png": Case(making.large_picture("png"), (*LIMIT, *FRAMES, *UNSUPPORTED), name="bomb.mov"),
    "M15-tracks": Case(making.many_tracks, CORRUPT, "tracks"),
    "M15-fragments": Case(making.many_fragments, (*BROKEN, *UNSUPPORTED)),
    "M15-nest": Case(making.nested, (*CORRUPT, *UNSUPPORTED)),
    "M15-own-offsets": Case(making.own_offsets, (*BROKEN, *UNSUPPORTED)),
    "M16-late": Case(making.late_fragment((1 << 62) - 1), ANY),
    "M16-later": Case(making.late_fragment(1 << 63), ANY),
    "M16-latest": Case(making.late_fragment((1 << 64) - 1), ANY),
    "M17-beyond": Case(making.chunk_elsewhere("beyond"), FRAMES, "39", frames=(39,)),
    "M17-overlapping": Case(making.chunk_elsewhere("overlapping"), FRAMES, "39", frames=(39,)),
    "M17-header": Case(making.chunk_elsewhere("header"), FRAMES, "39", frames=(39,)),
    "M20-vvc": Case(making.unknown_codec, UNSUPPORTED, "vvc"),
    "M20-realmedia": Case(copied("clip.rm", "h264-no-b", "-c:v", "rv20"), UNSUPPORTED, "RealMedia", "clip.rm"),
    "M20-cinepak": Case(
        copied("old.mov", "h264-no-b", "-c:v", "cinepak", "-frames:v", "2"), UNSUPPORTED, "cvid", name="old.mov"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_gives_no_frames_says_why(case: Case, asked: Asked, bad_media: BadMedia) -> None:
    video = asked.video(case.make(bad_media), case.name)
    answer = asked.frames(video, [*case.frames])
    assert answer.seconds < case.seconds
    asked.refused(answer, case.codes, case.named, case.name)


TABLES = {
    "stsz": ("h264-closed-gop", 8),
    "stco": ("h264-closed-gop", 4),
    "ctts": ("h264-closed-gop", 4),
    "stsc": ("h264-closed-gop", 4),
    "stss": ("h264-closed-gop", 4),
    "stts": ("h264-closed-gop", 4),
    "elst": ("h264-closed-gop", 4),
    "stsd": ("h264-closed-gop", 4),
    "dref": ("h264-closed-gop", 4),
    "trun": ("h264-fragmented", 4),
}
DECIDED_BY_THE_BOX = ("stsd", "dref", "elst")  # what is there is taken


@pytest.mark.limits(memory_mb=512)
@pytest.mark.parametrize(("table", "place"), TABLES.items(), ids=[f"M12-{name}" for name in TABLES])
def test_a_count_beyond_its_box_takes_no_memory(
    table: str, place: tuple[str, int], asked: Asked, bad_media: BadMedia
) -> None:
    """In a function that has little."""
    clip, offset = place
    codes = (OK, *CORRUPT) if table in DECIDED_BY_THE_BOX else CORRUPT
    answer = None
    for count in (1 << 28, 1 << 31, (1 << 32) - 1):
        data = patched(clip, table.encode(), offset, count)(bad_media)
        answer = asked.frames(asked.video(data, f"{count}.mp4"), [0])
        assert answer.code in codes, answer.value
        assert answer.seconds < COUNT_SECONDS
        if answer.code == OK:
            np.testing.assert_array_equal(frames_in(answer), asked.truth(clip)[[0]])
    assert answer
    asked.hold(answer)


@pytest.mark.parametrize("kind", ["moov", "trak", "stbl", "stsd", "avc1", "stsz", "mdat"], ids=lambda k: f"M15-{k}")
def test_an_impossible_size_of_a_box_is_survived(kind: str, asked: Asked, bad_media: BadMedia) -> None:
    """The frame is exact, or the file is refused."""
    data = bad_media.data("h264-faststart")
    at = body(data, kind.encode()).start - 8
    answer = None
    for size in (0, 1, 7, 8, (1 << 31) - 1, (1 << 32) - 1):
        answer = asked.frames(asked.video(data[:at] + u32(size) + data[at + 4 :], f"{size}.mp4"), [0])
        if answer.code == OK:
            asked.exact(answer, asked.truth()[[0]])
        else:
            check_report(answer, [*CORRUPT, *FRAMES, *UNSUPPORTED], f"{size}.mp4")
    assert answer
    asked.hold(answer)
