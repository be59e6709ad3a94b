#!/usr/bin/env bash
# A base that is poorer than Lambda's, for `make rehearse`: its label says that it is for this machine alone.
#
#   build.sh TAG PLATFORM STANDIN RICH    STANDIN is the stand-in's tag; RICH=1 has the better of what is not known
#
# DOCKER names the client, CA a bundle for the package registry's TLS.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tag=$1 platform=$2 standin=$3 rich=$4
docker=${DOCKER:-docker}
suite=bullseye # GCC 10.2 and glibc 2.31: both below Amazon Linux 2023's 11.5 and 2.34

"$docker" image inspect "hwang-lambda-rehearsal:$suite" >/dev/null 2>&1 || "$here/../base/debian.sh" "hwang-lambda-rehearsal:$suite" "$platform" "$suite"
secret=()
[ -z "${CA:-}" ] || secret=(--secret "id=ca,src=$CA")
"$docker" buildx build --progress plain --platform "$platform" --provenance=false --file "$here/Dockerfile" \
    --build-arg DEBIAN="hwang-lambda-rehearsal:$suite" --build-arg STANDIN="$standin" --build-arg RICH="$rich" \
    "${secret[@]}" --tag "$tag-root" --load "$here/../.."
"$here/../base/make.sh" "$tag" "$platform" rehearsal "$tag-root"
