#!/usr/bin/env bash
# Runs the decoder's tests in the test image: the function's own tree, read-only, as Lambda's user, without network.
#
#   decoder_tests.sh [pytest's options and tests, by default all of tests/decoder]
#
# IMAGE names another image; HWANG_TREE=mounted tests the working tree instead (tests/support/tree.py).
set -euo pipefail
cd "$(dirname "$0")/.."
image=${IMAGE:-hwang-lambda:test}
clip=$(.venv/bin/python -m local.clip)
mounted=$(.venv/bin/python -m tests.support.tree "$image")
read -r -a volumes <<<"$mounted"
for page in *.md docs examples; do # tests/decoder/test_docs.py carries out what they show
    volumes+=(--volume="$PWD/$page:/var/task/$page:ro")
done
if [ "${HWANG_TREE:-}" = mounted ]; then
    volumes+=(--volume="$PWD/tests:/var/task/tests:ro" --volume="$PWD/local:/var/task/local:ro" --volume="$PWD/pyproject.toml:/var/task/pyproject.toml:ro")
fi
results=.cache/results # --junit-xml /results/… writes there
mkdir -p "$results"
chmod 777 "$results"
tests=(tests/decoder)
for word; do
    case $word in tests/*) tests=() ;; esac
done
"$(local/engine.sh client)" run --rm --init --read-only --user 993:990 --cap-drop ALL --network none \
    --tmpfs /tmp:size=2g,mode=1777 --env PYTHONDONTWRITEBYTECODE=1 "${volumes[@]}" \
    --volume "$clip:/clips/$(basename "$clip"):ro" --env HWANG_CACHE=/clips \
    --volume "$PWD/$results:/results" \
    "$image" -p no:cacheprovider "${tests[@]}" "$@"
