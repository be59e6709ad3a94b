#!/usr/bin/env bash
# Video for Ogg. The encoder is linked to the decoder.
. "$(dirname "$0")/../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --libdir=/opt/lib "${configure[@]}"
step make make -j"$(nproc)"
step install make install
ship libtheoradec.so libtheoraenc.so
pkg-config --modversion theoraenc
