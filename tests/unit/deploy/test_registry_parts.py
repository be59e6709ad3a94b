"""The parts of a push that need neither network nor engine."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from deploy.errors import (
    CredentialsError,
    DeployError,
    DigestMismatchError,
    PermissionDeniedError,
    PushFailedError,
    RepositoryNotFoundError,
    TagTakenError,
    UsageError,
)
from deploy.registry.address import Address
from deploy.registry.transport import error_of_answer
from deploy.terminal import bars


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:5000",
        "127.1.2.3:1",
        "[::1]:5000",
        "localhost",
        "localhost:4566",
        "LOCALHOST:1",
        "ecr.localhost:1",
    ],
)
def test_a_loopback_host_is_this_machine(host: str) -> None:
    assert Address(host).is_loopback
    assert Address(host, plain=True).url == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "localhost.example:5000",
        "notlocalhost",
        "127.0.0.1.example",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "128.0.0.1",
        "[::2]",
        "[fe80::1]:5000",
        "2130706433",
        "",
    ],
)
def test_any_other_host_is_elsewhere_and_wants_tls(host: str) -> None:
    assert not Address(host).is_loopback
    with pytest.raises(UsageError):
        Address(host, plain=True)


def test_an_address_of_a_url_has_no_credentials() -> None:
    assert Address.of_url("http://user:secret@127.0.0.1:5000/v2/") == Address("127.0.0.1:5000", plain=True)
    assert Address.of_url("https://registry.example") == Address("registry.example")


# As they came out of registries.
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("no basic auth credentials", CredentialsError),
        ("unauthorized: authentication required", CredentialsError),
        ("denied: Your authorization token has expired. Reauthenticate and try again.", CredentialsError),
        (
            "denied: User: arn:aws:iam::1:user/x is not authorized to perform: ecr:InitiateLayerUpload",
            PermissionDeniedError,
        ),
        ("unexpected status from HEAD request to https://…: 403 Forbidden", PermissionDeniedError),
        (
            "tag invalid: The image tag 'a' already exists in the 'r' repository and cannot be overwritten because the "
            "repository is immutable.",
            TagTakenError,
        ),
        (
            "name unknown: The repository with name 'x' does not exist in the registry with id '1'",
            RepositoryNotFoundError,
        ),
        ("digest invalid: provided digest did not match uploaded content", DigestMismatchError),
        ("EOF", PushFailedError),
        ("received unexpected HTTP status: 503 Service Unavailable", PushFailedError),
    ],
)
def test_a_registrys_words_have_a_meaning(said: str, kind: type[DeployError]) -> None:
    code, _, message = said.partition(": ")
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    error = error_of_answer(400, body, "registry.example/name")
    assert type(error) is kind
    assert error.then
    assert message in error.what


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (403, b'{"errors":[{"code":"DENIED","message":"no"}]}', PermissionDeniedError, "denied: no"),
        (404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', RepositoryNotFoundError, "name unknown"),
        (400, b'{"errors":[{"code":"X","message":"status 401"}]}', PushFailedError, "x: status 401"),
        (401, b"", CredentialsError, "status 401"),
        (403, b"<html>", PermissionDeniedError, "status 403"),
        (404, b"", PushFailedError, "status 404"),
        (418, b'{"errors":[]}', PushFailedError, "status 418"),
        (418, b"[]", PushFailedError, "status 418"),
    ],
)
def test_an_answer_is_judged_by_its_message_or_else_by_its_status(
    status: int, body: bytes, kind: type[DeployError], said: str
) -> None:
    error = error_of_answer(status, body, "registry.example/name")
    assert type(error) is kind
    assert error.what == f"the registry registry.example/name refuses: {said}"


def test_a_terminal_shows_a_bar_for_each_layer() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with bars(console) as show:
        show("0123456789ab", "uploading", 5_000_000, 20_000_000)
        show("ba9876543210", "there", 0, 7_000_000)
        console.print("now")
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "0123456789ab uploading" in shown
    assert "5.0/20.0 MB" in shown
    assert "7.0/7.0 MB" in shown
