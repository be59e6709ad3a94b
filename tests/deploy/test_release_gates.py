"""What the image must have before a function gets it: a scan without findings that are too severe, and a signature."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.errors import ImageRefusedError
from tests.deploy.scenario import Scenario, scenario
from tests.deploy.tool import Tool
from tests.support.aws import samples

NOTATION = "application/vnd.cncf.notary.signature"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def scan(made: Scenario, counts: dict[str, int], status: str = "COMPLETE") -> None:
    made.aws.ecr_state.repositories["app"].scans[made.image.digest] = {
        "imageScanStatus": {"status": status, "description": "as it is"},
        "imageScanFindings": {"findingSeverityCounts": counts},
    }


@pytest.mark.parametrize("severity", ["high", "medium", "none"])
def test_findings_that_are_too_severe_end_the_deploy(tmp_path: Path, severity: str) -> None:
    with scenario(tmp_path / "it", "--max-severity", severity) as made:
        worst = {"high": "CRITICAL", "medium": "HIGH", "none": "UNDEFINED"}[severity]
        scan(made, {"LOW": 0, worst: 2})
        made.require_failed(made.run(), ImageRefusedError, f"found 2 {worst.lower()}, and --max-severity is {severity}")
        assert not made.aws.changes()
        scan(made, {"CRITICAL": 0})
        made.require_convergence()


def test_a_scan_is_waited_for_and_one_that_failed_is_none(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--max-severity", "high", "--wait", "1s") as made:
        made.require_failed(made.run(), ImageRefusedError, "no finished scan")
        scan(made, {}, "UNSUPPORTED_IMAGE")
        made.require_failed(made.run(), ImageRefusedError, "UNSUPPORTED_IMAGE: as it is")
        assert not made.aws.changes()
        scan(made, {"HIGH": 3, "LOW": 1}, "ACTIVE")
        made.require_convergence()


def sign(made: Scenario, kind: str) -> None:
    signed = samples.make()
    of = made.image
    document = json.loads(signed.manifest) | {"artifactType": kind}
    document["subject"] = {"mediaType": of.media_type, "digest": of.digest, "size": len(of.manifest)}
    made.aws.put_image(replace(signed, manifest=json.dumps(document).encode()))


def tool(made: Scenario, name: str, code: int) -> None:
    """A program of this name on PATH, which writes down what it was asked."""
    folder = made.tool.home / "bin"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> {made.tool.home}/asked\necho "bad signature" >&2\nexit {code}\n')
    path.chmod(0o755)
    made.tool = Tool({**made.tool.environment, "PATH": f"{folder}:/usr/bin:/bin"}, made.tool.home)


@pytest.mark.parametrize(("kind", "program"), [(NOTATION, "notation"), (BUNDLE, "cosign")])
def test_only_what_is_signed_is_deployed(tmp_path: Path, kind: str, program: str) -> None:
    with scenario(tmp_path / "it", "--require-signature") as made:
        sign(made, "application/vnd.cyclonedx+json")
        made.require_failed(made.run(), ImageRefusedError, "nobody has signed")
        assert not made.aws.changes()
        sign(made, kind)
        ended = made.run()
        made.require_deployed(ended)
        assert f"signed by {program}, not verified here" in ended.err


@pytest.mark.parametrize(("kind", "program"), [(NOTATION, "notation"), (BUNDLE, "cosign")])
def test_a_signature_is_verified_by_its_tool_if_that_is_here(tmp_path: Path, kind: str, program: str) -> None:
    with scenario(tmp_path / "it", "--require-signature", "--cosign", "--key 'my key.pub'") as made:
        sign(made, kind)
        tool(made, program, 1)
        made.require_failed(made.run(), ImageRefusedError, f"{program} does not verify")
        assert not made.aws.changes()
        tool(made, program, 0)
        ended = made.run()
        made.require_deployed(ended)
        assert f"verified by {program}" in ended.err
        words = "--key my key.pub " if program == "cosign" else ""
        asked = (made.tool.home / "asked").read_text().splitlines()
        assert asked == [f"{program} verify {words}{made.aws.image_uri(made.image)}"] * 2
