"""An AWS that throttles, fails, hangs or is not there: tried again, but not for ever, and nothing is left half done."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.errors import AwsUnavailableError
from tests.deploy.tool import Ended, Tool
from tests.deploy.trial import Traffic, Trial, traffic
from tests.support.aws import Drop, Fail, Hang, StrictAws
from tests.support.aws.rules import Action

TRIES = 4
MAX_SECONDS = 75
STATUS = ("status", "--function", "frames")
DEPLOY = ("deploy", "--repository", "app", "--function", "frames", "--digest")
THROTTLED = Fail("TooManyRequestsException")
BUSY = Fail("ThrottlingException", status=400)
BROKEN = Fail("ServiceException", status=500)
DOWN = Fail("ServiceUnavailableException", status=503)


@dataclass(frozen=True)
class Case:
    """For ever from the first call of the operation on. Without an action the endpoint is another."""

    name: str
    action: Action | None = None
    operation: str = ""
    command: tuple[str, ...] = STATUS
    endpoint: str = ""


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


CASES = [
    Case("hanging", Hang(), "ListAliases"),
    Case("throttled", THROTTLED, "ListAliases"),
    Case("failing", BROKEN, "ListAliases"),
    Case("down", DOWN, "ListAliases"),
    Case("reset", Drop(), "ListAliases"),
    Case("no such host", endpoint="http://lambda.invalid"),
    Case("refused", endpoint=closed_port()),
    Case("logs throttled", BUSY, "FilterLogEvents", ("logs", "--function", "frames")),
    Case("images throttled", BUSY, "DescribeImages", ("prune", "--repository", "app", "--keep", "0", "--yes")),
    Case("deletion failing", Fail("ServerException", status=500), "BatchDeleteImage",
         ("prune", "--repository", "app", "--keep", "0", "--younger", "0s", "--yes")),
    Case("repository throttled", BUSY, "DescribeRepositories", DEPLOY),
    Case("login failing", Fail("ServerException", status=500), "GetAuthorizationToken", DEPLOY),
    Case("update throttled", THROTTLED, "UpdateFunctionCode", DEPLOY),
    Case("publishing failing", BROKEN, "PublishVersion", DEPLOY),
    Case("alias throttled", THROTTLED, "UpdateAlias", DEPLOY),
    Case("rollback failing", BROKEN, "UpdateAlias", ("rollback", "--function", "frames")),
]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    ended: Ended
    seconds: float
    hits: int
    before: Traffic
    after: Traffic
    latest: tuple[str, str]
    """The digest of $LATEST before and after."""
    again: Ended
    """The same command once AWS is well."""


def outcome(case: Case, directory: Path) -> Outcome:
    directory.mkdir()
    with StrictAws() as aws:
        image = aws.put_image()
        aws.make_function("frames", aws.put_image())
        aws.release("frames", live := aws.put_image(), "live")
        aws.do("UpdateAlias", FunctionName="frames", Name="live", Description="versions 2, 1")
        aws.client("lambda").invoke(FunctionName="frames")
        trial = Trial(aws, Tool(aws.environment(), directory), directory / "journal.jsonl")
        command = (*case.command, image.digest) if case.command == DEPLOY else case.command
        elsewhere = ("--endpoint-url", case.endpoint) if case.endpoint else ()
        before = traffic(aws)
        start = time.monotonic()
        with aws.rule(case.action, case.operation) if case.action else nullcontext() as rule:
            ended = trial.run(*command, *elsewhere)
        seconds = time.monotonic() - start
        trial.require_failure(ended, AwsUnavailableError)
        latest = (live.digest, aws.store.functions["frames"].latest.digest)
        after = traffic(aws)
        again = trial.run(*command)
        assert not aws.violations
        return Outcome(ended, seconds, len(rule.hits) if rule else 0, before, after, latest, again)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome | BaseException]:
    """Of all cases, which wait at the same time."""
    directory = tmp_path_factory.mktemp("unavailable")

    def run(case: Case) -> Outcome | BaseException:
        try:
            return outcome(case, directory / case.name.replace(" ", "-"))
        except AssertionError as error:
            return error

    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip((case.name for case in CASES), pool.map(run, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_patience_ends_and_nothing_is_left_half_done(
    outcomes: Mapping[str, Outcome | BaseException], case: Case
) -> None:
    found = outcomes[case.name]
    if isinstance(found, BaseException):
        raise found
    assert found.seconds < MAX_SECONDS
    assert found.hits == (TRIES if case.action else 0)
    assert found.after == found.before
    assert found.latest[0] == found.latest[1]
    assert found.again.code == 0, found.again
    assert ("cannot be reached" if isinstance(case.action, (Drop, Hang)) or case.endpoint else "kept refusing") in (
        found.ended.err
    )


@pytest.mark.parametrize("action", [THROTTLED, BROKEN, Drop()], ids=["throttled", "failing", "reset"])
def test_what_passes_is_waited_out(aws: StrictAws, trial: Trial, action: Action) -> None:
    aws.make_function("frames")
    image = aws.put_image()
    with (
        aws.rule(action, "GetFunction", times=1),
        aws.rule(action, "GetAlias", times=1),
        aws.rule(action, "UpdateFunctionCode", times=1),
        aws.rule(action, "UpdateAlias", times=1),
    ):
        trial.succeeds(*DEPLOY, image.digest)
    assert traffic(aws) == {"frames:live": ("2", {})}
