"""What runs where, for people on any terminal and for programs."""

from __future__ import annotations

import re

import pytest

from deploy.errors import FunctionNotFoundError
from tests.deploy import onterminal
from tests.deploy.tool import Tool
from tests.deploy.trial import Trial
from tests.support.aws import StrictAws

STATUS = ("status", "--function", "frames")
COLUMNS = ["alias", "version", "image", "in ECR", "for", "size", "state"]


@pytest.fixture
def frames(aws: StrictAws) -> list[str]:
    """The digests of versions 1 to 4: archived, gone, there in a canary, and used by no alias."""
    images = [aws.put_image() for _ in range(4)]
    aws.make_function("frames", images[0])
    for image in images[1:]:
        aws.release("frames", image)
    split = {"AdditionalVersionWeights": {"3": 0.05}}
    aws.do("UpdateAlias", FunctionName="frames", Name="live", FunctionVersion="1", RoutingConfig=split)
    aws.do("CreateAlias", FunctionName="frames", Name="blue", FunctionVersion="2")
    aws.do("CreateAlias", FunctionName="frames", Name="green", FunctionVersion="3")
    aws.do("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": images[1].digest}])
    aws.ecr_state.repositories["app"].manifests[images[0].digest].archived = True
    aws.set_state("frames", "2", State="Inactive", StateReasonCode="Idle")
    aws.set_state("frames", LastUpdateStatus="Failed", LastUpdateStatusReasonCode="InvalidImage")
    return [image.digest for image in images]


def short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def rows(text: str) -> list[list[str]]:
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines() if line.strip()]


def test_each_version_in_use_is_a_row(trial: Trial, frames: list[str]) -> None:
    title, heads, *versions = rows(trial.succeeds(*STATUS).out.partition("$LATEST differs")[0])
    assert title == ["function frames"]
    assert heads == COLUMNS
    assert [[*row[:4], *row[-1:]] for row in versions] == [
        ["live 95%", "1", short(frames[0]), "✗ archived", "Active"],
        ["blue", "2", short(frames[1]), "✗ gone", "Inactive"],
        ["green, live 5%", "3", short(frames[2]), "✓", "Active"],
        ["$LATEST", short(frames[3]), "✓", "x86_64", "Active, update Failed"],
    ]


@pytest.mark.usefixtures("frames")
def test_all_shows_the_versions_that_no_alias_uses_too(trial: Trial) -> None:
    assert [row[1] for row in rows(trial.succeeds(*STATUS, "--all").out)[2:5]] == ["1", "2", "3"]
    versions = trial.succeeds(*STATUS, "--all", "--json").document["versions"]
    assert [version["version"] for version in versions] == ["1", "2", "3", "4", "$LATEST"]


def test_programs_get_numbers_and_words_of_aws(aws: StrictAws, trial: Trial, frames: list[str]) -> None:
    found = trial.succeeds(*STATUS, "--json").document
    assert found["function"] == "frames"
    assert [(v["aliases"], v["digest"], v["image_status"], v["state"]) for v in found["versions"]] == [
        ({"live": 0.95}, frames[0], "ARCHIVED", "Active"),
        ({"blue": 1}, frames[1], "GONE", "Inactive"),
        ({"green": 1, "live": 0.05}, frames[2], "ACTIVE", "Active"),
        ({}, frames[3], "ACTIVE", "Active"),
    ]
    (detail,) = aws.do("DescribeImages", repositoryName="app", imageIds=[{"imageDigest": frames[2]}])["imageDetails"]
    assert found["versions"][2]["image_bytes"] == detail["imageSizeInBytes"]
    assert found["versions"][2]["image_pushed"] == detail["imagePushedAt"].isoformat()


@pytest.mark.usefixtures("frames")
@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal_and_what_is_wrong_is_red(tool: Tool, columns: int) -> None:
    screen = onterminal.run(tool, *STATUS, columns=columns)
    shown = re.sub(r"\x1b\[[\d;]*m", "", screen.text).partition("$LATEST differs")[0]
    assert screen.code == 0
    assert all(len(line) <= columns for line in shown.splitlines())
    assert "…" not in shown
    assert re.findall(r"\x1b\[31m(.*?) *\x1b", screen.text) == ["✗ archived", "✗ gone"]
    assert re.findall(r"\x1b\[32m(.*?) *\x1b", screen.text) == ["✓", "✓"]


