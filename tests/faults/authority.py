"""A certificate authority made on the spot, and certificates good and bad, with the openssl program.

Below the directory: `ca.crt` to trust, and NAME.pem (certificate and key) for each name of CERTIFICATES.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_CONFIGURATION = """
[req]
distinguished_name = name
[name]
[ca]
default_ca = authority
[authority]
database = {directory}/index.txt
new_certs_dir = {directory}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
x509_extensions = leaf
copy_extensions = copy
[policy]
commonName = supplied
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""


class AuthorityError(Exception):
    """The openssl program is missing, or refuses."""


@dataclass(frozen=True)
class Certificate:
    name: str
    host: bool = True  # for the hosts that are asked for; else for another
    from_days: int = -1
    to_days: int = 2
    signed: bool = True  # by the authority; else by itself


CERTIFICATES = (
    Certificate("good"),
    Certificate("expired", from_days=-30, to_days=-1),
    Certificate("not-yet", from_days=1),
    Certificate("wrong-host", host=False),
    Certificate("self-signed", signed=False),
)


def make(directory: Path, hosts: Sequence[str]) -> None:
    """Makes the authority and its certificates for these host names. Raises AuthorityError."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "index.txt").write_text("")
    configuration = directory / "ca.cnf"
    configuration.write_text(_CONFIGURATION.format(directory=directory))
    root = ("-subj", "/CN=authority of the tests", "-extensions", "root", "-days", "2")
    _openssl(directory, "req", "-x509", "-config", "ca.cnf", *_KEY, *root, "-keyout", "ca.key", "-out", "ca.crt")
    for certificate in CERTIFICATES:
        _certify(directory, certificate, hosts if certificate.host else ["elsewhere.example"])


def _certify(directory: Path, certificate: Certificate, hosts: Sequence[str]) -> None:
    name = certificate.name
    subject = ("-subj", f"/CN={hosts[0]}", "-addext", "subjectAltName=" + ",".join(map(_alternative, hosts)))
    key = (*_KEY, "-keyout", f"{name}.key", *subject, "-config", "ca.cnf")
    if certificate.signed:
        _openssl(directory, "req", "-new", *key, "-out", f"{name}.csr")
        dates = ("-startdate", _date(certificate.from_days), "-enddate", _date(certificate.to_days))
        signer = ("-cert", "ca.crt", "-keyfile", "ca.key")
        files = ("-in", f"{name}.csr", "-out", f"{name}.crt")
        _openssl(directory, "ca", "-batch", "-notext", "-config", "ca.cnf", *signer, *dates, *files)
    else:
        _openssl(directory, "req", "-x509", *key, "-extensions", "leaf", "-days", "2", "-out", f"{name}.crt")
    pem = directory / f"{name}.pem"
    pem.write_text((directory / f"{name}.crt").read_text() + (directory / f"{name}.key").read_text())


def _alternative(host: str) -> str:
    return f"IP:{host}" if host.replace(".", "").isdecimal() else f"DNS:{host}"


def _date(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def _openssl(directory: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise AuthorityError("there is no openssl program: install the system's package openssl") from None
    if done.returncode:
        raise AuthorityError(f"openssl {arguments[0]}: {done.stderr.strip()[-500:]}")
