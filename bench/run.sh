#!/usr/bin/env bash
# Makes the timing clips that are needed and missing, then measures in the bench image: without network, in one container that
# goes when this script goes. $1 is the image. QUICK, CLIPS, WORKLOADS and REPEAT choose how much (bench/workloads.py).
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1
clips=${HWANG_CACHE:-$PWD/.cache}/bench
results=$PWD/bench/results

.venv/bin/python -m bench.clips
mkdir -p "$results"
docker=$(local/engine.sh client)
container=hwang-bench-$$
trap '"$docker" rm --force "$container" >/dev/null 2>&1 || true' EXIT
options=(--rm --name "$container" --init --network none --user "$(id -u):$(id -g)" --cap-drop ALL --tmpfs '/tmp:exec,mode=1777'
    --volume "$clips:/cache/bench:ro" --env HWANG_CACHE=/cache
    --volume "$results:/results" --env RESULTS=/results
    --env QUICK --env CLIPS --env WORKLOADS --env REPEAT --env NO_COLOR
    --env PYTHONDONTWRITEBYTECODE=1 --env HOME=/tmp)
[ ! -t 1 ] || options+=(--tty --env TERM)
"$docker" run "${options[@]}" "$image"
for name in bench.md bench.png; do
    [ -n "${QUICK:-}${CLIPS:-}${WORKLOADS:-}" ] || cp "$results/$name" "docs/$name"
done
echo "bench: ${results#"$PWD"/}/bench.md, bench.png, results.json"
