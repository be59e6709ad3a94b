"""What HWANG_ON_UPLOAD makes of an uploaded object, and the outputs it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.errors import BadRequest
from function.triggers.uploads import OnUpload, Upload

FILM = Upload("uploads", "in/a b/film.tar.mp4")


def configured(text: object = None, **fields: object) -> OnUpload:
    return OnUpload.from_environment({"HWANG_ON_UPLOAD": text if isinstance(text, str) else json.dumps(fields)})


def output(template: str, upload: Upload = FILM, **fields: object) -> str:
    filled = configured(output=template, **fields).request_for(upload)["output"]
    assert isinstance(filled, str)
    return filled


def test_the_request_is_the_configurations_with_the_video() -> None:
    fields: dict[str, Any] = {"frames": {"count": 16}, "format": "sheet", "output": "s3://results/x.jpg"}
    assert configured(prefix="in/", allow_same_prefix=False, **fields).request_for(FILM) == {
        **fields,
        "if_exists": "reuse",
        "video": {"bucket": "uploads", "key": "in/a b/film.tar.mp4"},
    }


def test_a_duplicate_delivery_keeps_what_is_there_unless_the_configuration_says_otherwise() -> None:
    assert configured(output="s3://r/x").request_for(FILM)["if_exists"] == "reuse"
    assert configured(output="s3://r/x", if_exists="replace").request_for(FILM)["if_exists"] == "replace"


def test_placeholders_of_each_of_several_outputs_are_replaced() -> None:
    outputs = [{"output": "s3://results/{stem}/", "quality": 9}, {"output": 7}, 7]
    request = configured(outputs=outputs).request_for(FILM)
    assert request["outputs"] == [{"output": "s3://results/film.tar/", "quality": 9}, {"output": 7}, 7]
    assert configured(outputs="x").request_for(FILM)["outputs"] == "x"


def test_a_request_without_an_output_passes() -> None:
    assert "output" not in configured(action="probe").request_for(FILM)
    assert configured(output=7).request_for(FILM)["output"] == 7


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("s3://results/{key}.jpg", "s3://results/in/a b/film.tar.mp4.jpg"),
        ("s3://results/{name}/", "s3://results/film.tar.mp4/"),
        ("s3://results/{stem}/", "s3://results/film.tar/"),
        ("s3://{bucket}-frames/{stem}.npy", "s3://uploads-frames/film.tar.npy"),
        ("s3://results/{bucket}/{key}/{stem}{stem}", "s3://results/uploads/in/a b/film.tar.mp4/film.tarfilm.tar"),
        ("s3://results/}{/{stem}}", "s3://results/}{/film.tar}"),
        ("s3://results/{{stem}}", "s3://results/{film.tar}"),
        ("s3://results/%s%d$x\\1", "s3://results/%s%d$x\\1"),
    ],
)
def test_placeholders_are_replaced_and_nothing_else(template: str, filled: str) -> None:
    assert output(template) == filled


@pytest.mark.parametrize(
    ("key", "name", "stem"),
    [("a", "a", "a"), (".mp4", ".mp4", ".mp4"), ("a/.b.c", ".b.c", ".b"), ("a.", "a.", "a"), ("a.b/c", "c", "c")],
)
def test_the_stem_is_the_name_without_its_extension(key: str, name: str, stem: str) -> None:
    assert output("s3://r/{name}|{stem}", Upload("uploads", key)) == f"s3://r/{name}|{stem}"


@pytest.mark.parametrize(
    "template",
    [f"s3://r/{{{name}}}" for name in ("foo", "", "0", "key!r", "key.__class__", "key:>99", "Key", " key", "key[0]")],
)
def test_an_unknown_placeholder_is_refused_with_the_known_ones(template: str) -> None:
    with pytest.raises(BadRequest, match=r"\{bucket\}, \{key\}, \{name\}, \{stem\}"):
        output(template)


@pytest.mark.parametrize("template", ["s3://{key}/x", "s3://{name}/x", "s3://x-{stem}/x", "{key}", "s3://{key}"])
def test_an_uploaded_name_never_chooses_the_bucket(template: str) -> None:
    with pytest.raises(BadRequest, match="bucket"):
        output(template)


@given(st.text())
def test_what_replaces_a_placeholder_is_not_looked_at_again(key: str) -> None:
    assert output("s3://results/{key}|{bucket}", Upload("uploads", key)) == f"s3://results/{key}|uploads"


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        ("s3://uploads/out/{stem}.npy", ""),
        ("s3://uploads/in/{stem}.npy", "in/"),
        ("s3://uploads/{key}.npy", "in/"),
        ("s3://{bucket}/in/frames/", "in/"),
        ("s3://uploads/in/", "in/"),
        ("s3://uploads/in", "in"),
        ("s3://uploads/input/", "in"),
        ("s3://uploads/out/", "out/frame-"),  # frames are named below the output
        ("s3://uploads/out", "out.manifest"),
        ("s3://uploads/", "in/"),
        ("s3://uploads/i", "in/"),
    ],
)
def test_an_output_that_would_start_the_function_again_is_refused(template: str, prefix: str) -> None:
    upload = Upload("uploads", f"{prefix}film.mp4" if prefix else "in/film.mp4")
    with pytest.raises(BadRequest, match="another bucket or prefix"):
        output(template, upload, prefix=prefix)
    assert output(template, upload, prefix=prefix, allow_same_prefix=True)
    with pytest.raises(BadRequest, match=r"HWANG_ON_UPLOAD\.outputs\[1\]\.output: .* another bucket or prefix"):
        configured(outputs=[{"output": "s3://results/"}, {"output": template}], prefix=prefix).request_for(upload)


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        ("s3://results/in/{stem}.npy", ""),
        ("s3://results/in/{stem}.npy", "in/"),
        ("s3://uploads/out/{stem}.npy", "in/"),
        ("s3://uploads/in.npy", "in/"),
        ("s3://uploads/IN/", "in/"),
        ("s3://{bucket}-out/in/", "in/"),
        ("s3://uploads", "in/"),  # not an output; the event's own check says so
        ("https://example.com/in/", "in/"),
    ],
)
def test_an_output_elsewhere_is_fine(template: str, prefix: str) -> None:
    assert output(template, prefix=prefix)


@pytest.mark.parametrize(
    ("key", "prefix", "ignored"),
    [
        ("in/a.mp4", "in/", False),
        ("in/a.mp4", "", False),
        ("out/a.npy", "in/", True),
        ("In/a.mp4", "in/", True),
        ("/in/a.mp4", "in/", True),
        ("in/", "in/", True),
        ("folder/", "", True),
    ],
)
def test_what_is_outside_the_prefix_or_a_folder_is_left_alone(key: str, prefix: str, ignored: bool) -> None:
    assert bool(configured(prefix=prefix).why_not(Upload("uploads", key))) == ignored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "null",
        '"s3://results/{key}"',
        "{",
        "{}{}",
        '{"output": NaN}',
        '{"prefix": 1}',
        '{"prefix": null}',
        '{"allow_same_prefix": 1}',
        '{"allow_same_prefix": "yes"}',
        '{"video": "s3://a/b"}',
        "[" * 100_000,
    ],
)
def test_a_wrong_configuration_is_refused_by_the_variables_name(text: str) -> None:
    with pytest.raises(BadRequest, match="HWANG_ON_UPLOAD"):
        configured(text)


def test_a_missing_configuration_is_told_with_an_example_that_works() -> None:
    with pytest.raises(BadRequest) as caught:
        OnUpload.from_environment({})
    example = caught.value.message.partition("like ")[2]
    assert configured(example).request_for(FILM)["output"] == "s3://results/in/a b/film.tar.mp4.jpg"
