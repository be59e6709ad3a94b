"""A strict URL parser: refuses every address that two parsers could read differently."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from function.models.places import MAX_URL_CHARS
from hwang.sources.connection import PORTS
from hwang.sources.web import Target

_MAX_SHOWN_CHARS: Final = 200
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
FORBIDDEN: Final = re.compile(r"[^!-~]|\\")
_AUTHORITY = re.compile(r"//([^/?#]*)([^#]*)")
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]*)\](.*)")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_PLAIN_PART = re.compile(r'[!"$->@-\[\]-~]*')  # printable ASCII without ? # and backslash


class Blocked(ValueError):  # noqa: N818 - becomes SourceBlocked
    """A forbidden address. The message names it without query, fragment, user name and password."""


def parse_url(url: str, *, allow_http: bool) -> Target:
    """Parse an address. Raises Blocked, and nothing else, for any string."""
    problem = _problem(url, allow_http)
    if problem:
        raise Blocked(f"{_roughly(url)}: {problem}")
    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()
    match = _AUTHORITY.match(rest)
    assert match
    path = match[2] if match[2].startswith("/") else f"/{match[2]}"
    try:
        host, port = _place(match[1], PORTS[scheme])
    except ValueError as error:
        raise Blocked(f"{_roughly(url)}: {error}") from None
    bare = Target(scheme, host, port, path.partition("?")[0], "")
    return Target(scheme, host, port, path, _short(bare.url))


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


def _problem(url: str, allow_http: bool) -> str | None:
    if len(url) > MAX_URL_CHARS:
        return f"has more than {MAX_URL_CHARS} characters"
    if FORBIDDEN.search(url):
        return "has a space, a backslash, a control or a non-ASCII character; write the path percent-encoded"
    match = _SCHEME.match(url)
    if not match:
        return "is not an address that begins with https://"
    scheme = match[1].lower()
    if scheme not in PORTS or (scheme == "http" and not allow_http):
        return f"only {'https and http' if allow_http else 'https'} addresses are read"
    authority = _AUTHORITY.match(url, match.end())
    if not authority:
        return "lacks the // after its scheme"
    if "@" in authority[1]:
        return "must not have a user name or password"
    return None


def _place(authority: str, usual_port: int) -> tuple[str, int]:
    """Return host and port. Raises ValueError that says the problem."""
    if authority.startswith("["):
        match = _BRACKETED.fullmatch(authority)
        if not match:
            raise ValueError("has brackets around what is not a plain IPv6 address")
        try:
            host, rest = str(ipaddress.IPv6Address(match[1])), match[2]
        except ValueError:
            raise ValueError("has brackets around what is not a plain IPv6 address") from None
    else:
        name, colon, port = authority.partition(":")
        if not name:
            raise ValueError("has no host")
        host, rest = normal_host(name), colon + port
    if not rest:
        return host, usual_port
    if not rest.startswith(":") or not _PORT.fullmatch(rest[1:]) or int(rest[1:]) > 65535:
        raise ValueError("has a port that is not a number from 1 to 65535")
    return host, int(rest[1:])


def _roughly(url: str) -> str:
    """Return the part of a malformed address that surely holds no secret."""
    match = _SCHEME.match(url)
    if match and not url.startswith("//", match.end()):
        return f"{match[1][:20]}:…"
    start = match.end() + 2 if match else 0
    plain = _PLAIN_PART.match(url, start)
    assert plain
    head, tail = plain[0], url[plain.end() :]
    if "@" in tail:  # the text before it may be part of a password
        return f"{url[:start]}…"
    if "@" in head:
        head = "…@" + head.rpartition("@")[2]
    return _short(f"{url[:start]}{head}{'…' if tail else ''}")


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_CHARS else text[: _MAX_SHOWN_CHARS - 1] + "…"
