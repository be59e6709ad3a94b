"""Images made for tests: any files, any metadata, any damage, kept in every form that an image is kept in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image"
OCI_MANIFEST = f"{OCI}.manifest.v1+json"
OCI_INDEX = f"{OCI}.index.v1+json"
OCI_CONFIG = f"{OCI}.config.v1+json"
OCI_LAYER = f"{OCI}.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

ZSTD = b"\x28\xb5\x2f\xfd" + bytes(64)  # what zstd begins with: enough to be known for what it is


@dataclass(frozen=True)
class Item:
    """A member of a layer. `kind` is a type of `tarfile`."""

    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    kind: bytes = tarfile.REGTYPE
    target: str = ""


def directory(mode: int = 0o755, uid: int = 0, gid: int = 0) -> Item:
    return Item(b"", mode, uid, gid, tarfile.DIRTYPE)


def symlink(target: str) -> Item:
    return Item(b"", 0o777, kind=tarfile.SYMTYPE, target=target)


Members = Iterable[tuple[str, "Item | bytes"]]


def tar_of(members: Mapping[str, Item | bytes] | Members, form: int = tarfile.PAX_FORMAT) -> bytes:
    """The members in their order; names may come more than once and are written as they are."""
    pairs = members.items() if isinstance(members, Mapping) else members
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, value in pairs:
            item = value if isinstance(value, Item) else Item(value)
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid = item.kind, item.mode, item.uid, item.gid
            info.size, info.linkname = len(item.data), item.target
            tar.addfile(info, io.BytesIO(item.data))
    return out.getvalue()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True)
class BuiltLayer:
    """`stored` is what the blob has, the layer's tar unless it says otherwise."""

    tar: bytes
    stored: bytes
    media_type: str

    @classmethod
    def plain(cls, tar: bytes, media_type: str = OCI_LAYER) -> BuiltLayer:
        return cls(tar, tar, media_type)

    @classmethod
    def gzipped(cls, tar: bytes, media_type: str = f"{OCI_LAYER}+gzip") -> BuiltLayer:
        return cls(tar, gzip.compress(tar, 1, mtime=0), media_type)


@dataclass(frozen=True)
class Built:
    """An image. `settings` are the configuration's `config`; `config` overrides members of the whole."""

    layers: Sequence[BuiltLayer]
    settings: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = "amd64"
    config: Mapping[str, Any] = field(default_factory=dict)
    manifest_type: str = OCI_MANIFEST
    config_type: str = OCI_CONFIG

    @property
    def config_bytes(self) -> bytes:
        diff_ids = [digest_of(layer.tar) for layer in self.layers]
        base = {
            "architecture": self.architecture,
            "os": "linux",
            "config": dict(self.settings),
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "a test"}],
        }
        return encoded(base | dict(self.config))

    @property
    def manifest_bytes(self) -> bytes:
        return encoded({
            "schemaVersion": 2,
            "mediaType": self.manifest_type,
            "config": descriptor(self.config_bytes, self.config_type),
            "layers": [descriptor(layer.stored, layer.media_type) for layer in self.layers],
        })  # fmt: skip

    @property
    def descriptor(self) -> dict[str, Any]:
        platform = {"architecture": self.architecture, "os": "linux"}
        return descriptor(self.manifest_bytes, self.manifest_type, platform=platform)

    @property
    def blobs(self) -> list[bytes]:
        return [self.manifest_bytes, self.config_bytes, *(layer.stored for layer in self.layers)]


def descriptor(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def attestation(about: Built) -> tuple[dict[str, Any], list[bytes]]:
    """The descriptor and the blobs of a provenance statement, as BuildKit attaches one."""
    statement = b"{}"
    config = encoded({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"diff_ids": []}})
    manifest = encoded({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, OCI_CONFIG),
        "layers": [descriptor(statement, "application/vnd.in-toto+json")],
    })  # fmt: skip
    notes = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": about.descriptor["digest"],
    }
    platform = {"architecture": "unknown", "os": "unknown"}
    return descriptor(manifest, OCI_MANIFEST, platform=platform, annotations=notes), [manifest, config, statement]


