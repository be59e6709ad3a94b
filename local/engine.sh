#!/usr/bin/env bash
# A Docker Engine for this machine: the running one if there is one, else Debian's or Ubuntu's own packages, installed and started.
#
#   engine.sh up       leave with an engine that answers, or with one line that says what to install
#   engine.sh client   print the docker client that has buildx and compose
#   engine.sh down     stop the engine, if it was this script that started it
#   engine.sh ours     succeed if the running engine was started by this script
set -euo pipefail

. "$(dirname "$0")/within.sh"
state=/run/hwang-lambda
pidfile=$state/dockerd.pid
by_systemd=$state/started-by-systemd
log=/var/log/hwang-lambda-dockerd.log

say() { printf '%s\n' "$*" >&2; }
die() { say "engine: $*"; exit 1; }

# An older client without plugins may come first on PATH, so every candidate is asked.
client() {
    local candidate
    for candidate in "$(command -v docker || true)" /usr/bin/docker /opt/homebrew/bin/docker /usr/local/bin/docker; do
        [ -x "$candidate" ] || continue
        if { "$candidate" buildx version && "$candidate" compose version; } >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

answers() { local docker; docker=$(client) && within 20 "$docker" info >/dev/null 2>&1; }

started_here() {
    [ -e "$by_systemd" ] || { [ -r "$pidfile" ] && [ "$(cat "/proc/$(cat "$pidfile")/comm" 2>/dev/null)" = dockerd ]; }
}

# shellcheck disable=SC1091  # the machine's own
distribution() { (. /etc/os-release 2>/dev/null && printf '%s:%s\n' "${ID:-}" "${VERSION_CODENAME:-}"); }

install_packages() {
    local packages
    case $(distribution) in
        debian:bookworm)
            # bookworm's own engine has no buildx; trixie's runs on bookworm's libc. runc stays bookworm's: trixie's needs a newer libc.
            local mirror
            mirror=$(apt-get --print-uris update | sed -n "s|^'\(.*\)/dists/bookworm/InRelease'.*|\1|p" | head -n 1)
            [ -n "$mirror" ] || die "no Debian mirror is configured; see /etc/apt/sources.list"
            printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$mirror" \
                >/etc/apt/sources.list.d/hwang-lambda-trixie.list
            printf '%s\n' 'Package: *' 'Pin: release n=trixie' 'Pin-Priority: 100' '' \
                'Package: docker.io docker-cli docker-buildx docker-compose containerd' 'Pin: release n=trixie' 'Pin-Priority: 990' \
                >/etc/apt/preferences.d/hwang-lambda-trixie
            packages='docker.io docker-cli docker-buildx docker-compose iptables' ;;
        debian:*) packages='docker.io docker-cli docker-buildx docker-compose iptables' ;;
        ubuntu:*) packages='docker.io docker-buildx docker-compose-v2 iptables' ;;
        *) return 1 ;;
    esac
    say "engine: installing $packages (about a minute, 400 MB)"
    export DEBIAN_FRONTEND=noninteractive
    local output
    output=$(mktemp)
    # Another vendor's engine is never replaced: --no-remove makes apt refuse.
    # shellcheck disable=SC2086
    if ! { apt-get update -q && apt-get install -qy --no-remove --no-install-recommends $packages; } >"$output" 2>&1; then
        tail -n 30 "$output" >&2
        rm -f "$output"
        die "apt-get could not install the packages (above)"
    fi
    rm -f "$output"
}

start() {
    mkdir -p "$state"
    if [ -d /run/systemd/system ]; then
        systemctl start docker || die "systemctl could not start docker: journalctl -u docker tells why"
        touch "$by_systemd"
        return
    fi
    setsid dockerd >"$log" 2>&1 </dev/null &
    echo $! >"$pidfile"
    trap 'down; exit 130' INT TERM
    for _ in $(seq 300); do
        answers && { trap - INT TERM; return; }
        started_here || break
        sleep 0.1
    done
    tail -n 20 "$log" >&2
    down
    die "dockerd did not come up (its log: $log)"
}

up() {
    answers && return
    [ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST"
    case $(uname -s):$(id -u) in
        Linux:0) ;;
        Darwin:*) die "no Docker Engine answers: install and start Docker Desktop, OrbStack or Colima (with buildx and compose v2)" ;;
        *) die "no Docker Engine answers for user $(id -un): install one with buildx and compose v2, or join the docker group (sudo usermod -aG docker $(id -un)), or run as root" ;;
    esac
    if command -v dockerd >/dev/null && ! client >/dev/null; then
        die "there is an engine, but no client with buildx and compose v2: install docker-buildx and docker-compose (docker-ce: docker-buildx-plugin docker-compose-plugin)"
    fi
    if ! command -v dockerd >/dev/null; then
        install_packages || die "no Docker Engine answers: install one with buildx and compose v2 from this distribution's packages"
    fi
    answers || start
    say "engine: $("$(client)" version --format 'Docker Engine {{.Server.Version}}') is running"
}

down() {
    started_here || return 0
    if [ -e "$by_systemd" ]; then
        systemctl stop docker.socket docker && rm -f "$by_systemd"
        say "engine: stopped"
        return
    fi
    local pid
    pid=$(cat "$pidfile")
    kill "$pid"
    for _ in $(seq 200); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    ! kill -0 "$pid" 2>/dev/null || die "dockerd (process $pid) does not stop; its log: $log"
    rm -f "$pidfile"
    say "engine: stopped"
}

case ${1:-} in
    up) up ;;
    client) client || die "no docker client with buildx and compose v2 was found; 'make engine' says what to do" ;;
    down) down ;;
    ours) started_here ;;
    *) die "usage: engine.sh up|client|down|ours" ;;
esac
