"""The answers to CVE records: each state computed from what was linked, and what ends the build."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import recipe
from verify import advisories
from verify.advisories import Advisory, Compiled, judge, problems

ROOT = Path(__file__).resolve().parents[3]
KNOWN = advisories.load()
BUILT = Compiled(
    objects=frozenset({"libavcodec/hevc/ps.o", "libavcodec/mjpegdec.o", "libavcodec/cbs_vp9.o"}),
    units=frozenset({"libavcodec/hevc/ps.o", "libavcodec/mjpegdec.o", "libavcodec/cbs_vp9.o", "libavcodec/tiff.o"}),
    configured={
        "ARCH_X86_32": False,
        "CONFIG_HEVC_DECODER": True,
        "CONFIG_LIBVPX_VP8_DECODER": False,
        "CONFIG_MJPEG_NVDEC_HWACCEL": False,
        "CONFIG_MOV_DEMUXER": False,
        "CONFIG_TIFF_DECODER": False,
    },
    version="9.0.2",
)
BILL: dict[str, Any] = {
    "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "version": 1,
    "metadata": {"component": {"type": "container", "bom-ref": "hwang-lambda", "name": "hwang-lambda"}},
}


def advisory(**facts: Any) -> Advisory:
    return Advisory("CVE-2026-1", "something", "record", **facts)


HEVC = advisory(files=("libavcodec/hevc/ps.c",))
TIFF = advisory(files=("libavcodec/tiff.c",))


def state(facts: Advisory, **changes: Any) -> str:
    return judge(facts, replace(BUILT, **changes)).state


# The computation.


def test_code_that_was_not_linked_is_not_affected() -> None:
    verdict = judge(TIFF, BUILT)
    assert (verdict.state, verdict.reason) == ("not_affected", "code_not_present")
    assert "libavcodec/tiff.o" in verdict.detail


def test_code_that_was_linked_is_affected_whatever_else_is_named() -> None:
    assert state(HEVC) == "affected"
    assert state(advisory(files=("libavcodec/tiff.c", "libavcodec/hevc/ps.c"))) == "affected"
    assert state(advisory(files=("libavcodec/hevc/ps.c",), components=("decoder tiff",))) == "affected"


def test_a_component_is_there_if_configure_says_so() -> None:
    assert state(advisory(components=("decoder tiff",))) == "not_affected"
    assert state(advisory(components=("decoder hevc",))) == "affected"


def test_the_version_alone_makes_nothing_not_affected() -> None:
    for version in ("9.0.2", "9.9.9", "10.0"):
        assert state(HEVC, version=version) == "affected"


@pytest.mark.parametrize(
    ("version", "fixed_in", "expected"),
    [
        ("9.0.2", ("8.1.3", "9.0.2"), "fixed"),
        ("9.0.10", ("9.0.2",), "fixed"),
        ("9.0.2", ("9.0",), "fixed"),
        ("9.0.1", ("8.1.3", "9.0.2"), "affected"),
        ("9.0.2", ("8.1.3",), "affected"),  # a later series may lack the fix of an earlier one
        ("9.1", ("9.0.2",), "affected"),
    ],
)
def test_a_fix_counts_in_its_own_series(version: str, fixed_in: tuple[str, ...], expected: str) -> None:
    assert state(replace(HEVC, fixed_in=fixed_in), version=version) == expected


def test_code_below_a_symbol_is_there_if_the_symbol_is_on() -> None:
    hardware = advisory(files=("libavcodec/mjpegdec.c",), needs=("CONFIG_MJPEG_NVDEC_HWACCEL",))
    assert judge(hardware, BUILT).reason == "code_not_present"
    assert state(hardware, configured={"CONFIG_MJPEG_NVDEC_HWACCEL": True}) == "affected"


def test_what_another_machine_would_need_is_told_apart() -> None:
    narrow = advisory(files=("libavcodec/cbs_vp9.c",), needs=("ARCH_X86_32",))
    assert judge(narrow, BUILT).reason == "requires_environment"
    assert state(narrow, configured={"ARCH_X86_32": True}) == "affected"


def test_a_record_whose_code_is_not_known_is_under_investigation_until_it_is_fixed() -> None:
    unread = Advisory("CVE-2026-2", "of a block", "unread")
    assert state(unread) == "under_investigation"
    assert state(replace(unread, needs=("CONFIG_TIFF_DECODER",))) == "under_investigation"
    assert state(replace(unread, fixed_in=("9.0",))) == "fixed"


# What ends the build.


def complaints(*facts: Advisory) -> list[str]:
    return problems([judge(each, BUILT) for each in facts], BUILT)


def test_affected_without_an_answer_ends_the_build_and_is_named() -> None:
    (complaint,) = complaints(HEVC, TIFF)
    for part in ("CVE-2026-1 (something)", "libavcodec/hevc/ps.c", "9.0.2 has no fix", "answer it in advisories.toml"):
        assert part in complaint
    assert complaints(replace(HEVC, answer="Bounded.")) == []


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"files": ("libavcodec/hevc/psx.c",)}, "libavcodec/hevc/psx.c"),
        ({"files": ("libavcodec/ps.c",)}, "libavcodec/ps.c"),
        ({"files": ("libavcodec/tiff.h",)}, "libavcodec/tiff.h"),
        ({"files": ("libavcodec/tiff",)}, "libavcodec/tiff"),
        ({"components": ("decoder hevcc",)}, "CONFIG_HEVCC_DECODER"),
        ({"files": ("libavcodec/tiff.c",), "needs": ("CONFIG_TIF",)}, "CONFIG_TIF"),
    ],
)
def test_a_misspelt_name_never_counts_as_not_compiled(facts: dict[str, Any], name: str) -> None:
    (complaint,) = complaints(advisory(**facts))
    assert f"CVE-2026-1 names {name}, which" in complaint


def test_what_the_build_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("libavcodec/hevc/ps.o\nlibavutil/mem.o\n")
    (tmp_path / "makefiles").write_text(
        "fftools/Makefile:fftools/ffmpeg_dec.o\nlibavcodec/Makefile:tiff.o\nlibavcodec/hevc/Makefile:hevc/ps.o\n"
    )
    (tmp_path / "configured").write_text("ARCH_ARM 0\nCONFIG_HEVC_DECODER 1\n")
    built = Compiled.load(tmp_path, "9.0.2")
    assert built.objects == {"libavcodec/hevc/ps.o", "libavutil/mem.o"}
    assert built.units == {"fftools/ffmpeg_dec.o", "libavcodec/tiff.o", "libavcodec/hevc/ps.o"}
    assert built.configured == {"ARCH_ARM": False, "CONFIG_HEVC_DECODER": True}


# The facts.


def test_every_number_is_there_once_and_in_order() -> None:
    names = [record.id for record in KNOWN.records]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"CVE-20\d\d-\d{4,}", name) for name in names)
    for read in advisories.READ:
        numbers = [int(record.id.rpartition("-")[2]) for record in KNOWN.records if record.read == read]
        assert numbers == sorted(numbers)


def test_what_was_not_read_names_no_code_and_the_rest_does() -> None:
    for record in KNOWN.records:
        named = bool(record.files or record.components or record.fixed_in)
        assert named == (record.read != "unread"), record.id


def test_an_answer_of_no_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('as_of = 2026-01-01\nsince = 2026-01-01\n[answer]\nCVE-2026-1 = "Bounded."\n')
    with pytest.raises(TypeError, match="answers CVE-2026-1, of which it has no record"):
        advisories.load(tmp_path / "a.toml")


def test_hwang_does_not_turn_on_what_the_answers_say_it_leaves_off() -> None:
    core = "".join(path.read_text() for path in (ROOT / "hwang/core").glob("*.cpp"))
    for answered, call in {
        "CVE-2026-125223": r"->thread_type|LOW_DELAY",
        "CVE-2026-13858": r"av_seek_frame|avformat_seek_file",
        "CVE-2026-38347": r"alpha_blend",
    }.items():
        assert answered in {record.id for record in KNOWN.records if record.answer}
        assert not re.search(call, core), answered


# The VEX document.


def written(built: Compiled = BUILT) -> dict[str, Any]:
    fixed = replace(HEVC, id="CVE-2026-2", fixed_in=("9.0.1",))
    unread = Advisory("CVE-2026-3", "of a block", "unread")
    narrow = replace(HEVC, id="CVE-2026-4", needs=("ARCH_X86_32",))
    facts = (replace(HEVC, answer="Bounded."), fixed, unread, narrow, replace(TIFF, id="CVE-2026-5"))
    known = replace(KNOWN, records=facts)
    return advisories.vex(known, [judge(record, built) for record in known.records], BILL, built.version)


def test_the_document_is_of_the_official_form_and_answers_everything() -> None:
    document = written()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    analyses = {entry["id"]: entry["analysis"] for entry in document["vulnerabilities"]}
    assert {name: analysis["state"] for name, analysis in analyses.items()} == {
        "CVE-2026-1": "exploitable",
        "CVE-2026-2": "resolved",
        "CVE-2026-3": "in_triage",
        "CVE-2026-4": "not_affected",
        "CVE-2026-5": "not_affected",
    }
    assert analyses["CVE-2026-1"]["detail"] == "Bounded."
    assert analyses["CVE-2026-4"]["justification"] == "requires_environment"
    assert all("justification" in each for each in analyses.values() if each["state"] == "not_affected")


def test_the_document_is_about_ffmpeg_of_the_bill_of_materials() -> None:
    serial = BILL["serialNumber"].removeprefix("urn:uuid:")
    for entry in written()["vulnerabilities"]:
        (affected,) = entry["affects"]
        assert affected["ref"] == f"urn:cdx:{serial}/1#ffmpeg"
        assert affected["versions"][0]["version"] == "9.0.2"


def test_the_same_is_written_each_time_and_its_time_is_that_of_the_records() -> None:
    assert written() == written()
    assert written()["metadata"]["timestamp"] == f"{KNOWN.as_of}T00:00:00Z"
    other = replace(BUILT, objects=frozenset())
    assert written(other)["serialNumber"] != written()["serialNumber"]


def test_the_pinned_series_is_the_one_of_which_fixes_are_known() -> None:
    """Else no fix that the file has would count."""
    series = tomllib.loads((ROOT / "build_stages/ffmpeg/source.toml").read_text())["upstream"]["series"]
    assert recipe.load("ffmpeg").version.startswith(f"{series}.")
    assert any(fixed.startswith(series) for record in KNOWN.records for fixed in record.fixed_in)
