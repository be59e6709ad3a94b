"""What decoding is predicted to cost: seconds as they were measured, and the relations between them."""

from __future__ import annotations

from typing import Any, cast, get_args

import numpy as np
import pytest

from function.actions import cost
from function.actions.cost import Rates, cores_of
from function.frames.pictures import Shape
from function.models.event import Plan, parse_event
from function.models.form import Reduce, Size, Treatment
from function.models.formats import FORMATS, Format
from function.session import Session
from function.source.index_cache import IndexCache
from hwang.plan import make_plan
from tests.support.fakes3 import FakeS3
from tests.unit.function.fakedecoder import VIDEO, index_of, install

HD = (1280, 720)
MEGAPIXELS = 0.9216
CONVERT = 0.0015  # seconds a megapixel
OPEN_MS = 180
# Seconds of one core to make a megapixel of each format, measured on the machine of docs/numbers.md. Others
# are faster or slower by a factor of three, all formats alike.
MEASURED: dict[Format, float] = {
    "npy": 0.002,
    "inline": 0.002,
    "sheet": 0.002,
    "jsonl": 0.002,
    "jpeg": 0.013,
    "tar": 0.013,
    "mp4": 0.04,
    "npz": 0.1,
    "tiff": 0.09,
    "webp": 0.11,
    "png": 0.13,
}


def exactly(seconds: float) -> Any:
    """Equal but for the last digits of the arithmetic."""
    return pytest.approx(seconds, rel=1e-9)


def rates(
    written_as: Format = "npy", reduce: Reduce | None = None, cores: float = 1, size: Size | None = None, **changes: Any
) -> Rates:
    treatment = Treatment.model_validate({"frames": "all", "reduce": reduce})
    return Rates.of(index_of(10, HD, **changes), Shape.of(HD, size, 0), written_as, treatment, cores)


def test_every_format_costs_what_was_measured() -> None:
    assert {name: facts.seconds_per_megapixel for name, facts in FORMATS.items()} == MEASURED


@pytest.mark.parametrize("written_as", MEASURED)
def test_a_frame_costs_its_conversion_its_encoding_and_what_is_sent(written_as: Format) -> None:
    sent = {"npy": MEGAPIXELS * 3e6 / 80e6, "npz": MEGAPIXELS * 3e6 / 80e6}.get(written_as, 0.0)
    request = 0.003 if written_as in ("jpeg", "png", "webp", "tiff") else 0.0
    expected = (CONVERT + MEASURED[written_as]) * MEGAPIXELS + request + sent
    assert rates(written_as).frame == exactly(expected)
    assert rates(written_as).request == exactly(0.18)


def test_formats_cost_in_the_order_of_their_work() -> None:
    """Whatever the machine: raw bytes less than JPEG, JPEG less than a clip, a lossless picture most."""
    seconds = [rates(name).frame for name in ("inline", "jpeg", "mp4", "webp", "png")]
    assert seconds == sorted(seconds)
    jpeg, png = FORMATS["jpeg"].seconds_per_megapixel, FORMATS["png"].seconds_per_megapixel
    assert 5 < png / jpeg < 40


@pytest.mark.parametrize(("codec", "seconds"), [("h264", 1.3), ("hevc", 1.4), ("vp9", 1.6), ("av1", 1.6), ("mpeg4", 3)])
def test_a_sample_costs_its_pixels_as_stored(codec: str, seconds: float) -> None:
    assert rates(codec=codec).sample == exactly(seconds / 1000 * MEGAPIXELS)
    assert rates(codec=codec, size=Size(width=64)).sample == rates(codec=codec).sample


def test_a_megabyte_of_samples_costs_50_ms() -> None:
    assert rates().byte * 1e6 == exactly(0.05)


def test_small_frames_are_converted_from_large_ones_and_encoded_small() -> None:
    small = rates("png", size=Size(width=640))
    assert small.frame == exactly(CONVERT * MEGAPIXELS + 0.13 * MEGAPIXELS / 4 + 0.003)


@pytest.mark.parametrize("written_as", ["png", "npy"])
def test_cores_share_the_work_and_not_the_network(written_as: Format) -> None:
    one, four = rates(written_as), rates(written_as, cores=4)
    sent = MEGAPIXELS * 3e6 / 80e6 if written_as == "npy" else 0.0
    assert four.frame - sent == exactly((one.frame - sent) / 4)
    assert four.sample == exactly(one.sample / 4)
    assert four.byte == exactly(one.byte / 4)
    assert four.request == one.request


RESULT_BYTES = {"sum": 8, "sum_frames": 8 * 2764800, "mean": 8 * 2764800, "min": 2764800, "max": 2764800}


@pytest.mark.parametrize("reduce", get_args(Reduce))
@pytest.mark.parametrize("written_as", ["npy", "inline"])
def test_a_reduction_is_sent_once_at_the_end(reduce: Reduce, written_as: Format) -> None:
    made = rates(written_as, reduce)
    assert made.frame == exactly((CONVERT + 0.002) * MEGAPIXELS)
    assert made.request == exactly(0.18 + RESULT_BYTES[reduce] / 80e6)


