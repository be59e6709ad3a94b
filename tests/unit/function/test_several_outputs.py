"""Several results of one decode: each as alone, decoded once, all or nothing in all buckets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, cast

import numpy as np
import pytest

from function.actions import limits
from function.deadline import Deadline
from function.errors import (
    BadRequest,
    DeadlineExceeded,
    FrameCorrupt,
    LimitExceeded,
    OutputForbidden,
    OutputNotFound,
)
from function.frames import own_code
from function.frames.tone import ToneMap
from function.models.event import MAX_FIELDS, Decode, parse_event
from function.output.undo_log import REQUEST, RUN, Entry, Journal
from function.session import Session
from hwang.errors import CorruptFrameError, StoppedError
from tests.support.fakes3 import OUT, FakeS3, Killed, refused
from tests.unit.function.fakedecoder import VIDEO, FakeDecoder, FakeVideo, index_of, install

COUNT = 30
THUMBNAILS: list[dict[str, Any]] = [
    {"output": "s3://out/wide/", "size": {"width": 24}, "quality": 70},
    {"output": "s3://more/small/", "size": {"max_side": 8}, "format": "png", "name": "{position}.{ext}"},
    {"output": "s3://out/sheet.png"},
]
IN_BOTH = [*THUMBNAILS, {"output": "s3://more/wide/"}]  # the keys of the first, in the other bucket
EVERYTHING: list[dict[str, Any]] = [
    *THUMBNAILS,
    {"output": "s3://out/a.npy", "size": {"height": 10}},
    {"output": "s3://out/a.npz", "size": {"max_side": 12}},
    {"output": "s3://out/set/", "format": "tar", "picture": "png"},
    {"output": "s3://more/clip.mp4", "size": {"width": 20, "height": 14}},
    {"output": "s3://out/mean.npy", "reduce": "mean"},
    {"output": "s3://out/sum.npy", "reduce": "sum", "size": {"max_side": 9}},
]


@dataclass
class Buckets:
    """Two buckets of S3 that count their requests together. `before` is called with each request's number."""

    versioned: bool = False
    before: Callable[[int], None] = lambda _: None
    made: int = 0
    named: dict[str, FakeS3] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.named = {name: FakeS3(self.versioned, before=self._count) for name in (OUT, "more")}

    def _count(self, _: int) -> None:
        number, self.made = self.made, self.made + 1
        self.before(number)

    @property
    def objects(self) -> dict[str, bytes]:
        return {f"s3://{name}/{key}": data for name, s3 in self.named.items() for key, data in s3.objects.items()}

    @property
    def uploads(self) -> list[str]:
        return [key for s3 in self.named.values() for key in s3.uploads]

    def __getattr__(self, call: str) -> Callable[..., Any]:
        return partial(self._call, call)

    def _call(self, call: str, Bucket: str, **arguments: Any) -> Any:  # noqa: N803 - botocore's name
        if Bucket not in self.named:
            raise refused(404, "NoSuchBucket")
        return getattr(self.named[Bucket], call)(Bucket=OUT, **arguments)


@pytest.fixture
def video(monkeypatch: pytest.MonkeyPatch) -> FakeVideo:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(limits, "BATCH_BYTES", 4000)
    return install(monkeypatch, index_of(COUNT, (32, 18)))


@pytest.fixture
def own_functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HWANG_APPLY", "brightness=tests.support.own_code:brightness")
    own_code.load.cache_clear()
    own_code.content.cache_clear()
    yield
    own_code.load.cache_clear()
    own_code.content.cache_clear()


def decode(client: Buckets, session: Session | None = None, **fields: Any) -> dict[str, Any]:
    from function.actions.decode import decode as action

    request = parse_event({"video": VIDEO, "frames": "3:13:2", **fields})
    assert isinstance(request, Decode)
    return action(request, session or Session(cast("Any", client)))


