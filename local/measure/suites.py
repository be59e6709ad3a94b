"""The last run of each suite, from what pytest wrote to .cache/results. It runs no test."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from local.measure import Number
from local.stack import ROOT

SUITES = {
    "unit": "every rule that needs no container (`make unit`)",
    "decoder": "frames are those of the ffmpeg tool: all containers and codecs, rows at random (`make decoder`)",
    "image": "the image and the function in its container (`make image-tests`)",
    "deploy": "deploys against a strict account: signals at every call, permissions (`make deploy-tests`)",
    "cloud": "bad input, faults of S3 and of the network: a typed error in time, nothing half-written (`make cloud`)",
    "map": "jobs on Step Functions: complete and identical after kills (`make map`)",
    "browser": "the report in a browser (`make browser`)",
    "soak": "thousands of damaged videos and requests, kills and resets (`make soak`)",
}


def measure() -> Iterator[Number]:
    """Count cases and failures of each suite that has run."""
    for suite, what in SUITES.items():
        file = ROOT / f".cache/results/{suite}.xml"
        if file.exists():
            found = next(ElementTree.parse(file).getroot().iter("testsuite"))  # noqa: S314 - pytest's own file
            failed = int(found.get("failures", 0)) + int(found.get("errors", 0))
            title = f"{what}: failed of {int(found.get('tests', 0)):,} cases on {found.get('timestamp', '')[:10]}"
            yield Number(title, failed, "", 0, guarded=True)
