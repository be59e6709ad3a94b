"""Writes the answers to CVE records as a CycloneDX 1.6 VEX document, which refers to the bill of materials."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from verify.advisories import READ, Advisories, State, Verdict

_NAMESPACE = uuid.UUID("7f3f6d0c-3d0a-5f0e-9a68-2f1c6b1f4c55")
_STATES: dict[State, str] = {
    "not_affected": "not_affected",
    "fixed": "resolved",
    "affected": "exploitable",
    "under_investigation": "in_triage",
}
_VERSIONS: dict[State, str] = {
    "not_affected": "unaffected",
    "fixed": "unaffected",
    "affected": "affected",
    "under_investigation": "unknown",
}


def document(advisories: Advisories, found: Sequence[Verdict], bill: dict[str, Any], version: str) -> dict[str, Any]:
    """The time in it is the day of which the records are, so the same sources give the same bytes."""
    serial = bill["serialNumber"].removeprefix("urn:uuid:")
    ffmpeg = f"urn:cdx:{serial}/{bill['version']}#ffmpeg"
    written = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": f"{advisories.as_of}T00:00:00Z",
            "component": bill["metadata"]["component"],
        },
        "vulnerabilities": [_vulnerability(verdict, ffmpeg, version) for verdict in found],
    }
    return {**written, "serialNumber": uuid.uuid5(_NAMESPACE, json.dumps(written, sort_keys=True)).urn}


def _vulnerability(verdict: Verdict, ffmpeg: str, version: str) -> dict[str, Any]:
    advisory = verdict.advisory
    analysis: dict[str, Any] = {"state": _STATES[verdict.state], "detail": verdict.detail}
    if verdict.reason:
        analysis["justification"] = verdict.reason
    if verdict.state == "affected":
        analysis["response"] = ["workaround_available"]
    return {
        "id": advisory.id,
        "source": {"name": "CVE", "url": f"https://www.cve.org/CVERecord?id={advisory.id}"},
        "description": advisory.title,
        "analysis": analysis,
        "affects": [{"ref": ffmpeg, "versions": [{"version": version, "status": _VERSIONS[verdict.state]}]}],
        "properties": [{"name": "hwang-lambda:read", "value": READ[advisory.read]}],
    }
