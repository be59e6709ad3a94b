"""The parts of a job: every piece once, as decodes with places of their own; what is done is not to do."""

from __future__ import annotations

from typing import Any

import pytest

from function.errors import (
    DeadlineExceeded,
    LimitExceeded,
    SourceNotFound,
)
from function.frames import own_code
from function.frames.rows import resolve_frames
from function.jobs.part import do_part
from function.models import job_files as files
from function.models.event import Decode, parse_event
from tests.support.memory_s3 import MemoryS3
from tests.unit.function.fakedecoder import index_of
from tests.unit.function.jobsteps import (
    JOB,
    OUTPUT,
    Json,
    asker,
    cut_up,
    do_all,
    document,
    films,
    gathered,
    keep_index,
    lines,
    listed,
    parts_of,
    store,
    survey_step,
    surveyed,
)


def test_parts_hold_all_pieces_in_order_with_decodes_of_their_own() -> None:
    s3 = surveyed([0.4064, 0.4], [], [0.4])
    answer = cut_up(s3)
    assert answer == {
        "job": OUTPUT,
        "parts": 2,
        "pieces": 3,
        "to_do": 2,
        "seconds": 1.206,
        "concurrency": 100,
        "tolerated_failure_percentage": 0.0,
        "items": {"bucket": "results", "key": "run/_job/parts.json"},
        "chunks": 2,
    }
    assert document(s3, "cut.json") == answer
    first, second = lines(s3, "parts.jsonl")
    form = {"frames": "0:10:1", "format": "jpeg", "if_exists": "reuse", "rotate": True, "tone": "sdr"}
    assert first == {
        "seconds": 0.406,
        "pieces": [
            {
                "request": {
                    "video": {"bucket": "films", "key": "2024/v0.mp4"},
                    **form,
                    "output": f"{OUTPUT}v0.mp4/rows-00000000/",
                },
                "etag": "e1",
                "first": 0,
                "last": 9,
                "seconds": 0.4064,
            }
        ],
    }
    assert second["seconds"] == 0.8
    assert [piece["request"]["output"] for piece in second["pieces"]] == [
        f"{OUTPUT}v0.mp4/rows-00000010/",
        f"{OUTPUT}v2.mp4/",
    ]
    for part in (first, second):
        for piece in part["pieces"]:
            parse_event(piece["request"])


def test_the_event_of_a_part_says_where_its_line_is() -> None:
    s3 = surveyed([0.4, 0.4], [0.4])
    cut_up(s3)
    data = s3.objects[f"{OUTPUT}_job/parts.jsonl"]
    events = document(s3, "parts.json")
    assert [event["part"] for event in events] == [0, 1]
    assert all(event["action"] == "part" and event["job"] == OUTPUT for event in events)
    found = [data[event["offset"] : event["offset"] + event["length"]] for event in events]
    assert found == data.splitlines()


def test_parts_that_are_done_are_not_to_do() -> None:
    s3 = surveyed([0.4, 0.4], [0.4, 0.4, 0.4, 0.4])
    assert cut_up(s3)["to_do"] == 3
    first, second, _ = parts_of(s3)
    do_part(second, asker(s3))
    assert cut_up(s3)["to_do"] == 2
    assert [part.part for part in parts_of(s3)] == [0, 2]
    do_part(first, asker(s3))
    do_all(s3)
    assert cut_up(s3)["to_do"] == 0
    assert document(s3, "parts.json") == []


@pytest.mark.parametrize(
    ("form", "output"),
    [
        ({"format": "png"}, f"{OUTPUT}v0.mp4/"),
        ({"format": "npy"}, f"{OUTPUT}v0.mp4.npy"),
        ({"format": "npz"}, f"{OUTPUT}v0.mp4.npz"),
        ({"format": "mp4"}, f"{OUTPUT}v0.mp4.mp4"),
        ({"format": "sheet"}, f"{OUTPUT}v0.mp4.jpg"),
        ({"reduce": "mean"}, f"{OUTPUT}_job/pieces/v0.mp4.npy"),
    ],
)
def test_each_format_has_its_place(form: Json, output: str) -> None:
    s3 = surveyed([0.4], **form)
    cut_up(s3)
    (part,) = lines(s3, "parts.jsonl")
    request = part["pieces"][0]["request"]
    assert request["output"] == output
    assert {name: request[name] for name in form} == form
    parse_event(request)


def test_a_decode_has_the_form_of_the_job_and_nothing_of_its_running() -> None:
    s3 = surveyed([0.4], size={"max_side": 64}, quality=70, concurrency=3, tolerated_failure_percentage=5)
    answer = cut_up(s3)
    (part,) = lines(s3, "parts.jsonl")
    request = part["pieces"][0]["request"]
    assert set(request) == {"video", "frames", "size", "quality", "format", "if_exists", "output", "rotate", "tone"}
    assert request["size"] == {"max_side": 64}
    assert (answer["concurrency"], answer["tolerated_failure_percentage"]) == (3, 5)


