"""Separates public IP addresses from all others, also IPv4 addresses inside IPv6 ones.

The ranges are those of IANA's special-purpose registries, and those that carry other addresses. Python's `is_global`
is not used: it differs between patch releases, and calls multicast and tunnels public.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_OPENABLE: Final = {  # the configuration may allow parts of these
    "private": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
    "shared by a provider's customers": ["100.64.0.0/10"],
    "for documentation": ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"],
    "reserved": ["192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4", "100::/64", "2001::/23"],
    "not in use on the internet": ["::/0"],
}
_NEVER: Final = {
    "this host itself": ["0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128"],
    "where credentials are served": ["169.254.0.0/16", "fd00:ec2::/32"],
    "link-local": ["fe80::/10"],
    "multicast or broadcast": ["224.0.0.0/4", "255.255.255.255/32", "ff00::/8"],
    "an IPv4 address in disguise": ["::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"],
    "a tunnel": ["2001::/32", "2002::/16"],
}
_PUBLIC: Final = {"": ["0.0.0.0/0", "2000::/3"]}
# The narrowest range around an address counts.
_RANGES: Final = sorted(
    (
        (ipaddress.ip_network(network), reason)
        for reasons in (_OPENABLE, _NEVER, _PUBLIC)
        for reason, networks in reasons.items()
        for network in networks
    ),
    key=lambda entry: -entry[0].prefixlen,
)
# A connection to these goes to the IPv4 address in their last 32 bits.
_TRANSLATED: Final = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
_ISATAP_MASK: Final = 0xFDFF_FFFF
_ISATAP: Final = 0x0000_5EFE


def refusal(address: Address, opened: Iterable[Network]) -> str | None:
    """Return why the address is refused, or None. `opened` networks are allowed although not public."""
    for destination in _destinations(address):
        reason = next(reason for network, reason in _RANGES if destination in network)
        if reason and not (reason in _OPENABLE and any(destination in network for network in opened)):
            return reason
    return None


def parse_opened(text: str) -> Network:
    """Parse a network to open. Raises ValueError if it is invalid, or may never be opened."""
    network = ipaddress.ip_network(text)
    around = (reason for outer, reason in _RANGES if network[0] in outer and network.prefixlen >= outer.prefixlen)
    reason = next(around)
    if reason in _NEVER:
        raise ValueError(f"{network} cannot be opened ({reason})")
    return network


def _destinations(address: Address) -> tuple[Address, ...]:
    """Return the addresses that packets may reach: the address itself, or the IPv4 address inside it, or both."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    carried = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if any(address in network for network in _TRANSLATED):
        return (carried,)
    if (int(address) >> 32) & _ISATAP_MASK == _ISATAP:
        return (address, carried)
    return (address,)
