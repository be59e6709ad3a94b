"""Cost of a job on AWS, from counts of its manifest and a dated list of prices."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Final

# US dollars, on demand, without free tier, savings plans or taxes; most regions have the prices of us-east-1.
# https://aws.amazon.com/lambda/pricing/ (x86_64), https://aws.amazon.com/step-functions/pricing/,
# https://aws.amazon.com/s3/pricing/ (S3 Standard)
_READ_ON: Final = "2026-11-24"
_LAMBDA_REQUEST: Final = 0.20e-6
_TRANSITION: Final = 25e-6  # of a Standard workflow
_GET: Final = 0.40e-6  # GET, HEAD
_PUT: Final = 5e-6  # PUT, COPY, POST, LIST
# Each price of a GB-second, and the GB-seconds of a month up to which it applies.
_LAMBDA_TIERS: Final = ((6e9, 0.0000166667), (15e9, 0.0000150000), (float("inf"), 0.0000133334))

_VIDEOS_OF_A_SURVEY: Final = 250
_STEPS_ALONE: Final = 3  # list, cut, gather
_GETS_OF_A_PART: Final = 3  # its description, whether it is done, and its result when all is gathered
_TRANSITIONS_OF_A_JOB: Final = 6
_TRANSITIONS_OF_A_CHILD: Final = 2  # its start, its one step


@dataclass(frozen=True)
class Usage:
    """Billed use of each service by a job.

    `gb_seconds`: billed, of all invocations, initialisation included. `puts`: S3's PUT, COPY, POST and LIST requests;
    `gets`: its GET and HEAD. `transitions`: of Standard workflows.
    """

    invocations: int
    gb_seconds: float
    gets: int
    puts: int
    transitions: int


@dataclass(frozen=True)
class JobCost:
    """US dollars without any free tier or discount, storage, transfer and logs."""

    lambda_dollars: float
    step_functions_dollars: float
    s3_dollars: float

    @property
    def dollars(self) -> float:
        """Sum over all services."""
        return self.lambda_dollars + self.step_functions_dollars + self.s3_dollars

    def __str__(self) -> str:
        return (
            f"Lambda {_amount(self.lambda_dollars)}, Step Functions {_amount(self.step_functions_dollars)}, "
            f"S3 {_amount(self.s3_dollars)}; list prices of us-east-1 on {_READ_ON}"
        )


def usage(manifest: dict[str, Any], memory_mb: int) -> Usage:
    """Usage of the job that a manifest, or the answer of its last step, describes, if it was done in one go.

    Counts are those of the manifest; requests of the planning and Standard children's transitions are inferred.
    Seconds are of the parts' last attempts: planning, gathering and cold starts come on top.
    """
    parts, pieces, attempts = (int(manifest[name]) for name in ("parts", "pieces", "attempts"))
    surveys = ceil(manifest["videos"] / _VIDEOS_OF_A_SURVEY)
    return Usage(
        invocations=attempts + surveys + _STEPS_ALONE,
        gb_seconds=manifest["seconds"]["worked"] * memory_mb / 1024,
        gets=manifest["counters"]["requests"] + manifest["videos"] + _GETS_OF_A_PART * parts,
        puts=manifest["objects"] + pieces + parts + 2 * surveys,
        transitions=_TRANSITIONS_OF_A_JOB + _TRANSITIONS_OF_A_CHILD * (parts + surveys) + attempts - parts,
    )


def usage_cost(used: Usage) -> JobCost:
    """Cost of a month in which nothing else is used."""
    compute, start = 0.0, 0.0
    for end, price in _LAMBDA_TIERS:
        compute += max(min(used.gb_seconds, end) - start, 0) * price
        start = end
    return JobCost(
        lambda_dollars=used.invocations * _LAMBDA_REQUEST + compute,
        step_functions_dollars=used.transitions * _TRANSITION,
        s3_dollars=used.gets * _GET + used.puts * _PUT,
    )


def _amount(dollars: float) -> str:
    return f"{dollars:,.2f}" if dollars >= 1 else f"{dollars:.2g}"
