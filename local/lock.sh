#!/usr/bin/env bash
# Rewrites requirements/GROUP.txt from the dependency groups of pyproject.toml: pinned, hashed, without addresses.
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # GROUP PYTHON [OPTION…]
    uv pip compile --quiet --upgrade --group "$1" --python-version "$2" "${@:3}" \
        --generate-hashes --universal --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
        --output-file "requirements/$1.txt"
}

for group in function build wheel test cloud standin; do lock "$group" 3.13; done
for peer in bench bench-decord bench-opencv bench-pyav; do lock "$peer" 3.13; done
# The registry's torch links to CUDA's libraries; these it loads only to compile kernels or for linear algebra.
lock bench-torchcodec 3.13 --no-emit-package triton --no-emit-package cuda-bindings --no-emit-package cuda-pathfinder \
    --no-emit-package cuda-toolkit --no-emit-package nvidia-cusolver --no-emit-package nvidia-nvtx
lock host 3.11
for group in clip emulator; do lock "$group" 3.11 --no-deps; done