@pytest.mark.parametrize(
    ("job", "stated"),
    [
        ({}, {"rotate": True, "tone": "sdr"}),
        ({"rotate": False, "tone": "stored"}, {}),
        ({"format": "npy"}, {}),
        ({"format": "npy", "rotate": True, "tone": "sdr"}, {"rotate": True, "tone": "sdr"}),
        ({"format": "mp4"}, {"rotate": True}),
        ({"reduce": "mean"}, {}),
    ],
)
def test_a_decode_states_how_its_frames_are_turned_and_toned_unless_they_are_as_stored(job: Any, stated: Any) -> None:
    s3 = surveyed([0.4], **job)
    cut_up(s3)
    (part,) = lines(s3, "parts.jsonl")
    request = part["pieces"][0]["request"]
    assert {name: request[name] for name in ("rotate", "tone") if name in request} == stated


@pytest.fixture
def two_films(monkeypatch: pytest.MonkeyPatch) -> MemoryS3:
    """Two videos at 25 frames a second, listed for a frame at each of some times, and surveyed."""
    s3 = films()
    keep_index(s3, "a", 1000)
    keep_index(s3, "b", 20)
    listed(s3, JOB | {"frames": {"timestamps": [33.3, 7, 7.01, 0.5]}})
    survey_step(monkeypatch)(s3)
    return s3


def test_pieces_repeat_which_time_was_asked_for_each_row(two_films: MemoryS3) -> None:
    cut_up(two_films)
    found: dict[str, list[tuple[int, float]]] = {"a.mp4": [], "b.mp4": []}
    pieces = [piece for part in lines(two_films, files.PARTS) for piece in part["pieces"]]
    for piece in pieces:
        request = parse_event(piece["request"])
        assert isinstance(request, Decode)
        count = 1000 if "a.mp4" in piece["request"]["output"] else 20
        resolved = resolve_frames(request.frames, index_of(count, (64, 48)))
        assert resolved.asked is not None
        name = piece["request"]["video"]["key"].rpartition("/")[2]
        found[name] += zip(resolved.rows.tolist(), resolved.asked.tolist(), strict=True)
    assert found == {
        "a.mp4": [(12, 0.5), (175, 7.0), (175, 7.01), (832, 33.3)],
        "b.mp4": [(12, 0.5), (19, 33.3), (19, 7.0), (19, 7.01)],
    }


def test_pieces_of_a_job_of_version_1_repeat_no_times(two_films: MemoryS3) -> None:
    kept = document(two_films, "job.json")["job"]
    store(two_films).put_json("job.json", {"job": kept})
    cut_up(two_films)
    pieces = [piece for part in lines(two_films, files.PARTS) for piece in part["pieces"]]
    assert sorted(row for piece in pieces for row in piece["request"]["frames"]) == [12, 12, 19, 19, 19, 175, 175, 832]


