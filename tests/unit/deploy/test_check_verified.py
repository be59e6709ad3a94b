"""What `check` says of the stamp that the build of an image leaves in it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.image import document, findings, open_image
from deploy.image.verified_report import SUMS, VERIFIED
from tests.deploy.images import BuiltLayer, good, layout_of, tar_of, write_directory
from tests.unit.build.judging import Judge, judge

__all__ = ["judge"]  # a fixture

LICENCE = "Apache-2.0 AND GPL-2.0-or-later AND BSD-2-Clause"
LABELS = {"org.opencontainers.image.licenses": LICENCE}
FACTS: dict[str, Any] = {
    "verified": "hwang-lambda 1",
    "licence": LICENCE,
    "redistributable": True,
    "ffmpeg": {"version": "9.0.2", "licence": "GPL version 2 or later", "components": 30},
    "needs": {"GLIBC": "GLIBC_2.34", "GLIBCXX": "GLIBCXX_3.4.29"},
    "added": {"bytes": 77_000_000, "files": 1600, "digest": f"sha256:{64 * '0'}"},
    "something": "of a later release",
}
NAME = VERIFIED.lstrip("/")


def stamped(**changes: Any) -> dict[str, bytes]:
    return {NAME: json.dumps(FACTS | changes).encode()}


def test_what_was_proved_is_shown(judge: Judge) -> None:
    found = judge(good(stamped(), Labels=LABELS))
    assert found["verified"].level == "ok"
    for fact in ("FFmpeg 9.0.2", LICENCE, "GLIBC_2.34", "GLIBCXX_3.4.29", "1,600 files", "77.0 MB"):
        assert fact in found["verified"].what
    assert found.warned == []


def test_the_answers_to_cve_records_are_counted_in_one_line(judge: Judge) -> None:
    known = {
        "as_of": "2026-11-29",
        "known": 34,
        "not_affected": 29,
        "fixed": 0,
        "affected": 1,
        "under_investigation": 4,
    }
    found = judge(good(stamped(cve=known), Labels=LABELS))["cve"]
    said = "34 known on 2026-11-29: 29 not affected, 1 affected with an answer, 4 under investigation"
    assert (found.level, found.what) == ("ok", said)
    assert "cve" not in judge(good(stamped(), Labels=LABELS)).subjects


def test_without_a_stamp_nothing_is_said_to_be_wrong(judge: Judge) -> None:
    found = judge(good())
    assert (found["verified"].level, found["verified"].what) == ("note", "not verified")


def test_files_over_what_was_verified_are_warned_of(judge: Judge) -> None:
    built = good(stamped(), Labels=LABELS)
    more = BuiltLayer.gzipped(tar_of({"var/task/more.py": b"more"}))
    found = judge(replace(built, layers=[*built.layers, more]))
    assert found.warned == ["verified"]
    assert "0.0 kB lie over what was verified" in found["verified"].what


LISTED = {
    "var/lang/lib/python3.13/site-packages/numpy/core.py": b"numpy",
    "var/lang/lib/python3.13/site-packages/numpy-2.dist-info/RECORD": b"record",
    "var/lang/lib/python3.13/site-packages/boto3/session.py": b"boto3",
    "opt/lib/libavcodec.so.63": b"avcodec",
}
SUMS_TEXT = "".join(f"{hashlib.sha256(data).hexdigest()}  /{path}\n" for path, data in LISTED.items()).encode()


def built(over: dict[str, Any] | None = None, *, joined: bool = False) -> Any:
    """A stamped image with a list of its files, and something over it, perhaps joined in one layer as engines do."""
    files: dict[str, Any] = {**stamped(), **LISTED, SUMS.lstrip("/"): SUMS_TEXT}
    image = good({**files, **(over or {})} if joined else files, Labels=LABELS)
    if over and not joined:
        image = replace(image, layers=[*image.layers, BuiltLayer.gzipped(tar_of(over))])
    return image


def test_files_beside_what_was_verified_are_no_warning(judge: Judge) -> None:
    assert judge(built()).warned == []
    found = judge(built({"var/task/more.py": b"more"}))
    assert found.warned == []
    assert "lie beside what was verified" in " ".join(one.what for one in found.found)


@pytest.mark.parametrize("joined", [False, True])
def test_packages_that_were_replaced_are_warned_of_by_name(judge: Judge, joined: bool) -> None:
    over = {
        "var/lang/lib/python3.13/site-packages/numpy/core.py": b"NUMPY",
        "var/lang/lib/python3.13/site-packages/numpy-2.dist-info/RECORD": b"other",
    }
    found = judge(built(over, joined=joined))
    assert found.warned == ["verified"]
    [warning] = [one for one in found.found if one.level == "warning"]
    assert warning.what.startswith("2 files are gone, or are not those that were verified: numpy")
    assert "boto3" not in warning.what


def test_files_that_are_gone_are_warned_of(judge: Judge) -> None:
    gone = {"opt/lib/.wh.libavcodec.so.63": b"", "var/lang/lib/python3.13/site-packages/.wh.boto3": b""}
    [warning] = [one for one in judge(built(gone)).found if one.level == "warning"]
    assert "boto3" in warning.what
    assert "/opt/lib/libavcodec.so.63" in warning.what


def test_programs_get_the_files_that_were_replaced(tmp_path: Path) -> None:
    path = write_directory(layout_of(built({"opt/lib/libavcodec.so.63": b"other"})), tmp_path / "layout")
    with open_image(str(path)) as image:
        found = document(image, findings(image))["verified"]
    assert found["replaced"] == ("/opt/lib/libavcodec.so.63",)


def test_a_label_that_says_another_licence_is_warned_of(judge: Judge) -> None:
    found = judge(good(stamped(), Labels={"org.opencontainers.image.licenses": "MIT"}))
    assert found.warned == ["licences"]
    assert found["licences"].what == f"the image calls itself MIT, and its build found {LICENCE}"


def test_an_image_that_nobody_may_be_given_is_warned_of(judge: Judge) -> None:
    licence = "LicenseRef-FFmpeg-nonfree"
    labels = {"org.opencontainers.image.licenses": licence}
    found = judge(good(stamped(licence=licence, redistributable=False), Labels=labels))
    assert found.warned == ["licences"]
    assert "must not be given to anybody" in found["licences"].why


def test_a_stamp_that_cannot_be_read_is_warned_of(judge: Judge) -> None:
    for damaged in (b"", b"[]", b"{", json.dumps(FACTS | {"added": 1}).encode()):
        assert judge(good({NAME: damaged})).warned == ["verified"]


def test_the_document_has_the_stamp(tmp_path: Path) -> None:
    with open_image(str(write_directory(layout_of(good(stamped(), Labels=LABELS)), tmp_path / "layout"))) as image:
        found = document(image, findings(image))["verified"]
    assert found["added"] == FACTS["added"]
    assert (found["licence"], found["bytes_on_top"]) == (LICENCE, 0)
