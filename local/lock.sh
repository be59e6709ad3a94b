#!/usr/bin/env bash
# Rewrites requirements/GROUP.txt from the dependency groups of pyproject.toml: pinned, hashed, wheels only, without
# addresses.
#
#   lock.sh            all groups
#   lock.sh GROUP…     these
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # GROUP PYTHON [OPTION…]
    uv pip compile --quiet --upgrade --group "$1" --python-version "$2" "${@:3}" \
        --generate-hashes --universal --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
        --only-binary :all: --emit-build-options \
        --output-file "requirements/$1.txt"
}

[ $# -gt 0 ] || set -- function build wheel test cloud s3 standin \
    bench bench-decord bench-opencv bench-pyav bench-torchcodec host lock template clip emulator
for group; do
    case $group in
        # The registry's torch links to CUDA's libraries; these it loads only to compile kernels or for linear algebra.
        bench-torchcodec) lock "$group" 3.13 --no-emit-package triton --no-emit-package cuda-bindings --no-emit-package nvidia-cuda-cccl \
            --no-emit-package cuda-pathfinder --no-emit-package cuda-toolkit --no-emit-package nvidia-cusolver \
            --no-emit-package nvidia-nvtx ;;
        host | lock | template) lock "$group" 3.11 ;;
        clip | emulator) lock "$group" 3.11 --no-deps ;;
        *) lock "$group" 3.13 ;;
    esac
done
