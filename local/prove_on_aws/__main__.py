"""Prove on AWS: make everything in your account, compare its results with this machine's, remove everything, report.

    python -m local.prove_on_aws [--yes] [--profile NAME] [--region REGION]      (make prove-on-aws)
    python -m local.prove_on_aws --remove NAME      removes what a run has left that was killed

Exit status: 0 all is equal and removed; 1 something failed or differs; 2 wrong usage; 3 something is left.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

import boto3

from deploy.errors import DeployError
from deploy.signals import hold_off, stoppable
from local import clip
from local.cost import READ_ON, invocation_cost, job_cost
from local.prove_on_aws import checks
from local.prove_on_aws.account import JOB_CONCURRENCY, JOB_SECONDS, MEMORY_MB, SDK_ERRORS, TIMEOUT_SECONDS, Account
from local.stack import ROOT, docker, output

PREFIX = "hwang-prove-"
REPORT = ROOT / "demo-out/prove-on-aws.md"
# Each request may take the function's whole time, and so may the last invocations of a job that is stopped.
MAX_SECONDS = (1 + len(checks.EVENTS)) * TIMEOUT_SECONDS + JOB_CONCURRENCY * (JOB_SECONDS + TIMEOUT_SECONDS)
OTHER_DOLLARS = 0.005  # requests, transitions, an hour of ECR's and S3's storage, logs and alarms
MAX_DOLLARS = invocation_cost(MAX_SECONDS, MEMORY_MB, 100) + OTHER_DOLLARS
ANNOUNCED = """\
This makes in the account {account}, region {region}, all under the name {name}:
  a repository in ECR with one image (some 120 MB compressed, pushed from here), and one stack of CloudFormation
  with a bucket, the roles, the function ({memory} MB, {timeout} s), the state machine, logs and alarms.
