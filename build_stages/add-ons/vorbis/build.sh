#!/usr/bin/env bash
# Sound for Ogg and WebM. The encoder is a library of its own, over the other.
. "$(dirname "$0")/../../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --libdir=/opt/lib "${configure[@]}"
step make make -j"$(nproc)"
step install make install
ship libvorbis.so libvorbisenc.so
pkg-config --modversion vorbis