def index_of(descriptors: Sequence[Mapping[str, Any]], media_type: str = OCI_INDEX) -> bytes:
    return encoded({"schemaVersion": 2, "mediaType": media_type, "manifests": list(descriptors)})


Files = dict[str, bytes]


def layout_files(descriptors: Sequence[Mapping[str, Any]], blobs: Iterable[bytes]) -> Files:
    """An OCI layout whose `index.json` lists these."""
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index_of(descriptors)}
    return files | {f"blobs/{digest_of(blob).replace(':', '/')}": blob for blob in blobs}


def layout_of(*images: Built) -> Files:
    return layout_files([image.descriptor for image in images], [blob for image in images for blob in image.blobs])


def old_archive_of(image: Built, tags: Sequence[str] = ("made:latest",)) -> Files:
    """As `docker save` before Engine 25: a directory for each layer."""
    name = f"{hashlib.sha256(image.config_bytes).hexdigest()}.json"
    paths = [
        f"{hashlib.sha256(layer.tar).hexdigest()[:12]}{number}/layer.tar" for number, layer in enumerate(image.layers)
    ]
    listed = [{"Config": name, "RepoTags": list(tags), "Layers": paths}]
    layers = {path: layer.stored for path, layer in zip(paths, image.layers, strict=True)}
    return {name: image.config_bytes, **layers, "manifest.json": encoded(listed)}


def new_archive_of(image: Built, tags: Sequence[str] = ("made:latest",)) -> Files:
    """As `docker save` from Engine 25 on: an OCI layout that has the older `manifest.json`, too."""
    paths = [f"blobs/{digest_of(layer.stored).replace(':', '/')}" for layer in image.layers]
    config = f"blobs/{digest_of(image.config_bytes).replace(':', '/')}"
    listed = [{"Config": config, "RepoTags": list(tags), "Layers": paths}]
    return layout_of(image) | {"manifest.json": encoded(listed)}


def skopeo_directory_of(image: Built) -> Files:
    """Write what `skopeo copy … dir:DIRECTORY` does: the manifest, and blobs by the digits of their digests."""
    blobs = {digest_of(blob).removeprefix("sha256:"): blob for blob in image.blobs}
    return {"manifest.json": image.manifest_bytes, "version": b"Directory Transport Version: 1.1\n", **blobs}


def kaniko_archive_of(image: Built) -> Files:
    """Write what kaniko, crane and bazel do: an archive whose layers are compressed."""
    config = digest_of(image.config_bytes)
    paths = [f"{digest_of(layer.stored).removeprefix('sha256:')}.tar.gz" for layer in image.layers]
    listed = [{"Config": config, "RepoTags": ["made:latest"], "Layers": paths}]
    layers = {path: layer.stored for path, layer in zip(paths, image.layers, strict=True)}
    return {config: image.config_bytes, **layers, "manifest.json": encoded(listed)}


def write_directory(files: Files, path: Path) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_tar(files: Mapping[str, Item | bytes], path: Path) -> Path:
    path.write_bytes(tar_of(files))
    return path


# An image that Lambda would take, as far as its configuration tells.

GOOD_FILES: dict[str, Item | bytes] = {
    "lambda-entrypoint.sh": Item(b"#!/bin/sh\n", 0o755),
    "var/task/app.py": b"def handler(event, context):\n    return event\n",
}
GOOD_SETTINGS: dict[str, Any] = {
    "Env": ["PATH=/var/lang/bin:/usr/bin:/bin", "LAMBDA_TASK_ROOT=/var/task", "LAMBDA_RUNTIME_DIR=/var/runtime"],
    "Entrypoint": ["/lambda-entrypoint.sh"],
    "Cmd": ["app.handler"],
    "WorkingDir": "/var/task",
    "Labels": {"org.opencontainers.image.licenses": "MIT"},
}


def good(files: Mapping[str, Item | bytes] | None = None, **settings: Any) -> Built:
    """The good image with these files in a second layer, and settings changed."""
    layers = [BuiltLayer.gzipped(tar_of(GOOD_FILES))]
    if files:
        layers.append(BuiltLayer.gzipped(tar_of(files)))
    return Built(layers, GOOD_SETTINGS | settings)


def on_arm(image: Built) -> Built:
    return replace(image, architecture="arm64")
