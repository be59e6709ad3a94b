"""Videos that are broken, lie, bomb, or are of an unexpected kind: how each is made."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwang.isobmff.file import read_index
from hwang.sources import open_source
from tests.decoder.hostile import H264, LAVFI, encode
from tests.support.boxes import Movie, box, fragment, fragmented, full, table, u32
from tests.support.clips import encoder, make_clip, run_ffmpeg
from tests.support.patch import body, drop, put_numbers, put_table

NOISE_SEED = 7


@dataclass(frozen=True)
class BadMedia:
    """`folder` is for what is made on the way, `clips` for generated clips, which are made once."""

    folder: Path
    clips: Path

    def clip(self, name: str) -> Path:
        return make_clip(name, self.clips)

    def data(self, name: str) -> bytes:
        return self.clip(name).read_bytes()

    def encode(self, name: str, *arguments: str) -> Path:
        return encode(self.folder / name, *arguments)

    def copy(self, name: str, clip: str, *arguments: str) -> Path:
        """The clip in another container, its samples as they are."""
        return self.encode(name, "-i", str(self.clip(clip)), "-c", "copy", *arguments)


Make = Callable[[BadMedia], bytes]


def patched(clip: str, kind: bytes, offset: int, *numbers: int, size: int = 4) -> Make:
    """The clip with other numbers in a box."""
    return lambda bad_media: put_numbers(bad_media.data(clip), kind, offset, *numbers, size=size)


def cut(clip: str, part: float) -> Make:
    """The beginning of the clip."""
    return lambda bad_media: bad_media.data(clip)[: int(len(bad_media.data(clip)) * part)]


def encoded(name: str, *arguments: str) -> Make:
    return lambda bad_media: bad_media.encode(name, *arguments).read_bytes()


def copied(name: str, clip: str, *arguments: str) -> Make:
    return lambda bad_media: bad_media.copy(name, clip, *arguments).read_bytes()


def cover_picture(bad_media: BadMedia) -> bytes:
    cover = bad_media.encode("cover.png", *LAVFI, "testsrc=d=0.04:s=64x48", "-frames:v", "1")
    song = ("-i", str(cover), *LAVFI, "sine=d=1", "-map", "1", "-map", "0", "-c:a", "aac", "-c:v", "copy")
    return bad_media.encode("song.mp4", *song, "-disposition:v:0", "attached_pic").read_bytes()


def encrypted(bad_media: BadMedia) -> bytes:
    keys = ("-encryption_key", "00" * 16, "-encryption_kid", "11" * 16)
    return bad_media.copy("encrypted.mp4", "h264-no-b", "-encryption_scheme", "cenc-aes-ctr", *keys).read_bytes()


def encrypted_by_pattern(bad_media: BadMedia) -> bytes:
    """As Apple does it. No tool at hand makes one, so the scheme's name is another."""
    data = encrypted(bad_media)
    at = body(data, b"schm").start + 4
    assert data[at : at + 4] == b"cenc"
    return data[:at] + b"cbcs" + data[at + 4 :]


def with_sound_first(bad_media: BadMedia) -> bytes:
    sound = (*LAVFI, "sine=d=1.6", "-map", "1:a", "-map", "0:v", "-c:v", "copy", "-c:a", "aac")
    return bad_media.encode("second.mp4", "-i", str(bad_media.clip("h264-no-b")), *sound).read_bytes()


def with_timecode_first(bad_media: BadMedia) -> bytes:
    """A track of data in front of the video."""
    other = Movie(handler=b"tmcd", entry=b"tmcd", inside=b"", number=9).trak(0)
    data = bad_media.data("h264-closed-gop")  # moov is behind the samples, so that none of them moves
    at = body(data, b"moov").start
    size = int.from_bytes(data[at - 8 : at - 4], "big") + len(other)
    first = data.index(b"trak", at) - 4
    return data[: at - 8] + u32(size) + data[at - 4 : first] + other + data[first:]


