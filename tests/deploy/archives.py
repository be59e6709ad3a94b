"""Small images as tar archives, in the forms that tools write."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

from deploy.oci import digest_of
from tests.deploy.parts import noise


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
