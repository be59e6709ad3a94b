#!/usr/bin/env bash
# Runs the decoder's tests in the test image: the function's own tree, read-only, as Lambda's user, without network. IMAGE names another.
set -euo pipefail
cd "$(dirname "$0")/.."
clip=$(.venv/bin/python -m local.clip)
"$(local/engine.sh client)" run --rm --init --read-only --user 993:990 --cap-drop ALL --network none \
    --tmpfs /tmp:size=2g,mode=1777 --env PYTHONDONTWRITEBYTECODE=1 \
    --volume "$clip:/clips/$(basename "$clip"):ro" --env HWANG_CACHE=/clips \
    "${IMAGE:-hwang-lambda:test}" -p no:cacheprovider tests/decoder "$@"
