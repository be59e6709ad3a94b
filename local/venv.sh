#!/usr/bin/env bash
# Installs Python packages in an environment, as they are pinned. Does nothing if they are there.
#
#   venv.sh                      the host's tools of requirements/host.txt, in .venv
#   venv.sh ENVIRONMENT GROUP    those of requirements/GROUP.txt
set -euo pipefail
cd "$(dirname "$0")/.."
environment=${1:-.venv}
packages=requirements/${2:-host}.txt

# Makes the command of `pip install ./deploy`, but for the sources here.
make_ecr_push() {
    [ -x .venv/bin/ecr-push ] && return
    printf '#!/bin/sh\nexec "%s/.venv/bin/python" "%s/ecr_push.py" "$@"\n' "$PWD" "$PWD" >.venv/bin/ecr-push
    chmod +x .venv/bin/ecr-push
}

wanted=$(cksum <"$packages")
if [ "$(cat "$environment/.locked" 2>/dev/null || true)" = "$wanted" ]; then
    [ "$environment" != .venv ] || make_ecr_push
    exit
fi

suitable() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "python: Python 3.11 or later with venv is needed: install it (Debian, Ubuntu: sudo apt-get install python3-venv)" >&2
        exit 1
    fi
    echo "python: installing python3-venv" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3-venv; } >/dev/null
    python=$(find_python) || { echo "python: this distribution's Python is older than 3.11; install a newer one" >&2; exit 1; }
fi
echo "python: making $environment from $packages" >&2
rm -rf "$environment"
"$python" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$packages"
echo "$wanted" >"$environment/.locked"
[ "$environment" != .venv ] || make_ecr_push
