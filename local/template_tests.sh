#!/usr/bin/env bash
# Runs tests/template with the checkers of AWS's templates, in an environment of its own (requirements/template.txt).
set -euo pipefail
cd "$(dirname "$0")/.."
environment=.cache/template

wanted=$(cksum <requirements/template.txt)
if [ "$(cat "$environment/.locked" 2>/dev/null || true)" != "$wanted" ]; then
    echo "template: making $environment from requirements/template.txt" >&2
    rm -rf "$environment"
    .venv/bin/python -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes --requirement requirements/template.txt
    echo "$wanted" >"$environment/.locked"
fi
"$environment/bin/python" -m pytest tests/template "$@"
