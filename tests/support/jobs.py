"""Manifests of jobs that never ran, as the real ones are, with the objects that their results would be."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from function.models.job_files import JobManifest
from function.report import Unreadable

JOB: Final = "s3://frames/results/run1/"
FOLDER: Final = "s3://footage/season-3/"
STARTED: Final = 1_764_000_000.0
EXTENSIONS: Final = {"jpeg": "jpg", "png": "png", "webp": "webp"}


@dataclass
class Job:
    """A manifest, and the objects below its prefix; `read` serves them as the report wants it."""

    manifest: dict[str, Any]
    objects: dict[str, bytes] = field(default_factory=dict)

    @property
    def model(self) -> JobManifest:
        return JobManifest.model_validate(self.manifest)

    def read(self, uri: str, length: int) -> bytes:
        if uri not in self.objects:
            raise Unreadable("does not exist")
        return self.objects[uri][:length]


@dataclass(frozen=True)
class Piece:
    """Rows of a video, and where their frames go."""

    video: str
    number: int
    rows: tuple[int, ...]
    prefix: str

    @property
    def seconds(self) -> list[float]:
        return [row / 25 for row in self.rows]


def names(count: int) -> list[str]:
    return [f"{FOLDER}episode-{number:02}.mp4" for number in range(1, count + 1)]


def make_job(
    videos: Sequence[str] | int = 4,
    parts: int = 6,
    *,
    kind: str = "jpeg",
    workers: int = 3,
    rows: int = 6,
    size: tuple[int, int] = (160, 90),
    retried: Sequence[int] = (),
    missing: Sequence[int] = (),
    failures: Sequence[dict[str, Any]] = (),
    with_objects: bool = True,
    seed: int = 1,
) -> Job:
    """A job over `videos`, cut into `parts` by turns, as `workers` would have worked them off.

    Equal arguments make equal jobs.
    """
    films = names(videos) if isinstance(videos, int) else list(videos)
    at_least = max(parts, len(films))
    pieces = [_piece(films[i % len(films)], i, i // len(films), rows) for i in range(at_least)] if films else []
    done = [piece for piece in pieces if piece.number % parts not in missing]
    dice = random.Random(seed)  # noqa: S311
    timeline = _timeline(parts, workers, pieces, set(retried), set(missing), dice)
    job = Job(_manifest(films, parts, kind, pieces, done, timeline, missing, failures))
    if with_objects:
        for piece in done:
            _write(job, piece, kind, size)
    else:
        job.manifest["results"] = [_result(piece, kind, parts) for piece in done]
    return job


def reduced(kind: str, values: NDArray[Any] | None, frames: int = 4800) -> Job:
    """A job that reduced all its frames; None if there is no combined object."""
    job = make_job(with_objects=False)
    job.manifest["request"] |= {"reduce": kind}
    job.manifest["partial"] = {"reduce": kind, "frames": frames}
    uri = f"{JOB}reduced.npy"
    if values is None:
        return job
    job.objects[uri] = npy(values)
    if values.ndim == 0:
        job.manifest["reduced"] = int(values)
    written = {"uri": uri, "bytes": len(job.objects[uri]), "sha256": "0" * 64}
    job.manifest["output"] = [written | {"shape": list(values.shape), "dtype": values.dtype.name}]
    return job


def scene(number: int, moment: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture of hills under a sun, uint8 [H, W, 3]: other colours for each number, a lower sun with each moment."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    hue = np.array([np.sin(number * 1.7 + shift) for shift in (0.0, 2.1, 4.2)])
    sky = 0.62 + 0.16 * hue + y[..., np.newaxis] * np.array([0.3, 0.12, -0.08])
    glow = np.exp(-(((x - 0.2 - 0.6 * moment) * 1.8) ** 2 + (y - 0.2 - 0.4 * moment) ** 2) * 30)[..., np.newaxis]
    picture = np.clip(sky + glow * np.array([0.5, 0.42, 0.2]), 0, 1)
    for layer in range(4):
        edge = 0.5 + 0.12 * layer + 0.07 * np.sin(x * (5 + 2 * layer) + number * (layer + 1.3) + moment * 1.5)
        colour = np.clip(0.44 - 0.09 * layer + 0.08 * hue + np.array([0.0, 0.03, 0.05]), 0, 1)
        picture = np.where((y > edge)[..., np.newaxis], colour, picture)
    whole: NDArray[np.uint8] = np.rint(picture * 255).astype(np.uint8)
    return whole


def scene_number(video: str) -> int:
    return sum(map(ord, video))


def encoded(frame: NDArray[np.uint8], kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, kind)
    return file.getvalue()


def npy(values: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _piece(video: str, number: int, turn: int, rows: int) -> Piece:
    first = turn * rows * 50
    stem = "".join(c for c in video.partition("?")[0].rpartition("/")[2] if c.isalnum() or c in "-.")[:60]
    return Piece(video, number, tuple(range(first, first + rows * 50, 50)), f"{JOB}{stem}/{number}/")


def _timeline(
    parts: int, workers: int, pieces: list[Piece], retried: set[int], missing: set[int], dice: random.Random
) -> list[dict[str, Any]]:
    free = [STARTED + 0.4 * dice.random() for _ in range(workers)]
    told = []
    for part in range(parts):
        worker = free.index(min(free))
        started = free[worker] + 0.05 + (8 if part in retried else 0)
        predicted = dice.uniform(26, 30) if part < parts - 1 else dice.uniform(9, 20)
        worked = predicted * dice.gauss(0.97, 0.07)
        phases = {"open": worked * dice.uniform(0.03, 0.1), "write": worked * dice.uniform(0.1, 0.2)}
        phases |= {"decode": worked - sum(phases.values()), "total": worked}
        free[worker] = started + worked + 0.3
        mine = pieces[part::parts]
        if part in missing:
            continue
        told.append(
            {
                "part": part,
                "attempts": 2 if part in retried else 1,
                "started": round(started, 3),
                "ended": round(free[worker], 3),
                "predicted_seconds": round(predicted, 3),
                "worker": f"2025/11/24/[$LATEST]{worker:032x}",
                "milliseconds": {name: round(seconds * 1000, 1) for name, seconds in phases.items()},
                "bytes_read": round(worked * 1.7e6),
                "requests": 4 * len(mine),
                "samples_decoded": round(worked * 170),
                "frames": sum(len(piece.rows) for piece in mine),
                "pieces": len(mine),
                "failed": 0,
            }
        )
    return told


def _manifest(
    films: list[str],
    parts: int,
    kind: str,
    pieces: list[Piece],
    done: list[Piece],
    timeline: list[dict[str, Any]],
    missing: Sequence[int],
    failures: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    read, decoded = (sum(part[name] for part in timeline) for name in ("bytes_read", "samples_decoded"))
    return {
        "job": JOB,
        "request": {
            "videos": FOLDER,
            "output": JOB,
            "frames": {"every_seconds": 2},
            "format": kind,
            "size": {"max_side": 512},
            "part_seconds": 30,
            "concurrency": 100,
        },
        "complete": not missing and not failures,
        "started": min((part["started"] for part in timeline), default=None),
        "ended": max((part["ended"] for part in timeline), default=None),
        "videos": len(films),
        "parts": parts,
        "pieces": len(pieces),
        "frames": sum(len(piece.rows) for piece in done),
        "objects": sum(len(_keys(piece, kind)) for piece in done),
        "bytes_written": sum(len(piece.rows) for piece in done) * 23_456,
        "bytes_in_files": read * 19 + 12345,
        "counters": {
            "bytes_read": read,
            "requests": sum(part["requests"] for part in timeline),
            "samples_decoded": decoded,
            "samples_skipped": decoded // 7,
            "frames_decoded": sum(part["frames"] for part in timeline),
        },
        "seconds": {
            "predicted": sum(part["predicted_seconds"] for part in timeline),
            "worked": sum(part["milliseconds"]["total"] for part in timeline) / 1000,
        },
        "attempts": sum(part["attempts"] for part in timeline),
        "timeline": timeline,
        "results": [],
        "failures": list(failures),
        "missing": list(missing),
    }


def _keys(piece: Piece, kind: str) -> list[str]:
    if kind in EXTENSIONS:
        return [f"{piece.prefix}frame-{row:06d}.{EXTENSIONS[kind]}" for row in piece.rows]
    return [f"{piece.prefix}result.{'png' if kind == 'sheet' else kind}"]


def _result(piece: Piece, kind: str, parts: int) -> dict[str, Any]:
    keys = _keys(piece, kind)
    return {
        "video": piece.video,
        "first": piece.rows[0],
        "last": piece.rows[-1],
        "frames": len(piece.rows),
        "part": piece.number % parts,
        "manifest": f"{piece.prefix}_manifest.json" if kind in EXTENSIONS else f"{keys[0]}.manifest.json",
        "output": keys[:3],
        "objects": len(keys),
    }


def _files(kind: str, frames: NDArray[np.uint8]) -> list[bytes]:
    match kind:
        case "sheet":
            line = np.concatenate(list(frames), axis=1)
            return [encoded(np.concatenate([line, line]), "png")]
        case "npy" | "npz" | "mp4":
            return [bytes(1000)]
    return [encoded(frame, kind) for frame in frames]


def _write(job: Job, piece: Piece, kind: str, size: tuple[int, int]) -> None:
    frames = np.stack([scene(scene_number(piece.video), row / 25 / 60 % 1, size) for row in piece.rows])
    keys, files = _keys(piece, kind), _files(kind, frames)
    result = _result(piece, kind, job.manifest["parts"])
    job.objects |= dict(zip(keys, files, strict=True))
    job.manifest["results"].append(result)