@pytest.mark.usefixtures("frames")
def test_no_color_is_respected(tool: Tool) -> None:
    screen = onterminal.run(tool, *STATUS, more={"NO_COLOR": "1"})
    assert "✗ gone" in screen.text
    assert not re.search(r"\x1b\[(3|9)\d", screen.text)


@pytest.mark.usefixtures("frames")
def test_what_is_not_a_terminal_gets_lines_of_full_length_without_colours(aws: StrictAws, trial: Trial) -> None:
    aws.do("CreateAlias", FunctionName="frames", Name="z" * 60, FunctionVersion="3")
    shown = trial.succeeds(*STATUS).out
    assert "\x1b" not in shown
    assert f"green, live 5%, {'z' * 60} " in shown


def test_a_zip_function_has_no_image(aws: StrictAws, trial: Trial) -> None:
    code = {"ZipFile": b"PK"}
    role = "arn:aws:iam::123456789012:role/r"
    aws.do("CreateFunction", FunctionName="old", Role=role, Runtime="python3.13", Handler="a.b", Code=code)
    (version,) = trial.succeeds("status", "--function", "old", "--json").document["versions"]
    assert (version["package_type"], version["digest"], version["image_status"]) == ("Zip", None, None)
    assert ["$LATEST", "Zip", "—", "x86_64"] in [
        row[:4] for row in rows(trial.succeeds("status", "--function", "old").out)
    ]
    assert not aws.calls("DescribeImages")


def test_a_function_that_is_missing_is_told(trial: Trial) -> None:
    assert "frames" in trial.fails(FunctionNotFoundError, *STATUS).err


@pytest.mark.usefixtures("frames")
def test_the_state_is_read_and_nothing_changed(aws: StrictAws, trial: Trial) -> None:
    trial.succeeds(*STATUS, "--all")
    assert aws.changes() == []


# $LATEST beside what is live.


def test_what_latest_has_that_is_not_live_is_shown(aws: StrictAws, trial: Trial) -> None:
    aws.make_function("frames", aws.put_image())
    assert "differs" not in trial.succeeds(*STATUS).out
    aws.do("UpdateFunctionConfiguration", FunctionName="frames", MemorySize=512, Timeout=9)
    assert "$LATEST differs from version 1 (live): MemorySize, Timeout" in trial.succeeds(*STATUS).out
    first, latest = trial.succeeds(*STATUS, "--json").document["versions"]
    assert (first["differs_from_latest"], latest["differs_from_latest"]) == (["MemorySize", "Timeout"], [])


# Rights and kinds.

NO_IMAGES = {
    "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "ecr:DescribeImages", "Resource": "*"},
    ]
}


@pytest.mark.usefixtures("frames")
def test_images_that_may_not_be_described_are_shown_as_not_seen(aws: StrictAws, trial: Trial) -> None:
    """So it is with a repository of a central account."""
    aws.allow(aws.deployer, NO_IMAGES)
    shown = trial.succeeds(*STATUS).out
    assert "? not seen" in shown
    assert "may not do ecr:DescribeImages" in shown
    assert "gone" not in shown
    found = trial.succeeds(*STATUS, "--json").document["versions"]
    assert {version["image_status"] for version in found} == {"UNSEEN"}


@pytest.mark.usefixtures("frames")
def test_a_function_of_a_kind_newer_than_the_tool_is_shown(aws: StrictAws, trial: Trial) -> None:
    newer = {"State": "Hibernating", "PackageType": "Wasm"}
    aws.set_state("frames", "1", **newer)
    versions = aws.store.functions["frames"].versions
    versions["$LATEST.PUBLISHED"] = versions.pop("4")
    aws.set_state("frames", "$LATEST.PUBLISHED", Version="$LATEST.PUBLISHED")
    found = trial.succeeds(*STATUS, "--all", "--json").document["versions"]
    assert [version["version"] for version in found] == ["1", "2", "3", "$LATEST", "$LATEST.PUBLISHED"]
    assert found[0]["state"] == "Hibernating"
    assert "Hibernating" in trial.succeeds(*STATUS, "--all").out
