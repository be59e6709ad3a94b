"""The files of a job in S3: reading and writing what function/models/job_files.py describes."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from function.errors import (
    BadRequest,
    CorruptMedia,
    FunctionError,
    SourceNotFound,
    SourceUnavailable,
)
from function.models.form import Writing
from function.models.job import Job
from function.models.job_files import (
    EARLIER,
    FOLDER,
    JOB,
    KeptModel,
    ListedVideo,
    PartResult,
    PieceDone,
    SurveyedVideo,
    SurveySummary,
    VideoFailure,
    survey_name,
    videos_name,
)
from function.models.places import MANIFEST_SUFFIX, Output
from function.output.publish import ObjectWriter, Publication, ask_output
from function.output.undo_log import Journal
from function.s3 import S3Error, ask, get
from function.session import Session
from hwang.sources.buckets import split_address
from hwang.sources.faults import Fault

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
CHUNK_VIDEOS: Final = 250  # that one survey looks at
NOT_SURVEYED: Final = VideoFailure(
    code=SourceUnavailable.__name__, message="it could not be surveyed yet; run the job again", retryable=True
)


@dataclass(frozen=True)
class Store:
    """Files by their names below `_job/`. Raises OutputNotFound, OutputForbidden, OutputUnavailable when it writes."""

    client: S3Client
    output: Output

    def key(self, name: str) -> str:
        """The file's key in the output's bucket."""
        return f"{self.output.key}{FOLDER}{name}"

    def uri(self, name: str) -> str:
        """The file's s3:// address."""
        return f"s3://{self.output.bucket}/{self.key(name)}"

    def place(self, name: str) -> dict[str, str]:
        """The file as Step Functions' item reader takes it."""
        return {"bucket": self.output.bucket, "key": self.key(name)}

    def put(self, name: str, data: bytes) -> None:
        """Writes a file at once."""
        self._write(self.key(name), self.client.put_object, Body=data, ContentType="application/json")

    def put_json(self, name: str, document: object) -> None:
        """Writes a file of one JSON document."""
        self.put(name, json.dumps(document).encode())

    def put_lines(self, name: str, lines: Iterable[KeptModel]) -> None:
        """Writes a file with a JSON document on each line."""
        self.put(name, b"".join(line.line() + b"\n" for line in lines))

    def put_result(self, name: str, data: bytes, content_type: str) -> None:
        """Writes an object beside `_job/`, among the results."""
        self._write(self.output.key + name, self.client.put_object, Body=data, ContentType=content_type)

    def publish(self, name: str, result: str) -> str:
        """Copies a file to a name among the results, and returns the address of the copy."""
        key = self.output.key + result
        self._write(key, self.client.copy_object, CopySource={"Bucket": self.output.bucket, "Key": self.key(name)})
        return f"s3://{self.output.bucket}/{key}"

    @contextmanager
    def writing(self, name: str, session: Session) -> Iterator[ObjectWriter]:
        """A file too long for memory, written while it is made: visible once the block ends without an error."""
        output = Output(bucket=self.output.bucket, key=self.key(name))
        journal = Journal.begin(session, session.run, output.manifest_key)
        with Publication(self.client, output, Writing(), journal) as publication:
            file = publication.open(output.key, None, "application/json")
            yield file
            file.close()

    def find(self, name: str, **more: Any) -> bytes | None:
        """The file, or the part of it that `Range` names; None if it is not there. Raises the Source… errors."""
        try:
            return get(self.client, self.output.bucket, self.key(name), **more)
        except S3Error as failure:
            if failure.fault is Fault.NOT_FOUND:
                return None
            raise failure.as_source(f"job: {self.uri(name)}") from failure

    def get(self, name: str, **more: Any) -> bytes:
        """The file as `find` returns it. Raises SourceNotFound if it is missing: the step that makes it has not run."""
        data = self.find(name, **more)
        if data is None:
            raise SourceNotFound(f"job: {self.uri(name)} is not there; run the job's steps from the first")
        return data

    def json(self, name: str) -> Any:
        """The file's JSON document. Raises SourceNotFound, CorruptMedia."""
        try:
            return json.loads(self.get(name))
        except ValueError:
            raise CorruptMedia(f"job: {self.uri(name)} is not JSON; remove it and run the job again") from None

    def job(self) -> Job:
        """The job as its first step has kept it. Raises SourceNotFound, BadRequest."""
        document = self.json(JOB)
        try:
            return Job.model_validate({**({} if "events" in document else EARLIER), **document["job"]})
        except (ValidationError, KeyError, TypeError):
            message = f"job: {self.uri(JOB)} is not a job of this version; start it again"
            raise BadRequest(message, problems=[]) from None

    def result(self, name: str) -> PartResult | None:
        """A part's result; None if it is not there. One that does not hold is deleted: another run makes it again.

        It holds while it can be read, and the manifests of its first and last piece and its share of a reduction are
        there. Raises the Source… errors.
        """
        data = self.find(name)
        if data is None:
            return None
        with suppress(CorruptMedia):
            result = PartResult.read(data, self.uri(name))
            manifests = [piece.manifest for piece in result.pieces if isinstance(piece, PieceDone)]
            if all(map(self._is_there, {*manifests[:1], *manifests[-1:], *(one.uri for one in result.output)})):
                return result
        self.delete(name)
        return None

    def _is_there(self, uri: str) -> bool:
        place = split_address(uri)
        if not place:
            return False
        try:
            ask(self.client.head_object, error=SourceUnavailable, Bucket=place[0], Key=place[1])
        except S3Error as failure:
            if failure.fault is Fault.NOT_FOUND:
                return False
            raise failure.as_source(f"job: {uri}") from failure
        return True

    def delete(self, name: str) -> None:
        """Deletes a file of the job. One that cannot be deleted stays, with a line in the log."""
        try:
            self._write(self.key(name), self.client.delete_object)
        except FunctionError as error:
            _LOG.warning("%s cannot be deleted: %s", self.uri(name), error.message)

    def delete_result(self, uri: str) -> None:
        """Deletes the manifest of a partial result, so that its request is not taken for finished."""
        self.delete(uri.removeprefix(self.uri("")) + MANIFEST_SUFFIX)

    def listed(self, chunk: int) -> tuple[bytes, list[ListedVideo]]:
        """The file of a chunk's videos, and the videos. Raises SourceNotFound, CorruptMedia."""
        name = videos_name(chunk)
        data = self.get(name)
        return data, [ListedVideo.read(line, self.uri(name)) for line in data.splitlines()]

    def survey(self, chunk: int) -> tuple[SurveySummary, Iterator[SurveyedVideo]]:
        """A chunk's survey. Raises SourceNotFound, CorruptMedia."""
        name = survey_name(chunk)
        first, *lines = self.get(name).splitlines() or [b""]
        return SurveySummary.read(first, self.uri(name)), (SurveyedVideo.read(line, self.uri(name)) for line in lines)

    def surveyed(self, chunks: int) -> Iterator[SurveyedVideo]:
        """The videos of all chunks, in order. Raises CorruptMedia.

        Those of a chunk without a survey failed, and those that a reduction cannot add to the most, whose frames have
        another size.
        """
        sizes = Counter(video.frame for video in self._surveyed(chunks) if video.frame) if self.job().reduce else {}
        usual = max(sizes, key=lambda size: sizes[size], default=None)
        for video in self._surveyed(chunks):
            if video.frame and video.frame != usual:
                yield video.model_copy(update={"pieces": (), "failure": _other_size(video.frame, usual)})
            else:
                yield video

    def _surveyed(self, chunks: int) -> Iterator[SurveyedVideo]:
        for chunk in range(chunks):
            try:
                yield from self.survey(chunk)[1]
            except SourceNotFound:
                for video in self.listed(chunk)[1]:
                    yield SurveyedVideo.model_validate({**video.document(), "failure": NOT_SURVEYED})

    def names(self, folder: str) -> Iterator[str]:
        """The names of the files whose names begin with `folder`, in the order of bytes."""
        for item in listed(self.client, self.output.bucket, self.key(folder)):
            yield item["Key"].removeprefix(self.key(""))

    def _write(self, key: str, call: Callable[..., object], **arguments: Any) -> None:
        ask_output(f"s3://{self.output.bucket}/{key}", call, Bucket=self.output.bucket, Key=key, **arguments)


def _other_size(size: tuple[int, int], usual: tuple[int, int] | None) -> VideoFailure:
    shown = ["{}x{}".format(*one) for one in (size, usual) if one]
    message = f"its frames have {' pixels, and those of most videos '.join(shown)}; give the job a size"
    return VideoFailure(code=BadRequest.__name__, message=message)


def listed(client: S3Client, bucket: str, prefix: str) -> Iterator[Any]:
    """The objects below a prefix, as ListObjectsV2 returns them. Raises the Source… errors."""
    token: dict[str, str] = {}
    while True:
        try:
            page: Any = ask(client.list_objects_v2, error=SourceUnavailable, Bucket=bucket, Prefix=prefix, **token)
        except S3Error as failure:
            raise failure.as_source(f"s3://{bucket}/{prefix}") from failure
        yield from page.get("Contents", [])
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
