#!/usr/bin/env bash
# A stand-in for Lambda's Python base image, for machines that cannot reach its registry: the same paths, environment,
# entrypoint, emulator and Python, from Debian's packages. For local runs and tests only; its label says so.
#
#   build.sh TAG PLATFORM PYTHON    as linux/arm64 and 3.13 (DOCKER names the client, CA a bundle for the registry's TLS)
#
# On Debian and Ubuntu the system is made with mmdebstrap; anywhere else it is the image debian:SUITE-slim.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tag=$1 platform=$2 python=$3
docker=${DOCKER:-docker}
case $python in
    3.13) suite=trixie ;;
    3.14) suite=forky ;;
    *) echo "stand-in: LAMBDA_PYTHON=$python; Debian's packages give 3.13 and 3.14" >&2; exit 1 ;;
esac

# The tag that is looked up is made of everything the stand-in is made of.
base=$here/../base
identity=$(cat "$here"/* "$base"/{Dockerfile,bootstrap,bootstrap.py,contract.toml,debian.sh,lambda-entrypoint.sh,make.sh} "$here/../online.sh" "$here/../../requirements/standin.txt" "$here/../../requirements/emulator.txt" | sha256sum | cut -c1-16)
if [ "$("$docker" image inspect --format '{{index .Config.Labels "hwang-lambda.stand-in"}}' "$tag" 2>/dev/null)" = "$identity" ]; then
    exit 0
fi

if command -v apt-get >/dev/null; then
    "$base/debian.sh" "$tag-debian" "$platform" "$suite"
    debian=$tag-debian
else
    debian=debian:$suite-slim
fi
echo "stand-in: adding Python $python" >&2
"$docker" buildx build --quiet --platform "$platform" --provenance=false --build-arg DEBIAN="$debian" --build-arg PYTHON="$python" --tag "$tag-root" --load "$here" >/dev/null
echo "stand-in: adding the runtime interface client and emulator" >&2
"$base/make.sh" "$tag" "$platform" "$identity" "$tag-root"
