"""The reason why the compiled core cannot be imported, and the remedy."""

from __future__ import annotations

import platform
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path


def explained(error: ImportError) -> ImportError:
    """Return an error of one sentence; `error` is that of the import of hwang._core."""
    system = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)
    is_there = any(Path(__file__).with_name(f"_core{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
    if sys.platform != "linux":
        reason = f"it is made for Linux, not for {system}: run hwang in a Linux container (index and plan work here)"
    elif platform.libc_ver()[0] != "glibc":
        reason = (
            "it is made for Linux with glibc, not for musl: use an image of Debian, Ubuntu or Amazon Linux, not Alpine"
        )
    elif not is_there:
        reason = (
            f"it is not in {Path(__file__).parent}: install hwang's wheel for {platform.machine()}, "
            "`pip install hwang-*.whl`, and run Python outside the source tree, whose hwang/ comes first"
        )
    else:
        reason = f"{error}: install hwang's wheel, which carries FFmpeg's libraries, or set LD_LIBRARY_PATH to theirs"
    return ImportError(f"hwang's compiled core cannot be loaded: {reason}", name="hwang._core")
