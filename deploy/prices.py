"""What a number of requests and what a job takes, from a table of prices with its date."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any, Final

_USUAL_REGION: Final = "us-east-1"
TABLE: Final = Path(__file__).with_name("prices.toml")
_VIDEOS_OF_A_SURVEY: Final = 250
_STEPS_ALONE: Final = 3  # list, cut, gather
_GETS_OF_A_PART: Final = 3  # its description, whether it is done, and its result when all is gathered
_TRANSITIONS_OF_A_JOB: Final = 6
_TRANSITIONS_OF_A_CHILD: Final = 2  # its start, its one step


@dataclass(frozen=True)
class Estimate:
    """US dollars a month without any free tier or discount."""

    requests: int
    milliseconds: float
    memory_mb: int
    requests_dollars: float
    compute_dollars: float
    storage_dollars: float
    region: str
    prices_of: str
    """The region whose prices these are: not the one asked for, if the table has not got that."""
    of: str
    """The day the prices were read."""
    source: str

    @property
    def dollars(self) -> float:
        return self.requests_dollars + self.compute_dollars + self.storage_dollars

    @property
    def document(self) -> dict[str, Any]:
        return {**asdict(self), "dollars": self.dollars}

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.requests:,} requests of {self.milliseconds:g} ms at {self.memory_mb} MB in {self.region}",
                f"  requests  {self.requests_dollars:12,.2f} USD",
                f"  compute   {self.compute_dollars:12,.2f} USD",
                f"  /tmp      {self.storage_dollars:12,.2f} USD",
                f"  together  {self.dollars:12,.2f} USD, without free tier, logs, S3 and transfer",
                f"prices of {self.prices_of} on {self.of}, {self.source}",
            )
        )


@dataclass(frozen=True)
class Usage:
    """What a job takes of the services that it is billed for.

    `gb_seconds`: billed, of all invocations, initialisation included. `puts`: S3's PUT, COPY, POST and LIST requests;
    `gets`: its GET and HEAD. `transitions`: of Standard workflows.
    """

    invocations: int
    gb_seconds: float
    gets: int
    puts: int
    transitions: int
    express_requests: int = 0
    express_gb_seconds: float = 0.0


@dataclass(frozen=True)
class JobCost:
    """US dollars without any free tier or discount, storage, transfer and logs."""

    lambda_dollars: float
    step_functions_dollars: float
    s3_dollars: float
    prices_of: str
    """The region whose prices these are."""
    of: str
    """The day the prices were read."""

    @property
    def dollars(self) -> float:
        return self.lambda_dollars + self.step_functions_dollars + self.s3_dollars

    @property
    def document(self) -> dict[str, Any]:
        return {**asdict(self), "dollars": self.dollars}

    def __str__(self) -> str:
        return (
            f"Lambda {_amount(self.lambda_dollars)}, Step Functions {_amount(self.step_functions_dollars)}, "
            f"S3 {_amount(self.s3_dollars)}; list prices of {self.prices_of} on {self.of}"
        )


@cache
def table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text())


def estimate(
    requests: int, milliseconds: float, memory_mb: int, architecture: str, region: str, storage_mb: int = 512
) -> Estimate:
    prices = table()
    priced = region if region in prices["regions"] else _USUAL_REGION
    here = prices["regions"][priced]
    seconds = requests * milliseconds / 1000
    return Estimate(
        requests=requests,
        milliseconds=milliseconds,
        memory_mb=memory_mb,
        requests_dollars=requests * here["million_requests"] / 1e6,
        compute_dollars=_tiered(seconds * memory_mb / 1024, prices["tiers"][architecture], here[architecture]),
        storage_dollars=seconds * max(storage_mb - 512, 0) / 1024 * here["gb_second_of_storage"],
        region=region,
        prices_of=priced,
        of=str(prices["read"]),
        source=prices["source"],
    )


def job_cost(
    manifest: dict[str, Any], *, memory_mb: int, architecture: str = "x86_64", region: str = _USUAL_REGION
) -> JobCost:
    """For the job that a manifest, or the answer of its last step, tells of, if all of it was done in one go."""
    return usage_cost(usage(manifest, memory_mb), architecture, region)


def usage(manifest: dict[str, Any], memory_mb: int) -> Usage:
    """What is counted is as it was; requests of the planning and Standard children's transitions are inferred.

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


def usage_cost(used: Usage, architecture: str = "x86_64", region: str = _USUAL_REGION) -> JobCost:
    prices = table()
    priced = region if region in prices["regions"] else _USUAL_REGION
    here, tiers = prices["regions"][priced], prices["tiers"]
    transitions = used.transitions * here["million_transitions"] / 1e6
    express = used.express_requests * here["million_express_requests"] / 1e6
    express += _tiered(used.express_gb_seconds, tiers["express"], here["express"])
    compute = _tiered(used.gb_seconds, tiers[architecture], here[architecture])
    return JobCost(
        lambda_dollars=used.invocations * here["million_requests"] / 1e6 + compute,
        step_functions_dollars=transitions + express,
        s3_dollars=(used.gets * here["million_gets"] + used.puts * here["million_puts"]) / 1e6,
        prices_of=priced,
        of=str(prices["read"]),
    )


def _amount(dollars: float) -> str:
    return f"{dollars:,.2f}" if dollars >= 1 else f"{dollars:.2g}"


def _tiered(gb_seconds: float, ends: list[float], dollars: list[float]) -> float:
    """`ends`: where each price but the last stops to apply, in GB-seconds a month."""
    total, start = 0.0, 0.0
    for end, price in zip([*ends, float("inf")], dollars, strict=True):
        total += max(min(gb_seconds, end) - start, 0) * price
        start = end
    return total
