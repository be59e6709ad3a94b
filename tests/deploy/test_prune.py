"""Images that nothing needs are deleted, when that was wanted, and no others."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from deploy.errors import AwsRefusedError, RepositoryNotFoundError, StoppedError, UsageError
from tests.deploy import onterminal
from tests.deploy.tool import Tool
from tests.deploy.trial import Trial
from tests.support.aws import Change, Fail, Meanwhile, SampleImage, StrictAws, samples

DAY = 86400
PRUNE = ("prune", "--repository", "app")


def put(aws: StrictAws, days: float, image: SampleImage | None = None, tag: str = "") -> SampleImage:
    """The image (default: a new one), pushed so many days ago."""
    pushed = aws.put_image(image, tag=tag)
    aws.ecr_state.repositories["app"].manifests[pushed.digest].pushed = time.time() - days * DAY
    return pushed


def signature(of: SampleImage) -> SampleImage:
    """What a signer pushes: a manifest of its own that is about another."""
    signed = samples.make()
    document = json.loads(signed.manifest)
    subject = {"mediaType": of.media_type, "digest": of.digest, "size": len(of.manifest)}
    return replace(signed, manifest=json.dumps(document | {"subject": subject}).encode())


def left(aws: StrictAws) -> set[str]:
    return set(aws.ecr_state.repositories["app"].manifests)


def digests(*images: SampleImage) -> set[str]:
    return {image.digest for image in images}


def test_what_a_version_runs_stays_and_so_do_the_newest(aws: StrictAws, trial: Trial) -> None:
    first, second, unused, older, newer = (put(aws, days) for days in (90, 80, 70, 60, 50))
    aws.make_function("frames", first)
    aws.release("frames", second)
    aws.do("UpdateFunctionCode", FunctionName="frames", ImageUri=aws.image_uri(newer))
    found = trial.succeeds(*PRUNE, "--keep", "2", "--yes", "--json").document
    assert left(aws) == digests(first, second, older, newer)
    assert found["deleted"] == [unused.digest]
    assert {item["digest"]: item["why"] for item in found["kept"]} == {
        first.digest: "in use: frames 1",
        second.digest: "in use: frames 2",
        older.digest: "one of the 2 newest",
        newer.digest: "in use: frames $LATEST",
    }


def test_what_is_younger_stays(aws: StrictAws, trial: Trial) -> None:
    old, young = put(aws, 3), put(aws, 0.5)
    trial.succeeds(*PRUNE, "--keep", "0", "--younger", "4d", "--yes")
    assert left(aws) == digests(old, young)
    trial.succeeds(*PRUNE, "--keep", "0", "--yes")
    assert left(aws) == digests(young)
    trial.succeeds(*PRUNE, "--keep", "0", "--younger", "0s", "--yes")
    assert left(aws) == set()


def test_an_index_stays_with_the_child_that_is_in_use_and_all_of_it(aws: StrictAws, trial: Trial) -> None:
    amd, arm = put(aws, 9), put(aws, 9, samples.make("arm64"))
    whole = put(aws, 9, samples.index(amd, arm), "v1")
    signed = put(aws, 9, signature(whole))
    unused = put(aws, 9)
    aws.make_function("frames", amd)
    shown = trial.succeeds(*PRUNE, "--keep", "0", "--yes").out
    assert left(aws) == digests(amd, arm, whole, signed)
    assert unused.digest[7:19] in shown
    assert f"holds {amd.digest[7:19]}" in shown
    assert f"belongs to {whole.digest[7:19]}" in shown


def test_a_signature_that_its_tag_ties_to_an_image_stays_as_long_as_that(aws: StrictAws, trial: Trial) -> None:
    image, other = put(aws, 9), put(aws, 9)
    signed = put(aws, 9, tag=f"sha256-{image.digest[7:]}.sig")
    put(aws, 9, tag=f"sha256-{other.digest[7:]}.sig")
    aws.make_function("frames", image)
    trial.succeeds(*PRUNE, "--keep", "0", "--yes")
    assert left(aws) == digests(image, signed)


def test_a_child_that_two_indexes_share_does_not_keep_what_else_is_in_the_older(aws: StrictAws, trial: Trial) -> None:
    shared, old, new = put(aws, 9), put(aws, 9, samples.make("arm64")), put(aws, 5, samples.make("arm64"))
    put(aws, 9, samples.index(shared, old), "v1")
    newer = put(aws, 5, samples.index(shared, new), "v2")
    trial.succeeds(*PRUNE, "--keep", "1", "--yes")
    assert left(aws) == digests(shared, new, newer)


def test_an_index_counts_once_among_the_newest(aws: StrictAws, trial: Trial) -> None:
    plain = put(aws, 8)
    amd, arm = put(aws, 7), put(aws, 7, samples.make("arm64"))
    whole = put(aws, 6, samples.index(amd, arm))
    trial.succeeds(*PRUNE, "--keep", "2", "--yes")
    assert left(aws) == digests(plain, amd, arm, whole)


def test_an_index_goes_before_its_children(aws: StrictAws, trial: Trial) -> None:
    """ECR keeps what an index refers to; here the children are listed first."""
    amd, arm = put(aws, 5), put(aws, 5, samples.make("arm64"))
    put(aws, 9, samples.index(amd, arm))
    found = trial.succeeds(*PRUNE, "--keep", "0", "--yes", "--json").document
    assert left(aws) == set()
    assert len(found["deleted"]) == 3
    assert len(aws.calls("BatchDeleteImage")) == 2


def test_more_images_than_a_call_takes_are_deleted_in_several(aws: StrictAws, trial: Trial) -> None:
    for _ in range(230):
        put(aws, 9)
    found = trial.succeeds(*PRUNE, "--keep", "3", "--yes", "--json").document
    assert len(left(aws)) == 3
    assert (len(found["deleted"]), len(found["kept"])) == (227, 3)
    assert [len(call.parameters["imageIds"]) for call in aws.calls("BatchDeleteImage")] == [100, 100, 27]


def test_an_image_that_comes_into_use_meanwhile_survives_with_its_signature(aws: StrictAws, trial: Trial) -> None:
    chosen, other = put(aws, 9), put(aws, 9)
    signed = put(aws, 9, signature(chosen))
    aws.make_function("frames", put(aws, 9))
    theirs = Meanwhile(lambda: aws.release("frames", chosen))
    with aws.rule(theirs, "ListFunctions", skip=1, times=1):
        found = trial.succeeds(*PRUNE, "--keep", "0", "--yes", "--json").document
    assert found["deleted"] == [other.digest]
    assert {chosen.digest, signed.digest} <= left(aws)


def test_an_image_that_somebody_else_deletes_meanwhile_is_gone_all_the_same(aws: StrictAws, trial: Trial) -> None:
    one, other = put(aws, 9), put(aws, 8)
    ids = [{"imageDigest": one.digest}]
    with aws.rule(
        Meanwhile(lambda: aws.do("BatchDeleteImage", repositoryName="app", imageIds=ids)), "BatchDeleteImage"
    ):
        found = trial.succeeds(*PRUNE, "--keep", "0", "--yes", "--json").document
    assert set(found["deleted"]) == digests(one, other)


def test_a_refusal_is_told_and_the_others_are_deleted(aws: StrictAws, trial: Trial) -> None:
    kept, other = put(aws, 9), put(aws, 8)
    failure = {"imageId": {"imageDigest": kept.digest}, "failureCode": "KmsError", "failureReason": "the key is gone"}

    def refuse(answer: dict[str, object]) -> None:
        answer.update(imageIds=[{"imageDigest": other.digest}], failures=[failure])

    with aws.rule(Change(refuse), "BatchDeleteImage"):
        ended = trial.fails(AwsRefusedError, *PRUNE, "--keep", "0", "--yes", "--json")
    assert f"ECR kept 1 images: {kept.digest}: the key is gone" in ended.err
    assert ended.document["error"]["detail"]["deleted"] == [other.digest]


def test_archived_images_are_deleted_too_though_ecr_stumbles(aws: StrictAws, trial: Trial) -> None:
    archived = put(aws, 9)
    aws.ecr_state.repositories["app"].manifests[archived.digest].archived = True
    with aws.rule(Fail("ServerException", status=500), "BatchDeleteImage", times=1) as rule:
        trial.succeeds(*PRUNE, "--keep", "0", "--yes")
    assert rule.hits
    assert left(aws) == set()


def test_nothing_is_deleted_where_lambda_does_not_say_what_runs(aws: StrictAws, trial: Trial) -> None:
    put(aws, 9)
    aws.make_function("frames", put(aws, 9))
    aws.set_state("frames", "1", CodeSha256="")
    with aws.rule(Change(lambda answer: answer["Code"].pop("ResolvedImageUri")), "GetFunction", {"Qualifier": "1"}):
        aws.store.functions["frames"].version("1").code["ImageUri"] = f"{aws.ecr_state.host}/app:v1"
        ended = trial.fails(AwsRefusedError, *PRUNE, "--keep", "0", "--yes")
    assert "version 1 of frames" in ended.err
    assert len(left(aws)) == 2


def test_another_functions_image_of_another_account_or_kind_does_not_matter(aws: StrictAws, trial: Trial) -> None:
    unused = put(aws, 9)
    aws.put_image(repository="other")
    code = {"ZipFile": b"PK"}
    role = "arn:aws:iam::123456789012:role/r"
    aws.do("CreateFunction", FunctionName="old", Role=role, Runtime="python3.13", Handler="a.b", Code=code)
    assert trial.succeeds(*PRUNE, "--keep", "0", "--yes", "--json").document["deleted"] == [unused.digest]
    assert len(aws.ecr_state.repositories["other"].manifests) == 1


# Whether it is wanted.


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_said(aws: StrictAws, trial: Trial) -> None:
    put(aws, 9)
    assert "there is no terminal to ask on" in trial.fails(UsageError, *PRUNE, "--keep", "0").err
    assert len(left(aws)) == 1
    trial.succeeds(*PRUNE, "--keep", "0", "--yes")
    assert left(aws) == set()


@pytest.mark.parametrize(("keys", "code", "stay"), [("y\n", 0, 0), ("n\n", StoppedError.exit_code, 1), ("\n", 130, 1)])
def test_on_a_terminal_it_is_asked(aws: StrictAws, tool: Tool, keys: str, code: int, stay: int) -> None:
    put(aws, 9)
    screen = onterminal.run(tool, *PRUNE, "--keep", "0", keys=keys)
    assert "Delete 1 images for good? [y/N]" in screen.text
    assert screen.code == code
    assert len(left(aws)) == stay


def test_nothing_to_delete_is_not_asked_about(aws: StrictAws, trial: Trial) -> None:
    put(aws, 9)
    assert "deleted: versions 0, images 0; images kept: 1" in trial.succeeds(*PRUNE, "--keep", "1").out
    assert aws.changes() == []


def test_a_dry_run_deletes_nothing_and_asks_nothing(aws: StrictAws, trial: Trial) -> None:
    put(aws, 9)
    shown = trial.succeeds(*PRUNE, "--keep", "0", "--dry-run").out
    assert "would ecr:BatchDeleteImage" in shown
    assert shown.endswith(
        "nothing was changed; the real run would end like this:\ndeleted: versions 0, images 1; images kept: 0\n"
    )
    assert aws.changes() == []


def test_a_repository_that_is_missing_is_told(trial: Trial) -> None:
    assert "'app'" in trial.fails(RepositoryNotFoundError, *PRUNE, "--keep", "0", "--yes").err
