"""Addresses of the web in events: what may be read is read exactly, all else is refused before a connection is made.

S4 to S8 and S11 of docs/robustness.md. The one network that is opened is the web server's own address.
"""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local import clip as real_clip
from local.stack import DIRECT
from tests.cloud.asked import SMALL_URI, Asked, Put, check_report
from tests.cloud.conftest import Beds
from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import FaultStack, Limits, key_of
from tests.unit.function.hostile_addresses import BAD_REDIRECTS, MALFORMED, NOT_PUBLIC

SITE, HTTP_SITE = "https://web:8443", "http://web:8000"
AUTHORITY = {"AWS_CA_BUNDLE": "/authority/ca.crt"}
BLOCKED, FORBIDDEN, UNAVAILABLE, MISSING = "SourceBlocked", "SourceForbidden", "SourceUnavailable", "SourceNotFound"
REFUSED = "SourceRefused"
AT_LEAST = 150
QUICK_SECONDS = 1
SECRET = "topsecret0123456789"  # noqa: S105 - so that it is found


def address_of(stack: FaultStack, service: str) -> str:
    [network] = stack.inspect(service)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


@pytest.fixture
def function(beds: Beds) -> Function:
    """It may reach the web server, over TLS."""
    environment = {"HWANG_ALLOW_NETWORKS": f"{address_of(beds.current, 'web')}/32", **AUTHORITY}
    function = beds.function(Limits(environment=environment))
    function.check_good()
    return function


@pytest.fixture
def with_http(beds: Beds) -> Function:
    """It may reach the web server and the proxy, without TLS."""
    opened = ",".join(f"{address_of(beds.current, service)}/32" for service in ("web", "proxy"))
    function = beds.function(Limits(environment={"HWANG_ALLOW_NETWORKS": opened, "HWANG_ALLOW_HTTP": "1"}))
    function.check_good()
    return function


@pytest.fixture
def site(stack: FaultStack) -> FaultStack:
    """The web server has the two videos and has counted nothing."""
    stack.web_put("small.mp4", stack.s3.get_object(Bucket="videos", Key="small.mp4")["Body"].read())
    stack.web_put("clip.mp4", real_clip.fetch().read_bytes())
    DIRECT.open(urllib.request.Request(f"{stack.web}/counts", method="DELETE"), timeout=10).close()  # noqa: S310
    return stack


@pytest.fixture
def asked(function: Function, site: FaultStack, put: Put, after: Postconditions, prefix: str) -> Asked:  # noqa: ARG001
    return Asked(function, after, prefix, put)


def redirect(to: str, **more: object) -> str:
    return f"{SITE}/redirect?{urllib.parse.urlencode({'to': to, **more})}"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"{SITE}/files/small.mp4", id="S8-plain"),
        pytest.param(f"{SITE}/files/small.mp4?X-Amz-Signature={SECRET}#fragment", id="S8-query"),
        pytest.param("HTTPS://WEB.:8443/files/small.mp4", id="S8-letters"),
        pytest.param(redirect("/files/small.mp4"), id="S8-one-hop"),
        pytest.param(redirect(f"{SITE}/files/small.mp4", hops=4, status=307), id="S8-four-hops"),
        pytest.param(f"{SITE}/no-etag/small.mp4", id="S8-no-etag"),
        pytest.param(f"{SITE}/weak-etag/small.mp4", id="S8-weak-etag"),
        pytest.param(f"{SITE}/no-ranges/small.mp4", id="S14-no-ranges-small"),
    ],
)
def test_a_good_address_is_read_exactly(url: str, asked: Asked) -> None:
    answer = asked.frames(url, [39, 0, 17])
    assert SECRET not in str(answer.value)
    asked.exact(answer, asked.truth()[[39, 0, 17]])


def test_a_larger_video_is_read_in_ranges(asked: Asked, site: FaultStack) -> None:
    """S8"""
    by_s3 = asked.frames("s3://videos/clip.mp4", [130], reduce="sum")
    answer = asked.frames(f"{SITE}/files/clip.mp4", [130], reduce="sum")
    assert answer.value["reduced"] == by_s3.value["reduced"]
    assert all(request["range"].startswith("bytes=") for request in site.web_counts()["requests"])
    assert answer.value["counters"]["bytes_read"] <= answer.value["video"]["bytes"], "nothing twice"
    asked.hold(answer)


SERVICES = ("169.254.169.254", "169.254.170.2", "127.0.0.1:9001", "[fd00:ec2::254]", "10.0.0.1", "100.64.0.1")
INSIDE = [
    "https://localhost/v.mp4",
    "https://localhost:9001/2018-06-01/runtime/invocation/next",
    "https://proxy:9000/videos/small.mp4",
    "https://s3:8333/videos/small.mp4",
    "https://function:8080/2015-03-31/functions/function/invocations",
    "https://user:word@web:8443/files/small.mp4",
    f"{HTTP_SITE}/files/small.mp4",
    "http://web:8002/canary",
]


