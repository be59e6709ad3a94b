"""What an image says of itself, and how all of it is shown."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deploy.image import document, findings, open_image, table
from tests.deploy.images import (
    OCI_LAYER,
    ZSTD,
    Built,
    BuiltLayer,
    digest_of,
    good,
    layout_of,
    tar_of,
    write_directory,
)
from tests.unit.build.judging import Judge

# What the image says of itself.


def test_credentials_in_the_image_are_warned_of_without_being_shown(judge: Judge) -> None:
    found = judge(good(Env=[*good().settings["Env"], "AWS_SECRET_ACCESS_KEY=do-not-show"]))
    assert found.warned == ["environment"]
    assert "do-not-show" not in str(found.found)


@pytest.mark.parametrize(
    ("labels", "is_standin"),
    [
        ({"hwang-lambda.base": "stand-in"}, True),
        ({"hwang-lambda.base": "real"}, False),
        ({}, False),
    ],
)
def test_an_image_on_the_stand_in_base_is_warned_of(labels: dict[str, str], is_standin: bool, judge: Judge) -> None:
    found = judge(good(Labels=labels))
    assert found.warned == (["base"] if is_standin else [])
    assert found.refused == []


def test_the_licence_is_shown(judge: Judge) -> None:
    assert judge(good(Labels={}))["licences"].what == "none stated"
    found = judge(good(Labels={"org.opencontainers.image.licenses": "MIT"}))["licences"]
    assert (found.level, found.what) == ("note", "MIT")


# The report.


def shown(built: Built, path: Path, width: int) -> str:
    with open_image(str(write_directory(layout_of(built), path))) as image:
        out = io.StringIO()
        Console(file=out, width=width, no_color=True).print(table(image, findings(image)))
        return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_marks_are_readable_without_colour(width: int, tmp_path: Path) -> None:
    good_one = shown(good(), tmp_path / "good", width)
    assert "✓ Lambda would take it" in good_one
    assert "✗" not in good_one
    bad = shown(good(Env=["AWS_ACCESS_KEY=x"], Cmd=["app.gone", "more"]), tmp_path / "bad", width)
    lines = bad.splitlines()
    assert any(line.startswith("✗  command") for line in lines)
    assert any(line.startswith("!  environment") for line in lines)
    assert lines[-1] == "✗ Lambda would not take it: 1 to correct"
    assert max(map(len, lines)) <= width


def test_what_looks_like_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    assert "[red]x[/red]" in shown(good(Cmd=["[red]x[/red]"]), tmp_path / "image", 200)


def test_the_document_has_what_its_description_lists(tmp_path: Path) -> None:
    with open_image(str(write_directory(layout_of(good({"a": b"12"})), tmp_path / "layout"))) as image:
        found: dict[str, Any] = json.loads(json.dumps(document(image, findings(image))))
    assert list(found) == [
        "reference",
        "origin",
        "acceptable",
        "architecture",
        "os",
        "content_digest",
        "tag",
        "config_digest",
        "manifest_digest",
        "index",
        "beside",
        "size_bytes",
        "layers",
        "entrypoint",
        "cmd",
        "working_dir",
        "labels",
        "stand_in",
        "findings",
    ]
    assert found["acceptable"] is True
    assert found["tag"] == f"image-{found['content_digest'][7:23]}"
    assert found["size_bytes"] == sum(len(layer.tar) for layer in good({"a": b"12"}).layers)
    assert found["layers"] == [digest_of(layer.tar) for layer in good({"a": b"12"}).layers]
    assert set(found["findings"][0]) == {"level", "subject", "what", "why", "next"}


def test_the_document_of_an_unreadable_image_says_so(tmp_path: Path) -> None:
    layer = BuiltLayer(tar_of({}), ZSTD, f"{OCI_LAYER}+zstd")
    with open_image(str(write_directory(layout_of(Built([layer], good().settings)), tmp_path / "layout"))) as image:
        found = document(image, findings(image))
    assert (found["acceptable"], found["size_bytes"]) == (False, None)
