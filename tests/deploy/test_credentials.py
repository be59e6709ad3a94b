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

from deploy.errors import (
    AwsUnavailableError,
    CredentialsError,
    DeployError,
    LibraryError,
    NotRestoredError,
    RepositoryNotFoundError,
    UsageError,
)
from tests.deploy.each import cases
from tests.deploy.tool import Tool
from tests.deploy.trial import Trial
from tests.support.aws import StrictAws

STATUS = ("status", "--function", "frames")
MAX_SECONDS = 15
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
SECRETS = dict(zip(KEYS, ("AKIA0000000000000000", "a secret that is wrong"), strict=True))
KEYED = "\n".join(f"{name.lower()} = {value}" for name, value in SECRETS.items())
ROLE = "role_arn = arn:aws:iam::123456789012:role/deployer"
GOOD = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}
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
[profile login]
login_session = arn:aws:iam::123456789012:user/me
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
    check(trial.by(session), CredentialsError, what="have expired (ExpiredTokenException", then="`aws sso login")


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


@pytest.mark.parametrize(("good", "error"), [(2, CredentialsError), (8, NotRestoredError)])
def test_a_command_for_credentials_that_fails_within_a_deploy(
    aws: StrictAws, trial: Trial, tmp_path: Path, good: int, error: type[DeployError]
) -> None:
    """The SDK asks it before each call, as what it gives is nearly over."""
    soon = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = {"AccessKeyId": aws.deployer.access_key, "SecretAccessKey": aws.deployer.secret_key, "SessionToken": ""}
    (tmp_path / "answer").write_text(json.dumps({"Version": 1, "Expiration": soon, **keys}))
    command = tmp_path / "command"
    command.write_text(
        f"#!/bin/sh\ncd {tmp_path}\necho >>asked\n[ $(wc -l <asked) -le {good} ] && cat answer\nexit 0\n"
    )
    command.chmod(0o755)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {command}\n")
    tried = changed(trial, KEYS, {"AWS_CONFIG_FILE": str(tmp_path / "config")})
    image = aws.put_image()
    ended = tried.fails(error, "deploy", "--digest", image.digest, "--repository", "app", "--function", "frames")
    assert "the AWS SDK fails with JSONDecodeError" in ended.err


def test_no_credentials_at_all(trial: Trial) -> None:
    check(
        changed(trial, KEYS),
        CredentialsError,
        what="no usable AWS credentials",
        then="`aws configure`, `aws sso login`",
    )


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
    Broken("login", "", "pip install 'botocore[crt]'"),
    Broken("sso", "single sign-on session has expired", "aws sso login"),
    Broken("old-sso", "single sign-on session has expired", "aws sso login"),
    Broken("nowhere", "the AWS configuration is wrong", "correct ~/.aws/config"),
    Broken("circle", "the AWS configuration is wrong", "correct ~/.aws/config"),
    Broken("process", "no usable AWS credentials", "--profile NAME"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.profile)
def test_a_profile_that_leads_to_nothing(with_profiles: Trial, broken: Broken) -> None:
    error = LibraryError if broken.profile == "login" else CredentialsError
    check(with_profiles, error, *STATUS, "--profile", broken.profile, what=broken.what, then=broken.then)