def test_a_reduction_carries_no_times(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = films()
    keep_index(s3, "a", 1000)
    listed(s3, JOB | {"reduce": "sum"})
    survey_step(monkeypatch)(s3)
    assert b"asked" not in s3.objects[f"{OUTPUT}_job/surveys/000000.jsonl"]


SEVERAL: list[Json] = [
    {"output": "s3://results/run/640/", "size": {"max_side": 640}},
    {"output": "s3://more/small/", "size": {"max_side": 160}, "format": "webp", "quality": 60},
    {"output": "s3://results/arrays/", "format": "npy", "rotate": True},
]


def test_several_results_of_a_piece_are_one_decode_of_what_their_jobs_would_make() -> None:
    s3 = surveyed([0.4, 0.4], [0.4], outputs=SEVERAL, kms_key="alias/mine", storage_class="GLACIER")
    cut_up(s3)
    requests = [piece["request"] for part in lines(s3, files.PARTS) for piece in part["pieces"]]
    together: list[list[Decode]] = []
    for request in requests:
        decode = parse_event({**files.EARLIER, **request})
        assert isinstance(decode, Decode)
        together.append(decode.results)
    for at, entry in enumerate(SEVERAL):
        own = {name: value for name, value in entry.items() if name != "output"}
        alone = surveyed([0.4, 0.4], [0.4], kms_key="alias/mine", storage_class="GLACIER", **own)
        cut_up(alone)
        for request, decodes in zip(
            [piece["request"] for part in lines(alone, files.PARTS) for piece in part["pieces"]], together, strict=True
        ):
            place = request["output"].replace(OUTPUT, entry["output"])
            single = parse_event({**files.EARLIER, **request, "output": place})
            assert isinstance(single, Decode)
            assert decodes[at] == single.results[0]


@pytest.mark.parametrize(
    "whole", [{"format": "sheet"}, {"format": "mp4"}, {"apply": "embed"}, {"apply": "embed", "format": "jsonl"}]
)
def test_a_video_is_not_cut_if_one_of_its_results_is_one_object(whole: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_code, "content", lambda: "c" * 32)
    s3 = films()
    keep_index(s3, "a", 4000)
    listed(s3, JOB | {"frames": {"count": 300}, "outputs": [*SEVERAL[:2], {"output": "s3://results/one/", **whole}]})
    survey_step(monkeypatch)(s3)
    assert cut_up(s3)["pieces"] == 1
    (part,) = lines(s3, files.PARTS)
    request = part["pieces"][0]["request"]
    assert request["frames"] == {"count": 300}
    assert [one["output"].removesuffix("/").rpartition(".")[2] for one in request["outputs"][:2]] == ["mp4", "mp4"]
    assert request["outputs"][2]["output"].startswith("s3://results/one/a.mp4.")
    assert parse_event({**files.EARLIER, **request})


def test_the_line_of_a_part_of_version_1_is_the_same_to_the_byte() -> None:
    """Results of its parts are found by the digests of these lines."""
    s3 = surveyed([0.4], rotate=True, format="jpeg", size={"max_side": 64}, quality=80)
    store(s3).put_json("job.json", {"job": document(s3, "job.json")["job"]})
    cut_up(s3)
    assert s3.objects[f"{OUTPUT}_job/parts.jsonl"] == (
        b'{"seconds": 0.4, "pieces": [{"request": {"video": {"bucket": "films", "key": "2024/v0.mp4"}, '
        b'"format": "jpeg", "size": {"max_side": 64}, "rotate": true, "quality": 80, '
        b'"frames": "0:10:1", "if_exists": "reuse", '
        b'"output": "s3://results/run/v0.mp4/"}, "etag": "e1", "first": 0, "last": 9, "seconds": 0.4}]}\n'
    )


def test_the_storage_class_is_that_of_the_results_and_not_of_what_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_code, "content", lambda: "c" * 32)

    def storage_classes(**job: Any) -> list[Any]:
        s3 = surveyed([0.4, 0.4], [0.4], storage_class="GLACIER", kms_key="alias/mine", **job)
        cut_up(s3)
        requests = [piece["request"] for part in lines(s3, "parts.jsonl") for piece in part["pieces"]]
        assert {request["kms_key"] for request in requests} == {"alias/mine"}
        return [request.get("storage_class") for request in requests]

    assert storage_classes() == ["GLACIER"] * 3
    assert storage_classes(reduce="sum") == [None] * 3
    assert storage_classes(apply="embed") == [None, None, "GLACIER"]  # the first video's pieces are joined


def test_a_job_of_too_many_parts_is_refused_before_any_is_written() -> None:
    s3 = surveyed([100_000.0], [0.5])
    with pytest.raises(LimitExceeded, match="part_seconds: 100001 parts of 1 s are more than the 100000") as raised:
        cut_up(s3)
    assert raised.value.detail == {"limit": "parts", "wanted": 100_001, "maximum": 100_000}
    assert f"{OUTPUT}_job/parts.jsonl" not in s3.objects
    s3 = surveyed([100_000.0])
    assert cut_up(s3)["parts"] == 1


def test_a_cut_before_the_surveys_says_so() -> None:
    s3 = surveyed([0.4])
    for chunk in (0, 1):
        del s3.objects[f"{OUTPUT}_job/surveys/00000{chunk}.jsonl"]
    with pytest.raises(SourceNotFound, match=r"_job/surveys/000001.jsonl is not there"):
        cut_up(s3)


def test_the_videos_of_a_chunk_without_a_survey_have_failed_and_the_others_are_cut() -> None:
    s3 = surveyed([0.4], tolerated_failure_percentage=50)
    del s3.objects[f"{OUTPUT}_job/surveys/000001.jsonl"]
    s3.objects[f"{OUTPUT}_job/videos/000001.jsonl"] = (
        files.ListedVideo.model_validate({"video": "s3://films/2024/b.mp4", "name": "b.mp4"}).line() + b"\n"
    )
    assert cut_up(s3)["parts"] == 1
    do_all(s3)
    assert gathered(s3)["failed_videos"] == 1
    (failure,) = document(s3, "summary.json")["failures"]
    assert (failure["video"], failure["code"]) == ("s3://films/2024/b.mp4", "SourceUnavailable")


def test_a_cut_whose_time_is_up_leaves_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = surveyed([0.4])
    checked: list[str] = []

    def check(self: object) -> None:  # noqa: ARG001
        checked.append("")
        raise DeadlineExceeded("too late")

    monkeypatch.setattr("function.deadline.Deadline.check", check)
    with pytest.raises(DeadlineExceeded):
        cut_up(s3)
    assert checked == [""]
    assert f"{OUTPUT}_job/parts.jsonl" not in s3.objects
