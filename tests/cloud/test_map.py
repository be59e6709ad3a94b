"""Jobs over many videos, by processes of one machine and by the function's own steps: complete, exact, never twice."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from local import clip as real_clip
from local.collection import RECIPES
from tests.cloud.function import Function
from tests.cloud.laptop import JSON, run, started, until
from tests.cloud.stack import RESULTS, VIDEOS
from tests.image.conftest import real_frames
from tests.support.clips import BY_NAME, linear_decode, make_clip, numbers_of
from tests.support.faults import rules
from tests.support.faults.client import Faults

NAMES = ("h264-closed-gop", "h264-open-gop", "h264-one-gop", "hevc-open-gop")
COPIES = 3  # of the real clip, each about a second's work


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {name: make_clip(name, folder) for name in NAMES}


@pytest.fixture
def films(function: Function, prefix: str, clips: dict[str, Path]) -> Iterator[str]:
    """A prefix with small clips and copies of the real one; gone after the test."""
    s3 = function.stack.s3
    keys = {f"{prefix}small/{path.name}": path for path in clips.values()}
    keys |= {f"{prefix}real/{number}.mp4": real_clip.fetch() for number in range(COPIES)}
    for key, path in keys.items():
        s3.put_object(Bucket=VIDEOS, Key=key, Body=path.read_bytes())
    s3.put_object(Bucket=VIDEOS, Key=f"{prefix}readme.txt", Body=b"not a video")
    yield f"s3://{VIDEOS}/{prefix}"
    for key in [*keys, f"{prefix}readme.txt"]:
        s3.delete_object(Bucket=VIDEOS, Key=key)


@pytest.fixture
def job(films: str, prefix: str) -> JSON:
    """The sum of all frames of all videos."""
    return {
        "videos": films,
        "frames": "all",
        "reduce": "sum",
        "size": {"width": 96, "height": 64},
        "output": f"s3://{RESULTS}/{prefix}out/",
        "part_seconds": 1,
    }


def stored(function: Function, uri: str) -> NDArray[Any]:
    return function.stored_array(uri)


def manifest(function: Function, job: JSON) -> JSON:
    document: JSON = json.loads(function.stored(job["output"] + "_manifest.json"))
    return document


def markers(function: Function, job: JSON) -> list[str]:
    return function.keys(job["output"].partition(f"{RESULTS}/")[2] + "_job/done/")


@pytest.fixture(scope="module")
def natural(clips: dict[str, Path]) -> list[NDArray[np.uint8]]:
    """Every frame of every video in its own size."""
    small = [linear_decode(path, BY_NAME[name].size) for name, path in clips.items()]
    return [*small, *[real_frames()] * COPIES]


def test_the_sum_over_all_videos_is_that_of_a_linear_decode(
    function: Function, job: JSON, natural: list[NDArray[np.uint8]]
) -> None:
    del job["size"]
    result = run(function.stack, job).result
    assert result["reduced"] == sum(int(frames.sum(dtype=np.uint64)) for frames in natural)
    assert int(stored(function, job["output"] + "sum.npy")) == result["reduced"]
    assert result["frames"] == sum(map(len, natural))
    assert result["complete"]
    assert result["parts"] > 2
    assert result["videos"] == len(natural)


@pytest.mark.parametrize("kind", ["sum_frames", "mean", "min", "max"])
def test_reductions_over_videos_follow_their_own_rule(
    function: Function, job: JSON, natural: list[NDArray[np.uint8]], kind: str
) -> None:
    real = natural[-1]
    job |= {"videos": job["videos"] + "real/", "reduce": kind}
    del job["size"]
    run(function.stack, job)
    rules: dict[str, Callable[[], Any]] = {
        "sum_frames": lambda: real.sum(0, dtype=np.uint64) * COPIES,
        "mean": lambda: real.sum(0, dtype=np.uint64) * COPIES / (len(real) * COPIES),
        "min": lambda: real.min(0),
        "max": lambda: real.max(0),
    }
    np.testing.assert_array_equal(stored(function, f"{job['output']}{kind}.npy"), rules[kind]())
    assert manifest(function, job)["partial"] == {"reduce": kind, "frames": len(real) * COPIES}


def test_a_job_that_is_run_again_reads_no_video_and_says_the_same(
    function: Function, job: JSON, faults: Faults
) -> None:
    first = run(function.stack, job).result
    faults.clear()
    again = run(function.stack, job).result
    touched = [entry for entry in faults.log("GET") if entry.path.startswith(f"/{VIDEOS}/") and entry.range]
    assert touched == []
    assert again == first | {"milliseconds": again["milliseconds"]}


def test_only_the_part_that_is_missing_is_done_again(function: Function, job: JSON) -> None:
    first = run(function.stack, job).result
    before = {
        key: function.stack.s3.head_object(Bucket=RESULTS, Key=key)["LastModified"] for key in markers(function, job)
    }
    lost = min(before)
    function.stack.s3.delete_object(Bucket=RESULTS, Key=lost)
    ended = run(function.stack, job)
    assert ended.result["reduced"] == first["reduced"]
    assert "decode parts: 1 of 1" in ended.err
    after = {
        key: function.stack.s3.head_object(Bucket=RESULTS, Key=key)["LastModified"] for key in markers(function, job)
    }
    assert {key: time for key, time in after.items() if key != lost} == {
        key: time for key, time in before.items() if key != lost
    }


FORMS: dict[str, JSON] = {
    "apply": {"apply": "brightness", "batch": 8, "format": "npz", "reduce": None},
    "tar": {"format": "tar", "shard_mb": 1, "reduce": None},
}


def results(function: Function, job: JSON) -> dict[str, str]:
    """The digests of a job's results, by their names below its output."""
    folder = job["output"].partition(f"{RESULTS}/")[2]
    names = {key.removeprefix(folder) for key in function.keys(folder)}
    names = {name for name in names if not name.startswith("_job/") and not name.endswith((".json", ".html"))}
    return {name: hashlib.sha256(function.stored(job["output"] + name)).hexdigest() for name in names}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_own_code_and_shards_are_the_same_after_a_kill(function: Function, job: JSON, form: JSON) -> None:
    job |= form
    run(function.stack, job)
    expected = results(function, job)
    assert expected
    job["output"] = job["output"].replace("/out/", "/killed/")
    with started(function.stack, job) as running:
        until(lambda: function.keys(job["output"].partition(f"{RESULTS}/")[2] + "_job/done/"))
        running.kill_a_decoder()
        assert running.end().result["complete"]
    assert results(function, job) == expected


