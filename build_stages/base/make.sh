#!/usr/bin/env bash
# Makes a base image of the contract: a system with Python below /var/lang, and what Lambda's own has beside that.
#
#   make.sh TAG PLATFORM IDENTITY ROOT    TAG stands on the image ROOT; its label names IDENTITY
#
# DOCKER names the client, CA a bundle for the package registry's TLS.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tag=$1 platform=$2 identity=$3 root=$4

secret=()
[ -z "${CA:-}" ] || secret=(--secret "id=ca,src=$CA")
{
    cat "$here/Dockerfile"
    sed -n '/^\[environment\.variables\]$/,/^$/s/^\([A-Z_]*\) = /ENV \1=/p' "$here/contract.toml"
} | "${DOCKER:-docker}" buildx build --quiet --platform "$platform" --provenance=false --file - --build-arg ROOT="$root" \
    --label hwang-lambda.stand-in="$identity" "${secret[@]}" --tag "$tag" --load "$here/../.." >/dev/null
