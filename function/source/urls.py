"""A strict URL parser: refuses every address that two parsers could read differently."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from function.models.places import MAX_URL_CHARS
from hwang.sources.connection import PORTS
from hwang.sources.web import Target

_MAX_SHOWN_CHARS: Final = 200
FORBIDDEN: Final = re.compile(r"[^!-~]|\\")
_AUTHORITY = re.compile(r"//([^/?#]*)([^#]*)")
_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]*)\]|([^:]*))(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


class Blocked(ValueError):  # noqa: N818 - becomes SourceBlocked
    """A forbidden address. The message names it without query, fragment, user name and password, or not at all."""


def parse_url(url: str, *, allow_http: bool) -> Target:
    """Parse an address. Raises Blocked, and nothing else, for any string."""
    try:
        scheme, authority, path = _parts(url, allow_http)
        host, port = _place(authority, PORTS[scheme])
    except ValueError as error:  # a malformed address may hold a secret anywhere
        raise Blocked(f"the address {error}") from None
    shown = Target(scheme, host, port, path.partition("?")[0], "").url
    if len(shown) > _MAX_SHOWN_CHARS:
        shown = shown[: _MAX_SHOWN_CHARS - 1] + "…"
    return Target(scheme, host, port, path, shown)


def normal_host(text: str) -> str:
    """Return a host name or IPv4 address in lower case, without a final dot. Raises ValueError for anything unusual.

    Some parsers read any name that ends in a number as an IPv4 address; it must be one for all of them.
    """
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if not name or len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("has a host that is not a valid name")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise ValueError("has a number for a host that is not a plain IPv4 address") from None
    return name


def _parts(url: str, allow_http: bool) -> tuple[str, str, str]:
    """Return scheme, authority, and path with query. Raises ValueError that says the problem."""
    if len(url) > MAX_URL_CHARS:
        raise ValueError(f"has more than {MAX_URL_CHARS} characters")
    if FORBIDDEN.search(url):
        raise ValueError("has a space, a backslash, a control or a non-ASCII character; write the path percent-encoded")
    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme not in PORTS or (scheme == "http" and not allow_http):
        raise ValueError(f"is of another kind: only {'https and http' if allow_http else 'https'} addresses are read")
    match = _AUTHORITY.match(rest)
    if not match:
        raise ValueError("lacks the // after its scheme")
    if "@" in match[1]:
        raise ValueError("must not have a user name or password")
    return scheme, match[1], match[2] if match[2].startswith("/") else f"/{match[2]}"


def _place(authority: str, usual_port: int) -> tuple[str, int]:
    """Return host and port. Raises ValueError that says the problem."""
    match = _PLACE.fullmatch(authority)
    if not match or int(match[3] or 0) > 65535:
        raise ValueError("must have a host, and after a colon at most a port from 1 to 65535")
    if match[1] is None:
        return normal_host(match[2]), int(match[3] or usual_port)
    try:
        return str(ipaddress.IPv6Address(match[1])), int(match[3] or usual_port)
    except ValueError:
        raise ValueError("has brackets around what is not a plain IPv6 address") from None
