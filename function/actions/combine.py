"""The combine action: adds partial sums, weights partial means by their frames, compares partial extremes."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from function.errors import BadRequest, CorruptMedia, SourceNotFound
from function.frames.reduce import REDUCTIONS
from function.models.event import Combine
from function.models.fingerprint import fingerprint
from function.models.incoming import wrong
from function.models.places import MANIFEST_SUFFIX, S3Object
from function.models.result import CombineResult, Partial, as_json, returned
from function.output.arrays import Stream, write_npy
from function.output.publish import Publication, check_bucket, finished
from function.output.undo_log import Journal
from function.s3 import CONNECTIONS, S3Error, get
from function.session import Session
from hwang.sources.faults import Fault

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MAX_FETCHED_BYTES: Final = 64 << 20  # of parts at a time


@dataclass(frozen=True)
class _Part:
    """A partial result, as its manifest describes it."""

    place: S3Object
    partial: Partial
    request: str
    sha256: str  # of its object, in hexadecimal
    bytes: int  # of its object


def combine(request: Combine, session: Session) -> dict[str, Any]:
    """Combine the parts, write the result and return it.

    Raises SourceNotFound naming every part that is missing, BadRequest for parts that do not fit each other.
    """
    client, output = session.client, request.output
    with session.clock.phase("open"):
        check_bucket(client, output.bucket)
        parts = _parts(client, request.parts)
    asked = fingerprint(request, [part.request for part in parts])
    if before := finished(client, output, request, asked, CombineResult):
        return returned(before) | {"kept": True}
    with session.clock.phase("combine"):
        kind, frames = parts[0].partial.reduce, sum(part.partial.frames for part in parts)
        combined = _combined(client, parts, kind, frames, session)
    with (
        Publication(client, output, request, Journal.begin(session, asked, output.manifest_key)) as publication,
        session.clock.phase("write"),
    ):
        written = write_npy(publication, output.key, Stream(combined.shape, combined.dtype, [combined]))
        result = CombineResult(
            request=asked,
            partial=Partial(reduce=kind, frames=frames),
            parts=len(parts),
            output=[written],
            manifest=f"s3://{output.bucket}/{output.manifest_key}",
            reduced=int(combined) if combined.ndim == 0 else None,
        )
        whole = as_json(result)
        publication.put_manifest(json.dumps(whole).encode())
    return returned(whole) | {"milliseconds": session.clock.milliseconds()}


def _parts(client: S3Client, places: list[S3Object]) -> list[_Part]:
    """The parts, all of one kind. Raises SourceNotFound naming all that are missing, BadRequest for mixed kinds."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = list(pool.map(lambda place: _part(client, place), places))
    parts = [part for part in found if part]
    missing = [place.uri for place, part in zip(places, found, strict=True) if not part]
    if missing:
        raise SourceNotFound(
            f"parts: {len(missing)} of {len(places)} are missing: {', '.join(missing)}", missing=missing[:1000]
        )
    kinds = {part.partial.reduce for part in parts}
    if len(kinds) > 1:
        raise wrong("parts", f"must be of one kind of reduction, not {', '.join(sorted(kinds))}")
    return parts


def _part(client: S3Client, place: S3Object) -> _Part | None:
    data = _read(client, place.model_copy(update={"key": place.key + MANIFEST_SUFFIX, "version_id": None}))
    if data is None:
        return None
    try:
        manifest = json.loads(data)
        described = Partial.model_validate(manifest["partial"])
        written = manifest["output"][0]
        if described.reduce in REDUCTIONS and described.frames > 0:
            return _Part(place, described, str(manifest["request"]), str(written["sha256"]), int(written["bytes"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    raise BadRequest(f"parts: {place.uri} is not the result of a reduction", problems=[], video=place.uri)


def _combined(client: S3Client, parts: list[_Part], kind: str, frames: int, session: Session) -> NDArray[Any]:
    """The combined values. A mean's sum is an integer, so the mean times its frames, rounded, is exact as well."""
    total: NDArray[Any] | None = None
    join = {"min": np.minimum, "max": np.maximum}.get(kind, np.add)
    for part, values in _all_values(client, parts):
        session.deadline.check()
        if kind == "mean":
            values = np.rint(values * part.partial.frames).astype(np.uint64)
        if total is None:
            total = values
        elif values.shape != total.shape:
            raise wrong("parts", f"must have one shape; {part.place.uri} has {values.shape}, others {total.shape}")
        else:
            total = join(total, values)
    assert total is not None
    return total / frames if kind == "mean" else total


def _all_values(client: S3Client, parts: list[_Part]) -> Iterator[tuple[_Part, NDArray[Any]]]:
    """The values of each part in turn, some fetched at a time."""
    at_once = max(1, min(CONNECTIONS, MAX_FETCHED_BYTES // max(1, *(part.bytes for part in parts))))
    with ThreadPoolExecutor(at_once, "hwang-combine") as pool:
        for first in range(0, len(parts), at_once):
            some = parts[first : first + at_once]
            yield from zip(some, pool.map(partial(_values, client), some), strict=True)


def _values(client: S3Client, part: _Part) -> NDArray[Any]:
    data = _read(client, part.place)
    if data is None:
        raise SourceNotFound(f"parts: {part.place.uri} is missing", missing=[part.place.uri])
    if hashlib.sha256(data).hexdigest() != part.sha256:
        message = f"parts: {part.place.uri} is not what its manifest describes; make it again"
        raise CorruptMedia(message, video=part.place.uri)
    try:
        values: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise CorruptMedia(f"parts: {part.place.uri} is not a .npy file", video=part.place.uri) from None
    return values


def _read(client: S3Client, place: S3Object) -> bytes | None:
    """The object's bytes; None if it does not exist."""
    try:
        return get(client, place.bucket, place.key, **place.options)
    except S3Error as failure:
        if failure.fault is Fault.NOT_FOUND:
            return None
        raise failure.as_source(f"parts: {place.uri}", video=place.uri) from failure
