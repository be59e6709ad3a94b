"""Addresses in events: what is refused before a socket is opened, whatever it is dressed up as."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.source.addresses import Blocked, Policy, Target, resolve
from tests.unit.function.hostile_addresses import (
    BAD_REDIRECTS,
    BAD_VARIABLES,
    MALFORMED,
    NEVER,
    NO_IP_ADDRESS,
    NOT_PUBLIC,
    PIECES,
    PUBLIC,
)

FINE = "93.184.215.14"
FINE_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
ANY = Policy()
HTTP = Policy(allow_http=True)


def resolver(*addresses: str) -> Callable[[str, int], Sequence[tuple[Any, ...]]]:
    """Answers like getaddrinfo, the same for every name."""

    def answers(_: str, port: int) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            place = (address, port, 0, 0) if ":" in address else (address, port)
            found.append((family, socket.SOCK_STREAM, 6, "", place))
        return found

    return answers


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_address_is_refused_with_its_secrets_cut(url: str) -> None:
    with pytest.raises(Blocked) as caught:
        ANY.check_url(url)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 400
    for secret in ("?token=topsecret", "?a=b@c&token=topsecret", "#topsecret"):
        with pytest.raises(Blocked) as caught:
            ANY.check_url(url + secret)
        assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("part", ["?", "#", "/", " ", "\n", "\\", "\u00e9", ":", "@", ""])
def test_a_password_is_not_shown_whatever_it_ends_the_host_with(part: str) -> None:
    with pytest.raises(Blocked) as caught:
        ANY.check_url(f"https://user:topsecret{part}word@example.com/v")
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_in_a_url_and_as_an_answer(address: str) -> None:
    with pytest.raises(Blocked):
        ANY.check_address(address)
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(Blocked) as caught:
        HTTP.check_url(f"http://{literal}/latest/meta-data?token=topsecret")
    assert "/latest/meta-data: " in str(caught.value)
    assert "topsecret" not in str(caught.value)
    with pytest.raises(Blocked, match=r"^cdn\.example\.com: "):
        resolve(ANY, "cdn.example.com", 443, 5, resolver(address))
    with pytest.raises(Blocked):
        resolve(ANY, address, 443, 5)


@pytest.mark.parametrize("address", NO_IP_ADDRESS)
def test_what_is_no_plain_ip_address_is_refused(address: str) -> None:
    with pytest.raises(Blocked):
        ANY.check_address(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_reached(address: str) -> None:
    ANY.check_address(address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    ((found, place),) = resolve(ANY, "cdn.example.com", 443, 5, resolver(address))
    assert (found, place[:2]) == (family, (address, 443))


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "shown"),
    [
        ("https://example.com", "example.com", 443, "/", "https://example.com/"),
        ("HTTPS://EXAMPLE.com/A", "example.com", 443, "/A", "https://example.com/A"),
        ("https://example.com./v", "example.com", 443, "/v", "https://example.com/v"),
        ("https://example.com:443/v", "example.com", 443, "/v", "https://example.com/v"),
        ("https://example.com:8443/v", "example.com", 8443, "/v", "https://example.com:8443/v"),
        ("https://example.com?a=b", "example.com", 443, "/?a=b", "https://example.com/"),
        ("https://example.com/v.mp4?sig=x#t=5", "example.com", 443, "/v.mp4?sig=x", "https://example.com/v.mp4"),
        ("https://example.com/#frag", "example.com", 443, "/", "https://example.com/"),
        ("https://example.com/a@b:c?d@e", "example.com", 443, "/a@b:c?d@e", "https://example.com/a@b:c"),
        ("https://example.com/a%20b%3Fc", "example.com", 443, "/a%20b%3Fc", "https://example.com/a%20b%3Fc"),
        ("https://example.com//a/../b", "example.com", 443, "//a/../b", "https://example.com//a/../b"),
        ("https://xn--exmple-cua.com/", "xn--exmple-cua.com", 443, "/", "https://xn--exmple-cua.com/"),
        ("https://a_b.s3.example.com/", "a_b.s3.example.com", 443, "/", "https://a_b.s3.example.com/"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/", "https://8.8.8.8/"),
        ("https://[2606:4700:0:0::1111]/", "2606:4700::1111", 443, "/", "https://[2606:4700::1111]/"),
        ("https://[2606:4700::1111]:444/", "2606:4700::1111", 444, "/", "https://[2606:4700::1111]:444/"),
        ("https://3com.com/", "3com.com", 443, "/", "https://3com.com/"),
        ("https://127.0.0.1.example.com/", "127.0.0.1.example.com", 443, "/", "https://127.0.0.1.example.com/"),
    ],
)
def test_a_plain_address_is_taken_apart(url: str, host: str, port: int, path: str, shown: str) -> None:
    target = ANY.check_url(url)
    assert target == Target("https", host, port, path, shown)
    assert ANY.check_url(target.url) == target
    assert target.server.authority in target.url


def test_http_is_read_only_where_it_is_allowed() -> None:
    assert HTTP.check_url("http://example.com:80/v").server.authority == "example.com"
    assert HTTP.check_url("http://example.com:443/v").server.authority == "example.com:443"
    with pytest.raises(Blocked, match="only https"):
        ANY.check_url("http://example.com/v")


# Names


def test_a_name_for_a_private_address_is_refused_when_it_is_resolved() -> None:
    for name in ("localhost", "localhost.", "127.0.0.1.nip.io", "metadata.google.internal", "instance-data"):
        target = ANY.check_url(f"https://{name}/")
        with pytest.raises(Blocked):
            resolve(ANY, target.host, target.port, 5, resolver("127.0.0.1"))


@pytest.mark.parametrize("bad", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "fd00:ec2::254", "fe80::1%eth0"])
def test_one_bad_address_among_good_ones_refuses_the_host(bad: str) -> None:
    for answers in ([bad, FINE], [FINE, bad], [FINE_6, FINE, bad], [FINE, bad, FINE_6]):
        with pytest.raises(Blocked):
            resolve(ANY, "rebind.example.com", 443, 5, resolver(*answers))


def test_a_name_that_turns_private_is_refused_at_its_next_connection() -> None:
    answers = iter([FINE, "169.254.169.254"])

    def rebinding(host: str, port: int) -> Sequence[tuple[Any, ...]]:
        return resolver(next(answers))(host, port)

    target = ANY.check_url("https://rebind.example.com/v.mp4")
    assert resolve(ANY, target.host, target.port, 5, rebinding) == [(socket.AF_INET, (FINE, 443))]
    with pytest.raises(Blocked, match=r"169\.254\.169\.254"):
        resolve(ANY, target.host, target.port, 5, rebinding)


def test_all_addresses_come_once_in_the_resolvers_order_with_the_port_asked_for() -> None:
    found = resolve(ANY, "example.com", 8443, 5, resolver(FINE_6, FINE, FINE_6, "1.1.1.1"))
    assert found == [
        (socket.AF_INET6, (FINE_6, 8443, 0, 0)),
        (socket.AF_INET, (FINE, 8443)),
        (socket.AF_INET, ("1.1.1.1", 8443)),
    ]


def test_a_name_without_an_address_is_an_os_error() -> None:
    def unknown(_: str, __: int) -> Sequence[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for answers in (unknown, resolver()):
        with pytest.raises(OSError):  # noqa: PT011 - of any text
            resolve(ANY, "example.com", 443, 5, answers)


def test_a_resolver_that_takes_too_long_is_left() -> None:
    release = threading.Event()

    def slow(_: str, __: int) -> Sequence[tuple[Any, ...]]:
        release.wait(30)
        return []

    with pytest.raises(TimeoutError, match="example"):
        resolve(ANY, "example.com", 443, 0.01, slow)
    release.set()


# Redirects

HERE = ANY.check_url("https://example.com/a/v.mp4?token=topsecret")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://cdn.example.org/v.mp4", "https://cdn.example.org/v.mp4"),
        ("//cdn.example.org/v.mp4", "https://cdn.example.org/v.mp4"),
        ("/b.mp4?x=1", "https://example.com/b.mp4?x=1"),
        ("b.mp4", "https://example.com/a/b.mp4"),
        ("?x=2", "https://example.com/a/v.mp4?x=2"),
    ],
)
def test_a_redirect_is_followed_from_where_it_was(location: str, url: str) -> None:
    assert ANY.check_redirect(HERE, location).url == url


@pytest.mark.parametrize("location", BAD_REDIRECTS)
def test_a_redirect_is_checked_like_any_address(location: str) -> None:
    with pytest.raises(Blocked, match=r"^https://example\.com/a/v\.mp4 redirects ") as caught:
        Policy(allow_http=True).check_redirect(HERE, location)
    assert "topsecret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_redirect_may_lead_from_http_to_https() -> None:
    assert HTTP.check_redirect(HTTP.check_url("http://example.com/v"), "https://example.com/v").scheme == "https"


# Configuration


def configured(**variables: str) -> Policy:
    return Policy.from_environment({f"HWANG_{name}": value for name, value in variables.items()})


def test_by_default_any_public_https_host_is_reached() -> None:
    assert Policy.from_environment({}) == configured(HTTPS_HOSTS="*", ALLOW_HTTP="") == Policy()


@pytest.mark.parametrize(
    ("host", "listed"),
    [
        ("cdn.example.com", True),
        ("CDN.Example.com.", True),
        ("a.example.org", True),
        ("a.b.example.org", True),
        ("1.1.1.1", True),
        ("[2606:4700::1111]", True),
        ("example.com", False),
        ("x.cdn.example.com", False),
        ("example.org", False),
        ("evilexample.org", False),
        ("a.example.org.evil.com", False),
        ("a-example.org", False),
        ("1.1.1.2", False),
        ("[2606:4700::1112]", False),
    ],
)
def test_only_listed_hosts_are_reached(host: str, listed: bool) -> None:
    policy = configured(HTTPS_HOSTS="cdn.example.com, *.EXAMPLE.org, 1.1.1.1 ,2606:4700::1111")
    if listed:
        policy.check_url(f"https://{host}/")
    else:
        with pytest.raises(Blocked, match="HWANG_HTTPS_HOSTS"):
            policy.check_url(f"https://{host}/?token=topsecret")


@pytest.mark.parametrize(("variable", "value"), BAD_VARIABLES)
def test_a_wrong_configuration_is_refused_by_the_variables_name(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{variable}: "):
        Policy.from_environment({variable: value})


def test_networks_are_opened_whole_and_nothing_else() -> None:
    policy = configured(ALLOW_NETWORKS="10.1.0.0/16, 10.3.0.1, fd12::/16", ALLOW_HTTP="1")
    for address in ("10.1.0.0", "10.1.255.255", "10.3.0.1", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd12::1"):
        policy.check_address(address)
    for address in ("10.0.255.255", "10.2.0.0", "10.3.0.2", "fd13::1", "fc00::1", "2002:a01:203::1", "::10.1.2.3"):
        with pytest.raises(Blocked):
            policy.check_address(address)
    assert policy.check_url("http://10.3.0.1:8080/v").port == 8080


@pytest.mark.parametrize("address", NEVER)
def test_no_configuration_opens_what_serves_credentials_or_is_no_one_place(address: str) -> None:
    with pytest.raises(Blocked):
        configured(ALLOW_NETWORKS="0.0.0.0/0,::/0").check_address(address)


# Properties

V4 = st.ip_addresses(v=4).map(str) | st.sampled_from(
    [address for address in NOT_PUBLIC if "." in address and ":" not in address]
)


def accepted(policy: Policy, url: str) -> Target | None:
    try:
        return policy.check_url(url)
    except Blocked:
        return None


def refused(policy: Policy, address: str) -> bool:
    try:
        policy.check_address(address)
    except Blocked:
        return True
    return False


POLICIES = st.sampled_from(
    [ANY, configured(ALLOW_NETWORKS="10.0.0.0/8,172.16.0.0/12"), configured(ALLOW_NETWORKS="0.0.0.0/0,::/0")]
)


@given(V4, POLICIES)
def test_an_ipv4_address_in_an_ipv6_address_is_judged_like_itself(address: str, policy: Policy) -> None:
    expected = refused(policy, address)
    for form in ("::ffff:{}", "64:ff9b::{}"):
        assert refused(policy, form.format(address)) == expected
    for form in ("2606:4700::5efe:{}", "2606:4700:1:2:200:5efe:{}"):
        assert refused(policy, form.format(address)) == expected


@given(V4, POLICIES)
def test_an_ipv4_address_in_a_tunnel_is_always_refused(address: str, policy: Policy) -> None:
    value = int(ipaddress.IPv4Address(address))
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | (value << 80) | 1)
    teredo = ipaddress.IPv6Address((0x20010000 << 96) | (value ^ 0xFFFFFFFF))
    assert six_to_four.sixtofour == ipaddress.IPv4Address(address)
    assert teredo.teredo
    assert teredo.teredo[1] == ipaddress.IPv4Address(address)
    local = [f"64:ff9b:1::{address}", f"::ffff:0:{address}"] + ([f"::{address}"] if value != 1 else [])
    assert all(refused(policy, form) for form in [str(six_to_four), str(teredo), *local])


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    nat64 = address in ipaddress.IPv6Network("64:ff9b::/96") if address.version == 6 else False
    if not address.is_global and not nat64 and not getattr(address, "ipv4_mapped", None):
        assert refused(ANY, str(address))


TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.text() | TEXTS | TEXTS.map("https://{}".format))
def test_check_url_raises_nothing_but_blocked(url: str) -> None:
    for policy in (ANY, HTTP, configured(HTTPS_HOSTS="example.com")):
        target = accepted(policy, url)
        if target:
            assert accepted(policy, target.url) == target
            assert "?" not in target.shown
        with contextlib.suppress(Blocked):
            policy.check_redirect(HERE, url)


@given(TEXTS, st.sampled_from(["?", "#", "?x=a@b&", "/?"]))
def test_no_message_shows_a_query(start: str, separator: str) -> None:
    for url in (f"https://{start}{separator}key=topsecret", f"{start}{separator}key=topsecret"):
        shown = ""
        try:
            shown = ANY.check_url(url).shown
        except Blocked as error:
            shown = str(error)
        assert "topsecret" not in shown
        assert shown.isprintable()