def without_manifests(objects: dict[str, bytes]) -> dict[str, bytes]:
    return {uri: data for uri, data in objects.items() if not uri.endswith("manifest.json")}


def alone(outputs: list[dict[str, Any]], **fields: Any) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The objects, except for manifests, and the answers of the requests for each result alone."""
    client = Buckets()
    answers = [decode(client, **fields, **output) for output in outputs]
    return without_manifests(client.objects), answers


@pytest.mark.parametrize(
    ("frames", "passes"),
    [("3:13:2", [[3, 5, 7, 9, 11]]), ([4, 4, 8], [[4, 8], [4, 4, 8]]), ([9, 2, 9, 0], [[0, 2, 9], [9, 2, 9, 0]])],
)
def test_each_result_is_that_of_its_request_alone_and_rows_are_decoded_once(
    video: FakeVideo, frames: Any, passes: list[list[int]]
) -> None:
    objects, answers = alone(EVERYTHING, frames=frames)
    video.decoder.decoded.clear()
    client = Buckets()
    result = decode(client, frames=frames, outputs=EVERYTHING)
    assert without_manifests(client.objects) == objects
    assert sorted(video.decoder.decoded) == sorted(chain.from_iterable(passes))
    assert [one["uri"] for one in result["output"]] == [one["uri"] for answer in answers for one in answer["output"]]
    assert [one.get("reduced") for one in result["outputs"]] == [answer.get("reduced") for answer in answers]
    assert [one.get("partial") for one in result["outputs"]] == [answer.get("partial") for answer in answers]


@pytest.mark.usefixtures("video")
def test_one_manifest_beside_the_first_output_lists_all() -> None:
    client = Buckets()
    result = decode(client, outputs=THUMBNAILS)
    manifests = [uri for uri in client.objects if uri.endswith("manifest.json")]
    assert manifests == [result["manifest"]] == ["s3://out/wide/_manifest.json"]
    manifest = json.loads(client.objects[manifests[0]])
    assert manifest["output"] == result["output"]
    assert {one["uri"] for one in manifest["output"]} == set(client.objects) - set(manifests)
    assert manifest["outputs"] == [
        {"output": "s3://out/wide/", "format": "jpeg", "objects": 5},
        {"output": "s3://more/small/", "format": "png", "objects": 5},
        {"output": "s3://out/sheet.png", "format": "sheet", "objects": 1},
    ]
    assert manifest["objects"] == 11
    assert manifest["frames"]["rows"] == [3, 5, 7, 9, 11]


def test_pictures_are_turned_and_fields_beside_outputs_hold_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, index_of(COUNT, (32, 18), rotation=90))
    outputs: list[dict[str, Any]] = [{"output": "s3://out/a/"}, {"output": "s3://out/b/", "size": {"max_side": 8}}]
    objects, _ = alone(outputs, rotate=True, quality=40, format="webp")
    client = Buckets()
    result = decode(client, rotate=True, quality=40, format="webp", outputs=outputs)
    assert without_manifests(client.objects) == objects
    assert [one["shape"] for one in result["output"][::5]] == [[32, 18, 3], [8, 4, 3]]


@pytest.mark.usefixtures("video")
def test_results_of_one_size_are_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    made = FakeDecoder.batches_in

    def batches_in(decoder: FakeDecoder, forms: list[Any], *arguments: Any) -> Any:
        asked.append(forms)
        return made(decoder, forms, *arguments)

    monkeypatch.setattr(FakeDecoder, "batches_in", batches_in)
    outputs: list[dict[str, Any]] = [
        {"output": "s3://out/a/", "size": {"max_side": 16}},
        {"output": "s3://out/b/", "size": {"width": 16, "height": 9}, "format": "png"},
        {"output": "s3://out/c.jpg", "size": {"width": 16}},
        {"output": "s3://out/d.npy", "size": {"max_side": 12}},
    ]
    client = Buckets()
    decode(client, outputs=outputs)
    sizes = [[(form["width"], form["height"]) for form in forms] for forms in asked]
    assert sizes == [[(16, 9), (12, 7)]]
    assert without_manifests(client.objects) == alone(outputs)[0]


PQ = (9, 16, 9, 1)


def test_each_result_is_turned_and_toned_by_its_own_format_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, index_of(COUNT, (32, 18), rotation=90, color=PQ, sample_aspect_ratio=(3, 2)))
    outputs: list[dict[str, Any]] = [
        {"output": "s3://out/viewed.png"},
        {"output": "s3://out/stored.png", "rotate": False, "tone": "stored"},
        {"output": "s3://out/square.png", "square_pixels": True},
        {"output": "s3://out/stored.npy"},
        {"output": "s3://out/viewed.npy", "rotate": True, "tone": "sdr"},
        {"output": "s3://out/clip.mp4"},
    ]
    objects, _ = alone(outputs, frames=[5])
    client = Buckets()
    result = decode(client, frames=[5], outputs=outputs)
    assert without_manifests(client.objects) == objects
    shapes = [[32, 18, 3], [18, 32, 3], [48, 18, 3], [1, 18, 32, 3], [1, 32, 18, 3]]
    assert [one["shape"] for one in result["output"][:5]] == shapes
    viewed, stored = (client.objects[f"s3://out/{name}.npy"][-32 * 18 * 3 :] for name in ("viewed", "stored"))
    frames = np.frombuffer(stored, np.uint8).reshape(1, 18, 32, 3).copy()
    tone = ToneMap.of("smpte2084", "bt2020")
    assert tone
    tone.convert(frames)
    assert viewed == np.rot90(frames[0], -1).tobytes()


@pytest.mark.usefixtures("video")
def test_a_wish_that_an_entry_cannot_have_is_named_with_it() -> None:
    outputs = [THUMBNAILS[0], {"output": "s3://out/clip.mp4"}]
    with pytest.raises(BadRequest, match=r"outputs\[1\].tone: does not apply to clips"):
        decode(Buckets(), outputs=outputs, tone="sdr")
    wide = {"output": "s3://out/wide.png", "size": {"height": 16_000}}
    with pytest.raises(BadRequest, match=r"outputs\[1\].size: pictures of"):
        decode(Buckets(), frames={"scenes": {}}, outputs=[THUMBNAILS[0], wide])


def test_frames_are_looked_for_once_for_all_results(video: FakeVideo) -> None:
    objects, _ = alone(THUMBNAILS, frames={"representative": 2})
    video.decoder.decoded.clear()
    client = Buckets()
    result = decode(client, frames={"representative": 2}, outputs=THUMBNAILS)
    assert without_manifests(client.objects) == objects
    assert video.decoder.decoded == [*range(COUNT), *result["frames"]["rows"]]


def test_what_does_not_fit_together_is_refused_before_looking(
    video: FakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = [{"output": f"s3://out/{name}/", "format": "tar"} for name in "abc"]
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    decode(Buckets(), frames={"representative": 2}, outputs=outputs[:1])
    video.decoder.decoded.clear()
    with pytest.raises(LimitExceeded):
        decode(Buckets(), frames={"representative": 2}, outputs=outputs)
    assert video.decoder.decoded == []


def test_a_size_that_the_container_misstates_is_learnt_for_all(video: FakeVideo) -> None:
    video.decoder.true_size = 40, 20
    client = Buckets()
    result = decode(client, outputs=THUMBNAILS[:2])
    assert [one["shape"] for one in result["output"][::5]] == [[12, 24, 3], [4, 8, 3]]
    assert without_manifests(client.objects) == alone(THUMBNAILS[:2])[0]


@pytest.mark.usefixtures("video", "own_functions")
def test_own_code_gets_the_frames_of_its_size() -> None:
    outputs: list[dict[str, Any]] = [
        {"output": "s3://out/means.jsonl", "apply": "brightness", "batch": 2, "size": {"max_side": 8}},
        {"output": "s3://out/rows.npz", "apply": "brightness", "batch": 3},
        {"output": "s3://out/wide/"},
    ]
    objects, answers = alone(outputs)
    client = Buckets()
    result = decode(client, outputs=outputs)
    assert without_manifests(client.objects) == objects
    assert [one.get("applied") for one in result["outputs"]] == [answer.get("applied") for answer in answers]


def requests_of_all() -> int:
    client = Buckets()
    decode(client, outputs=IN_BOTH)
    return client.made


@pytest.mark.usefixtures("video")
@pytest.mark.parametrize("versioned", [False, True])
def test_a_failure_at_any_request_takes_back_everything_in_all_buckets(versioned: bool) -> None:
    requests = requests_of_all()
    assert requests == 2 + 16 + 1  # buckets, objects, the manifest
    for number in range(requests):
        client = Buckets(versioned)
        client.named["more"].store("small/other.png", b"theirs")
        there = client.objects

        def fail(request: int, number: int = number) -> None:
            if request == number:
                raise refused(403, "AccessDenied")

        client.before = fail
        with pytest.raises(OutputForbidden):
            decode(client, outputs=IN_BOTH)
        assert (client.objects, client.uploads) == (there, []), number


@pytest.mark.usefixtures("video")
def test_what_a_dead_process_left_in_all_buckets_is_taken_back_by_the_next() -> None:
    for number in range(3, requests_of_all()):
        client, told = Buckets(), list[dict[str, Any]]()

        def die(request: int, number: int = number) -> None:
            if request >= number:
                raise Killed

        client.before = die
        session = Session(cast("Any", client), record=told.append)
        with pytest.raises(Killed):
            decode(client, session, outputs=IN_BOTH)
        assert client.objects
        client.before = lambda _: None
        for journal in Journal.of(session.run, json.loads(json.dumps(told))):
            journal.withdraw(cast("Any", client))
        assert client.objects == {}, number


@pytest.mark.usefixtures("video")
def test_nothing_is_taken_back_that_an_equal_request_has_finished() -> None:
    """The manifest is looked for in the first output's bucket, whichever object was begun first."""
    client = Buckets()
    outputs = [THUMBNAILS[1], THUMBNAILS[0]]
    asked = decode(client, outputs=outputs)["request"]
    there = client.objects
    told: list[dict[str, Any]] = []
    journal = Journal("ours", asked, "small/_manifest.json", told.append, manifest_bucket="more")
    for uri in there:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        client.named[bucket].versions[key][-1].metadata.update({RUN: "ours", REQUEST: asked})
    journal.add(Entry("out", "wide/frame-000003.jpg"))
    for left in Journal.of("ours", told):
        left.withdraw(cast("Any", client))
    assert client.objects == there


