"""Small images as tar archives, in the forms that tools write."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from deploy.image import oci
from deploy.image.oci import digest_of
from tests.deploy.parts import noise

Compression: TypeAlias = Literal["none", "gzip", "zstd"]


def layer(files: Mapping[str, bytes]) -> bytes:
    """A layer's tar, of these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def layers(seed: int, *sizes: int) -> list[bytes]:
    """Layers of that many random bytes."""
    return [layer({f"file{n}": noise(size, seed * 100 + n).data}) for n, size in enumerate(sizes)]


def config(
    tars: list[bytes],
    architecture: str = "amd64",
    labels: Mapping[str, str] | None = None,
    created: str = "2026-01-01T00:00:00Z",
) -> bytes:
    document = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {"Entrypoint": ["/lambda-entrypoint.sh"], "Cmd": ["handler.handler"], "Labels": dict(labels or {})},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        "history": [{"created": created, "created_by": "tests"} for _ in tars],
    }
    return json.dumps(document).encode()


def docker_save(tars: list[bytes], configuration: bytes, tag: str | None) -> bytes:
    """What `docker save` writes, in its old form."""
    name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    names = [f"{hashlib.sha256(tar).hexdigest()}/layer.tar" for tar in tars]
    manifest = [{"Config": name, "RepoTags": [tag] if tag else None, "Layers": names}]
    files = {name: configuration, **dict(zip(names, tars, strict=True)), "manifest.json": json.dumps(manifest).encode()}
    return layer(files)


def oci_layout(
    directory: Path,
    tars: list[bytes],
    configuration: bytes,
    compression: Compression = "gzip",
    *,
    attested: bool = False,
) -> None:
    """An OCI layout, as buildx writes it; `attested`: an index, with an attestation beside the image."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)

    def descriptor(data: bytes, media_type: str, **more: object) -> dict[str, object]:
        digest = digest_of(data)
        (blobs / digest.removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def manifest(configuration: bytes, layers: list[dict[str, object]], **more: object) -> dict[str, object]:
        config = descriptor(configuration, oci.OCI_CONFIG)
        document = {"schemaVersion": 2, "mediaType": oci.OCI_MANIFEST, "config": config, "layers": layers}
        return descriptor(json.dumps(document).encode(), oci.OCI_MANIFEST, **more)

    packed, media_type = _COMPRESSIONS[compression]
    layers = [descriptor(packed(tar), media_type) for tar in tars]
    platform = {"architecture": json.loads(configuration)["architecture"], "os": "linux"}
    top = [manifest(configuration, layers, platform=platform)]
    if attested:
        unknown = {"architecture": "unknown", "os": "unknown"}
        about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": top[0]["digest"]}
        statement = descriptor(b"{}", "application/vnd.in-toto+json")
        top.append(manifest(b"{}", [statement], platform=unknown, annotations=about))
        index = {"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": top}
        top = [descriptor(json.dumps(index).encode(), oci.OCI_INDEX)]
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": top}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _gzipped(tar: bytes) -> bytes:
    return gzip.compress(tar, mtime=0)


def _zstandard(tar: bytes) -> bytes:
    """A frame of blocks that are not compressed, which is all that zstd's format asks for."""
    frame = bytearray(b"\x28\xb5\x2f\xfd\xa0" + len(tar).to_bytes(4, "little"))
    for start in range(0, len(tar), 100_000):
        block = tar[start : start + 100_000]
        is_last = start + 100_000 >= len(tar)
        frame += (len(block) << 3 | is_last).to_bytes(3, "little") + block
    return bytes(frame)


_COMPRESSIONS: Final[dict[Compression, tuple[Callable[[bytes], bytes], str]]] = {
    "none": (bytes, oci.OCI_LAYER),
    "gzip": (_gzipped, oci.OCI_LAYER_GZIP),
    "zstd": (_zstandard, f"{oci.OCI_LAYER}+zstd"),
}
