#!/usr/bin/env bash
# Prints a checksum of all that is compiled or installed into the images, so that one can tell whether an image still fits the
# working tree when the tree's Python is mounted over it. image.sh writes it down for each image that it builds.
set -euo pipefail
cd "$(dirname "$0")/.."
find hwang/core build_stages/{nasm,x264,dav1d,ffmpeg,hwang,function} requirements/{build,function,test}.txt -type f \
    -not -name '*.pyc' -exec cksum {} + | LC_ALL=C sort | cksum | cut -d ' ' -f 1
