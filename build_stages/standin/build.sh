#!/usr/bin/env bash
# A stand-in for Lambda's Python base image, for machines that cannot reach its registry: the same paths, environment,
# entrypoint, emulator and Python, from Debian's packages. For local runs and tests only; its label says so.
#
#   build.sh TAG PLATFORM    as linux/arm64 (DOCKER names the client, CA a bundle for the package registry's TLS)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tag=$1
platform=$2
docker=${DOCKER:-docker}

# The tag that is looked up is made of everything the stand-in is made of.
identity=$(cat "$here"/* "$here/../online.sh" "$here/../../requirements/standin.txt" "$here/../../requirements/emulator.txt" | sha256sum | cut -c1-16)
if [ "$("$docker" image inspect --format '{{index .Config.Labels "hwang-lambda.stand-in"}}' "$tag" 2>/dev/null)" = "$identity" ]; then
    exit 0
fi

command -v apt-get >/dev/null || { echo "stand-in: it is made on Debian or Ubuntu; elsewhere use the real base (make image BASE=real)" >&2; exit 1; }
packages=(mmdebstrap debian-archive-keyring)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "stand-in: install ${packages[*]} (sudo apt-get install ${packages[*]}), then run this again" >&2; exit 1; }
    echo "stand-in: installing ${packages[*]}" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}"; } >/dev/null
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "stand-in: making a Debian root with Python 3.13 (about a minute)" >&2
mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3.13,python3.13-venv \
    --architectures="${platform#linux/}" --skip=check/qemu \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    trixie "$work/root.tar"
"$docker" import --platform "$platform" "$work/root.tar" "$tag-root" >/dev/null

secret=()
[ -z "${CA:-}" ] || secret=(--secret "id=ca,src=$CA")
echo "stand-in: adding the runtime interface client and emulator" >&2
"$docker" buildx build --quiet --platform "$platform" --file "$here/Dockerfile" --build-arg ROOT="$tag-root" --label hwang-lambda.stand-in="$identity" \
    "${secret[@]}" --tag "$tag" "$here/../.." >/dev/null