It invokes the function, runs a job over {videos} videos of 1 MB, compares, and removes all of it: about five minutes.
It costs at most {dollars:.2f} USD at list prices, and a fraction of that if nothing takes its whole time."""


def say(text: str, end: str = "\n") -> None:
    """Print, unless the terminal or the reader has gone: that must not prevent the removal."""
    with suppress(OSError):
        print(text, end=end, flush=True)


@dataclass
class Proof:
    """A run so far, for its report."""

    account: Account
    steps: list[tuple[str, float]] = field(default_factory=list)
    compared: list[checks.Compared] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    dollars: float = 0.0
    failure: str = ""
    left: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Exit status of the program."""
        if self.left:
            return 3
        complete = len(self.compared) == len(checks.EVENTS) + checks.JOB_VIDEOS
        return 0 if complete and not self.failure and all(one.equal for one in self.compared) else 1

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Print what is done, and how long it took."""
        say(f"{what} … ", end="")
        start = time.perf_counter()
        yield
        self.steps.append((what, time.perf_counter() - start))
        say(f"{self.steps[-1][1]:.1f} s")

    def report(self) -> str:
        """Return the report in Markdown, without the account's number."""
        result = {0: "passed", 1: "FAILED", 3: "LEFT SOMETHING BEHIND"}[self.status]
        place = "AWS" if self.account.is_aws else "an emulator, NOT on AWS"
        lines = [f"## Proof on {place}: {result}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in self.facts.items()]
        lines += ["", "| compared with this machine | values | here | there | result |", "|---|---|---|---|---|"]
        for one in self.compared:
            result = "equal" if one.equal else f"up to {one.difference:g} apart"
            lines.append(
                f"| {one.what} | {list(one.shape)} | {one.seconds_here:.2f} s | {one.seconds_there:.2f} s | {result} |"
            )
        lines += ["", "| step | time |", "|---|---|"]
        lines += [f"| {what} | {seconds:.1f} s |" for what, seconds in self.steps]
        lines += ["", f"Cost of Lambda, Step Functions and S3: {self.dollars:.4f} USD, list prices of {READ_ON}."]
        lines += ["", *([f"Failure:\n\n    {self.failure}"] if self.failure else [])]
        lines += [f"Left in the account: {one}" for one in self.left] or ["Everything was removed from the account."]
        return "\n".join(lines).replace(self.account.number, "ACCOUNT") + "\n"


def main() -> int:
    """Parse the command line, prove or remove. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="prove-on-aws", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--profile", help="a profile of the AWS configuration")
    parser.add_argument("--region", help="the AWS region")
    parser.add_argument("--image", help="an image that is built already, instead of building it on Lambda's own base")
    parser.add_argument("--remove", metavar="NAME", help=f"remove what a run named {PREFIX}… has left, and end")
    options = parser.parse_args()
    if options.remove and not options.remove.startswith(PREFIX):
        parser.error(f"--remove takes a name that begins with {PREFIX}")
    try:
        region = options.region or os.environ.get("AWS_REGION")
        session = boto3.Session(profile_name=options.profile, region_name=region)
        session.client("cloudformation")  # raises if there is no region
        number = session.client("sts").get_caller_identity()["Account"]
    except SDK_ERRORS as error:
        print(f"prove-on-aws: {error}", file=sys.stderr)
        return 1
    proof = Proof(Account(session, number, options.remove or f"{PREFIX}{token_hex(4)}"))
    if options.remove:
        proof.left = proof.account.remove()
        print(*proof.left or ["nothing is left"], sep="\n")
        return 3 if proof.left else 0
    place = {"account": number, "region": session.region_name, "name": proof.account.name}
    sizes = {"memory": MEMORY_MB, "timeout": TIMEOUT_SECONDS, "videos": checks.JOB_VIDEOS}
    print(ANNOUNCED.format(**place, **sizes, dollars=MAX_DOLLARS))
    if not (options.yes or _agreed()):
        print("nothing was made")
        return 1
    prove_and_remove(proof, options.image)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(proof.report())
    say(f"\n{REPORT.read_text()}\nThis report is {REPORT.relative_to(ROOT)}; it can be pasted into an issue.")
    return proof.status


def _agreed() -> bool:
    if not sys.stdin.isatty():
        print("prove-on-aws: there is no terminal to ask on: --yes agrees", file=sys.stderr)
        return False
    return input("Go on? [y/N] ").strip().lower() in {"y", "yes"}


def prove_and_remove(proof: Proof, image: str | None) -> None:
    """Prove, and remove everything whatever ends the proof, a failure or a signal. Signals do not stop the removal."""
    try:
        with stoppable():
            try:
                _prove(proof, image)
            except Exception as error:  # the report says which
                proof.failure = f"{type(error).__name__}: {error}"
                say(f"FAILED\n{proof.failure}")
            finally:
                hold_off()
                say("Removing everything; this must not be interrupted")
                with proof.step("Remove stack, bucket and repository"):
                    proof.left = proof.account.remove()
    except DeployError as stopped:
        proof.failure = str(stopped)


def _prove(proof: Proof, built: str | None) -> None:
    account, own = proof.account, "hwang-lambda:prove"
    describe = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    proof.facts |= {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "commit": commit or "none"}
    proof.facts |= {"region": str(account.session.region_name), "function": f"{MEMORY_MB} MB, x86_64"}
    if not built:
        with proof.step("Build the image on Lambda's own base"):
            real = {**os.environ, "BASE": "real", "ARCHITECTURE": "x86_64"}
            subprocess.run(["local/image.sh", "function", own], cwd=ROOT, env=real, check=True)
    with proof.step("Add own code"):
        checks.build_own_code(built or own, own)
    base = output(docker(), "image", "inspect", "--format", '{{index .Config.Labels "hwang-lambda.base"}}', own)
    with proof.step("Run the requests here"):
        here = {what: checks.run_here(own, event) for what, event in checks.EVENTS.items()}
        frames, seconds = checks.run_here(own, checks.JOB_FORM)
    with proof.step("Push the image to ECR"):
        uri = account.push(own)
    proof.facts |= {"image": uri.partition("@")[2], "base": base}
    with proof.step("Make the stack"):
        outputs = account.make_stack(uri)
    with proof.step("Put the clip into its bucket"):
        for number in range(checks.JOB_VIDEOS):
            account.s3.put_object(Bucket=account.bucket, Key=f"videos/{number}.mp4", Body=clip.fetch().read_bytes())
    with proof.step("Invoke the function, new and warm"):
        _invoke(proof, here)
    places = {"videos": f"s3://{account.bucket}/videos/", "output": f"s3://{account.bucket}/job/"}
    job = {**places, **checks.JOB_FORM, "part_seconds": 1, "concurrency": JOB_CONCURRENCY}
    with proof.step("Run a job on Step Functions"):
        manifest = account.run_job(outputs["StateMachineArn"], job)
    worked = manifest["seconds"]["worked"] / checks.JOB_VIDEOS
    for number in range(checks.JOB_VIDEOS):
        found = account.array(f"job/{number}.mp4.npy")
        proof.compared.append(checks.compare(f"job, video {number}", frames, found, seconds, worked))
    proof.dollars += job_cost(manifest, MEMORY_MB)[0]
    proof.facts["job"] = "{videos} videos, {parts} parts, {attempts} attempts".format(**manifest)


def _invoke(proof: Proof, here: dict[str, tuple[Any, float]]) -> None:
    account = proof.account
    seconds, figures = account.invoke({"action": "selftest"})
    init = figures["Init Duration"]
    proof.facts["first answer"] = f"{seconds:.2f} s for the caller; Lambda reports {init:.0f} ms of init"
    billed = [figures["Billed Duration"]]
    for number, (what, event) in enumerate(checks.EVENTS.items()):
        key = f"results/{number}.npy"
        place = {"video": f"s3://{account.bucket}/videos/0.mp4", "output": f"s3://{account.bucket}/{key}"}
        seconds, figures = account.invoke({**event, **place})
        billed.append(figures["Billed Duration"])
        array, seconds_here = here[what]
        proof.compared.append(checks.compare(what, array, account.array(key), seconds_here, seconds))
        proof.facts["memory used"] = f"{figures['Max Memory Used']:.0f} MB of {MEMORY_MB}"
    proof.dollars += invocation_cost(sum(billed) / 1000, MEMORY_MB, len(billed))


if __name__ == "__main__":
    sys.exit(main())
