"""Separates public IP addresses from all others, also IPv4 addresses inside IPv6 ones.

The ranges are those of IANA's special-purpose registries, and those that carry other addresses. Python's `is_global`
is not used: it differs between patch releases, and calls multicast and tunnels public.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Closed:
    """A range that is not public. `openable`: the configuration may allow parts of it."""

    network: Network
    reason: str
    openable: bool = True


def _closed(network: str, reason: str, *, openable: bool = True) -> Closed:
    return Closed(ipaddress.ip_network(network), reason, openable)


# The first match counts, so a range stands before the larger one around it.
_CLOSED: Final = (
    _closed("0.0.0.0/8", "this host itself", openable=False),
    _closed("10.0.0.0/8", "private"),
    _closed("100.64.0.0/10", "shared by a provider's customers"),
    _closed("127.0.0.0/8", "loopback"),
    _closed("169.254.0.0/16", "link-local, where credentials are served", openable=False),
    _closed("172.16.0.0/12", "private"),
    _closed("192.0.0.0/24", "reserved for protocols"),
    _closed("192.0.2.0/24", "for documentation"),
    _closed("192.88.99.0/24", "a 6to4 relay"),
    _closed("192.168.0.0/16", "private"),
    _closed("198.18.0.0/15", "for benchmarks"),
    _closed("198.51.100.0/24", "for documentation"),
    _closed("203.0.113.0/24", "for documentation"),
    _closed("224.0.0.0/4", "multicast", openable=False),
    _closed("255.255.255.255/32", "broadcast", openable=False),
    _closed("240.0.0.0/4", "reserved"),
    _closed("::/128", "this host itself", openable=False),
    _closed("::1/128", "loopback"),
    _closed("::/96", "an IPv4 address in disguise", openable=False),
    _closed("::ffff:0:0:0/96", "an IPv4 address in disguise", openable=False),
    _closed("64:ff9b:1::/48", "a translation to local IPv4 addresses", openable=False),
    _closed("100::/64", "discarded"),
    _closed("2001::/32", "a Teredo tunnel", openable=False),
    _closed("2001::/23", "reserved for protocols"),
    _closed("2001:db8::/32", "for documentation"),
    _closed("2002::/16", "a 6to4 tunnel", openable=False),
    _closed("3fff::/20", "for documentation"),
    _closed("fd00:ec2::/32", "where credentials are served", openable=False),
    _closed("fc00::/7", "private"),
    _closed("fe80::/10", "link-local", openable=False),
    _closed("ff00::/8", "multicast", openable=False),
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_ELSEWHERE: Final = _closed("::/0", "not in use on the internet")
# A connection to these goes to the IPv4 address in their last 32 bits.
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP_MASK: Final = 0xFDFF_FFFF
_ISATAP: Final = 0x0000_5EFE


def destinations(address: Address) -> tuple[Address, ...]:
    """Return the addresses that packets may reach: the address itself, or the IPv4 address inside it, or both."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    carried = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _MAPPED or address in _NAT64:
        return (carried,)
    if (int(address) >> 32) & _ISATAP_MASK == _ISATAP:
        return (address, carried)
    return (address,)


def closed_range(address: Address) -> Closed | None:
    """Return the closed range of this address itself, not of one inside it; None if it is public."""
    for closed in _CLOSED:
        if address in closed.network:
            return closed
    return None if address.version == 4 or address in _GLOBAL_UNICAST else _ELSEWHERE


def refusal(address: Address, opened: Iterable[Network]) -> str | None:
    """Return why the address is refused, or None. `opened` networks are allowed although not public."""
    opened = tuple(opened)
    for destination in destinations(address):
        closed = closed_range(destination)
        if closed and not (closed.openable and any(destination in network for network in opened)):
            return closed.reason
    return None


def parse_opened(text: str) -> Network:
    """Parse a network to open. Raises ValueError if it is invalid, or may never be opened."""
    network = ipaddress.ip_network(text)
    if _inside(network, _MAPPED) or _inside(network, _NAT64):
        raise ValueError(f"{network} is an IPv4 network in disguise; write it as one")
    for closed in _CLOSED:
        if _inside(network, closed.network):
            if not closed.openable:
                raise ValueError(f"{network} cannot be opened ({closed.reason})")
            break
    return network


def _inside(inner: Network, outer: Network) -> bool:
    return inner.network_address in outer and inner.prefixlen >= outer.prefixlen
