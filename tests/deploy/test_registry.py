"""The registry client against Debian's docker-registry, with a proxy between that breaks things."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import pytest

from deploy.errors import (
    CredentialsError,
    DeployError,
    DigestMismatchError,
    PermissionDeniedError,
    PushFailedError,
    TagTakenError,
    UsageError,
)
from deploy.registry import short, silent
from deploy.registry.address import Address
from deploy.registry.client import Registry
from deploy.registry.transport import RetryPolicy
from tests.deploy.debianregistry import PASSWORD
from tests.deploy.parts import Bytes, Heard, manifest_of, noise
from tests.deploy.registry_client import CONFIG, EXPIRED, Logins, put_image
from tests.support.faults.client import Faults
from tests.support.faults.rules import (
    Answer,
    CutRequest,
    Delay,
    Drop,
    LoseAnswer,
    ReplaceBody,
    Reset,
    SetHeaders,
    Truncate,
)


def test_what_was_put_comes_back(registry: Registry) -> None:
    layer, heard = noise(250_000), Heard()
    assert registry.upload(layer, heard) == layer.size
    assert registry.upload(CONFIG, heard) == CONFIG.size
    manifest = manifest_of(CONFIG, layer)
    registry.put_manifest(manifest, "tag")
    assert registry.manifest("tag") == registry.manifest(manifest.digest) == manifest
    assert registry.blob(layer.digest) == layer.data
    assert heard.last(short(layer.digest)) == ("uploaded", layer.size, layer.size)
    assert {status for _, status, _, _ in heard.events} == {"uploading", "uploaded"}


def test_an_empty_blob_can_be_put(registry: Registry) -> None:
    empty = Bytes(b"")
    registry.upload(empty, silent)
    assert registry.blob(empty.digest) == b""


def test_what_is_absent_is_none(registry: Registry) -> None:
    absent = noise(10).digest
    assert registry.manifest("absent") is None
    assert registry.manifest(absent) is None


def test_a_blob_that_is_there_is_not_sent(registry: Registry, faults: Faults) -> None:
    layer, heard = noise(1000), Heard()
    registry.upload(layer, silent)
    faults.clear()
    assert registry.upload(layer, heard) == 0
    assert [entry.method for entry in faults.log()] == ["HEAD"]
    assert heard.events == [(short(layer.digest), "there", 1000, 1000)]


def test_one_login_serves_everything(registry: Registry, logins: Logins) -> None:
    put_image(registry, noise(1000))
    assert registry.manifest("tag")
    assert logins.count == 1


def test_a_login_that_is_refused_is_renewed_once(address: Address, name: str, retry_policy: RetryPolicy) -> None:
    logins = Logins("stale", PASSWORD)
    with Registry(address, name, logins, retry_policy) as registry:
        put_image(registry, noise(1000))
    assert logins.count == 2


def test_wrong_credentials_end_in_an_error_that_does_not_show_them(
    address: Address, name: str, retry_policy: RetryPolicy, faults: Faults
) -> None:
    logins = Logins("my wrong secret")
    with Registry(address, name, logins, retry_policy) as registry, pytest.raises(CredentialsError) as caught:
        registry.manifest("tag")
    assert logins.count == 2
    assert len(faults.log()) == 2
    assert "my wrong secret" not in f"{caught.value!r} {caught.value.then} {caught.value.detail}"


@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "PUT"])
def test_a_token_that_expires_on_the_way_is_renewed(
    registry: Registry, faults: Faults, logins: Logins, method: str
) -> None:
    with faults.rule(Answer(403 if method != "HEAD" else 401, EXPIRED), method=method, times=1) as expired:
        manifest = put_image(registry, noise(1000))
        assert expired.hits == 1
    assert logins.count == 2
    assert registry.manifest("tag") == manifest


def test_what_may_not_be_done_is_not_tried_again(registry: Registry, faults: Faults) -> None:
    denied = json.dumps({"errors": [{"code": "DENIED", "message": "not authorized to perform: ecr:PutImage"}]})
    with faults.rule(Answer(403, denied), method="PUT", path="/manifests/") as rule:
        with pytest.raises(PermissionDeniedError, match="ecr:PutImage"):
            put_image(registry, noise(1000))
        assert rule.hits == 1


def test_an_immutable_tag_is_somebody_elses(registry: Registry, faults: Faults) -> None:
    message = "The image tag 'tag' already exists and cannot be overwritten because the tag is immutable."
    taken = json.dumps({"errors": [{"code": "TAG_INVALID", "message": message}]})
    with faults.rule(Answer(400, taken), method="PUT", path="/manifests/"), pytest.raises(TagTakenError):
        put_image(registry, noise(1000))


@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "PUT"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_that_is_busy_is_asked_again(registry: Registry, faults: Faults, method: str, status: int) -> None:
    with faults.rule(Answer(status), method=method, times=2) as rule:
        manifest = put_image(registry, noise(150_000))
        assert rule.hits == 2
    assert registry.manifest("tag") == manifest


def test_retry_after_is_waited_for(registry: Registry, faults: Faults) -> None:
    start = time.monotonic()
    with faults.rule(Answer(429, headers={"Retry-After": "1"}), times=1):
        assert registry.manifest("tag") is None
    assert time.monotonic() - start >= 1


def test_an_hour_of_retry_after_is_not_waited_for(registry: Registry, faults: Faults) -> None:
    start = time.monotonic()
    with faults.rule(Answer(503, headers={"Retry-After": "3600"})), pytest.raises(PushFailedError):
        registry.manifest("tag")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("action", [Answer(503), Drop(), LoseAnswer()])
def test_tries_have_an_end(
    registry: Registry, faults: Faults, retry_policy: RetryPolicy, action: Answer | Drop | LoseAnswer
) -> None:
    with faults.rule(action) as rule:
        with pytest.raises(PushFailedError):
            registry.manifest("tag")
        assert rule.hits == retry_policy.attempts


def test_a_registry_that_is_gone_is_an_error(name: str, retry_policy: RetryPolicy) -> None:
    with (
        Registry(Address("127.0.0.1:1", plain=True), name, Logins(), retry_policy) as registry,
        pytest.raises(PushFailedError, match="refused"),
    ):
        registry.manifest("tag")


def test_a_host_that_nobody_knows_is_an_error(name: str, retry_policy: RetryPolicy) -> None:
    with (
        Registry(Address("registry.invalid"), name, Logins(), retry_policy) as registry,
        pytest.raises(PushFailedError),
    ):
        registry.manifest("tag")


def test_a_file_of_authorities_that_is_missing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, address: Address, name: str
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(UsageError, match="AWS_CA_BUNDLE"):
        Registry(address, name, Logins())


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_an_upload_goes_on_after_the_last_chunk_that_arrived(registry: Registry, faults: Faults, chunk: int) -> None:
    layer = noise(250_000)
    with faults.rule(Drop(), method="PATCH", skip=chunk, times=1) as rule:
        assert registry.upload(layer, silent) == layer.size
        assert rule.hits == 1
    taken = [entry.request_bytes for entry in faults.log("PATCH") if entry.status == 202]
    assert taken == [100_000, 100_000, 50_000]
    assert len(faults.log("GET", "/blobs/uploads/")) == 1
    assert registry.blob(layer.digest) == layer.data


@pytest.mark.parametrize("after", [1, 50_000, 99_999])
def test_a_chunk_that_is_cut_is_made_good(registry: Registry, faults: Faults, after: int) -> None:
    layer = noise(250_000)
    with faults.rule(CutRequest(after), method="PATCH", skip=1, times=1) as rule:
        assert registry.upload(layer, silent) == layer.size
        assert rule.hits == 1
    assert registry.blob(layer.digest) == layer.data


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_an_answer_that_is_lost_does_no_harm(registry: Registry, faults: Faults, method: str) -> None:
    layer = noise(250_000)
    with faults.rule(LoseAnswer(), method=method, times=1) as rule:
        assert registry.upload(layer, silent) == layer.size
        assert rule.hits == 1
    assert registry.blob(layer.digest) == layer.data


def test_a_slow_network_is_no_failure(address: Address, name: str, faults: Faults) -> None:
    """The chunk takes longer than any silence may."""
    layer = noise(8_000_000)
    faults.shape(bytes_per_second=2_000_000)
    policy = RetryPolicy(attempts=1, connect=1, read=1, chunk=10)
    start = time.monotonic()
    with Registry(address, name, Logins(), policy) as registry:
        assert registry.upload(layer, silent) == layer.size
    assert time.monotonic() - start > policy.read
    assert len(faults.log("PATCH")) == 1


def test_a_blob_that_gets_on_is_never_given_up(registry: Registry, faults: Faults, retry_policy: RetryPolicy) -> None:
    """Every second chunk is cut, in all more often than failures in a row are allowed."""
    layer = noise(1_000_000)
    with ExitStack() as stack:
        cuts = [stack.enter_context(faults.rule(Drop(), method="PATCH", skip=n, times=1)) for n in range(1, 8)]
        assert registry.upload(layer, silent) == layer.size
        assert sum(cut.hits for cut in cuts) > retry_policy.attempts
    assert registry.blob(layer.digest) == layer.data


def test_an_upload_that_never_gets_on_ends(registry: Registry, faults: Faults) -> None:
    with faults.rule(CutRequest(50_000), method="PATCH") as rule:
        with pytest.raises(PushFailedError, match="cannot be worked with"):
            registry.upload(noise(250_000), silent)
        assert rule.hits == 4


@pytest.mark.parametrize("action", [Drop(), LoseAnswer(), Reset(0)])
def test_a_cut_at_the_manifest_is_made_good(
    registry: Registry, faults: Faults, action: Drop | LoseAnswer | Reset
) -> None:
    with faults.rule(action, method="PUT", path="/manifests/", times=1):
        manifest = put_image(registry, noise(1000))
    assert registry.manifest("tag") == manifest


@pytest.mark.parametrize("action", [Drop(), Reset(100), Truncate(100)])
def test_a_cut_in_an_answer_is_made_good(registry: Registry, faults: Faults, action: Drop | Reset | Truncate) -> None:
    manifest = put_image(registry, noise(1000))
    with faults.rule(action, method="GET", times=1) as rule:
        assert registry.manifest("tag") == manifest
        assert rule.hits == 1


def test_a_blob_that_is_not_what_it_is_called_is_refused(registry: Registry) -> None:
    with pytest.raises(DigestMismatchError):
        registry.upload(Bytes(b"other bytes", digest=noise(10).digest), silent)


def test_a_manifest_that_the_registry_calls_otherwise_is_an_error(registry: Registry, faults: Faults) -> None:
    other = noise(10).digest
    with (
        faults.rule(SetHeaders({"Docker-Content-Digest": other}), method="PUT", path="/manifests/"),
        pytest.raises(DigestMismatchError) as caught,
    ):
        put_image(registry, noise(1000))
    assert caught.value.detail["found"] == other


@pytest.mark.parametrize("by_digest", [False, True])
def test_a_manifest_of_other_bytes_is_an_error(registry: Registry, faults: Faults, by_digest: bool) -> None:
    manifest = put_image(registry, noise(1000))
    changed = manifest.data.decode().replace("1000", "1001")
    with faults.rule(ReplaceBody(changed), method="GET", path="/manifests/"), pytest.raises(DigestMismatchError):
        registry.manifest(manifest.digest if by_digest else "tag")


def test_a_blob_of_other_bytes_is_an_error(registry: Registry, faults: Faults) -> None:
    registry.upload(CONFIG, silent)
    with faults.rule(ReplaceBody("[]"), method="GET", path="/blobs/"), pytest.raises(DigestMismatchError):
        registry.blob(CONFIG.digest)


def test_a_silent_registry_is_given_up(address: Address, name: str, faults: Faults) -> None:
    policy = RetryPolicy(attempts=2, first_pause=0.01, max_pause=0.05, connect=1, read=1)
    start = time.monotonic()
    with (
        Registry(address, name, Logins(), policy) as registry,
        faults.rule(Delay(20), method="GET"),
        pytest.raises(PushFailedError, match="does not answer in time"),
    ):
        registry.manifest("tag")
    assert time.monotonic() - start < 5


def test_every_error_has_a_next_step(registry: Registry, faults: Faults) -> None:
    for status in (400, 401, 403, 404, 405, 429, 500):
        with faults.rule(Answer(status, "<html>")), pytest.raises(DeployError) as caught:
            registry.blob(CONFIG.digest)
        assert caught.value.then
