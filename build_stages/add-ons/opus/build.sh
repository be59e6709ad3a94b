#!/usr/bin/env bash
# Sound for WebM, Ogg and Matroska.
. "$(dirname "$0")/../../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --libdir=/opt/lib "${configure[@]}"
step make make -j"$(nproc)"
step install make install
ship libopus.so
pkg-config --modversion opus
