#!/usr/bin/env bash
# Video for Ogg. The encoder is linked to the decoder.
. "$(dirname "$0")/../../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --libdir=/opt/lib "${configure[@]}"
# Not the documentation: Debian's archive has it not.
step make make -j"$(nproc)" -C lib
step install make -C lib install
step headers make -C include install
step pkgconfig make install-pkgconfigDATA
ship libtheoradec.so libtheoraenc.so
pkg-config --modversion theoraenc
