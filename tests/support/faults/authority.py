"""A certificate authority made on the spot, and certificates good and bad.

Below the directory: `ca.crt` to trust, and NAME.pem (certificate and key) for each name of CERTIFICATES.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


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


@dataclass(frozen=True)
class _Party:
    common_name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def name(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)])

    def builder(self, from_days: int, to_days: int, authority: bool = False) -> x509.CertificateBuilder:
        """A certificate of this party's key, for an authority or for a server, that lacks the issuer and the hosts."""
        now, key = datetime.now(UTC), self.key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=from_days))
            .not_valid_after(now + timedelta(days=to_days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(_key_usage(authority), critical=True)
        )

    def sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.issuer_name(self.name).sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def make(directory: Path, hosts: Sequence[str]) -> None:
    """Makes the authority and its certificates for these names and addresses of hosts."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = _Party("authority of the tests")
    (directory / "ca.crt").write_bytes(authority.sign(authority.builder(-1, 2, authority=True)))
    for certificate in CERTIFICATES:
        pem = _certify(authority, certificate, hosts if certificate.host else ["elsewhere.example"])
        (directory / f"{certificate.name}.pem").write_bytes(pem)


def _certify(authority: _Party, certificate: Certificate, hosts: Sequence[str]) -> bytes:
    server = _Party(hosts[0])
    leaf = (
        server.builder(certificate.from_days, certificate.to_days)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(map(_alternative, hosts)), critical=False)
    )
    if certificate.signed:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
        signed = authority.sign(leaf.add_extension(issuer, critical=False))
    else:
        signed = server.sign(leaf)
    return signed + server.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
