#!/usr/bin/env bash
# Makes the smallest Debian system, of the mirror that this machine uses, as an image. For Debian and Ubuntu hosts.
#
#   debian.sh TAG PLATFORM SUITE [MMDEBSTRAP-OPTION…]
set -euo pipefail
tag=$1 platform=$2 suite=$3
docker=${DOCKER:-docker}

packages=(mmdebstrap debian-archive-keyring)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "base: install ${packages[*]} (sudo apt-get install ${packages[*]}), then run this again" >&2; exit 1; }
    echo "base: installing ${packages[*]}" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}"; } >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "base: making a Debian $suite system (about a minute)" >&2
# A mirror may lag behind; whose the packages are, their signatures tell.
mmdebstrap --quiet --variant=minbase --architectures="${platform#linux/}" --skip=check/qemu \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' "${@:4}" \
    "$suite" "$work/root.tar"
"$docker" import --platform "$platform" "$work/root.tar" "$tag" >/dev/null
