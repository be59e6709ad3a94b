"""The end of a job: totals, the combined result, what is missing; and a job that an earlier version has begun."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest

from function.errors import CorruptMedia, FunctionError, JobIncomplete, SourceForbidden, SourceUnavailable
from function.jobs import gather as gather_module
from function.jobs.part import do_part
from function.models import job_files as files
from function.models.job import Job
from tests.support.fakes3 import refused
from tests.support.memory_s3 import MemoryS3
from tests.unit.function.jobsteps import (
    COUNTERS,
    JOB,
    OUTPUT,
    Decoding,
    Json,
    asker,
    cut_up,
    decoded,
    do_all,
    document,
    gathered,
    lines,
    listed,
    parts_of,
    store,
    survey_step,
    surveyed,
)
from tests.unit.function.test_job_files import EARLIER


def test_a_complete_job_has_a_manifest_of_all_its_pieces() -> None:
    s3 = surveyed([0.4, 0.4], [0.4])
    cut_up(s3)
    do_all(s3)
    answer = gathered(s3)
    manifest = json.loads(s3.objects[f"{OUTPUT}_manifest.json"])
    lists = {name: manifest.pop(name) for name in ("results", "timeline", "failures", "missing", "skipped_keys")}
    assert answer == {**manifest, "manifest": f"{OUTPUT}_manifest.json", "milliseconds": answer["milliseconds"]}
    assert manifest["complete"]
    assert manifest["counters"] == {name: 3 * value for name, value in COUNTERS.items()}
    counts = ("videos", "failed_videos", "parts", "missing_parts", "pieces", "frames", "objects", "attempts")
    assert [manifest[name] for name in counts] == [2, 0, 2, 0, 3, 15, 15, 2]
    assert (manifest["bytes_written"], manifest["bytes_in_files"]) == (1500, 2000)
    assert manifest["seconds"]["predicted"] == 1.2
    assert manifest["request"] == Job.model_validate(JOB).document()
    assert [(one["part"], one["video"], one["first"], one["last"]) for one in lists["results"]] == [
        (0, "s3://films/2024/v0.mp4", 0, 9),
        (1, "s3://films/2024/v0.mp4", 10, 19),
        (1, "s3://films/2024/v1.mp4", 0, 9),
    ]
    assert [(one["part"], one["pieces"], one["bytes_read"]) for one in lists["timeline"]] == [(0, 1, 100), (1, 2, 200)]
    assert (lists["failures"], lists["missing"]) == ([], [])
    assert b"Complete" in s3.objects[f"{OUTPUT}report.html"]


def test_a_job_with_a_missing_part_ends_in_its_report_without_a_manifest() -> None:
    s3 = surveyed([0.4, 0.4], [0.4], [])
    cut_up(s3)
    do_part(parts_of(s3)[1], asker(s3))
    with pytest.raises(JobIncomplete, match=r"1 of 3 videos failed .CorruptMedia., 1 of 2 parts are missing") as raised:
        gathered(s3)
    assert raised.value.message.endswith("; failed: s3://films/2024/v2.mp4")
    assert raised.value.detail["missing"] == [0]
    failure = {"video": "s3://films/2024/v2.mp4", "part": None, "first": None, "last": None}
    assert raised.value.detail["failures"] == [{**failure, "code": "CorruptMedia", "message": "it is cut off"}]
    assert f"{OUTPUT}_manifest.json" not in s3.objects
    assert document(s3, "summary.json")["missing"] == [0]
    assert b"Incomplete" in s3.objects[f"{OUTPUT}report.html"]


def test_failures_that_are_tolerated_do_not_fail_the_job() -> None:
    s3 = surveyed([0.4], [], tolerated_failure_percentage=50)
    cut_up(s3)
    do_all(s3)
    answer = gathered(s3)
    assert (answer["complete"], answer["failed_videos"]) == (False, 1)


def test_a_job_that_was_not_cut_is_incomplete() -> None:
    with pytest.raises(JobIncomplete, match="not all surveyed"):
        gathered(surveyed([0.4]))


def test_of_very_many_results_the_report_knows_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_module, "_MAX_SHOWN", 2)
    s3 = surveyed([0.1] * 4)
    cut_up(s3)
    do_all(s3)
    gathered(s3)
    assert b"counted over 2 of 4 pieces" in s3.objects[f"{OUTPUT}report.html"]
    assert len(json.loads(s3.objects[f"{OUTPUT}_manifest.json"])["results"]) == 4


def summing(s3: MemoryS3) -> Decoding:
    """Decodes that reduce to 1, 2, 3 and so on; what is there is not done again."""
    values = iter(range(1, 10))

    def decode(request: Json) -> Json:
        uri = request["output"]
        partial = {"reduce": "sum", "frames": 5}
        if f"{uri}.manifest.json" not in s3.objects:
            file = io.BytesIO()
            np.save(file, np.array(next(values), np.uint64))
            digest = hashlib.sha256(file.getvalue()).hexdigest()
            written = {"uri": uri, "bytes": len(file.getvalue()), "sha256": digest, "shape": [], "dtype": "uint64"}
            manifest = {"request": uri, "partial": partial, "output": [written]}
            s3.objects |= {uri: file.getvalue(), f"{uri}.manifest.json": json.dumps(manifest).encode()}
        written = json.loads(s3.objects[f"{uri}.manifest.json"])["output"][0]
        more = {"manifest": f"{uri}.manifest.json", "partial": partial, "output": [written], "objects": 1}
        return decoded(request) | more

    return decode


def test_a_reduction_is_combined_by_part_and_by_job() -> None:
    s3 = surveyed([0.4, 0.4], [0.4], reduce="sum")
    cut_up(s3)
    do_all(s3, summing(s3))
    answer = gathered(s3)
    assert (answer["reduced"], answer["partial"]) == (6, {"reduce": "sum", "frames": 15})
    assert int(np.load(io.BytesIO(s3.objects[f"{OUTPUT}sum.npy"]))) == 6
    assert len(partials(s3)) == 2


def partials(s3: MemoryS3) -> list[str]:
    return sorted(uri for uri in s3.objects if "_job/partials/" in uri and uri.endswith(".npy"))


@pytest.mark.parametrize("damage", ["<html>", "swapped", None])
@pytest.mark.parametrize("ending", ["", ".manifest.json"])
def test_a_partial_result_that_is_lost_is_made_again_by_another_run(damage: str | None, ending: str) -> None:
    s3 = surveyed([0.4, 0.4], [0.4], reduce="sum")
    decode = summing(s3)
    cut_up(s3)
    do_all(s3, decode)
    lost, other = (f"{partial}{ending}" for partial in partials(s3))
    if damage is None:
        del s3.objects[lost]
    else:
        s3.objects[lost] = s3.objects[other] if damage == "swapped" else damage.encode()
    with pytest.raises(JobIncomplete, match="1 of 2 parts are missing; run the job again for what is missing"):
        gathered(s3)
    assert b"Incomplete" in s3.objects[f"{OUTPUT}report.html"]
    assert cut_up(s3)["to_do"] == 1
    do_all(s3, decode)
    assert gathered(s3)["reduced"] == 6


@pytest.mark.parametrize("is_damaged", [True, False])
@pytest.mark.parametrize("ending", ["", ".manifest.json"])
def test_a_piece_of_a_reduction_that_is_lost_is_made_again_by_the_next_attempt(is_damaged: bool, ending: str) -> None:
    s3 = surveyed([0.2, 0.2], [0.2], reduce="sum", part_seconds=2)
    decode = summing(s3)
    cut_up(s3)

    def losing(request: Json) -> Json | FunctionError:
        result = decode(request)
        if request["output"].endswith("v1.mp4.npy"):
            s3.objects[request["output"] + ending] = b"<html>"
            if not is_damaged:
                del s3.objects[request["output"] + ending]
        return result

    with pytest.raises(SourceUnavailable, match=r"v1\.mp4\.npy .*the next attempt makes it again"):
        do_all(s3, losing)
    do_all(s3, decode)
    assert gathered(s3)["reduced"] == 1 + 2 + 4


@pytest.fixture
def earlier() -> MemoryS3:
    """An interrupted job of four videos, of which one is broken, with the first of its two parts done."""
    s3 = MemoryS3({f"{OUTPUT}{name}": text.encode() for name, text in EARLIER.items()})
    for name, size in {"a": 1_000_000, "b": 8_000_000, "c": 250_000}.items():
        s3.objects[f"s3://films/2024/{name}.mp4"] = b"v" * size
    s3.objects["s3://films/2024/d.mp4"] = b"broken"
    for name, text in EARLIER.items():
        if "/done/" in name:
            s3.objects |= {piece["manifest"]: b"{}" for piece in json.loads(text)["pieces"]}
    return s3


@pytest.mark.parametrize("marker", [b"", b"{", b"[1]", b'{"pieces": []}', b"[" * 100_000])
def test_a_damaged_result_of_a_part_is_made_again(marker: bytes) -> None:
    s3 = surveyed([0.4, 0.4], [0.4])
    cut_up(s3)
    do_all(s3)
    (name, _) = store(s3).names(files.DONE)
    s3.objects[f"{OUTPUT}_job/{name}"] = marker
    assert cut_up(s3)["to_do"] == 1
    do_all(s3)
    assert gathered(s3)["complete"]


@pytest.mark.parametrize("place", ["v0.mp4/rows-00000000", "v0.mp4/rows-00000010", "v1.mp4"])
@pytest.mark.parametrize("is_gathered", [True, False])
def test_a_part_whose_results_are_gone_is_missing_and_made_again(place: str, is_gathered: bool) -> None:
    s3 = surveyed([0.4, 0.4], [0.4])
    cut_up(s3)
    do_all(s3)
    assert cut_up(s3)["to_do"] == 0
    del s3.objects[f"{OUTPUT}{place}/_manifest.json"]
    if is_gathered:
        with pytest.raises(JobIncomplete, match="1 of 2 parts are missing"):
            gathered(s3)
    assert cut_up(s3)["to_do"] == 1
    do_all(s3)
    assert gathered(s3)["complete"]


@pytest.mark.parametrize(("status", "error"), [(503, SourceUnavailable), (403, SourceForbidden)])
def test_a_part_is_not_given_up_while_s3_does_not_say_what_is_there(
    status: int, error: type[FunctionError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def head_object(**_: object) -> None:
        raise refused(status, str(status))

    s3 = surveyed([0.4])
    cut_up(s3)
    do_all(s3)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(s3, "head_object", head_object)
        with pytest.raises(error, match=r"v0\.mp4/_manifest\.json"):
            cut_up(s3)
    assert cut_up(s3)["to_do"] == 0


def test_a_part_that_failed_is_missing_once_the_results_of_its_other_pieces_are_gone() -> None:
    s3 = surveyed([0.4], [0.4], part_seconds=2)
    cut_up(s3)
    do_all(s3, lambda request: CorruptMedia("cut off") if "v1" in request["output"] else decoded(request))
    del s3.objects[f"{OUTPUT}v0.mp4/_manifest.json"]
    with pytest.raises(JobIncomplete, match="1 of 1 parts are missing"):
        gathered(s3)


def test_a_job_begun_by_an_earlier_version_goes_on(earlier: MemoryS3, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_step(monkeypatch)
    s3 = earlier
    job = JOB | {"size": {"max_side": 256}, "tolerated_failure_percentage": 50}
    listed(s3, job)
    survey(s3)
    answer = cut_up(s3)
    for name in ("job.json", "videos/000000.jsonl", "surveys/000000.jsonl", "parts.jsonl"):
        assert s3.objects[f"{OUTPUT}_job/{name}"].decode() == EARLIER[f"_job/{name}"], name
    assert (answer["parts"], answer["to_do"]) == (2, 1)
    (part,) = parts_of(s3)
    (_, line) = lines(s3, "parts.jsonl")
    etags = {piece["request"]["output"]: piece["etag"] for piece in line["pieces"]}
    assert do_part(part, asker(s3, lambda request: decoded(request, etags[request["output"]])))["failed"] == 0
    manifest = gathered(s3)
    assert (manifest["missing_parts"], manifest["failed_videos"], manifest["pieces"]) == (0, 1, 6)
    assert manifest["frames"] == 6 + 3 * 5
