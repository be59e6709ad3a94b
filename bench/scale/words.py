"""The page's prose; braces are filled in with what was simulated."""

from __future__ import annotations

from typing import Final

INTRODUCTION: Final = """# Scale

How long a map job of ten thousand to a million parts takes on AWS, what it costs, and which limit stops it: a
simulation, not a measurement. `make scale` makes this page and the picture again.

![Wall time, cost, and what the time is spent on](scale.png)

* **Costs of parts**: {how} ({date}).
  Measured over predicted seconds vary by {variation:.0%} (standard deviation over mean). A simulated part is one of
  them at random, scaled to `part_seconds`, with S3's latency and bandwidth on top. `python -m bench.scale
  --measure-from MANIFEST` takes them from a job that was run.
* **Ideal** is the work of all parts divided by the concurrency. **Limited by** names what a job waits for longest
  beside that, and how long; *concurrency* alone means that at least three quarters of the wall time is the ideal one.
* **Limits** are those found on {read}, each with its source [below](#assumptions).
* A job has at most {parts_of_a_job:,} parts: a million are ten jobs, run side by side in one account.
* Prices are list prices of {region} on {prices_of}, for functions of {memory:,.0f} MB.
"""

SHORT: Final = """## In short

* **At a concurrency of 1,000**, which an account that is not new has without asking, {parts:,} parts of 30 s take
  {first}, {share:.0%} of it ideal; a million are {largest:.0%} ideal.
* **Standard children start at {rate:.0f} a second**: about {standard} parts of 30 s are at work at most. More needs
  longer parts, Express children, or several jobs.
* **One partition of S3 serves about {readers} functions** that read as these do. Beyond that all wait: 10,000 at
  once go at {slow:.0%} of their speed, and as Lambda bills the waiting, a frame costs {dearer:.1f} times as much.
* **Gathering is one invocation**: {gather} for {parts:,} parts, and its 15 minutes end at about {most}. With
  everything else out of the way it is {gathering:.0%} of the {prepared} that they take.
* **An object for each frame** makes about {image_objects} writes a part: {small:,} parts at a concurrency of 1,000 take
  {images} instead of {plain}, and S3 is {image_s3:.0%} of the price even where it is ready
  for them. Arrays, sheets and videos are one object for each piece.
* **Short parts cost more**: Step Functions is {overhead:.0%} of the price at 10 s. A frame costs {longer:.0%} less at
  60 s than at 30 s.
"""

METHOD: Final = """## How it is simulated

`bench/scale/maprun.py` goes from event to event: a child started, an environment ready, a part done, a wait over. Rates
with bursts are token buckets. S3 beyond a partition's rate is shared: all parts at work slow down alike until their
requests fit, so none is lost; after a while of that, S3 splits the partition. Between two events nothing changes, so no
steps of time blur it. The steps around the Map Runs are sums of requests. It is seeded, and the same every time; the
tests hold it against arithmetic, one limit after the other.

Not modelled, and mostly for the worse: what else uses the account's quotas; the lower ones of new accounts and of
some regions; parts that all cost more than predicted, not each by itself; one hot video; S3's 503 answers as such,
each of which costs its reader a wait and, if they last, an attempt; KMS's request quotas; environments that are
recycled, or warm from the step before; Express children that run twice; the speed of the item reader, and the largest
file it takes, for which no number was found (a job's list of parts is {items:.0f} MB); logs, storage, and transfer
out of the region. The parent's 25,000 events and the 256 KiB of a payload are not reached, as items and results go
through S3.
"""
