#!/usr/bin/env bash
# Rewrites build_stages/verify/components.txt from the FFmpeg of the image hwang-lambda:tree, built without add-ons. The
# comments on top stay, and the options in each line, and components of options that this image lacks.
set -euo pipefail
cd "$(dirname "$0")/.."
list=build_stages/verify/components.txt
found=$("$(local/engine.sh client)" run --rm --network none --entrypoint python3 \
    --volume "$PWD/build_stages:/build_stages:ro" --env PYTHONPATH=/build_stages --env PYTHONDONTWRITEBYTECODE=1 \
    hwang-lambda:tree /build_stages/verify/components.py /opt/lib)
{
    grep '^#' "$list"
    {
        while read -r kind name; do
            grep -m 1 -E "^$kind ${name//+/\\+}( |\$)" "$list" || echo "$kind $name"
        done <<<"$found"
        grep -E '^[^#]\S* \S+ \S' "$list"
    } | LC_ALL=C sort --unique
} >"$list.new"
mv "$list.new" "$list"
git --no-pager diff --stat -- "$list"