def hostile_addresses() -> Iterator[str]:
    """Written into events, and sent by a server that redirects."""
    yield from (url for url in MALFORMED if not url.startswith("s3:"))
    yield from (f"https://[{ip}]/v.mp4" if ":" in ip else f"https://{ip}/v.mp4" for ip in NOT_PUBLIC)
    yield from (f"https://{service}/latest/meta-data/?{SECRET}" for service in SERVICES)
    yield from INSIDE
    redirects = [
        *BAD_REDIRECTS,
        *INSIDE,
        *(f"https://{ip}/x" for ip in SERVICES),
        *(f"http://{ip}/" for ip in SERVICES),
    ]
    for to in redirects:
        # others a header cannot carry, or they mean a public address once it has
        if to.isascii() and not re.search(r"^ |[\r\n]", to):
            yield redirect(to)
    for status in (301, 302, 303, 307, 308):
        yield from (redirect(f"https://{ip}/", status=status) for ip in SERVICES)
    yield from (redirect(f"https://{ip}/", hops=3) for ip in SERVICES)
    yield from (f"{SITE}/redirect/{habit}" for habit in ("loop", "empty", "none"))
    yield redirect("/files/small.mp4", hops=11)
    yield redirect("/files/small.mp4", hops=5)


def codes_of(url: str) -> tuple[str, ...]:
    if len(url) > 8192 or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", url):
        return ("BadRequest",)
    return (BLOCKED,) if url.isascii() else (BLOCKED, "BadRequest")


def test_no_address_leads_inside(asked: Asked, site: FaultStack) -> None:
    """S4 to S8: hundreds of ways to say it, and nobody hears of any."""
    addresses, answer = [*hostile_addresses()], None
    assert len(addresses) >= AT_LEAST
    for url in addresses:
        answer = asked.function.invoke({"video": url, "frames": [0], "output": f"{asked.output}x.npy"})
        check_report(answer, codes_of(url))
        assert SECRET not in str(answer.value), url
        assert answer.seconds < QUICK_SECONDS, url
    counts = site.web_counts()
    assert counts["canary"] == 0
    assert set(counts["connections"]) <= {"good", "control"}
    assert [r["path"] for r in counts["requests"] if not r["path"].startswith("/redirect")] == []
    assert SECRET not in site.compose("logs", "--no-color", "function")
    assert answer
    asked.refused(answer, [BLOCKED])


def test_an_address_in_parts_is_judged_alike(asked: Asked) -> None:
    """S5"""
    answer = asked.frames({"url": "https://169.254.169.254/"}, [0], output=f"{asked.output}x.npy")
    asked.refused(answer, [BLOCKED], "169.254.169.254")


@pytest.mark.parametrize(
    ("url", "code", "cause"),
    [
        pytest.param("https://web:8444/files/small.mp4", FORBIDDEN, "expired", id="S11-expired"),
        pytest.param("https://web:8445/files/small.mp4", FORBIDDEN, "not yet valid", id="S11-not-yet"),
        pytest.param("https://web:8446/files/small.mp4", FORBIDDEN, "hostname mismatch", id="S11-wrong-host"),
        pytest.param("https://web:8447/files/small.mp4", FORBIDDEN, "self-signed", id="S11-self-signed"),
        pytest.param(redirect("https://web:8444/files/small.mp4"), FORBIDDEN, "expired", id="S11-redirected"),
        pytest.param("https://web:8000/files/small.mp4", REFUSED, "TLS", id="S11-no-tls"),
        pytest.param("https://web:9/files/small.mp4", UNAVAILABLE, "", id="S8-no-server"),
        pytest.param(f"{SITE}/files/missing.mp4?{SECRET}", MISSING, "404", id="S1-missing"),
        pytest.param(f"{SITE}/status/401?{SECRET}", FORBIDDEN, "401", id="S2-not-allowed"),
        pytest.param(f"{SITE}/status/403?{SECRET}", FORBIDDEN, "403", id="S2-forbidden"),
        pytest.param(f"{SITE}/status/410?{SECRET}", MISSING, "410", id="S1-gone"),
        pytest.param(f"{SITE}/status/500?{SECRET}", UNAVAILABLE, "500", id="S16-error"),
        pytest.param(f"{SITE}/status/503?{SECRET}", UNAVAILABLE, "503", id="S16-busy"),
        pytest.param(f"{SITE}/no-ranges/clip.mp4", REFUSED, "ranges", id="S14-no-ranges"),
        pytest.param(f"{SITE}/chunked/clip.mp4", REFUSED, "ranges", id="S13-chunked"),
        pytest.param(f"{SITE}/endless", REFUSED, "ranges", id="S19-endless"),
    ],
)
def test_a_server_that_does_not_serve_is_named(url: str, code: str, cause: str, asked: Asked, site: FaultStack) -> None:
    answer = asked.frames(url, [0], output=f"{asked.output}x.npy")
    assert answer.report["retryable"] is (code == UNAVAILABLE)
    assert SECRET not in str(answer.value)
    assert SECRET not in site.compose("logs", "--no-color", "function")
    asked.refused(answer, [code], "web:", cause=cause)


