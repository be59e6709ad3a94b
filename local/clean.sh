#!/usr/bin/env bash
# Stops everything that this checkout started (down), and removes everything that this project made (all). Continues if a
# step fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
status=0

containers_and_images() {
    local docker=$1 projects project containers images
    projects=$("$docker" ps --all --filter "label=hwang-lambda.checkout=$PWD" --format '{{.Label "com.docker.compose.project"}}' | sort -u)
    for project in $projects; do
        # also what an emulated Lambda has started in the project's network
        containers=$("$docker" ps --all --quiet --filter "network=${project}_default")
        # shellcheck disable=SC2086
        [ -z "$containers" ] || "$docker" rm --force $containers >/dev/null || status=1
        "$docker" compose --project-name "$project" down --volumes --remove-orphans --timeout 2 || status=1
    done
    [ "$2" = all ] || return
    images=$("$docker" image ls --format '{{.Repository}}:{{.Tag}}' | grep -E '^hwang-lambda(-standin|-rehearsal)?:')
    # shellcheck disable=SC2086
    [ -z "$images" ] || "$docker" image rm --force $images >/dev/null || status=1
    # The build cache does not know projects, so it is removed only from an engine that was started here.
    if local/engine.sh ours; then
        "$docker" builder prune --all --force >/dev/null && "$docker" image prune --force >/dev/null || status=1
    else
        echo "clean: the build cache is left, as it may hold other projects': docker builder prune" >&2
    fi
}

if docker=$(local/engine.sh client 2>/dev/null) && "$docker" info >/dev/null 2>&1; then
    containers_and_images "$docker" "${1:-down}"
fi
local/engine.sh down || status=1
if [ "${1:-down}" = all ]; then
    rm -f /var/log/hwang-lambda-dockerd.log 2>/dev/null
    rm -rf .cache .venv bench/results demo-out dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
    find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
fi
exit "$status"