def test_a_frame_that_cannot_be_decoded_fails_all(video: FakeVideo) -> None:
    video.decoder.fails = 9, CorruptFrameError("broken", [9])
    client = Buckets()
    with pytest.raises(FrameCorrupt):
        decode(client, outputs=THUMBNAILS)
    assert client.objects == {}


def test_progress_names_rows_that_one_of_the_results_lacks(video: FakeVideo) -> None:
    video.decoder.fails = 11, CorruptFrameError("broken", [11])
    told = []
    for fields in ({"output": "s3://out/a/"}, {"outputs": THUMBNAILS[:2]}):
        client = Buckets()
        session = Session(cast("Any", client))
        with pytest.raises(FrameCorrupt):
            decode(client, session, **cast("Any", fields))
        told.append(session.progress())
    assert told[0]["done"] > 0
    assert told[0]["undone_rows"][-1] == told[1]["undone_rows"][-1] == 11
    assert all(one["done"] + one["undone"] == 5 for one in told)
    finished = Session(cast("Any", Buckets()))
    decode(cast("Any", finished.client), finished, frames="0:5", outputs=THUMBNAILS)
    assert finished.progress() == {"done": 5, "undone": 0, "undone_rows": []}


@pytest.mark.usefixtures("video")
@pytest.mark.parametrize("first", [0, 1])
def test_rows_are_undone_until_every_result_has_them(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []

    def broken_the_second_time(decoder: FakeDecoder, forms: list[Any], *asked: Any) -> Any:
        passes.append(forms)
        if len(passes) == 2:
            raise CorruptFrameError("broken", [9])
        return batches_in(decoder, forms, *asked)

    batches_in = FakeDecoder.batches_in
    monkeypatch.setattr(FakeDecoder, "batches_in", broken_the_second_time)
    outputs = [{"output": "s3://out/pictures/"}, {"output": "s3://out/in-order.npy"}]
    session = Session(cast("Any", Buckets()))
    with pytest.raises(FrameCorrupt):
        decode(cast("Any", session.client), session, frames=[9, 2, 0], outputs=[outputs[first], outputs[1 - first]])
    assert session.progress() == {"done": 0, "undone": 3, "undone_rows": [9, 2, 0]}


@pytest.mark.parametrize("in_the_decoder", [False, True])
def test_a_deadline_that_passes_fails_all(video: FakeVideo, in_the_decoder: bool) -> None:
    if in_the_decoder:  # as after Decoder.stop()
        video.decoder.fails = 9, StoppedError("stopped")
    client = Buckets()
    with pytest.raises(DeadlineExceeded):
        decode(client, Session(cast("Any", client), Deadline(0)), outputs=THUMBNAILS)
    assert client.objects == {}


@pytest.mark.usefixtures("video")
def test_an_output_whose_bucket_does_not_exist_fails_all_before_anything_is_written() -> None:
    client = Buckets()
    with pytest.raises(OutputNotFound, match="nowhere"):
        decode(client, outputs=[*THUMBNAILS, {"output": "s3://nowhere/x/"}])
    assert client.objects == {}


@pytest.mark.usefixtures("video")
def test_an_equal_request_that_has_finished_is_answered_by_its_manifest() -> None:
    client = Buckets()
    first = decode(client, outputs=THUMBNAILS)
    again = decode(client, outputs=THUMBNAILS, if_exists="reuse", storage_class="GLACIER")
    assert again["kept"]
    assert again["output"] == first["output"]
    other = decode(client, outputs=[*THUMBNAILS[:2], {"output": "s3://out/other.png"}], if_exists="reuse")
    assert "kept" not in other
    assert "s3://out/other.png" in client.objects


@pytest.mark.parametrize(
    ("outputs", "owners"),
    [
        ([{"output": "s3://out/a.npy"}, {"output": "s3://out/a.npy"}], (1, "outputs[0]")),
        (
            [{"output": "s3://out/a/"}, {"output": "s3://out/b/"}, {"output": "s3://out/a/", "quality": 9}],
            (2, "outputs[0]"),
        ),
        ([{"output": "s3://out/a/"}, {"output": "s3://out/a/frame-000005.jpg", "format": "sheet"}], (1, "outputs[0]")),
        ([{"output": "s3://out/a/frame-000005.jpg", "format": "sheet"}, {"output": "s3://out/a/"}], (1, "outputs[0]")),
        ([{"output": "s3://out/a/", "format": "tar"}, {"output": "s3://out/a/", "format": "tar"}], (1, "outputs[0]")),
        (
            [{"output": "s3://out/a.npy"}, {"output": "s3://out/a.npy.manifest.json", "format": "npy"}],
            (1, "the manifest"),
        ),
    ],
)
def test_two_results_that_would_write_one_key_are_refused_before_anything_is_decoded(
    video: FakeVideo, outputs: list[dict[str, Any]], owners: tuple[int, str]
) -> None:
    client = Buckets()
    with pytest.raises(BadRequest, match="would write s3://out/a") as refusal:
        decode(client, outputs=outputs)
    [problem] = cast("Any", refusal.value.detail["problems"])
    assert problem["path"] == f"outputs[{owners[0]}].output"
    assert owners[1] in problem["message"]
    assert (client.objects, video.decoder.decoded) == ({}, [])


@pytest.mark.usefixtures("video")
def test_results_below_one_prefix_may_have_names_of_their_own() -> None:
    client = Buckets()
    outputs = [{"output": "s3://out/a/", "size": {"width": px}, "name": f"{{row}}-{px}.{{ext}}"} for px in (8, 16)]
    assert decode(client, outputs=[*outputs, {"output": "s3://out/a/sheet.jpg"}])["objects"] == 11


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"outputs": []}, "outputs: must not be empty"),
        ({"outputs": "s3://out/a/"}, "outputs: must be an array, not a string"),
        ({"outputs": THUMBNAILS, "output": "s3://out/a/"}, "output: does not go with outputs"),
        (
            {"outputs": [{"size": {"width": 8}}]},
            "outputs[0].output: is required: several results are written, an answer",
        ),
        ({"outputs": [*THUMBNAILS, {"output": "s3://out/x.xyz"}]}, "outputs[3].format: must be given"),
        ({"outputs": [{"output": VIDEO}]}, "outputs[0].output: is the video itself"),
        ({"outputs": [{"output": "s3://out/a/", "frames": [1]}]}, "outputs[0].frames: is not a known field"),
        ({"outputs": [{"output": "s3://out/a/", "kms_key": "k"}]}, "outputs[0].kms_key: is not a known field"),
        ({"outputs": [{"output": "s3://out/a/", "format": "png", "quality": 9}]}, "outputs[0].quality: does not apply"),
        ({"outputs": [{"output": "s3://out/a/", "format": "png"}], "quality": 9}, "outputs[0].quality: does not apply"),
        ({"outputs": [{"output": "s3://out/a/", "format": "inline"}]}, "outputs[0].format: inline is an answer"),
        ({"outputs": [{"output": f"s3://out/{n}/"} for n in range(17)]}, "outputs: "),
        ({"outputs": [dict.fromkeys(map(str, range(MAX_FIELDS + 1)))]}, "the event has an object of 10001 fields"),
    ],
)
def test_an_entry_is_validated_as_a_request_of_its_own(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_event({"video": VIDEO, "frames": "all", **fields})
    assert refusal.value.message.startswith(problem)


@pytest.mark.usefixtures("own_functions")
@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"output": "s3://out/one.jpg", "format": "jpeg"}, "outputs[3].output: must be a prefix"),
        ({"output": "s3://out/one.mp4"}, "outputs[3].format: this image was built without the H.264 encoder"),
        ({"output": "s3://out/one.npy", "apply": "darkness"}, "outputs[3].apply: "),
    ],
)
def test_what_is_wrong_with_an_entry_for_this_video_or_image_is_said_of_it(
    video: FakeVideo, entry: dict[str, Any], problem: str
) -> None:
    video.can_encode = False
    with pytest.raises(BadRequest) as refusal:
        decode(Buckets(), outputs=[*THUMBNAILS, entry])
    assert refusal.value.message.startswith(problem)
    assert video.decoder.decoded == []


def test_the_memory_of_all_results_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, index_of(COUNT, (4096, 2304)))
    outputs = [{"output": f"s3://out/{number}.npy", "reduce": "mean"} for number in range(3)]

    def needed(outputs: list[dict[str, Any]]) -> int:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        with pytest.raises(LimitExceeded) as refusal:
            decode(Buckets(), outputs=outputs)
        return cast("int", refusal.value.detail["wanted_mb"])

    one, two, three = (needed(outputs[:count]) for count in (1, 2, 3))
    assert two - one > 4096 * 2304 * 3 * 16 // 2**20
    assert abs((three - two) - (two - one)) <= 64  # what they share counts once
