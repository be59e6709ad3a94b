"""Writes the answers to CVE records as a CycloneDX 1.6 VEX document, which refers to the bill of materials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sbom
from verify.advisories import READ, Advisories, State, Verdict

# CycloneDX's words for a state: of the analysis, and of the version.
_WORDS: dict[State, tuple[str, str]] = {
    "not_affected": ("not_affected", "unaffected"),
    "fixed": ("resolved", "unaffected"),
    "affected": ("exploitable", "affected"),
    "under_investigation": ("in_triage", "unknown"),
}


def document(advisories: Advisories, found: Sequence[Verdict], bill: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the document. Its time is the day of the records, so the same sources give the same bytes."""
    serial = bill["serialNumber"].removeprefix("urn:uuid:")
    ffmpeg = f"urn:cdx:{serial}/{bill['version']}#ffmpeg"
    return sbom.cyclonedx(
        metadata={"timestamp": f"{advisories.as_of}T00:00:00Z", "component": bill["metadata"]["component"]},
        vulnerabilities=[_vulnerability(verdict, ffmpeg, version) for verdict in found],
    )


def _vulnerability(verdict: Verdict, ffmpeg: str, version: str) -> dict[str, Any]:
    advisory = verdict.advisory
    state, status = _WORDS[verdict.state]
    analysis: dict[str, Any] = {"state": state, "detail": verdict.detail}
    if verdict.reason:
        analysis["justification"] = verdict.reason
    if verdict.state == "affected":
        analysis["response"] = ["workaround_available"]
    return {
        "id": advisory.id,
        "source": {"name": "CVE", "url": f"https://www.cve.org/CVERecord?id={advisory.id}"},
        "description": advisory.title,
        "analysis": analysis,
        "affects": [{"ref": ffmpeg, "versions": [{"version": version, "status": status}]}],
        "properties": [{"name": "hwang-lambda:read", "value": READ[advisory.read]}],
    }
