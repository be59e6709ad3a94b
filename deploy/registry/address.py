"""Address of a registry."""

from __future__ import annotations

import ipaddress
import urllib.parse
from dataclasses import dataclass

from deploy.errors import UsageError


@dataclass(frozen=True)
class Address:
    """A registry's HOST or HOST:PORT, as images' names begin; `plain` is HTTP, which only a loopback host may speak.

    `authorities` is a file of certificates that are trusted instead of the usual ones. Raises UsageError for plain HTTP
    to any other host.
    """

    host: str
    plain: bool = False
    authorities: str = ""

    def __post_init__(self) -> None:
        if self.plain and not self.is_loopback:
            what = f"the registry {self.host} would be spoken to without TLS, and it is not on this machine"
            raise UsageError(what, then="use its https:// address")

    @classmethod
    def of_url(cls, url: str) -> Address:
        """Return the host and port of an http:// or https:// address."""
        parts = urllib.parse.urlsplit(url)
        return cls(parts.netloc.rpartition("@")[2], plain=parts.scheme == "http")

    @property
    def url(self) -> str:
        """Address with its scheme."""
        return f"{'http' if self.plain else 'https'}://{self.host}"

    @property
    def is_loopback(self) -> bool:
        """True if the host is 127.0.0.0/8, ::1, localhost or below it; no name is resolved."""
        name = urllib.parse.urlsplit(f"//{self.host}").hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")
