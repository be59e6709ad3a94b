#!/usr/bin/env bash
# Stops what this project started (down), and removes what it made (all).
set -euo pipefail
cd "$(dirname "$0")/.."

if docker=$(local/engine.sh client 2>/dev/null) && "$docker" info >/dev/null 2>&1; then
    for project in $("$docker" ps --all --filter 'label=com.docker.compose.project' --format '{{.Label "com.docker.compose.project"}}' | sort -u | grep '^hwang-' || true); do
        "$docker" compose --project-name "$project" down --volumes --remove-orphans --timeout 2 2>/dev/null
    done
    if [ "${1:-}" = all ]; then
        "$docker" image ls --format '{{.Repository}}:{{.Tag}}' | grep -E '^hwang-lambda(-standin)?:' | xargs -r "$docker" image rm >/dev/null
        # The build cache cannot be told apart by project: it goes only with an engine that is ours alone.
        if local/engine.sh ours; then
            "$docker" builder prune --all --force >/dev/null
        else
            echo "clean: the build cache is left, as it may hold other projects': docker builder prune" >&2
        fi
    fi
fi
local/engine.sh down
if [ "${1:-}" = all ]; then
    rm -rf .cache .venv demo-out dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
    find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
fi