def two_videos(suffix: str) -> Make:
    def make(bad_media: BadMedia) -> bytes:
        second = ("-i", str(bad_media.clip("h264-odd-size")), "-map", "0:v", "-map", "1:v", "-c", "copy")
        return bad_media.encode(f"two.{suffix}", "-i", str(bad_media.clip("h264-no-b")), *second).read_bytes()

    return make


def a_sample_of_noise(bad_media: BadMedia, clip: str = "h264-closed-gop", sample: int = 15) -> bytes:
    """Everything else of the clip is sound."""
    data = bytearray(bad_media.data(clip))
    index = read_index(open_source(bytes(data)))
    assert index
    offset, size = int(index.sample_offset[sample]), int(index.sample_size[sample])
    noise = np.random.default_rng(NOISE_SEED).integers(0, 256, size - 5, np.uint8)
    data[offset + 5 : offset + size] = noise.tobytes()
    return bytes(data)


def noisy(bad_media: BadMedia) -> bytes:
    return bad_media.copy("noisy.mp4", "h264-closed-gop", "-bsf:v", "noise=amount=200").read_bytes()


def another_size_midway(suffix: str) -> Make:
    """20 of 64x48, 20 of 128x48, 20 of the first again."""

    def make(bad_media: BadMedia) -> bytes:
        parts = [
            bad_media.encode(f"{width}.h264", *LAVFI, f"testsrc2=d=0.8:s={width}x48", *H264, "-g", "5")
            for width in (64, 128)
        ]
        joined = bad_media.folder / "joined.h264"
        joined.write_bytes(b"".join(part.read_bytes() for part in (*parts, parts[0])))
        if suffix == "h264":
            return joined.read_bytes()
        again = ("-framerate", "25", "-i", str(joined), "-c", "copy")
        return bad_media.encode(f"joined.{suffix}", *again).read_bytes()

    return make


def another_depth_midway(bad_media: BadMedia) -> bytes:
    source = (*LAVFI, "testsrc2=d=0.4:s=64x48", "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-threads", "1")
    formats = ("yuv420p", "yuv420p10le", "yuv422p")
    return b"".join(bad_media.encode(f"{name}.h264", *source, "-pix_fmt", name).read_bytes() for name in formats)


def headless(bad_media: BadMedia) -> bytes:
    return bad_media.copy("headless.ts", "h264-closed-gop", "-bsf:v", "noise=drop=eq(n\\,0)").read_bytes()


def jumping_clock(bad_media: BadMedia) -> bytes:
    late = bad_media.copy("later.ts", "h264-mpegts", "-output_ts_offset", "90000")
    return bad_media.data("h264-mpegts") + late.read_bytes()


def wrapping_clock(bad_media: BadMedia) -> bytes:
    """The 33 bits of MPEG-TS's clock begin anew in the middle of it."""
    return bad_media.copy("wrap.ts", "h264-mpegts", "-output_ts_offset", str(2**33 / 90000 - 0.8)).read_bytes()


