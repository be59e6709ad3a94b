#!/usr/bin/env bash
# Runs the fuzz image on all cores: read-only, without network. Inputs that fail are left in dist/fuzz. IMAGE names another.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p dist/fuzz
terminal=()
[ ! -t 1 ] || terminal=(--tty)
"$(local/engine.sh client)" run --rm --init "${terminal[@]}" --read-only --user "$(id -u):$(id -g)" --cap-drop ALL --network none \
    --tmpfs /tmp:size=2g,mode=1777 --env PYTHONDONTWRITEBYTECODE=1 --volume "$PWD/dist/fuzz:/failures" \
    "${IMAGE:-hwang-lambda:fuzz}" "$@"
