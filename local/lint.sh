#!/usr/bin/env bash
# Runs all static checks over the whole tree, also after one has failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
status=0

dockerfiles() { git ls-files '*Dockerfile'; }
shell_scripts() { { git ls-files '*.sh' && git grep --files-with-matches --extended-regexp '^#!/(bin/sh|usr/bin/env bash)$' -- ':!*.py'; } | sort -u; }

.venv/bin/ruff check . || status=1
.venv/bin/ruff format --check . || status=1
.venv/bin/mypy || status=1
PYTHONPATH=build_stages .venv/bin/lint-imports --no-logo --cache-dir .cache/import-linter || status=1
dockerfiles | xargs .venv/bin/hadolint || status=1
shell_scripts | xargs .venv/bin/shellcheck || status=1
exit "$status"
