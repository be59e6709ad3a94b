#!/usr/bin/env bash
# Without an assembler the codecs fall back to C and decode several times slower.
. "$(dirname "$0")/../lib.sh"
[ "$(uname -m)" = x86_64 ] || { echo "nasm: not needed on $(uname -m)"; exit 0; }

unpack
step configure ./configure --prefix=/opt
step make make -j"$(nproc)" nasm
step install install -D nasm /opt/bin/nasm
/opt/bin/nasm --version | grep -F "version $(recipe version)"
