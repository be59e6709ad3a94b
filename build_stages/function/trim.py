"""Prepares third-party packages for the function: removes everything that it never uses, and compiles the rest.

trim.py DIRECTORY

The image's root is read-only, so the bytecode has to be there. With WHOLE_PACKAGES=1 in the environment nothing else
happens. Otherwise the files of trim.toml and debugging symbols are removed, and modules stay as bytecode alone:
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
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import recipe

LISTS = tomllib.loads(Path(__file__).with_name("trim.toml").read_text())
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
MAX_PAGE = 1 << 16  # bytes, of either architecture


def trim(tree: Path) -> None:
    """Remove everything that the function never uses."""
    for pattern in (*LISTS["directories"], *LISTS["files"]):
        remove(tree.glob(pattern))
    remove(path for path in (tree / "botocore/data").iterdir() if path.is_dir() and path.name not in LISTS["services"])
    keep_endpoints(tree / "botocore/data/endpoints.json")
    for model in (tree / "botocore/data").rglob("service-2.json.gz"):
        drop_documentation(model)
    for library in libraries(tree):
        strip(library)


def remove(paths: Iterable[Path]) -> None:
    """Remove files, links and whole directories."""
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def keep_endpoints(file: Path) -> None:
    """Remove services whose models are gone from the file that botocore reads at every start."""
    document = json.loads(file.read_text())
    for partition in document["partitions"]:
        partition["services"] = {
            name: found for name, found in partition["services"].items() if name in LISTS["endpoints"]
        }
    file.write_text(json.dumps(document, separators=(",", ":")))


def drop_documentation(model: Path) -> None:
    """Remove texts for programmers: they are two thirds of what botocore reads to make a client."""

    def without(node: Any) -> Any:
        if isinstance(node, dict):
            # A member of a structure may have that name too; and of a few botocore asks for the text, so it is empty.
            return {k: "" if k == "documentation" and isinstance(v, str) else without(v) for k, v in node.items()}
        return [without(inner) for inner in node] if isinstance(node, list) else node

    document = without(json.loads(gzip.decompress(model.read_bytes())))
    model.write_bytes(gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0))


def libraries(tree: Path) -> Iterator[Path]:
    """Yield every shared library."""
    return (path for path in sorted(tree.rglob("*.so*")) if path.read_bytes()[:4] == b"\x7fELF")


def strip(library: Path) -> None:
    """Remove symbols for debuggers if that makes the library smaller."""
    align_to_pages(library)
    stripped = library.with_name(f"{library.name}.stripped")
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, library], check=True)
    if stripped.stat().st_size < library.stat().st_size:
        stripped.replace(library)
    stripped.unlink(missing_ok=True)


def align_to_pages(library: Path) -> None:
    """Lower the alignment of segments to a page. A patched library may have them 2 MiB apart: strip closes the gap."""
    data = bytearray(library.read_bytes())
    (table,) = struct.unpack_from("<Q", data, 32)
    entry_bytes, count = struct.unpack_from("<HH", data, 54)
    for entry in range(table, table + count * entry_bytes, entry_bytes):
        (kind,), (alignment,) = struct.unpack_from("<I", data, entry), struct.unpack_from("<Q", data, entry + 48)
        if kind == 1 and alignment > MAX_PAGE:  # PT_LOAD
            struct.pack_into("<Q", data, entry + 48, MAX_PAGE)
    library.write_bytes(data)


def compile_sources(tree: Path, *, keep: bool) -> None:
    """Compile every module, to bytecode in place of its source unless sources are kept."""
    for item in sorted(tree.iterdir()):
        beside = keep or item.name in LISTS["with_source"]
        for source in [item] if item.suffix == ".py" else sorted(item.rglob("*.py")):
            shown = f"/var/task/{source.relative_to(tree)}"
            bytecode = None if beside else str(source.with_suffix(".pyc"))
            py_compile.compile(str(source), bytecode, shown, doraise=True, invalidation_mode=UNCHECKED)
            if not beside:
                source.unlink()


def load_all(tree: Path) -> None:
    """Load each library in a process of its own, where no other one has loaded what it needs."""
    # Libraries that Python's own modules need, ctypes among them, may lie there alone.
    places = f"/var/lang/lib:{os.environ.get('LD_LIBRARY_PATH', '')}"
    environment = {**os.environ, "PYTHONPATH": str(tree), "LD_LIBRARY_PATH": places}
    for library in libraries(tree):
        load = f"import ctypes; ctypes.CDLL({str(library)!r})"
        subprocess.run([sys.executable, "-c", load], check=True, env=environment)


def main(tree: Path, *, whole: bool) -> None:
    """Trim unless packages stay whole, compile, and prove that all libraries load."""
    if not whole:
        trim(tree)
    compile_sources(tree, keep=whole)
    load_all(tree)
    print(f"trim: {sum(path.stat().st_size for path in tree.rglob('*') if path.is_file()):,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), whole=recipe.is_on("WHOLE_PACKAGES"))