def test_a_run_costs_its_samples_its_bytes_and_its_wanted_frames() -> None:
    index = index_of(20, HD, gop=5, sample_bytes=3000)
    plan = make_plan(index, [0, 7, 7, 9, 12])
    seconds = Rates(sample=2, byte=0.001, frame=100, request=7).of_runs(index, plan)
    assert [len(run.samples) for run in plan.runs] == [1, 5, 3]
    np.testing.assert_allclose(seconds, [2 + 3 + 100, 10 + 15 + 200, 6 + 9 + 100])
    assert seconds.dtype == np.float64


def test_a_function_has_the_cores_of_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores_of(512 * 2**20) == 1
    assert cores_of(1769 * 2**20) == 1
    assert cores_of(2 * 1769 * 2**20) == 2
    assert cores_of(2 * 1769 * 2**20 + 2**19) > 2
    assert cores_of(10240 * 2**20) == pytest.approx(5.788, abs=0.001)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert cores_of(None) == 3


def test_opening_takes_six_requests() -> None:
    assert exactly(0.03) == cost.REQUEST_SECONDS
    assert exactly(6 * 0.03) == cost.OPEN_SECONDS


def test_shards_cost_what_their_pictures_cost_without_a_request_for_each() -> None:
    def of(written_as: Format, **treatment: Any) -> float:
        made = Treatment.model_validate({"frames": "all", **treatment})
        return Rates.of(index_of(10, HD), Shape.of(HD, None, 0), written_as, made, 1).frame

    assert of("tar") == of("tar", picture="jpeg") == exactly(of("jpeg") - 0.003)
    assert of("tar", picture="png") == exactly(of("png") - 0.003)


def test_own_code_costs_what_is_known_of_it_nothing() -> None:
    made = Treatment.model_validate({"frames": "all", "apply": "embed"})
    of_results = Rates.of(index_of(10, HD), Shape.of(HD, None, 0), "npz", made, 1)
    assert of_results.frame == exactly((CONVERT + 0.002) * MEGAPIXELS)


def test_a_plan_shows_that_snapped_frames_cost_less_than_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, index_of(15_000, HD, gop=250))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
    asked = {"action": "plan", "video": VIDEO, "format": "jpeg", "size": {"max_side": 320}}
    exact, snapped = (
        plan_of({**asked, "frames": {"every_seconds": 10, "from": 5, **snap}}) for snap in ({}, {"snap": "keyframe"})
    )
    assert (exact["cost"]["samples"], snapped["cost"]["samples"]) == (60 * 126, 60)
    assert snapped["cost"]["milliseconds"] - OPEN_MS < (exact["cost"]["milliseconds"] - OPEN_MS) / 10
    assert snapped["frames"]["timestamps"] == [10.0 * n for n in range(60)]
    assert snapped["frames"]["asked"] == exact["frames"]["asked"] == [10.0 * n + 5 for n in range(60)]


def test_a_plan_of_several_results_counts_the_decoding_once(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, index_of(1500, HD))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
    asked: dict[str, Any] = {"action": "plan", "video": VIDEO, "frames": {"every_seconds": 1}}
    outputs: list[dict[str, Any]] = [
        {"output": "s3://out/640/", "size": {"max_side": 640}},
        {"output": "s3://out/a.npy", "size": {"max_side": 160}},
        {"output": "s3://out/sheet.jpg"},
    ]
    alone = [plan_of({**asked, **one})["cost"] for one in outputs]
    whole = plan_of({**asked, "outputs": outputs})["cost"]
    shared = {name: whole[name] for name in ("requests", "bytes", "runs", "samples")}
    assert all({name: one[name] for name in shared} == shared for one in alone)
    milliseconds = [one["milliseconds"] for one in alone]
    assert max(milliseconds) < whole["milliseconds"] < sum(milliseconds)


@pytest.mark.parametrize(
    ("container", "facts", "cache", "times"),
    [
        ("mov", {}, "", 0),
        ("matroska", {}, "", 1),
        ("matroska", {}, "s3://indexes/", 0),
        ("matroska", {"byte_addressable": False}, "", 2),  # a pass that stores nothing, and then the file
        ("matroska", {"byte_addressable": False}, "s3://indexes/", 1),
        ("mpegts", {"byte_addressable": False, "transport": (188, 0, 256, 1 << 40)}, "", 1),
        ("mpeg", {"byte_addressable": False}, "", 1),
        ("avi", {}, "s3://indexes/", 0),
    ],
)
def test_a_plan_counts_what_is_read_from_end_to_end(
    container: str, facts: dict[str, Any], cache: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWANG_INDEX_CACHE", cache)
    monkeypatch.setattr(IndexCache, "put", lambda *_: None)
    event = {"action": "plan", "video": VIDEO, "frames": [6], "output": "s3://out/a.npy"}
    costs = []
    for name, changes in (("mov", {}), (container, facts)):
        fake = install(monkeypatch, index_of(20, HD, container=name, **changes))
        fake.source.size = 400_000_000
        costs.append(plan_of(event)["cost"])
    ranges = 0 if facts == {"byte_addressable": False} else costs[0]["bytes"]
    if "transport" not in facts:
        assert costs[1]["bytes"] == times * 400_000_000 + ranges
    assert costs[1]["milliseconds"] - costs[0]["milliseconds"] == pytest.approx(times * 5000, abs=50)
    assert costs[1]["requests"] - costs[0]["requests"] == times * 191 - (not ranges)


def plan_of(event: dict[str, Any]) -> dict[str, Any]:
    from function.actions.inspect import plan as action

    request = parse_event(event)
    assert isinstance(request, Plan)
    return action(request, Session(cast("Any", FakeS3())))
