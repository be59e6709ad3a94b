"""The function and its state machine in an emulated AWS: what deploy/template.yaml makes on a real one."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from local.stack import DIRECT, ROOT, Stack, StackError, aws_client

DEFINITION: Final = ROOT / "deploy/frames.asl.json"
MEMORY_MB: Final = 3008
TIMEOUT_SECONDS: Final = 120
_ACCOUNT: Final = "000000000000"
_ROLE: Final = f"arn:aws:iam::{_ACCOUNT}:role/frames"
_POLL_SECONDS: Final = 0.3
_READY_SECONDS: Final = 60

Told = Callable[[str, int, int], object]
"""Of a map of the state machine: its name, how many of its items are done, of how many."""


class JobError(Exception):
    """The execution failed: its error and cause."""


@dataclass(frozen=True)
class MapStack(Stack):
    """The stack of compose.map.yml beside this file."""

    concurrency: int = 2  # the emulator starts as many containers as it is asked for

    @property
    def files(self) -> tuple[Path, ...]:
        return (ROOT / "local/compose.map.yml", *self.overrides)

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"HWANG_MEMORY_MB": str(MEMORY_MB)}

    def up(self, seconds: float = 60) -> None:
        self.compose("up", "--detach")
        self.wait(seconds, f"{self.cloud}/_ministack/health")
        if not any(machine["name"] == "frames" for machine in self.states.list_state_machines()["stateMachines"]):
            self._deploy()

    def down(self) -> None:
        """The functions' containers are the emulator's; it removes them."""
        DIRECT.open(urllib.request.Request(f"{self.cloud}/_ministack/reset", method="POST"), timeout=60).close()  # noqa: S310
        super().down()

    def run(self, job: dict[str, Any], told: Told = lambda *_: None) -> dict[str, Any]:
        """What the execution answers. Raises JobError."""
        started = self.states.start_execution(stateMachineArn=self.machine, input=json.dumps(job))
        while True:
            found = self.states.describe_execution(executionArn=started["executionArn"])
            for run in self.states.list_map_runs(executionArn=started["executionArn"])["mapRuns"]:
                counts = self.states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
                name = run["mapRunArn"].split("/")[-1].partition(":")[0]
                told(name, counts["succeeded"] + counts["failed"], counts["total"])
            if found["status"] != "RUNNING":
                break
            time.sleep(_POLL_SECONDS)
        if found["status"] != "SUCCEEDED":
            raise JobError(f"{found['status']}: {found.get('error')}: {found.get('cause')}")
        result: dict[str, Any] = json.loads(found["output"])
        return result

    @cached_property
    def states(self) -> Any:
        return aws_client("stepfunctions", self.cloud)

    @property
    def machine(self) -> str:
        return f"arn:aws:states:us-east-1:{_ACCOUNT}:stateMachine:frames"

    def _deploy(self) -> None:
        functions = aws_client("lambda", self.cloud)
        made = functions.create_function(
            FunctionName="frames",
            PackageType="Image",
            Code={"ImageUri": self.image},
            Role=_ROLE,
            Timeout=TIMEOUT_SECONDS,
            MemorySize=MEMORY_MB,
            Environment={"Variables": {"HWANG_INDEX_CACHE": "s3://indexes/"}},
        )
        self.s3.create_bucket(Bucket="indexes")
        deadline = time.monotonic() + _READY_SECONDS
        while functions.get_function(FunctionName="frames")["Configuration"]["State"] == "Pending":
            if time.monotonic() > deadline:
                raise StackError(f"the function is still pending\n{self.logs()}")
            time.sleep(_POLL_SECONDS)
        text = DEFINITION.read_text().replace("${FunctionArn}", made["FunctionArn"])
        # The emulator knows this limit as a number only.
        text = text.replace('"MaxConcurrencyPath": "$.concurrency"', f'"MaxConcurrency": {self.concurrency}')
        self.states.create_state_machine(name="frames", definition=text, roleArn=_ROLE)
