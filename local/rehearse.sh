#!/usr/bin/env bash
# Builds everything that ships on a base that is poorer than Lambda's own in all that matters (build_stages/rehearsal/),
# without the stand-in's concessions, and tries it: the same pictures as the stand-in's image, and the decoder's tests.
set -euo pipefail
cd "$(dirname "$0")/.."
image=hwang-lambda-rehearsal
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
start=$SECONDS

say() { echo "rehearse: $* ($((SECONDS - start)) s)"; }
build() { # TARGET… as local/image.sh takes them; the log is shown if it fails
    BASE=rehearsal local/image.sh "$@" --progress plain >"$work/log" 2>&1 || { tail -n 60 "$work/log" >&2; say "FAILED: $1"; exit 1; }
    grep -E '^#[0-9]+ [0-9.]+ (verify|nasm|x264|dav1d|ffmpeg|hwang|wheel|trim): ' "$work/log" | sed 's/^#[0-9]* [0-9.]* /rehearse:   /' || true
    say "built $1"
}
keeps_to_the_contract() { PYTHONPATH=build_stages .venv/bin/python -m local.base_report "$1" >/dev/null; }

# The better guess about Lambda's base, behind a private certificate authority.
{
    .venv/bin/python -c 'from pathlib import Path; import requests.certs; print(Path(requests.certs.where()).read_text())'
    cat "${CA:-${SSL_CERT_FILE:-/dev/null}}"
} >"$work/authorities"
RICH=1 CA=$work/authorities build compiler "$image:compiler"
keeps_to_the_contract "$image:rich-3.13"

# The worse guess.
build function "$image:function"
keeps_to_the_contract "$image:3.13"
for target in bundle layer wheel; do
    build "$target" --to "$work/$target"
done
build test "$image:test"
.venv/bin/python -m local.smoke "$image:function" hwang-lambda:latest
say "its pictures are those of the stand-in's image"
IMAGE=$image:test local/decoder_tests.sh -q
say "the decoder's tests pass"