# Errors that the SDK lets through from files, commands and variables: setting of a profile, and words of the cause.
LINES = {
    "a command that is not there": ("credential_process = /no/such/command", "No such file"),
    "a command that is a directory": ("credential_process = /tmp", "Permission denied"),
    "an open quotation mark": ('credential_process = "echo', "No closing quotation"),
    "no JSON": ("credential_process = echo hello", "JSONDecodeError"),
    "another kind of JSON": ("credential_process = echo []", "AttributeError"),
    "a version to come": ("""credential_process = echo '{"Version": 7}'""", "Unsupported version"),
    "keys that are numbers": (
        """credential_process = echo '{"Version": 1, "AccessKeyId": 5, "SecretAccessKey": 6}'""",
        "",
    ),
    "an end that is no time": (f"credential_process = echo '{json.dumps({**GOOD, 'Expiration': 'soon'})}'", "soon"),
    "an end in the past": (
        f"credential_process = echo '{json.dumps({**GOOD, 'Expiration': '2001-01-01T00:00:00Z'})}'",
        "still expired",
    ),
    "no token file": (f"{ROLE}\nweb_identity_token_file = /no/file", "No such file"),
    "a source of another planet": (f"{ROLE}\ncredential_source = Mars", "Mars"),
    "a number that is none": ("metadata_service_timeout = x", "invalid literal"),
    "a mode that is none": (f"{KEYED}\ndefaults_mode = perhaps", "perhaps"),
    "versions of an API that are none": (f"{KEYED}\napi_versions =\n  lambda = 1999-01-01", "Unable to load data"),
}


@cases("line", LINES)
def test_a_setting_that_the_sdk_fails_on(trial: Trial, tmp_path: Path, name: str, line: tuple[str, str]) -> None:  # noqa: ARG001
    (tmp_path / "config").write_text(f"[default]\n{KEYED}\n[profile odd]\n{line[0]}\n")
    tried = changed(trial, KEYS, {"AWS_CONFIG_FILE": str(tmp_path / "config")})
    check(tried, CredentialsError, *STATUS, "--profile", "odd", what=line[1], then="")


VARIABLES = {
    "no token file": {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/file", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"},
    "a relative address": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "nonsense"},
    "a token of two lines": {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\nb",
    },
    "a time that is none": {"AWS_METADATA_SERVICE_TIMEOUT": "x"},
    "a mode that is none": {"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "x"},
    "a session of two lines": {**SECRETS, "AWS_SESSION_TOKEN": "session\ntoken"},
    "a secret that is no text": {**SECRETS, "AWS_SECRET_ACCESS_KEY": "\udcffsecret"},
    "half an address": {**SECRETS, "AWS_ENDPOINT_URL_LAMBDA": "http://[x"},
}


@cases("variables", VARIABLES)
def test_a_variable_that_the_sdk_fails_on(trial: Trial, name: str, variables: Mapping[str, str]) -> None:  # noqa: ARG001
    check(changed(trial, KEYS, variables), CredentialsError, what="", then="")


def test_the_authorities_of_a_profile_that_are_not_there(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nca_bundle = /no/such/file")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"https://127.0.0.1:{server.getsockname()[1]}"
        there = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_ENDPOINT_URL": address}
        check(changed(trial, (), there), AwsUnavailableError, what="", then="AWS_CA_BUNDLE, or as ca_bundle in")


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
            with_profiles, CredentialsError, *STATUS, *found, what="sign-on session has expired", then="`aws sso login"
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


def test_a_repository_of_another_account(trial: Trial, aws: StrictAws) -> None:
    image = aws.put_image()
    deploy = ("deploy", "--digest", image.digest, "--function", "frames", "--repository")
    uri = "999999999999.dkr.ecr.us-east-1.amazonaws.com/app"
    check(
        trial,
        RepositoryNotFoundError,
        *deploy,
        uri,
        what="app of account 999999999999 is out of reach",
        then="--profile",
    )
    trial.succeeds(*deploy, aws.image_uri(image))


def test_the_region_of_the_environment_or_the_profile_is_used(
    trial: Trial, with_profiles: Trial, aws: StrictAws
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        changed(trial, ("AWS_REGION", "AWS_DEFAULT_REGION"), {name: "us-east-1"}).succeeds(*STATUS)
    keys = dict(zip(KEYS, (aws.deployer.access_key, aws.deployer.secret_key), strict=True))
    changed(with_profiles, ("AWS_REGION", "AWS_DEFAULT_REGION"), keys).succeeds(*STATUS)
