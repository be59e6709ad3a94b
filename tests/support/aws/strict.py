"""The account in the hands of a test: who asks, what is there, how long it takes, what breaks, and what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.config import Config

from tests.support.aws import samples
from tests.support.aws.account import Account
from tests.support.aws.calls import Call
from tests.support.aws.identities import Identity
from tests.support.aws.invocations import Answer, Answering, Script
from tests.support.aws.rules import Action, Hold, Rule
from tests.support.aws.samples import SampleImage
from tests.support.aws.settling import Failure, Takes
from tests.support.aws.shared_state import ACCOUNT, REGION
from tests.support.aws.store import LATEST

ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/function"
# What a client would otherwise find on the machine that the tests run on.
_NOTHING_ELSE: Final = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


class StrictAws(Account):
    """See the package's own words."""

    # Who asks.

    def environment(self, identity: Identity | None = None) -> dict[str, str]:
        """What a process needs to find this account, and nothing else that is on the machine."""
        place = {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        return _NOTHING_ELSE | place | (identity or self.deployer).environment

    def client(self, service: str, identity: Identity | None = None) -> Any:
        """A boto3 client that does not retry. Its calls are logged and broken like anybody's."""
        who = identity or self.deployer
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=who.access_key,
            aws_secret_access_key=who.secret_key,
            aws_session_token=who.session_token or None,
            config=Config(proxies={}, retries={"total_max_attempts": 1}, read_timeout=60),
        )

    def identity(self, name: str, policy: Mapping[str, Any] | None = None, *, session: bool = False) -> Identity:
        """Somebody else with access keys: with a session token if `session`. `policy` None allows everything."""
        return self._identities.add(name, policy, session=session)

    def allow(self, identity: Identity, policy: Mapping[str, Any] | None) -> None:
        self._identities.allow(identity, policy)

    def expire(self, identity: Identity) -> None:
        """Its session has ended: ExpiredTokenException from now on."""
        self._identities.expire(identity)

    def skew(self, seconds: float) -> None:
        """AWS's clock is so far before this machine's."""
        self._world.skew_seconds = seconds

    def expire_passwords(self, status: int = 403) -> None:
        """The registry passwords issued so far are no longer good, which is answered with this status."""
        self.registry.expired_status = status
        self.ecr_state.expire_tokens()

    # What is there.

    def put_image(self, image: SampleImage | None = None, repository: str = "app", tag: str = "") -> SampleImage:
        """The image (default: a new one) in the repository, which is made if it is not there."""
        if repository not in self.ecr_state.repositories:
            self.do("CreateRepository", repositoryName=repository)
        return samples.push(self.registry, repository, image or samples.make(), tag)

    def image_uri(self, image: SampleImage) -> str:
        """HOST/NAME@DIGEST."""
        return f"{self.ecr_state.host}/{image.repository}@{image.digest}"

    def make_function(
        self, name: str = "frames", image: SampleImage | None = None, alias: str = "live", **fields: Any
    ) -> str:
        """An active function with its image as version 1, and an alias at it unless `alias` is empty. Gives the ARN."""
        runs = image or self.put_image()
        architecture = "arm64" if runs.architecture == "arm64" else "x86_64"
        with self._pace.hurried():
            made = self.do(
                "CreateFunction",
                FunctionName=name,
                Role=ROLE,
                PackageType="Image",
                Architectures=[architecture],
                Code={"ImageUri": self.image_uri(runs)},
                **fields,
            )
            version = self.do("PublishVersion", FunctionName=name)["Version"]
            self.do("GetFunction", FunctionName=name, Qualifier=version)
            if alias:
                self.do("CreateAlias", FunctionName=name, Name=alias, FunctionVersion=version)
        return str(made["FunctionArn"])

    def release(self, name: str, image: SampleImage, alias: str = "", description: str = "") -> str:
        """A new version with this image, active at once; the alias, if given, moves to it. Gives the number."""
        with self._pace.hurried():
            self.do("UpdateFunctionCode", FunctionName=name, ImageUri=self.image_uri(image))
            version = str(self.do("PublishVersion", FunctionName=name, Description=description)["Version"])
            self.do("GetFunction", FunctionName=name, Qualifier=version)
            if alias:
                self.do("UpdateAlias", FunctionName=name, Name=alias, FunctionVersion=version, RoutingConfig={})
        return version

    def set_state(self, function: str, qualifier: str = LATEST, **members: str) -> None:
        """Members of the configuration from now on: State="Inactive", StateReasonCode="Idle" …"""
        with self._world.lock:
            version = self.store.function({"FunctionName": function}).version(qualifier)
            version.settling = None
            version.configuration.update(members)

    def takes(self, operation: str, looks: int = 1, seconds: float = 0) -> None:
        """How long changes by this operation take from now on: see settling.Takes."""
        self._pace.set(operation, Takes(looks, seconds))

    def fail_next(self, operation: str, code: str, reason: str = "as the test asked for") -> None:
        """The next change by this operation is accepted, and then ends as Failed with this reason code."""
        self._pace.fail_next(operation, Failure(code, reason))

    def answer(
        self, answer: Answer | Answering, *, version: str = "", digest: str = "", times: int | None = None
    ) -> None:
        """What invocations of this version or digest are answered; of several that fit, the one said last."""
        self.invocations.scripts.append(Script(answer, version, digest, times))

    # What happens to the calls, and what was asked.

    @contextmanager
    def rule(
        self,
        action: Action,
        operation: str = "",
        parameters: Mapping[str, Any] | None = None,
        *,
        times: int | None = None,
        skip: int = 0,
    ) -> Iterator[Rule]:
        """The rule is in force inside the block: see rules.Rule. The first rule that fits acts."""
        rule = self._rules.add(action, operation, parameters or {}, times, skip)
        try:
            yield rule
        finally:
            self._rules.remove(rule)

    @contextmanager
    def hold(
        self, operation: str = "", parameters: Mapping[str, Any] | None = None, *, skip: int = 0, after: bool = False
    ) -> Iterator[Hold]:
        """Holds one call, before its effect or `after` it. What is still held when the block ends is dropped."""
        held = Hold(after)
        with self.rule(held, operation, parameters, times=1, skip=skip):
            try:
                yield held
            finally:
                held.drop()

    def calls(self, operation: str = "", **parameters: Any) -> list[Call]:
        """The calls since the start or the last `forget_calls`, oldest first."""
        return [
            call
            for call in self._calls.seen()
            if operation in ("", call.operation)
            and all(call.parameters.get(name) == value for name, value in parameters.items())
        ]

    def changes(self) -> list[Call]:
        """The calls that change something, though they may have failed: what a dry run must not make."""
        return [call for call in self._calls.seen() if not call.reads]

    def forget_calls(self) -> None:
        self._calls.clear()
