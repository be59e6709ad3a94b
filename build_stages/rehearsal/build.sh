#!/usr/bin/env bash
# A base that is poorer than Lambda's, for `make rehearse`: its label says that it is for this machine alone.
#
#   build.sh TAG PLATFORM STANDIN RICH    STANDIN is the stand-in's tag; RICH=1 has the better of what is not known
#
# On Debian and Ubuntu its system is made with mmdebstrap; anywhere else it is the image debian:bullseye-slim.
# DOCKER names the client, CA a bundle for the package registry's TLS.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tag=$1 platform=$2 standin=$3 rich=$4
docker=${DOCKER:-docker}
suite=bullseye # GCC 10.2 and glibc 2.31: both below Amazon Linux 2023's 11.5 and 2.34

debian=debian:$suite-slim
if command -v apt-get >/dev/null; then
    debian=hwang-lambda-rehearsal:$suite
    [ "$("$docker" image inspect --format 'linux/{{.Architecture}}' "$debian" 2>/dev/null)" = "$platform" ] || "$here/../base/debian.sh" "$debian" "$platform" "$suite"
fi
secret=()
[ -z "${CA:-}" ] || secret=(--secret "id=ca,src=$CA")
"$docker" buildx build --progress plain --platform "$platform" --provenance=false --file "$here/Dockerfile" \
    --build-arg DEBIAN="$debian" --build-arg STANDIN="$standin" --build-arg RICH="$rich" \
    "${secret[@]}" --tag "$tag-root" --load "$here/../.."
"$here/../base/make.sh" "$tag" "$platform" rehearsal "$tag-root"
