"""What Lambda takes for a number of requests, from a table of prices with its date."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_USUAL_REGION: Final = "us-east-1"
TABLE: Final = Path(__file__).with_name("prices.toml")


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


def _tiered(gb_seconds: float, ends: list[float], dollars: list[float]) -> float:
    """`ends`: where each price but the last stops to apply, in GB-seconds a month."""
    total, start = 0.0, 0.0
    for end, price in zip([*ends, float("inf")], dollars, strict=True):
        total += max(min(gb_seconds, end) - start, 0) * price
        start = end
    return total
