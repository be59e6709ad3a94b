#!/usr/bin/env bash
# Prints what a first build costs, before it begins.
set -euo pipefail
here=$(dirname "$0")
if ! docker=$("$here/engine.sh" client 2>/dev/null) || ! "$docker" image inspect hwang-lambda:latest >/dev/null 2>&1; then
    cores=$(getconf _NPROCESSORS_ONLN)
    echo "First build: FFmpeg, x264 and dav1d are compiled from source: about $((12 / cores + 3)) minutes on $cores cores, 3 GB of disk. Later ones take seconds." >&2
fi
