"""Whatever is wrong with credentials, profile, region or clock: one clear line, what to do, and no long wait."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path

import pytest

from deploy.errors import CredentialsError, DeployError, UsageError
from tests.deploy.tool import Tool
from tests.deploy.trial import Trial
from tests.support.aws import StrictAws

STATUS = ("status", "--function", "frames")
MAX_SECONDS = 15
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
CONFIG = """
[default]
region = us-east-1
[profile sso]
sso_session = company
sso_account_id = 123456789012
sso_role_name = deployer
[sso-session company]
sso_start_url = https://company.awsapps.com/start
sso_region = us-east-1
[profile old-sso]
sso_start_url = https://company.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = deployer
[profile nowhere]
role_arn = arn:aws:iam::123456789012:role/deployer
source_profile = missing
[profile circle]
role_arn = arn:aws:iam::123456789012:role/deployer
source_profile = circle2
[profile circle2]
role_arn = arn:aws:iam::123456789012:role/deployer
source_profile = circle
[profile process]
credential_process = false
"""


@pytest.fixture(autouse=True)
def frames(aws: StrictAws) -> None:
    aws.make_function("frames")


def changed(trial: Trial, taken: tuple[str, ...] = (), added: Mapping[str, str] | None = None) -> Trial:
    """The same with another environment."""
    environment = {name: value for name, value in trial.tool.environment.items() if name not in taken}
    return replace(trial, tool=Tool({**environment, **(added or {})}, trial.tool.home))


@pytest.fixture
def with_profiles(trial: Trial, tmp_path: Path) -> Trial:
    """Without keys in the environment; the configuration has profiles."""
    (tmp_path / "config").write_text(CONFIG)
    return changed(trial, KEYS, {"AWS_CONFIG_FILE": str(tmp_path / "config")})


def check(trial: Trial, error: type[DeployError], *arguments: str, what: str, then: str) -> None:
    start = time.monotonic()
    ended = trial.fails(error, *(arguments or STATUS))
    assert time.monotonic() - start < MAX_SECONDS
    cause, following = ended.err.splitlines()[-2:]
    assert what in cause
    assert then in following


def test_a_session_that_has_expired(aws: StrictAws, trial: Trial) -> None:
    session = aws.identity("ci", session=True)
    aws.expire(session)
    check(trial.by(session), CredentialsError, what="have expired (ExpiredTokenException", then="aws sso login")


def test_a_key_that_aws_does_not_know(aws: StrictAws, trial: Trial) -> None:
    stranger = replace(aws.deployer, access_key="AKIA0000000000000000")
    check(trial.by(stranger), CredentialsError, what="AWS does not know these credentials", then="aws configure")


def test_a_secret_that_is_wrong(aws: StrictAws, trial: Trial) -> None:
    other = replace(aws.deployer, secret_key="guess")  # noqa: S106
    check(trial.by(other), CredentialsError, what="does not accept the signature", then="the secret access key")


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_wrong(aws: StrictAws, trial: Trial, seconds: int) -> None:
    aws.skew(seconds)
    check(trial, CredentialsError, what="does not accept the signature", then="check this machine's clock")


def test_credentials_that_end_within_a_deploy(aws: StrictAws, trial: Trial) -> None:
    session = aws.identity("ci", session=True)
    image = aws.put_image()
    deploy = ("deploy", "--digest", image.digest, "--repository", "app", "--function", "frames")
    with aws.hold("UpdateFunctionCode", after=True) as held:
        process = trial.by(session).start(*deploy)
        held.arrived(process=process)
        aws.expire(session)
        held.release()
        ended = trial.by(session).wait(process)
    assert ended.code == 55
    assert "have expired" in ended.err
    assert "could not be put back: the code of $LATEST" in ended.err
    trial.succeeds(*deploy)


def test_no_credentials_at_all(trial: Trial) -> None:
    check(changed(trial, KEYS), CredentialsError, what="no usable AWS credentials", then="aws configure, aws sso login")


def test_half_of_them(trial: Trial) -> None:
    check(changed(trial, KEYS[1:]), CredentialsError, what="missing: AWS_SECRET_ACCESS_KEY", then="aws configure")


def test_a_machine_whose_metadata_never_answers(trial: Trial) -> None:
    """An address that takes connections and says nothing, as a firewall makes of the one of EC2."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asking = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": address}
        tried = changed(trial, (*KEYS, "AWS_EC2_METADATA_DISABLED"), asking)
        check(tried, CredentialsError, what="no usable AWS credentials", then="--profile NAME")


