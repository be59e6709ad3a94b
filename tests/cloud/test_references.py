"""Files that refer to others, named like a video: refused or read alone; what they refer to is never asked for.

S9 and S10 of docs/robustness.md. From S3 and over HTTPS from a server that stands beside what is referred to.
"""

from __future__ import annotations

import struct
import urllib.request
from collections.abc import Iterator

import pytest

from local.stack import DIRECT
from tests.cloud.asked import OK, Asked, Put
from tests.cloud.conftest import Beds
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import Limits
from tests.cloud.test_addresses import AUTHORITY, SITE, address_of
from tests.support.boxes import Movie

CANARY = "http://web:8002/canary"
CANARIES = (CANARY, f"{SITE}/canary", "file:///etc/passwd", "/etc/passwd", "canary", "concat:file:///etc/passwd|canary")


@pytest.fixture
def function(beds: Beds) -> Function:
    """It could reach the canary, if it tried."""
    opened = {"HWANG_ALLOW_NETWORKS": f"{address_of(beds.current, 'web')}/32", "HWANG_ALLOW_HTTP": "1"}
    function = beds.function(Limits(environment=opened | AUTHORITY))
    function.check_good()
    return function


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Iterator[Asked]:
    """Afterwards the canary must not have been seen."""
    stack = function.stack
    DIRECT.open(urllib.request.Request(f"{stack.web}/counts", method="DELETE"), timeout=10).close()  # noqa: S310
    yield Asked(function, after, prefix, put)
    assert stack.web_counts()["canary"] == 0


def hls(uri: str) -> str:
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{uri}\n#EXT-X-ENDLIST\n"


def master(uri: str) -> str:
    return f'#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.64001f"\n{uri}\n'


def keyed(uri: str) -> str:
    return hls("segment.ts").replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{uri}"\n#EXTINF', 1)


def mapped(uri: str) -> str:
    return hls("segment.m4s").replace("#EXTINF", f'#EXT-X-MAP:URI="{uri}"\n#EXTINF', 1)


def dash(uri: str) -> str:
    segments = f'<BaseURL>{uri}</BaseURL><SegmentList><SegmentURL media="{uri}"/></SegmentList>'
    adaptation = (
        f'<AdaptationSet mimeType="video/mp4"><Representation id="1">{segments}</Representation></AdaptationSet>'
    )
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        f'mediaPresentationDuration="PT10S"><Period>{adaptation}</Period></MPD>'
    )


def sdp(uri: str) -> str:  # noqa: ARG001 - it names hosts
    return "\r\n".join(
        [
            "v=0",
            "o=- 0 0 IN IP4 web",
            "s=x",
            "c=IN IP4 web",
            "t=0 0",
            "m=video 8002 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
        ]
    )


def concat(uri: str) -> str:
    return f"ffconcat version 1.0\nfile '{uri}'\n"


def smil(uri: str) -> str:
    return f'<smil><body><video src="{uri}"/></body></smil>'


def asx(uri: str) -> str:
    return f'<asx version="3.0"><entry><ref href="{uri}"/></entry></asx>'


def svg(uri: str) -> str:
    return f'<svg xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="{uri}" width="9" height="9"/></svg>'


def rtsp(uri: str) -> str:
    return f"[Reference]\nRef1={uri}\n"


def avi_with_playlist(uri: str) -> bytes:
    """An AVI whose subtitles are a playlist, which FFmpeg once opened."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def listed(kind: bytes, *chunks: bytes) -> bytes:
        return chunk(b"LIST", kind + b"".join(chunks))

    main = struct.pack("<14I", 40000, 0, 0, 0x10, 1, 0, 1, 0, 64, 48, 0, 0, 0, 0)
    stream = struct.pack("<4s4sIHHIIIIIIII4H", b"txts", bytes(4), 0, 0, 0, 0, 1, 25, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    text = hls(uri).encode()
    subtitles = b"GAB2\0" + struct.pack("<HIHI", 2, 0, 4, len(text)) + text
    header = listed(b"hdrl", chunk(b"avih", main), listed(b"strl", chunk(b"strh", stream), chunk(b"strf", bytes(40))))
    return chunk(b"RIFF", b"AVI " + header + listed(b"movi", chunk(b"00tx", subtitles)))


TEXTS = {make.__name__: make for make in (hls, master, keyed, mapped, dash, sdp, concat, smil, asx, svg, rtsp)}


@pytest.mark.parametrize("make", TEXTS.values(), ids=[f"S9-{name}" for name in TEXTS])
def test_a_file_that_names_others_is_no_video(make: object, asked: Asked) -> None:
    """Under whatever name, from wherever, whatever it names."""
    assert callable(make)
    answer = None
    for number, uri in enumerate(CANARIES):
        content = make(uri).encode()
        for video in ("list.mp4", "list.m3u8", "list.ts"):
            answer = asked.frames(asked.video(content, f"{number}-{video}"), [0], output=f"{asked.output}x.npy")
            assert answer.code == "UnsupportedMedia", answer.value
        asked.function.stack.web_put("list.mp4", content)
        answer = asked.frames(f"{SITE}/files/list.mp4", [0], output=f"{asked.output}x.npy")
        assert answer.code == "UnsupportedMedia", answer.value
    assert answer
    asked.refused(answer, ["UnsupportedMedia"], "list.mp4")


@pytest.mark.parametrize("uri", CANARIES[:4])
def test_a_playlist_inside_a_video_is_not_opened(uri: str, asked: Asked) -> None:
    """S9"""
    answer = asked.frames(asked.video(avi_with_playlist(uri)), [0], output=f"{asked.output}x.npy")
    asked.refused(answer, ["UnsupportedMedia", "CorruptMedia"], "video.mp4")


def test_a_playlist_behind_a_video_is_not_opened(asked: Asked) -> None:
    """S9: in a chunk of its own at the end."""
    clip = asked.clip("mjpeg").read_bytes()
    uri = asked.video(clip + avi_with_playlist(CANARY), "joined.avi")
    answer = asked.frames(uri, [0, 39])
    assert answer.code == OK, answer.value
    asked.exact(answer, asked.truth("mjpeg")[[0, 39]])


@pytest.mark.parametrize("reference", ["url", "alis", "urn"], ids=lambda kind: f"S10-{kind}")
def test_a_track_in_another_file_is_refused(reference: str, asked: Asked) -> None:
    data = Movie(data_flags=0).build()
    kind = f"{reference:4}".encode()
    answer = asked.frames(asked.video(data.replace(b"url ", kind, 1)), [0], output=f"{asked.output}x.npy")
    asked.refused(answer, ["UnsupportedMedia"], "video.mp4")