def test_own_code_gives_one_result_for_each_video_in_the_order_of_rows(
    function: Function, job: JSON, natural: list[NDArray[np.uint8]]
) -> None:
    """Also for one whose frames are cut into several pieces."""
    long = max((recipe for recipe in RECIPES if recipe.gop == 12), key=lambda recipe: recipe.frames)
    key = job["videos"].removeprefix(f"s3://{VIDEOS}/") + "long.mp4"
    function.stack.s3.put_object(Bucket=VIDEOS, Key=key, Body=long.make().read_bytes())
    job |= FORMS["apply"]
    del job["size"]
    try:
        result = run(function.stack, job).result
    finally:
        function.stack.s3.delete_object(Bucket=VIDEOS, Key=key)
    assert result["pieces"] > result["videos"]
    names = sorted(results(function, job))
    truths = [*natural, linear_decode(long.path, long.size)]
    assert len(names) == len(truths)
    found = [np.load(io.BytesIO(function.stored(job["output"] + name))) for name in names]
    assert all(one["rows"].tolist() == list(range(len(one["rows"]))) for one in found)
    means = sorted(frames.mean(axis=(1, 2, 3)).tolist() for frames in truths)
    assert sorted(one["values"].tolist() for one in found) == means


def test_a_decoder_killed_in_the_middle_changes_nothing(function: Function, job: JSON) -> None:
    expected = run(function.stack, job).result["reduced"]
    job["output"] = job["output"].replace("/out/", "/killed/")
    with started(function.stack, job) as running:
        until(lambda: function.keys(job["output"].partition(f"{RESULTS}/")[2] + "_job/pieces/"))
        running.kill_a_decoder()
        ended = running.end()
    assert ended.result["reduced"] == expected
    assert ended.result["complete"]


def test_a_job_that_is_interrupted_goes_on_where_it_was(function: Function, job: JSON) -> None:
    expected = run(function.stack, job).result["reduced"]
    job["output"] = job["output"].replace("/out/", "/interrupted/")
    with started(function.stack, job, 1) as running:
        until(lambda: markers(function, job))
        running.interrupt()
        ended = running.end()
    assert ended.code == 130, ended
    assert "goes on from there" in ended.err
    done = len(markers(function, job))
    ended = run(function.stack, job)
    assert ended.result["reduced"] == expected
    assert f"decode parts: 0 of {ended.result['parts'] - done}" in ended.err


def test_videos_that_fail_are_named_and_fail_the_job_unless_they_are_tolerated(
    function: Function, job: JSON, films: str, put: Callable[[str, bytes], str]
) -> None:
    broken = put(films.partition(f"{VIDEOS}/")[2] + "real/broken.mp4", b"\0" * 5000)
    job |= {"videos": films + "real/"}
    ended = run(function.stack, job)
    assert ended.code == 3, ended
    assert "1 of 4 videos failed" in ended.err
    summary = json.loads(function.stored(job["output"] + "_job/summary.json"))
    assert [failure["video"] for failure in summary["failures"]] == [broken]
    assert not function.keys(job["output"].partition(f"{RESULTS}/")[2] + "_manifest.json")

    result = run(function.stack, job | {"tolerated_failure_percentage": 25}).result
    frames = real_frames()
    assert result["frames"] == COPIES * len(frames)
    assert not result["complete"]
    assert result["failed_videos"] == 1


