"""Releases and rollbacks in this process, against an account of strict AWS, with pauses that only the clock sees."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.session
import pytest

import ecr_push
from deploy.aws import Account
from tests.support.aws import Change, Fail, SampleImage, StrictAws
from tests.support.aws.shared_state import REGION

NAME = "frames"
# botocore reads its models again for each session; one loader remembers them.
_LOADER = botocore.loaders.create_loader()
KEPT: dict[str, Any] = {"MemorySize": 1024, "Environment": {"Variables": {"KEPT": "yes"}}}


@dataclass
class Ended:
    """End of a command. `events` are the lines of its journal."""

    code: int
    out: str
    err: str
    events: list[dict[str, Any]]

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def failure(self) -> tuple[str, str, str]:
        """Kind, message and next step of the error that ended the command."""
        last = self.events[-1]
        assert last["event"] == "error", self
        assert last["exit_code"] == self.code
        return last["code"], last["message"], last["next"]

    @property
    def detail(self) -> dict[str, Any]:
        """Facts of the error for programs."""
        found: dict[str, Any] = self.events[-1]["detail"]
        return found

    @property
    def steps(self) -> list[tuple[str, str]]:
        """Steps that succeeded, each with its notes."""
        return [(event["step"], " ".join(event["notes"])) for event in self.events if event["event"] == "done"]

    @property
    def failed_steps(self) -> list[str]:
        return [event["step"] for event in self.events if event["event"] == "failed"]


@dataclass
class Scenario:
    """An account with a function of version 1, its alias `live` there, and an image that is not deployed yet."""

    aws: StrictAws
    folder: Path
    pauses: list[float]
    image: SampleImage = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.aws.put_image()
        self.aws.make_function(NAME, self.first, **KEPT)
        self.image = self.aws.put_image()
        self.account = Account(region=REGION, endpoint_url=self.aws.url)
        self.aws.forget_calls()

    def run(self, *arguments: str) -> Ended:
        journal = self.folder / "journal"
        journal.unlink(missing_ok=True)
        self.aws.forget_calls()
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = ecr_push.main([*arguments, "--journal", str(journal)])
        events = [json.loads(line) for line in journal.read_text().splitlines()]
        return Ended(code, out.getvalue(), err.getvalue(), events)

    def deploy(self, *more: str, digest: str = "") -> Ended:
        place = ("--digest", digest or self.image.digest, "--repository", "app", "--function", NAME)
        return self.run("deploy", *place, *more)

    def rollback(self, *more: str) -> Ended:
        return self.run("rollback", "--function", NAME, *more)

    def file(self, name: str, content: object) -> str:
        """The path of a file with this JSON."""
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)

    def version(self, qualifier: str = "$LATEST") -> dict[str, Any]:
        """Configuration of a version, with its `digest`."""
        found = self.aws.do("GetFunction", FunctionName=NAME, Qualifier=qualifier)
        return {**found["Configuration"], "digest": found["Code"]["ResolvedImageUri"].partition("@")[2]}

    def alias(self, name: str = "live") -> tuple[str, dict[str, float]]:
        """Version and weights of an alias."""
        found = self.aws.do("GetAlias", FunctionName=NAME, Name=name)
        return found["FunctionVersion"], dict(found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))

    @property
    def state(self) -> tuple[object, ...]:
        """Everything that a failed release must leave as it was."""
        latest = self.version()
        settings = ("MemorySize", "Timeout", "EphemeralStorage", "Environment", "Description", "digest")
        return self.alias(), [latest.get(name) for name in settings], latest["SnapStart"]["ApplyOn"]

    def uri(self, image: SampleImage | None = None) -> str:
        return self.aws.image_uri(image or self.image)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Parameters of the calls of an operation, but for revisions."""
        calls = self.aws.calls(operation)
        return [{k: v for k, v in call.parameters.items() if k not in ("RevisionId", "FunctionName")} for call in calls]

    def operations(self, *names: str) -> list[str]:
        """Operations in their order: all, or those of these names."""
        return [call.operation for call in self.aws.calls() if not names or call.operation in names]


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scenario]:
    pauses: list[float] = []
    with StrictAws() as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        real = time.monotonic
        monkeypatch.setattr(time, "sleep", pauses.append)
        monkeypatch.setattr(time, "monotonic", lambda: real() + sum(pauses))
        monkeypatch.setattr(botocore.session, "create_loader", lambda _: _LOADER)
        yield Scenario(aws, tmp_path, pauses)
    assert not aws.violations


STATUS = "look at `ecr-push status --function frames`, then deploy again"
BUSY = Fail("ResourceConflictException", "An update is in progress")
MISLEAD = Change(lambda answer: answer.update(ExecutedVersion="9"))


def theirs(what: str) -> str:
    return f"{what}: another caller changed it meanwhile, and that change is kept"