def growing(bad_media: BadMedia) -> bytes:
    data = bad_media.data("h264-fragmented")
    return data[: data.index(b"moof", len(data) // 2) - 4]


def without_fragment_index(bad_media: BadMedia) -> bytes:
    data = drop(bad_media.data("h264-fragmented"), b"mfra")
    assert b"sidx" not in data
    return data


def without_cues(bad_media: BadMedia) -> bytes:
    data = bad_media.copy("live.mkv", "h264-matroska", "-live", "1").read_bytes()
    assert b"\x1c\x53\xbb\x6b" not in data
    return data


def chunk_elsewhere(where: str) -> Make:
    """The last of many chunks lies behind the end, across another, or in the header."""

    def make(bad_media: BadMedia) -> bytes:
        sound = (*LAVFI, "sine=d=1.6", "-map", "0:v", "-map", "1:a", "-c:v", "copy")
        path = bad_media.folder / "spread.mp4"
        run_ffmpeg(encoder(), "-i", str(bad_media.clip("h264-no-b")), *sound, str(path))
        data = path.read_bytes()
        chunks = np.frombuffer(data[body(data, b"stco").start + 8 : body(data, b"stco").stop], ">u4").tolist()
        place = {"beyond": len(data) + 1000, "overlapping": chunks[1] + 5, "header": data.index(b"moov")}[where]
        return put_table(data, b"stco", [*chunks[:-1], place])

    return make


def strange_times(times: str, suffix: str) -> Make:
    return copied(f"strange.{suffix}", "h264-no-b", "-bsf:v", f"setts=pts={times}")


def large_picture(codec: str) -> Make:
    """108 million pixels in a file whose container says 64x48."""

    def make(bad_media: BadMedia) -> bytes:
        form = "yuvj420p" if codec == "mjpeg" else "gray"
        source = (*LAVFI, "color=gray:s=12000x9000:r=1:d=2", "-frames:v", "2", "-c:v", codec, "-pix_fmt", form)
        data = bad_media.encode("large.mov", *source).read_bytes()
        assert len(data) < 8 << 20
        return put_numbers(data, b"jpeg" if codec == "mjpeg" else b"png ", 24, 64, 48, size=2)

    return make


def honest_large_picture(bad_media: BadMedia) -> bytes:
    source = (*LAVFI, "color=gray:s=16384x8704:r=1:d=1", "-c:v", "png", "-pix_fmt", "gray")
    return bad_media.encode("large.mov", *source).read_bytes()


def long_group(bad_media: BadMedia) -> bytes:
    """5,000 frames, one of them a key frame."""
    source = (*LAVFI, "testsrc2=d=200:s=64x48:r=25", *H264, "-g", "100000", "-bf", "0", "-x264-params", "scenecut=0")
    return bad_media.encode("long.mp4", *source).read_bytes()


def many_samples_in_few_bytes(bad_media: BadMedia) -> bytes:  # noqa: ARG001
    """Ten million samples of one size: a table without entries."""
    count = 10_000_000
    replaced = {
        b"stsz": full(b"stsz", u32(9, count)),
        b"stts": table(b"stts", [(count, 40)]),
        b"stsc": table(b"stsc", [(1, count, 1)]),
        b"stco": table(b"stco", [(0,)]),
        b"stss": b"",
    }
    return Movie(replace=replaced).build()


def many_tracks(bad_media: BadMedia) -> bytes:  # noqa: ARG001
    one = Movie().trak(0)
    return Movie(extra=one * 10_000).build()


def many_fragments(bad_media: BadMedia) -> bytes:  # noqa: ARG001
    return fragmented(*(fragment([9], time=40 * number) for number in range(10_000)))


def late_fragment(time: int) -> Make:
    return lambda bad_media: fragmented(fragment([9, 9], time=time))  # noqa: ARG005


def nested(bad_media: BadMedia) -> bytes:  # noqa: ARG001
    nest = b""
    for _ in range(1000):
        nest = box(b"moov", nest)
    return box(b"ftyp", b"isom", u32(0)) + nest


def own_offsets(bad_media: BadMedia) -> bytes:  # noqa: ARG001
    return Movie(replace={b"stco": table(b"stco", [(0,), (0,)])}).build()


def own_index(bad_media: BadMedia) -> bytes:
    """An mfra whose fragments are itself, over and over."""
    data = drop(bad_media.data("h264-fragmented"), b"mfra")
    rows = struct.pack(">QQ3x", 0, len(data)) * 1000
    tfra = full(b"tfra", u32(1, 0, 1000), rows, version=1)
    return data + box(b"mfra", tfra, full(b"mfro", u32(8 + len(tfra) + 16)))


def unknown_codec(bad_media: BadMedia) -> bytes:  # noqa: ARG001
    return Movie(entry=b"vvc1", inside=full(b"vvcC", bytes(20))).build()
