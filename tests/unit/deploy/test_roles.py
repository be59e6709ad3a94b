"""The function's role on docs/rights.md: what its code calls, and no more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.support.pages import function_policy

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
NO_CALLS: Final = {"cache_clear", "join"}  # of the function that makes a client, and of a thread


def calls() -> set[str]:
    code = "\n".join(path.read_text() for path in FUNCTION.rglob("*.py"))
    return set(re.findall(r"\b_?client\.([a-z_0-9]+)\b", code)) - NO_CALLS


def test_the_function_may_do_what_it_calls_and_no_more() -> None:
    granted = {action for statement in function_policy()["Statement"] for action in statement["Action"]}
    of_s3 = {action for action in granted if action.startswith("s3:")}
    assert of_s3 == {action for call in calls() for action in NEEDS[call]}


def test_videos_are_read_only() -> None:
    written = [one["Resource"] for one in function_policy()["Statement"] if "s3:PutObject" in one["Action"]]
    assert written == ["arn:aws:s3:::results/*"]
