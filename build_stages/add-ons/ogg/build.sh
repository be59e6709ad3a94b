#!/usr/bin/env bash
# What Vorbis and Theora are linked to.
. "$(dirname "$0")/../../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --libdir=/opt/lib "${configure[@]}"
step make make -j"$(nproc)"
step install make install
ship libogg.so
pkg-config --modversion ogg
