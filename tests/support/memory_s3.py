"""S3 in this process: as much of the client as jobs use, without a network."""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

from botocore.exceptions import ClientError


class MemoryS3:
    """Objects by bucket and key, as `s3://bucket/key`. `reads` are the addresses that were read, in order."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})
        self.metadata: dict[str, dict[str, str]] = {}
        self.reads: list[str] = []

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        uri = f"s3://{Bucket}/{Key}"
        self.reads.append(uri)
        if uri not in self.objects:
            raise _error("GetObject", "NoSuchKey", 404)
        data = self.objects[uri]
        if match := re.fullmatch(r"bytes=([0-9]+)-([0-9]+)", Range):
            data = data[int(match[1]) : int(match[2]) + 1]
        return {"Body": io.BytesIO(data), "Metadata": {}, "ETag": f'"{etag_of(data)}"'}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        uri = f"s3://{Bucket}/{Key}"
        if uri not in self.objects:
            raise _error("HeadObject", "404", 404)
        return {"Metadata": self.metadata.get(uri, {}), "ContentLength": len(self.objects[uri])}

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        Metadata: dict[str, str] | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        self.objects[f"s3://{Bucket}/{Key}"] = bytes(Body)
        self.metadata[f"s3://{Bucket}/{Key}"] = Metadata or {}
        return {}

    def copy_object(self, *, Bucket: str, Key: str, CopySource: dict[str, str], **_: Any) -> dict[str, Any]:  # noqa: N803
        self.objects[f"s3://{Bucket}/{Key}"] = self.objects[f"s3://{CopySource['Bucket']}/{CopySource['Key']}"]
        return {}

    def delete_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.objects.pop(f"s3://{Bucket}/{Key}", None)
        return {}

    def head_bucket(self, *, Bucket: str) -> dict[str, Any]:  # noqa: ARG002, N803
        return {}

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        """Two objects a page."""
        below = sorted(uri for uri in self.objects if uri.startswith(f"s3://{Bucket}/{Prefix}"))
        rest = [uri for uri in below if uri > ContinuationToken]
        contents = [
            {
                "Key": uri.removeprefix(f"s3://{Bucket}/"),
                "ETag": f'"{etag_of(self.objects[uri])}"',
                "Size": len(self.objects[uri]),
            }
            for uri in rest[:2]
        ]
        more = {"IsTruncated": True, "NextContinuationToken": rest[1]} if len(rest) > 2 else {}
        return {"Contents": contents, **more}


def etag_of(data: bytes) -> str:
    """The ETag of these bytes, without its quotes."""
    return hashlib.sha256(data).hexdigest()[:32]


def _error(operation: str, code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]
