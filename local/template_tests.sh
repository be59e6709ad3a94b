#!/usr/bin/env bash
# Runs the template's tests with the checkers of AWS's templates, in an environment of its own (requirements/template.txt).
#
#   template_tests.sh [pytest's options and tests, by default all of tests/template]
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
tests=(tests/template)
for word; do
    case $word in tests/*) tests=() ;; esac
done
exec "$environment/bin/python" -m pytest "${tests[@]}" "$@"
