#!/usr/bin/env bash
# Finishes the packages installed below a directory: without their tests and type stubs, and compiled, as the image's root
# is read-only. Bytecode is not compared with its source again: files may get other times on their way to Lambda.
set -euo pipefail
find "$1" -depth -type d \( -name test -o -name tests \) -exec rm -r {} +
find "$1" -name '*.pyi' -delete
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$1" -p / "$1"
