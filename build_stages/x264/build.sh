#!/usr/bin/env bash
# The encoder behind clips as output. GPL: an image with it in is GPL as a whole.
. "$(dirname "$0")/../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt "${configure[@]}" --extra-cflags="$CFLAGS" --extra-ldflags="$LDFLAGS"
step make make -j"$(nproc)"
step install make install
ship libx264.so
pkg-config --modversion x264