@pytest.mark.parametrize("host", ["web", "localhost"])
def test_an_authority_nobody_told_of_is_not_trusted(host: str, beds: Beds, site: FaultStack, prefix: str) -> None:
    """S11: without AWS_CA_BUNDLE the web server's certificate is nobody's; localhost is not even asked."""
    environment = {"HWANG_ALLOW_NETWORKS": f"{address_of(site, 'web')}/32"}
    function = beds.function(Limits(environment=environment))
    answer = function.invoke({"video": f"https://{host}:8443/files/small.mp4", "frames": [0], "format": "inline"})
    check_report(answer, [FORBIDDEN if host == "web" else BLOCKED], host)
    assert function.keys(prefix) == []
    function.check_good()


def test_a_host_that_is_not_listed_is_refused(beds: Beds, site: FaultStack) -> None:
    """S4: HWANG_HTTPS_HOSTS, also where a listed host redirects to another."""
    opened = {"HWANG_ALLOW_NETWORKS": f"{address_of(site, 'web')}/32", "HWANG_HTTPS_HOSTS": "web, *.example.org"}
    function = beds.function(Limits(environment=opened | AUTHORITY))
    event = {"frames": [0], "format": "inline"}
    assert function.invoke({**event, "video": f"{SITE}/files/small.mp4"}).code == "ok"
    for url in ("https://localhost:8443/", "https://example.org/", redirect("https://example.com/x")):
        check_report(function.invoke({**event, "video": url}), [BLOCKED], "HWANG_HTTPS_HOSTS")
    function.check_good()


def presigned(key: str) -> str:
    """For the function's network: the signature covers the host's name."""
    client: Any = boto3.client(
        "s3",
        endpoint_url="http://proxy:9000",
        region_name="us-east-1",
        aws_access_key_id=key_of("tests").access,
        aws_secret_access_key=key_of("tests").secret,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    url: str = client.generate_presigned_url("get_object", Params={"Bucket": "videos", "Key": key}, ExpiresIn=600)
    return url


def test_a_presigned_address_is_read_and_never_told(with_http: Function, site: FaultStack) -> None:
    """S5: neither in answers, nor in what is written, nor in the log."""
    good, missing, output = presigned("small.mp4"), presigned("missing.mp4"), "s3://results/presigned/x.npy"
    secrets = {value for url in (good, missing) for value in re.findall("X-Amz-(?:Signature|Credential)=([^&]+)", url)}
    assert len(secrets) > 2
    wrong = re.sub("X-Amz-Signature=[0-9a-f]{4}", "X-Amz-Signature=0000", good)
    told = []
    for url, code in ((good, "ok"), (missing, MISSING), (wrong, FORBIDDEN)):
        answer = with_http.invoke({"video": url, "frames": [3], "output": output})
        assert answer.code == code, answer.value
        told.append(str(answer.value))
    expired = good.replace("X-Amz-Expires=600", "X-Amz-Expires=0")
    told.append(str(with_http.invoke({"video": expired, "frames": [3], "output": output}).value))
    told += [with_http.stored(f"{output}.manifest.json").decode(), site.compose("logs", "--no-color", "function")]
    for secret in [*secrets, key_of("tests").access, key_of("tests").secret, "X-Amz-"]:
        assert not any(secret in text for text in told), secret
    for key in with_http.keys("presigned/"):
        site.s3.delete_object(Bucket="results", Key=key)
    with_http.check_good()


def test_plain_http_may_lead_to_https_but_not_back(with_http: Function, site: FaultStack) -> None:
    """S8"""
    event = {"frames": [0], "format": "inline"}
    assert with_http.invoke({**event, "video": f"{HTTP_SITE}/files/small.mp4"}).code == "ok"
    to_tls = f"{HTTP_SITE}/redirect?{urllib.parse.urlencode({'to': f'{SITE}/files/small.mp4'})}"
    check_report(with_http.invoke({**event, "video": to_tls}), [FORBIDDEN], "certificate")  # it went there
    for ip in SERVICES:
        url = f"{HTTP_SITE}/redirect?{urllib.parse.urlencode({'to': f'http://{ip}/'})}"
        check_report(with_http.invoke({**event, "video": url}), [BLOCKED])
    assert site.web_counts()["canary"] == 0
    with_http.check_good()


def test_an_object_of_s3_needs_no_opened_network(asked: Asked) -> None:
    """S4: networks are for addresses in events alone."""
    asked.exact(asked.frames(SMALL_URI, [3]), asked.truth()[[3]])
