"""No credential is in any layer of the image or in its history, nor anything of the machine that built it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import IMAGE
from tests.image.exposure import Exposed, in_bytes, in_image, layer_of

pytestmark = pytest.mark.usefixtures("as_built")
OUR_FIRST_COMMAND = "COPY /layers/"
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n(.+?)-----END CERTIFICATE-----", re.DOTALL)
PUBLIC = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/var/lang/lib/python3.*/site-packages/botocore/cacert.pem",
)
BUNDLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
ADDRESSES = ("http_proxy", "https_proxy", "all_proxy", "pip_index_url", "pip_extra_index_url", "uv_default_index")


@pytest.fixture(scope="module")
def saved(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("saved") / "image.tar"
    subprocess.run([engine, "save", "--output", archive, IMAGE], check=True)
    return archive


def certificates(bundle: bytes) -> set[bytes]:
    """The second line of each certificate's text: the first of two of one authority are often alike."""
    return {body.split()[1] for body in CERTIFICATE.findall(bundle) if len(body.split()) > 1}


def authorities_of_this_machine(engine: str) -> list[bytes]:
    """Lines of certificates that builds here are told to trust and that neither the base nor botocore's wheel has."""
    bundles = {os.environ[name] for name in BUNDLES if os.environ.get(name)}
    trusted = {line for bundle in bundles for line in certificates(Path(bundle).read_bytes())}
    read = f"cat {' '.join(PUBLIC)} 2>/dev/null || true"
    command = [engine, "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", IMAGE, "-c", read]
    public = certificates(subprocess.run(command, capture_output=True, check=True).stdout)
    assert public
    return sorted(trusted - public)


def hosts_of_this_machine() -> list[bytes]:
    """Hosts of proxies and registries that this machine is told to use, except those that packages name themselves."""
    urls = [value for name, value in os.environ.items() if name.lower() in ADDRESSES for value in value.split()]
    hosts = {urlsplit(url).hostname or "" for url in urls}
    public = "".join(distribution.read_text("METADATA") or "" for distribution in distributions())
    return sorted(host.encode() for host in hosts if "." in host and host != "127.0.0.1" and host not in public)


def test_the_image_holds_no_credentials_and_nothing_of_its_builder(saved: Path, engine: str) -> None:
    ours_from = layer_of(saved, OUR_FIRST_COMMAND)
    assert ours_from >= 1
    forbidden = [*authorities_of_this_machine(engine), *hosts_of_this_machine()]
    assert in_image(saved, ours_from, forbidden) == []


def build(engine: str, directory: Path, dockerfile: str, *options: str) -> Path:
    (directory / "Dockerfile").write_text(dockerfile)
    tag, archive = f"hwang-exposed-{os.getpid()}", directory.parent / f"{directory.name}.tar"
    command = [engine, "build", "--quiet", "--provenance=false", "--tag", tag, *options, str(directory)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        subprocess.run([engine, "save", "--output", archive, tag], check=True)
    finally:
        subprocess.run([engine, "image", "rm", "--force", tag], check=True, capture_output=True)
    return archive


def test_what_a_later_layer_replaces_is_found_in_its_own(engine: str, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context/key").write_text(f"key = {'AKIA' + 'Q' * 16}\n")
    (tmp_path / "context/clean").write_text("key =\n")
    archive = build(engine, tmp_path / "context", "FROM scratch\nCOPY key /etc/settings\nCOPY clean /etc/settings\n")
    assert in_image(archive, ours_from=0) == [Exposed(0, "etc/settings", "AWS access key")]


def test_a_builders_files_count_in_our_layers_and_secrets_in_all(engine: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "pip.conf").write_text("[global]\nindex-url = https://mirror.example/simple\n")
    (context / "netrc").write_text("machine example login me\n")
    (context / "authority").write_bytes(b"MIIB-line-of-a-certificate")
    dockerfile = "FROM scratch\nCOPY pip.conf /etc/\nCOPY netrc /root/.netrc\nCOPY authority /opt/\n"
    archive = build(engine, context, dockerfile)
    forbidden = [b"line-of-a-certificate", b"mirror.example"]
    assert in_image(archive, ours_from=3) == [Exposed(1, "root/.netrc", "a file that holds secrets")]
    assert {(found.layer, found.what.split(":")[0]) for found in in_image(archive, 0, forbidden)} == {
        (0, "a file of the builder"),
        (0, "forbidden"),
        (1, "a file that holds secrets"),
        (1, "a file of the builder"),
        (2, "forbidden"),
    }


def test_variables_and_addresses_with_logins_are_found_in_environment_and_history(engine: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_text("")
    dockerfile = (
        "FROM scratch\nENV HTTPS_PROXY=http://proxy.example:3128\nARG INDEX\nLABEL from=$INDEX\nCOPY file /\n"
        "LABEL API_TOKEN=allowed-as-a-label-but-for\n"
    )
    archive = build(engine, context, dockerfile, "--build-arg", "INDEX=https://me:word@index.example/simple")
    found = {(exposed.path, exposed.what) for exposed in in_image(archive, 0)}
    assert ("environment", "the variable HTTPS_PROXY") in found
    assert ("history", "the variable HTTPS_PROXY") in found
    assert ("labels", "an address with a login") in found


@pytest.mark.parametrize(
    ("sample", "what"),
    [
        (lambda: "AKIA" + "B2" * 8, "AWS access key"),
        (lambda: "x = ASIA" + "Z9" * 8 + "\n", "AWS access key"),
        (lambda: "aws_secret_access_key = " + "aB3/" * 10, "AWS secret key"),
        (lambda: '"SecretAccessKey": "' + "aB3+" * 10 + '"', "AWS secret key"),
        (lambda: "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIE" * 16, "private key"),
        (lambda: "-----BEGIN PRIVATE KEY-----\r\n" + "MIIE" * 16, "private key"),
        (lambda: "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n" + "MIIE" * 16, "private key"),
        (lambda: "ghp_" + "a1" * 18, "GitHub token"),
        (lambda: "github_pat_" + "a1_" * 20, "GitHub fine-grained token"),
        (lambda: "glpat-" + "a1" * 10, "GitLab token"),
        (lambda: "pypi-AgEIcHlwaS5vcmc" + "a1" * 30, "PyPI token"),
        (lambda: "npm_" + "a1" * 18, "npm token"),
        (lambda: "dckr_pat_" + "a1" * 12, "Docker token"),
        (lambda: "xoxb-" + "12345678901-" + "a1" * 8, "Slack token"),
    ],
)
def test_each_kind_of_credential_is_found(sample: Callable[[], str], what: str) -> None:
    """Put together at run time: this file holds none."""
    assert list(in_bytes(b"\0\xff" + sample().encode() + b"\n")) == [what]


@pytest.mark.parametrize(
    "harmless",
    [
        b"AKIAIOSFODNN7EXAMPLE",
        b"aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        b"if '-----BEGIN PRIVATE KEY-----' in text:",
        b"NAKIA" + b"B" * 20,
        b"aws_secret_access_key=None",
    ],
)
def test_examples_of_documentation_are_none(harmless: bytes) -> None:
    assert list(in_bytes(harmless)) == []
