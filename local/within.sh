# shellcheck shell=bash
# within SECONDS COMMAND…: the command, ended if it takes longer. (macOS has no timeout.)
within() {
    local seconds=$1 command guard status=0
    shift
    "$@" &
    command=$!
    { sleep "$seconds" && kill "$command"; } >/dev/null 2>&1 &
    guard=$!
    wait "$command" 2>/dev/null || status=$?
    kill "$guard" 2>/dev/null || true
    return "$status"
}
