"""Names that look like something else: taken as they are, byte for byte, and never obeyed.

E9 and E12 of docs/robustness.md.
"""

from __future__ import annotations

import unicodedata
import urllib.parse

import numpy as np
import pytest

from tests.cloud.asked import CLIP_URI, SMALL_URI, Asked, Put, frames_in
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import VIDEOS
from tests.support.faults.client import Faults


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Asked:
    return Asked(function, after, prefix, put)


KEYS = ["my video(1).mp4", "a+b%20c.mp4", "100%.mp4", "a&b=c?d#e.mp4", "\N{FILM FRAMES}.mp4", "a=b;c,d:e@f$g!h*i'j.mp4"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"E9-{key}")
def test_a_key_is_taken_as_it_is(key: str, asked: Asked) -> None:
    """As a URI and in parts; nothing in it is decoded."""
    uri = asked.video(asked.function.stored(SMALL_URI), key)
    bucket, _, whole = uri.removeprefix("s3://").partition("/")
    for video in (uri, {"bucket": bucket, "key": whole}):
        answer = asked.frames(video, [3])
        assert answer.value["video"]["uri"] == uri
        asked.exact(answer, asked.truth()[[3]])


def test_letters_that_look_alike_are_two_keys(asked: Asked) -> None:
    """E9: composed and decomposed letters; nothing is normalised."""
    composed, decomposed = (unicodedata.normalize(form, "\u00e9t\u00e9.mp4") for form in ("NFC", "NFD"))
    uris = {
        asked.video(asked.function.stored(uri), key): uri
        for key, uri in ((composed, SMALL_URI), (decomposed, CLIP_URI))
    }
    sizes = [asked.function.invoke({"action": "probe", "video": uri}).value["video"]["width"] for uri in uris]
    assert sizes == [160, 1280]
    asked.exact(asked.frames(next(iter(uris)), [3]), asked.truth()[[3]])


@pytest.mark.parametrize(
    "key", ["a/../b.mp4", "../b.mp4", "./b.mp4", "/b.mp4", "a//b.mp4", "a/./b.mp4", "%2e%2e/b.mp4"]
)
def test_a_key_is_asked_for_as_it_is(key: str, asked: Asked, faults: Faults) -> None:
    """E9: S3 has such keys; the server here does not, so what counts is what it was asked for."""
    answer = asked.frames(f"s3://{VIDEOS}/{key}", [0])
    assert {urllib.parse.unquote(entry.path) for entry in faults.log("GET")} == {f"/{VIDEOS}/{key}"}
    asked.refused(answer, ["SourceNotFound", "SourceForbidden", "SourceRefused"], key)


HOSTILE = [
    "$(touch pwned).mp4", "`touch pwned`.mp4", "; touch pwned ;.mp4", "| touch pwned.mp4", "&& touch pwned.mp4", "-i",
    "-f lavfi -i testsrc.mp4", "--help", "a\nb.mp4", "a\tb.mp4", "a'b\"c.mp4", "%s%n%x.mp4", "{row}.mp4",
    "{0.__class__}.mp4", "file:pwned", "concat:a|b.mp4", "pipe:0", "*?[a-z]~.mp4", "$HOME.mp4", "<&>.mp4",
]  # fmt: skip


def test_what_a_shell_would_obey_is_a_name(asked: Asked) -> None:
    """E12: of videos and of outputs."""
    small, expected, answer = asked.function.stored(SMALL_URI), asked.truth()[[3]], None
    for number, name in enumerate(HOSTILE):
        video, output = asked.video(small, name), f"{asked.output}{number}/{name}.npy"
        np.testing.assert_array_equal(frames_in(asked.frames(video, [3])), expected, err_msg=name)
        answer = asked.frames(video, [3], output=output)
        assert answer.code == "ok", answer.value
        assert answer.value["output"][0]["uri"] == output
        np.testing.assert_array_equal(asked.function.stored_array(output), expected, err_msg=name)
    assert answer
    assert len(asked.function.keys(asked.prefix)) == 2 * len(HOSTILE)
    asked.hold(answer)


def test_what_a_shell_would_obey_is_a_pictures_name(asked: Asked) -> None:
    """E12"""
    names = ["$(touch pwned) {row}.{ext}", "; touch pwned; {row}", "-i {row}", "`id` {position}.{ext}", "%s {row}%n"]
    answer = None
    for number, name in enumerate(names):
        answer = asked.frames(SMALL_URI, [3], output=f"{asked.output}{number}/", name=name)
        shown = name.format(row=3, position=0, ext="jpg")
        assert answer.code == "ok", answer.value
        assert [item["uri"] for item in answer.value["output"]] == [f"{asked.output}{number}/{shown}"]
    assert answer
    asked.hold(answer)
