"""The files that a job keeps below its output, in `_job/`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from function.errors import CorruptMedia, SourceNotFound, SourceUnavailable
from function.models.places import Output
from function.output.publish import OUTPUT_ERRORS
from function.s3 import Fault, S3Error, ask, get

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")
FOLDER: Final = "_job/"


@dataclass(frozen=True)
class Store:
    """Small files by their names below `_job/`. Raises OutputNotFound, OutputForbidden, OutputUnavailable."""

    client: S3Client
    output: Output

    def key(self, name: str) -> str:
        return f"{self.output.key}{FOLDER}{name}"

    def uri(self, name: str) -> str:
        return f"s3://{self.output.bucket}/{self.key(name)}"

    def place(self, name: str) -> dict[str, str]:
        """As Step Functions' item reader takes it."""
        return {"bucket": self.output.bucket, "key": self.key(name)}

    def put(self, name: str, data: bytes, content_type: str = "application/json") -> None:
        self._write(self.key(name), self.client.put_object, Body=data, ContentType=content_type)

    def put_result(self, name: str, data: bytes, content_type: str) -> None:
        """Beside `_job/`, among the results."""
        self._write(self.output.key + name, self.client.put_object, Body=data, ContentType=content_type)

    def publish(self, name: str, result: str) -> str:
        """Copies a file to a name among the results, and gives that one's address."""
        key = self.output.key + result
        self._write(key, self.client.copy_object, CopySource={"Bucket": self.output.bucket, "Key": self.key(name)})
        return f"s3://{self.output.bucket}/{key}"

    def _write(self, key: str, call: Callable[..., object], **arguments: Any) -> None:
        try:
            ask(call, Bucket=self.output.bucket, Key=key, **arguments)
        except S3Error as failure:
            uri = f"s3://{self.output.bucket}/{key}"
            raise OUTPUT_ERRORS[failure.fault](f"output: {uri} {failure}", output=uri, cause=failure.cause) from failure

    def put_json(self, name: str, document: object) -> None:
        self.put(name, json.dumps(document).encode())

    def put_lines(self, name: str, documents: Iterable[object]) -> None:
        self.put(name, "".join(json.dumps(document) + "\n" for document in documents).encode(), "application/jsonl")

    def find(self, name: str, **more: Any) -> bytes | None:
        """The file, or the part of it that `Range` names; None if it is not there."""
        try:
            return get(self.client, self.output.bucket, self.key(name), **more)
        except S3Error as failure:
            if failure.fault is Fault.NOT_FOUND:
                return None
            raise SourceUnavailable(f"job: {self.uri(name)} {failure}", cause=failure.cause) from failure

    def get(self, name: str, **more: Any) -> bytes:
        """Raises SourceNotFound if it is not there: the step that makes it has not run."""
        data = self.find(name, **more)
        if data is None:
            raise SourceNotFound(f"job: {self.uri(name)} is not there; run the job's steps from the first")
        return data

    def get_json(self, name: str) -> Any:
        return parsed(self.get(name), self.uri(name))

    def lines(self, name: str) -> Iterator[Any]:
        uri = self.uri(name)
        for line in self.get(name).splitlines():
            yield parsed(line, uri)

    def names(self, folder: str) -> Iterator[str]:
        """What is in `folder` of these files, by its names below it, in the order of bytes."""
        prefix = self.key(folder)
        for item in listed(self.client, self.output.bucket, prefix):
            yield item["Key"].removeprefix(prefix)


def listed(client: S3Client, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """The objects below a prefix, as ListObjectsV2 tells them. Raises SourceNotFound, SourceUnavailable."""
    token: dict[str, str] = {}
    while True:
        try:
            page: Any = ask(client.list_objects_v2, error=SourceUnavailable, Bucket=bucket, Prefix=prefix, **token)
        except S3Error as failure:
            kind = SourceNotFound if failure.fault is Fault.NOT_FOUND else SourceUnavailable
            raise kind(f"s3://{bucket}/{prefix} {failure}", cause=failure.cause) from failure
        yield from page.get("Contents", [])
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def parsed(data: bytes, uri: str) -> Any:
    """The JSON. Raises CorruptMedia if it is none: somebody else has written there."""
    try:
        return json.loads(data)
    except ValueError:
        raise CorruptMedia(f"job: {uri} is not JSON; remove it and run the job again") from None


def batched(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """The items in lists of `most`; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, most)):
        yield batch
