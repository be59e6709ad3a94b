#!/usr/bin/env bash
# The static checks of the whole tree, at the same time. Each of them ends, so that one run shows all there is to mend.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
names=() pids=()

check() { # NAME COMMAND…
    "${@:2}" >"$work/$1" 2>&1 &
    names+=("$1") pids+=("$!")
}
shell_scripts() { { git ls-files '*.sh' && git grep --files-with-matches --extended-regexp '^#!/(bin/sh|usr/bin/env bash)$' -- ':!*.py'; } | sort -u; }

check mypy .venv/bin/mypy
check imports env PYTHONPATH=build_stages .venv/bin/lint-imports --no-logo --cache-dir .cache/import-linter
check ruff .venv/bin/ruff check .
check format .venv/bin/ruff format --check .
# shellcheck disable=SC2046
check clang-format .venv/bin/clang-format --dry-run -Werror $(git ls-files '*.cpp' '*.h')
# shellcheck disable=SC2046
check hadolint .venv/bin/hadolint $(git ls-files '*Dockerfile')
# shellcheck disable=SC2046
check shellcheck .venv/bin/shellcheck $(shell_scripts)

status=0
for number in "${!names[@]}"; do
    if wait "${pids[number]}"; then
        last=$(tail -n 1 "$work/${names[number]}")
        echo "${names[number]}: ${last:-no findings}"
    else
        status=1
        sed "s/^/${names[number]}: /" "$work/${names[number]}"
    fi
done
exit "$status"
