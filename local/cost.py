"""Cost of a job on AWS, from counts of its manifest and a dated list of prices."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Final

# US dollars, on demand, without free tier and taxes; most regions have the prices of us-east-1.
# https://aws.amazon.com/lambda/pricing/ (x86_64), https://aws.amazon.com/step-functions/pricing/,
# https://aws.amazon.com/s3/pricing/ (S3 Standard)
READ_ON: Final = "2026-11-24"
_GB_SECOND: Final = 0.0000166667  # the first 6e9 of a month
_INVOCATION: Final = 0.20e-6
_TRANSITION: Final = 25e-6  # of a Standard workflow
_GET: Final = 0.40e-6  # GET, HEAD
_PUT: Final = 5e-6  # PUT, COPY, POST, LIST


def invocation_cost(seconds: float, memory_mb: int, invocations: int) -> float:
    """Return the cost of invocations that are billed for so many seconds in all, in US dollars."""
    return seconds * memory_mb / 1024 * _GB_SECOND + invocations * _INVOCATION


@dataclass(frozen=True)
class Counts:
    """Amounts to pay for. `seconds`: of all invocations; `gets`: GET and HEAD; `puts`: PUT, COPY, POST and LIST."""

    invocations: int
    seconds: float
    transitions: int
    gets: int
    puts: int


def dollars(counts: Counts, memory_mb: int) -> tuple[float, float, float]:
    """Return the dollars for Lambda, S3 and Step Functions."""
    of_lambda = invocation_cost(counts.seconds, memory_mb, counts.invocations)
    return of_lambda, counts.gets * _GET + counts.puts * _PUT, counts.transitions * _TRANSITION


def job_cost(manifest: dict[str, Any], memory_mb: int) -> tuple[float, str]:
    """Return the cost, in US dollars and in words, of the job that this manifest describes, if it was done in one go.

    The manifest has the counts; requests of the planning and transitions of Standard workflows are inferred. Seconds
    are those of the last attempts: planning, gathering and cold starts come on top.
    """
    parts, attempts, videos = (int(manifest[name]) for name in ("parts", "attempts", "videos"))
    surveys = ceil(videos / 250)
    counts = Counts(
        invocations=attempts + surveys + 3,
        seconds=manifest["seconds"]["worked"],
        transitions=6 + 2 * (parts + surveys) + attempts - parts,
        gets=manifest["counters"]["requests"] + videos + 3 * parts,  # a part's description, mark and result
        puts=manifest["objects"] + manifest["pieces"] + parts + 2 * surveys,
    )
    of_lambda, of_s3, of_step_functions = dollars(counts, memory_mb)
    words = f"Lambda {of_lambda:.2g}, Step Functions {of_step_functions:.2g}, S3 {of_s3:.2g}"
    return of_lambda + of_s3 + of_step_functions, f"{words}; list prices of us-east-1 on {READ_ON}"
