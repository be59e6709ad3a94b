"""Where the registry client lets credentials go, and whose certificates it trusts."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from deploy.aws import Account
from deploy.errors import (
    PushFailedError,
)
from deploy.registry.address import Address
from deploy.registry.client import Registry
from deploy.registry.transport import RetryPolicy
from tests.deploy import debianregistry
from tests.deploy.debianregistry import DebianRegistry
from tests.deploy.parts import noise
from tests.deploy.registry_client import CONFIG, Logins, put_image
from tests.deploy.web import listening
from tests.support.faults import authority
from tests.support.faults.client import Faults
from tests.support.faults.rules import Answer

# Where credentials go.


def test_credentials_do_not_follow_a_redirect(registry: Registry, faults: Faults) -> None:
    seen: list[str | None] = []

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers["Authorization"])
        request.send_response(200)
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(CONFIG.data)

    with (
        listening(elsewhere) as port,
        faults.rule(Answer(307, headers={"Location": f"http://127.0.0.1:{port}/blob?signature=secret"})),
    ):
        assert registry.blob(CONFIG.digest) == CONFIG.data
    assert seen == [None]


@pytest.mark.parametrize(
    "location", ["http://registry.example/", "ftp://127.0.0.1/", "file:///etc/passwd", "https://user:pw@127.0.0.1/"]
)
def test_a_redirect_that_is_not_safe_is_not_followed(registry: Registry, faults: Faults, location: str) -> None:
    with faults.rule(Answer(307, headers={"Location": location})), pytest.raises(PushFailedError, match="leads to"):
        registry.blob(CONFIG.digest)


def test_a_redirect_in_a_circle_ends(registry: Registry, faults: Faults) -> None:
    with faults.rule(Answer(307, headers={"Location": "/v2/again"})) as rule:
        with pytest.raises(PushFailedError, match="without end"):
            registry.blob(CONFIG.digest)
        assert rule.hits < 10


# TLS.


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("authority")
    authority.make(directory, ["127.0.0.1"])
    return directory


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[DebianRegistry]:
    directory = tmp_path_factory.mktemp("secure")
    with debianregistry.running(directory, certificate=certificates / "good.pem") as server:
        yield server


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_an_own_authority_is_trusted_where_the_environment_names_it(
    secure: DebianRegistry,
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    variable: str,
    retry_policy: RetryPolicy,
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(certificates / "ca.crt"))
    with Registry(secure.address, name, Logins(), retry_policy) as registry:
        manifest = put_image(registry, noise(1000))
        assert registry.manifest("tag") == manifest


def test_the_authority_of_the_profile_is_trusted_by_the_registrys_client(
    secure: DebianRegistry, certificates: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    config = tmp_path / "config"
    config.write_text(f"[profile work]\nregion = us-east-1\nca_bundle = {certificates / 'ca.crt'}\n")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    client: Any = Account(profile="work").images
    address = Address(secure.address.host, authorities=client.authorities)
    with Registry(address, name, Logins()) as registry:
        assert registry.manifest("tag") is None


def test_an_unknown_authority_is_not_trusted(secure: DebianRegistry, name: str, retry_policy: RetryPolicy) -> None:
    with (
        Registry(secure.address, name, Logins(), retry_policy) as registry,
        pytest.raises(PushFailedError, match="certificate") as caught,
    ):
        registry.manifest("tag")
    assert "AWS_CA_BUNDLE" in caught.value.then


@pytest.mark.parametrize("certificate", ["expired", "wrong-host", "self-signed"])
def test_a_bad_certificate_is_not_trusted(
    tmp_path: Path,
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    certificate: str,
    retry_policy: RetryPolicy,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates / "ca.crt"))
    with (
        debianregistry.running(tmp_path, certificate=certificates / f"{certificate}.pem") as server,
        Registry(server.address, name, Logins(), retry_policy) as registry,
        pytest.raises(PushFailedError, match="certificate"),
    ):
        registry.manifest("tag")
