"""The function's role: what its code calls, and no more."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from deploy.policy import Roles, S3Prefix

FUNCTION: Final = Path(__file__).resolve().parents[3] / "function"
OBJECT: Final = {"s3:GetObject", "s3:GetObjectVersion"}
NEEDS: Final = {
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
    "complete_multipart_upload": {"s3:PutObject"},
    "copy_object": {*OBJECT, "s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "delete_object": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "delete_objects": {
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:GetObject",
    },  # GetObject: as an ETag is its condition
    "generate_presigned_url": OBJECT,
    "get_object": OBJECT,
    "head_bucket": {"s3:ListBucket"},
    "head_object": OBJECT,
    "list_multipart_uploads": {"s3:ListBucketMultipartUploads"},
    "list_objects_v2": {"s3:ListBucket"},
    "put_object": {"s3:PutObject"},
    "upload_part": {"s3:PutObject"},
}
OF_THE_CLIENT: Final = {"cache_clear"}  # of the function that makes it


def calls() -> set[str]:
    code = "\n".join(path.read_text() for path in FUNCTION.rglob("*.py"))
    return set(re.findall(r"\b_?client\.([a-z_0-9]+)\b", code)) - OF_THE_CLIENT


def granted(roles: Roles) -> set[str]:
    statements = roles.for_function()["Statement"]
    return {action for statement in statements for action in statement["Action"] if action.startswith("s3:")}


def test_the_function_may_do_what_it_calls_and_no_more() -> None:
    roles = Roles(videos=S3Prefix("films", "in/"), results=S3Prefix("results"))
    assert granted(roles) == {action for call in calls() for action in NEEDS[call]}


def test_videos_are_read_only_unless_indexes_are_kept_beside_them() -> None:
    def written(roles: Roles) -> list[str]:
        found = [one["Resource"] for one in roles.for_function()["Statement"] if "s3:PutObject" in one["Action"]]
        return [resource for resource in found if "films" in resource]

    apart = Roles(videos=S3Prefix("films", "in/"), results=S3Prefix("results"))
    assert written(apart) == []
    assert written(replace(apart, index_beside=True)) == ["arn:aws:s3:::films/in/*.hwang"]