def test_a_container_whose_credentials_never_come(trial: Trial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/role"
        tried = changed(trial, KEYS, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": address})
        check(tried, CredentialsError, what="no usable AWS credentials", then="--profile NAME")


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_profile_that_is_not_there(with_profiles: Trial, by: str) -> None:
    tried = changed(with_profiles, (), {"AWS_PROFILE": "work"}) if by == "environment" else with_profiles
    options = ("--profile", "work") if by == "option" else ()
    check(tried, CredentialsError, *STATUS, *options, what="(work)", then="aws configure list-profiles")


@dataclass(frozen=True)
class Broken:
    profile: str
    what: str
    then: str


BROKEN = [
    Broken("sso", "single sign-on session has expired", "aws sso login"),
    Broken("old-sso", "single sign-on session has expired", "aws sso login"),
    Broken("nowhere", "the AWS configuration is wrong", "correct ~/.aws/config"),
    Broken("circle", "the AWS configuration is wrong", "correct ~/.aws/config"),
    Broken("process", "no usable AWS credentials", "--profile NAME"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.profile)
def test_a_profile_that_leads_to_nothing(with_profiles: Trial, broken: Broken) -> None:
    check(with_profiles, CredentialsError, *STATUS, "--profile", broken.profile, what=broken.what, then=broken.then)


def test_a_single_sign_on_that_has_expired(with_profiles: Trial) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    cache = with_profiles.tool.home / ".aws/sso/cache"
    cache.mkdir(parents=True)
    for name in ("company", "https://company.awsapps.com/start"):
        path = cache / f"{sha1(name.encode()).hexdigest()}.json"  # noqa: S324 - the name that the SDK gives it
        path.write_text(json.dumps({"accessToken": "secret", "expiresAt": yesterday, "region": "us-east-1"}))
    for profile in ("sso", "old-sso"):
        found = ("--profile", profile)
        check(
            with_profiles, CredentialsError, *STATUS, *found, what="sign-on session has expired", then="aws sso login"
        )


def test_a_configuration_that_cannot_be_read(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default\nregion")
    tried = changed(trial, KEYS, {"AWS_CONFIG_FILE": str(tmp_path / "config")})
    check(tried, CredentialsError, what="Unable to parse config file", then="correct ~/.aws/config")


def test_no_region(trial: Trial) -> None:
    regions = ("AWS_REGION", "AWS_DEFAULT_REGION")
    check(changed(trial, regions), UsageError, what="no region is set", then="give --region")
    check(changed(trial, regions, {"AWS_REGION": ""}), UsageError, what="no region is set", then="give --region")


@pytest.mark.parametrize("options", [("--region", "no where"), ("--endpoint-url", "nonsense")])
def test_a_place_that_makes_no_sense(trial: Trial, options: tuple[str, str]) -> None:
    check(trial, UsageError, *STATUS, *options, what="", then="check --endpoint-url, AWS_ENDPOINT_URL and --region")


def test_a_name_that_makes_no_sense(trial: Trial) -> None:
    check(trial, UsageError, "status", "--function", "", what="FunctionName", then="check the arguments")


def test_the_region_of_the_environment_or_the_profile_is_used(
    trial: Trial, with_profiles: Trial, aws: StrictAws
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        changed(trial, ("AWS_REGION", "AWS_DEFAULT_REGION"), {name: "us-east-1"}).succeeds(*STATUS)
    keys = dict(zip(KEYS, (aws.deployer.access_key, aws.deployer.secret_key), strict=True))
    changed(with_profiles, ("AWS_REGION", "AWS_DEFAULT_REGION"), keys).succeeds(*STATUS)
