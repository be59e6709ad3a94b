#!/usr/bin/env bash
# Builds one target of the Dockerfile, on the best base that this machine can get.
#
#   image.sh TARGET TAG [OPTION…]        load it into the engine as TAG
#   image.sh TARGET --to DIR [OPTION…]   write the target's files to DIR (bundle, layer, wheel)
#
# Options are docker buildx build's own.
#
# ARCHITECTURE=x86_64 or arm64, in Lambda's words (this machine's by default); QEMU runs the other one's programs
# BASE=auto (default)  Lambda's own base image if its registry answers, else a stand-in made of Debian's packages
#      real            Lambda's own, or fail
#      standin         the stand-in
#      rehearsal       a base that is poorer than Lambda's own (make rehearse); RICH=1 makes the better of two guesses.
#                      A wheel is always built on it, or on an IMAGE: what needs only its old C library runs on more systems
#      IMAGE           any other base of the same contract
# LAMBDA_PYTHON=3.13   the version of Lambda's base, or of the stand-in: 3.13 or 3.14
# CA=FILE              a CA bundle to trust (by default the one that SSL_CERT_FILE, PIP_CERT, … name)
# SOURCES=DIR          a folder with the source archives, for a build without internet
# BUILD_ARGS='A=1 B=0' the Dockerfile's arguments (docs/build.md); quotes hold one together: BUILD_ARGS='ADD_ONS="vpx opus"'
set -euo pipefail
cd "$(dirname "$0")/.."
. local/within.sh

real=$(sed -n "s|^ARG LAMBDA_BASE=||p" Dockerfile)
python=${LAMBDA_PYTHON:-3.13}
# Another version is another tag, without the digest that is pinned for this one.
[[ $real = *:$python* ]] || real=${real%:3.*}:$python
docker=$(local/engine.sh client)
target=$1

case ${ARCHITECTURE:-$(uname -m)} in
    x86_64 | amd64) architecture=amd64 machine=x86_64 ;;
    arm64 | aarch64) architecture=arm64 machine=aarch64 ;;
    *) echo "image: ARCHITECTURE=$ARCHITECTURE; Lambda has x86_64 and arm64" >&2; exit 1 ;;
esac
platform=linux/$architecture
# Docker Desktop, OrbStack and Colima bring an emulator. F: the kernel keeps it open, so that containers can use it.
if [ "$(uname -s)" = Linux ] && [ "$(uname -m)" != "$machine" ] && ! grep -qs '^flags:.*F' "/proc/sys/fs/binfmt_misc/qemu-$machine"; then
    echo "image: nothing here runs programs of $machine: install qemu-user-static (docs/build.md), or build on such a machine" >&2
    exit 1
fi

registry_answers() {
    [ "$("$docker" image inspect --format '{{.Architecture}}' "$real" 2>/dev/null)" = "$architecture" ] || within 8 "$docker" buildx imagetools inspect "$real" >/dev/null 2>&1
}

base=${BASE:-auto}
case $target:$base in wheel*:auto | wheel*:real | wheel*:standin) base=rehearsal ;; esac
if [ "$base" = auto ]; then
    if registry_answers; then
        base=real
    else
        base=standin
        echo "image: the registry of $real does not answer; building on a stand-in made of Debian's packages (for local runs, not for a deploy)" >&2
    fi
fi

[ -z "${CA:-}" ] || [ -s "$CA" ] || { echo "image: CA=$CA is not there, or empty" >&2; exit 1; }
ca=${CA:-${SSL_CERT_FILE:-${PIP_CERT:-${REQUESTS_CA_BUNDLE:-${CURL_CA_BUNDLE:-}}}}}
arguments=()
[ ! -s "$ca" ] || arguments+=(--secret "id=ca,src=$ca")
[ -z "${SOURCES:-}" ] || arguments+=(--build-context "sources=$SOURCES")
build_args=$(xargs -n 1 printf '%s\n' <<<"${BUILD_ARGS:-}")
while read -r argument; do
    [ -z "$argument" ] || arguments+=(--build-arg "$argument")
done <<<"$build_args"
standin=hwang-lambda-standin:$python
[ "$architecture" = amd64 ] || standin+=-$architecture
make_standin() { DOCKER=$docker CA=$([ -s "$ca" ] && echo "$ca" || true) build_stages/standin/build.sh "$standin" "$platform" "$python"; }
case $base in
    real) arguments+=(--build-arg "LAMBDA_BASE=$real") ;;
    standin)
        make_standin
        # The engine's own builder: one in a container does not see the engine's images.
        arguments+=(--builder "$("$docker" context show)" --build-arg "LAMBDA_BASE=$standin" --build-arg HWANG_STAND_IN=1)
        ;;
    rehearsal)
        make_standin
        rehearsal=hwang-lambda-rehearsal:$([ "${RICH:-0}" = 0 ] || echo rich-)$python
        DOCKER=$docker CA=$([ -s "$ca" ] && echo "$ca" || true) build_stages/rehearsal/build.sh "$rehearsal" "$platform" "$standin" "${RICH:-0}"
        # It has no apt-get, the last way to the sources: the stand-in fetches them into the cache.
        for sources in nasm-source licences; do BASE=standin local/image.sh "$sources" hwang-lambda-rehearsal:sources --progress quiet >/dev/null; done
        arguments+=(--builder "$("$docker" context show)" --build-arg "LAMBDA_BASE=$rehearsal")
        ;;
    *) arguments+=(--build-arg "LAMBDA_BASE=$base") ;;
esac

if [ "$2" = --to ]; then
    arguments+=(--output "type=local,dest=$3" "${@:4}")
else
    arguments+=(--tag "$2" --load "${@:3}")
fi
# Then two builds of the same files are one image.
arguments+=(--build-arg "$(sed -n 's/^ENV \(SOURCE_DATE_EPOCH=\)/\1/p' Dockerfile)")
# An attestation would turn the image into an index, which Lambda refuses.
native=$(local/native.sh)
"$docker" buildx build --platform "$platform" --provenance=false --sbom=false --target "$target" "${arguments[@]}" .

# What tests/support/tree.py asks: whether the image is of the sources that are compiled now.
if [ "$2" != --to ] && built=$("$docker" image inspect --format '{{.Id}}' "$2" 2>/dev/null) && [ -n "$built" ]; then
    mkdir -p .cache/built
    echo "$native" >".cache/built/${built#sha256:}"
fi
