"""Third-party packages as the function ships them: without what it never uses, and compiled.

trim.py DIRECTORY

The image's root is read-only, so the bytecode has to be there. With WHOLE_PACKAGES=1 in the environment nothing else
happens. Otherwise what goes is named below, debugging symbols go too, and of the modules the bytecode alone stays:
tracebacks then show the file, the line's number and the function, not the line. Every library is loaded once at the
end, as proof that it still can be.
"""

from __future__ import annotations

import gzip
import json
import os
import py_compile
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import recipe

DIRECTORIES = (
    "**/tests",
    "**/test",
    "bin",  # programs of packages
    "boto3/data",  # resources, which are not used
    "boto3/examples",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/_pyinstaller",
    "numpy/f2py",  # binds Fortran
    "pydantic/v1",
)
FILES = (
    "**/*.a",
    "**/*.c",
    "**/*.h",
    "**/*.pxd",
    "**/*.pyi",
    "botocore/data/*/*/examples-1.json",
    # AVIF is no output format here, and its library is as large as the rest of Pillow's.
    "PIL/_avif.*.so",
    "pillow.libs/libavif-*",
    # Colour profiles of printers and screens, and windows.
    "PIL/_imagingcms.*.so",
    "pillow.libs/liblcms2-*",
    "PIL/_imagingtk.*.so",
    # Modules that numpy's own tests need.
    "numpy/_core/_*_tests.*.so",
    "numpy/_core/_simd.*.so",
    "numpy/conftest.py",
    "pydantic/_hypothesis_plugin.py",
    "pydantic/mypy.py",
)
# Of AWS: the one service that is called, and those that hand out credentials for it. In endpoints.json the last two
# have other names.
SERVICES = frozenset({"s3", "signin", "sso", "sso-oidc", "sts"})
ENDPOINTS = SERVICES | {"oidc", "portal.sso"}
# The runtime's client is where users look when a handler cannot be imported.
WITH_SOURCE = frozenset({"awslambdaric"})
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
LARGEST_PAGE = 1 << 16  # bytes, of either architecture


def trim(tree: Path) -> None:
    for pattern in DIRECTORIES:
        remove(tree.glob(pattern))
    for pattern in FILES:
        remove(tree.glob(pattern))
    remove(path for path in (tree / "botocore/data").iterdir() if path.is_dir() and path.name not in SERVICES)
    keep_endpoints(tree / "botocore/data/endpoints.json")
    for model in (tree / "botocore/data").rglob("service-2.json.gz"):
        drop_documentation(model)
    for library in libraries(tree):
        strip(library)


def remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def keep_endpoints(file: Path) -> None:
    """What botocore reads at every start, without the services whose models are gone."""
    document = json.loads(file.read_text())
    for partition in document["partitions"]:
        partition["services"] = {name: found for name, found in partition["services"].items() if name in ENDPOINTS}
    file.write_text(json.dumps(document, separators=(",", ":")))


def drop_documentation(model: Path) -> None:
    """Two thirds of what botocore reads to make a client are texts for programmers."""

    def without(node: Any) -> Any:
        if isinstance(node, dict):
            # A member of a structure may have that name too; and of a few botocore asks for the text, so it is empty.
            return {k: "" if k == "documentation" and isinstance(v, str) else without(v) for k, v in node.items()}
        return [without(inner) for inner in node] if isinstance(node, list) else node

    document = without(json.loads(gzip.decompress(model.read_bytes())))
    model.write_bytes(gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0))


def libraries(tree: Path) -> Iterator[Path]:
    return (path for path in sorted(tree.rglob("*.so*")) if path.read_bytes()[:4] == b"\x7fELF")


def strip(library: Path) -> None:
    """Without its symbols for debuggers, where that makes it smaller."""
    align_to_pages(library)
    stripped = library.with_name(f"{library.name}.stripped")
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, library], check=True)
    if stripped.stat().st_size < library.stat().st_size:
        stripped.replace(library)
    stripped.unlink(missing_ok=True)


def align_to_pages(library: Path) -> None:
    """A library that was patched may have its segments 2 MiB apart, with nothing between them: strip closes the gap."""
    data = bytearray(library.read_bytes())
    (table,) = struct.unpack_from("<Q", data, 32)
    entry_bytes, count = struct.unpack_from("<HH", data, 54)
    for entry in range(table, table + count * entry_bytes, entry_bytes):
        (kind,), (alignment,) = struct.unpack_from("<I", data, entry), struct.unpack_from("<Q", data, entry + 48)
        if kind == 1 and alignment > LARGEST_PAGE:  # PT_LOAD
            struct.pack_into("<Q", data, entry + 48, LARGEST_PAGE)
    library.write_bytes(data)


def compile_sources(tree: Path, *, keep: bool) -> None:
    """Bytecode for every module, in place of its source unless it is to be kept."""
    for item in sorted(tree.iterdir()):
        beside = keep or item.name in WITH_SOURCE
        for source in [item] if item.suffix == ".py" else sorted(item.rglob("*.py")):
            shown = f"/var/task/{source.relative_to(tree)}"
            bytecode = None if beside else str(source.with_suffix(".pyc"))
            py_compile.compile(str(source), bytecode, shown, doraise=True, invalidation_mode=UNCHECKED)
            if not beside:
                source.unlink()


def load_all(tree: Path) -> None:
    """In processes of their own: what a library needs must not have been loaded by another one."""
    # Libraries that Python's own modules need, ctypes among them, may lie there alone.
    places = f"/var/lang/lib:{os.environ.get('LD_LIBRARY_PATH', '')}"
    environment = {**os.environ, "PYTHONPATH": str(tree), "LD_LIBRARY_PATH": places}
    for library in libraries(tree):
        load = f"import ctypes; ctypes.CDLL({str(library)!r})"
        subprocess.run([sys.executable, "-c", load], check=True, env=environment)


def main(tree: Path, *, whole: bool) -> None:
    if not whole:
        trim(tree)
    compile_sources(tree, keep=whole)
    load_all(tree)
    sizes = {item: sum(f.stat().st_size for f in (item, *item.rglob("*")) if f.is_file()) for item in tree.iterdir()}
    for item, size in sorted(sizes.items(), key=lambda pair: -pair[1])[:10]:
        print(f"{size:>10,} {item.name}")
    print(f"trim: {sum(sizes.values()):,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), whole=recipe.is_on("WHOLE_PACKAGES"))
