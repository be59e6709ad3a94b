#!/usr/bin/env bash
# Installs one contender into an environment of its own, /bench/NAME, from bench-NAME.txt. One that cannot be had is a row
# of the table, not the end of the build: what went wrong is left in /bench/NAME/failed.
set -euo pipefail
home=/bench/$1
log=$(mktemp)

if ! { python3 -m venv --without-pip "$home" &&
    pip3 --python "$home/bin/python" install --quiet --no-cache-dir --no-deps --require-hashes --requirement "bench-$1.txt"; } >"$log" 2>&1; then
    mkdir -p "$home"
    tail -n 1 "$log" >"$home/failed"
    echo "$1: cannot be installed" >&2
    tail -n 30 "$log" >&2
fi
