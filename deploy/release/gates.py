"""Conditions on an image in ECR before a function gets it: what its scan found, and who signed it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from deploy.aws import tolerated
from deploy.errors import ImageRefusedError

if TYPE_CHECKING:
    from deploy.registry.ecr import Repository

# What a scan may find at most, in this order. Findings that ECR gives no such severity count as informational.
SEVERITIES: Final = ("none", "informational", "low", "medium", "high", "critical")
_LOOK_SECONDS: Final = 5
_TOOL_SECONDS: Final = 120
# The tool that verifies each kind of signature.
_SIGNATURES: Final = {
    "application/vnd.cncf.notary.signature": "notation",
    "application/vnd.dev.cosign.artifact.sig.v1+json": "cosign",
    "application/vnd.dev.sigstore.bundle.v0.3+json": "cosign",
}


def require_scanned(repository: Repository, digest: str, most: str, wait_seconds: int) -> str:
    """Wait for the image's scan and describe it. Raises ImageRefusedError if it found anything worse than `most`."""
    deadline = time.monotonic() + wait_seconds
    while (scan := _scan(repository, digest)) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    if scan is None:
        raise ImageRefusedError(
            f"there is no finished scan of {digest}",
            then="let the repository scan on push, or leave --max-severity out",
        )
    counts = {name.lower(): number for name, number in scan.items() if number}
    worse = {name: number for name, number in counts.items() if _rank(name) > SEVERITIES.index(most)}
    shown = ", ".join(f"{number} {name}" for name, number in (worse or counts).items()) or "nothing"
    if worse:
        raise ImageRefusedError(
            f"the scan of {digest} found {shown}, and --max-severity is {most}",
            then="build it on newer packages, or allow more",
            findings=worse,
        )
    return shown


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity if severity in SEVERITIES else "informational")


def _scan(repository: Repository, digest: str) -> dict[str, int] | None:
    """Return the number of findings of each severity; None if the scan has not ended yet."""
    answer: Any = {}
    with tolerated("ScanNotFoundException"):
        answer = repository.client.describe_image_scan_findings(
            repositoryName=repository.name, imageId={"imageDigest": digest}
        )
    status = answer.get("imageScanStatus", {}).get("status", "PENDING")
    if status in {"PENDING", "IN_PROGRESS"}:
        return None
    if status not in {"COMPLETE", "ACTIVE"}:
        why = answer["imageScanStatus"].get("description", "")
        raise ImageRefusedError(f"the scan of {digest} is {status}: {why}", then="scan it, or leave --max-severity out")
    return dict(answer.get("imageScanFindings", {}).get("findingSeverityCounts", {}))


def require_signed(repository: Repository, uri: str, cosign: str | None) -> str:
    """Find signatures of the image, have them verified by their tools that are here, and describe the result.

    `cosign`: words for `cosign verify`, which needs a key or an identity. Raises ImageRefusedError.
    """
    tools = sorted(set(_signers(repository, uri.partition("@")[2])))
    if not tools:
        raise ImageRefusedError(
            f"nobody has signed {uri}", then="sign it by notation or cosign, then deploy it by --digest"
        )
    done = []
    for tool in tools:
        words = cosign if tool == "cosign" else ""
        if words is None or not shutil.which(tool):
            done.append(f"signed by {tool}, not verified here")
            continue
        _verify([tool, "verify", *shlex.split(words), uri])
        done.append(f"verified by {tool}")
    return ", ".join(done)


def _signers(repository: Repository, digest: str) -> Iterator[str]:
    asked: Any = {"repositoryName": repository.name, "subjectId": {"imageDigest": digest}}
    while True:
        answer = repository.client.list_image_referrers(**asked)
        for item in answer.get("referrers", []):
            if tool := _SIGNATURES.get(item.get("artifactType", "")):
                yield tool
        if "nextToken" not in answer:
            break
        asked["nextToken"] = answer["nextToken"]
    if repository.manifest(f"{digest.replace(':', '-')}.sig"):  # as cosign signed before there were referrers
        yield "cosign"


def _verify(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TOOL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
        raise ImageRefusedError(
            f"{command[0]} does not verify {command[-1]}: {''.join(said)}",
            then=f"run it to see more: {shlex.join(command)}",
        ) from error
