"""The policy that decides which network addresses a URL from an event may reach.

Every address of a name is checked after it is resolved, at every connection and after every redirect; the caller
connects to exactly the address that was checked.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urljoin

from function.source.networks import Address, Network, parse_opened, refusal
from function.source.urls import FORBIDDEN, Blocked, normal_host, parse_url
from hwang.sources.connection import SocketAddress
from hwang.sources.web import Target

__all__ = ["Blocked", "Policy", "Target", "resolve"]

Lookup = Callable[[str, int], Sequence[tuple[Any, ...]]]

_ANY_HOST: Final = "*"
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_OWN_HEADERS: Final = frozenset(
    ["accept-encoding", "connection", "content-length", "host", "if-match", "range", "te", "transfer-encoding"]
)


@dataclass(frozen=True)
class Policy:
    """Allows public addresses under these host names, and `networks` although they are not public.

    `hosts` are names in lower case, `*.example.org` for all names below one, `*` for any. `headers` are those to send
    to hosts, by their names or *.example.org.
    """

    hosts: tuple[str, ...] = (_ANY_HOST,)
    networks: tuple[Network, ...] = ()
    allow_http: bool = False
    headers: tuple[tuple[str, Mapping[str, str]], ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Policy:
        """Read HWANG_HTTPS_HOSTS, HWANG_HTTPS_HEADERS, HWANG_ALLOW_NETWORKS, HWANG_ALLOW_HTTP.

        Raises ValueError that names one.
        """
        allow_http = environment.get("HWANG_ALLOW_HTTP", "")
        if allow_http not in ("", "0", "1"):
            raise ValueError("HWANG_ALLOW_HTTP: must be 1, or absent")
        return cls(
            hosts=_each("HWANG_HTTPS_HOSTS", environment.get("HWANG_HTTPS_HOSTS", _ANY_HOST), _host_pattern),
            networks=_each("HWANG_ALLOW_NETWORKS", environment.get("HWANG_ALLOW_NETWORKS") or None, parse_opened),
            allow_http=allow_http == "1",
            headers=_headers(environment.get("HWANG_HTTPS_HEADERS") or "{}"),
        )

    def headers_for(self, target: Target) -> dict[str, str]:
        """Return the configured headers of a target's host, over https alone; those of the last pattern count."""
        if target.scheme != "https":
            return {}
        found = [headers for pattern, headers in self.headers if fnmatchcase(target.host, pattern)]
        return {name: value for headers in found for name, value in headers.items()}

    def check_url(self, url: str) -> Target:
        """Parse and check a URL. A host that is an IP address is checked at once, a name when it is resolved.

        Raises Blocked, and nothing else.
        """
        target = parse_url(url, allow_http=self.allow_http)
        if not any(fnmatchcase(target.host, pattern) for pattern in self.hosts):
            raise Blocked(f"{target.shown}: {target.host} is not among the hosts of HWANG_HTTPS_HOSTS")
        if _parsed(target.host):
            try:
                self.check_address(target.host)
            except Blocked as error:
                raise Blocked(f"{target.shown}: {error}") from None
        return target

    def check_redirect(self, source: Target, location: str) -> Target:
        """Check an answer's Location, which may be relative. Raises Blocked. The caller counts the hops."""
        if not location:
            raise Blocked(f"{source.shown} redirects without saying where to")
        try:
            # urljoin quietly drops spaces and line breaks, which check_url must see
            target = self.check_url(location if FORBIDDEN.search(location) else urljoin(source.url, location))
        except ValueError as error:
            reason = error if isinstance(error, Blocked) else "an invalid address"
            raise Blocked(f"{source.shown} redirects to {reason}") from None
        if source.scheme == "https" and target.scheme != "https":
            raise Blocked(f"{source.shown} redirects from https to {target.shown}")
        return target

    def check_address(self, address: str) -> None:
        """Raise Blocked if no connection may be made to this IP address."""
        parsed = _parsed(address)
        if not parsed:
            raise Blocked("the host has an address that is not a plain IP address")
        reason = refusal(parsed, self.networks)
        if reason:
            raise Blocked(f"{parsed} is not a public address ({reason})")


def _lookup(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def resolve(policy: Policy, host: str, port: int, timeout: float, getaddrinfo: Lookup = _lookup) -> list[SocketAddress]:
    """Return every address of the host, checked, as (family, address for socket.connect), in the resolver's order.

    One forbidden address refuses the host: a name server that mixes them may answer differently the next time. Raises
    Blocked, TimeoutError after `timeout` seconds, OSError if the name has no address. Connect to these addresses only.
    """
    answers = _within(timeout, getaddrinfo, host, port)
    if not answers:
        raise OSError(f"{host} has no address")
    addresses = dict.fromkeys((family, place) for family, _, _, _, place in answers)
    for _, place in addresses:
        try:
            policy.check_address(place[0])
        except Blocked as error:
            raise Blocked(f"{host}: {error}") from None
    return list(addresses)


def _within(timeout: float, getaddrinfo: Lookup, host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """Return the resolver's answer. The resolver has no time limit: it runs in a thread that is abandoned."""
    thread = ThreadPoolExecutor(1, "resolver")
    try:
        return thread.submit(getaddrinfo, host, port).result(timeout)
    except TimeoutError:
        raise TimeoutError(f"{host} was not resolved within {timeout:g} s") from None
    finally:
        thread.shutdown(wait=False)


def _parsed(address: str) -> Address | None:
    """Return the IP address, or None; an address with a zone is link-local and never public."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return None if "%" in address else parsed


def _host_pattern(text: str) -> str:
    if text == _ANY_HOST:
        return text
    parsed = _parsed(text)
    if parsed:
        return str(parsed)
    wild = "*." if text.startswith("*.") else ""
    name = normal_host(text.removeprefix(wild))
    if wild and _parsed(name):
        raise ValueError("is an IP address below *.")
    return wild + name


def _each(variable: str, text: str | None, parse: Callable[[str], Any]) -> tuple[Any, ...]:
    """Parse comma-separated items. Raises ValueError that names the variable, also for an empty item."""
    items = []
    for item in text.split(",") if text is not None else ():
        try:
            items.append(parse(item.strip()))
        except ValueError as error:
            raise ValueError(f"{variable}: {item.strip()!r}: {error}") from None
    return tuple(items)


def _headers(text: str) -> tuple[tuple[str, Mapping[str, str]], ...]:
    """Parse {"host": {"Header": "value"}}. Raises ValueError that shows no value."""
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("is not an object of hosts")
        return tuple((_named_host(host), _checked_headers(headers)) for host, headers in document.items())
    except json.JSONDecodeError:
        raise ValueError("HWANG_HTTPS_HEADERS: is not JSON") from None
    except ValueError as error:
        raise ValueError(f"HWANG_HTTPS_HEADERS: {error}") from None


def _named_host(text: str) -> str:
    if text == _ANY_HOST:
        raise ValueError("'*' is not a host: headers go to hosts that are named")
    return _host_pattern(text)


def _checked_headers(headers: object) -> Mapping[str, str]:
    if not isinstance(headers, dict):
        raise ValueError("the headers of a host must be an object")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ValueError(f"{name!r} is not a header that can be added")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} must be printable ASCII")
    return headers