def test_videos_whose_server_does_not_serve_them_fail_alone_and_are_all_that_another_run_reads(
    function: Function, job: JSON, films: str, put: Callable[[str, bytes], str], faults: Faults
) -> None:
    folder = films.partition(f"{VIDEOS}/")[2] + "real/"
    clip = real_clip.fetch().read_bytes()
    dead, whole = put(f"{folder}dead.mp4", clip), put(f"{folder}whole.mp4", clip)
    function.stack.s3.put_object(Bucket=VIDEOS, Key=f"{folder}notes.txt", Body=b"not a video")
    job |= {"videos": films + "real/"}
    with (
        faults.rule(rules.Drop(), path=f"{folder}dead.mp4"),
        faults.rule(rules.IgnoreRange(), path=f"{folder}whole.mp4"),
    ):
        ended = run(function.stack, job)
        assert ended.code == 3, ended
        assert "2 of 5 videos failed" in ended.err
        summary = json.loads(function.stored(job["output"] + "_job/summary.json"))
        assert {failure["video"] for failure in summary["failures"]} == {dead, whole}
        result = run(function.stack, job | {"tolerated_failure_percentage": 40}).result
    frames = real_frames()
    assert (result["frames"], result["failed_videos"], result["skipped"]) == (COPIES * len(frames), 2, 1)
    assert manifest(function, job)["skipped_keys"] == [f"s3://{VIDEOS}/{folder}notes.txt"]
    report = function.stored(job["output"] + "report.html").decode()
    assert all(name in report for name in ("dead.mp4", "whole.mp4", "notes.txt"))
    faults.clear()
    result = run(function.stack, job).result
    function.stack.s3.delete_object(Bucket=VIDEOS, Key=f"{folder}notes.txt")
    assert (result["frames"], result["complete"]) == ((COPIES + 2) * len(frames), True)
    read = Counter(entry.path.rpartition("/")[2] for entry in faults.log("GET", f"/{VIDEOS}/{folder}") if entry.range)
    assert {name for name, times in read.items() if times > 1} == {"dead.mp4", "whole.mp4"}


def test_pictures_of_all_videos_have_their_places(function: Function, job: JSON, clips: dict[str, Path]) -> None:
    job |= {"videos": job["videos"] + "small/", "frames": {"count": 4}, "format": "png"}
    for name in ("reduce", "size"):
        del job[name]
    result = run(function.stack, job).result
    assert result["objects"] == 4 * len(clips)
    for name, path in clips.items():
        shown = [
            np.asarray(Image.open(io.BytesIO(function.stored(f"{job['output']}{path.name}/frame-{row:06d}.png"))))
            for row in (5, 15, 25, 35)
        ]
        assert numbers_of(shown) == [BY_NAME[name].numbers[row] for row in (5, 15, 25, 35)]


def test_another_job_does_not_get_between_the_results_of_the_first(function: Function, job: JSON) -> None:
    run(function.stack, job)
    ended = run(function.stack, job | {"frames": "0:10"})
    assert ended.code == 1
    assert "OutputConflict" in ended.err


def test_a_video_that_changes_while_the_job_runs_fails_by_name(
    function: Function, job: JSON, films: str, clips: dict[str, Path]
) -> None:
    job |= {"videos": films + "small/"}
    listed = step(function, {"action": "list", "job": job})
    for event in items(function, listed):
        step(function, event)
    cut = step(function, {"action": "cut", "job": job["output"]})
    changed, other = list(clips.values())[:2]
    key = films.partition(f"{VIDEOS}/")[2] + f"small/{changed.name}"
    function.stack.s3.put_object(Bucket=VIDEOS, Key=key, Body=other.read_bytes())
    for event in items(function, cut):
        step(function, event)
    answer = function.invoke({"action": "gather", "job": job["output"]})
    assert answer.code == "JobIncomplete"
    assert answer.report["detail"]["failures"][0]["code"] == "SourceChanged"


def test_the_function_does_the_steps_with_the_same_result(function: Function, job: JSON) -> None:
    expected = run(function.stack, job).result
    job["output"] = job["output"].replace("/out/", "/stepped/")
    listed = step(function, {"action": "list", "job": job})
    assert listed["videos"] == expected["videos"]
    surveyed = [step(function, event) for event in items(function, listed)]
    assert sum(survey["videos"] for survey in surveyed) == expected["videos"]
    cut = step(function, {"action": "cut", "job": job["output"]})
    assert (cut["parts"], cut["to_do"]) == (expected["parts"], expected["parts"])
    for event in items(function, cut):
        done = step(function, {**event, "attempt": 0})
        assert done["failed"] == 0
        assert step(function, {**event, "attempt": 1})["kept"]
    result = step(function, {"action": "gather", "job": job["output"]})
    for name in ("reduced", "frames", "pieces", "parts", "objects"):
        assert result[name] == expected[name]
    assert step(function, {"action": "cut", "job": job["output"]})["to_do"] == 0


def step(function: Function, event: JSON) -> JSON:
    answer = function.invoke(event)
    assert answer.code == "ok", answer.value
    return answer.value


def items(function: Function, answer: JSON) -> list[JSON]:
    events: list[JSON] = json.loads(function.stored(f"s3://{answer['items']['bucket']}/{answer['items']['key']}"))
    return events
