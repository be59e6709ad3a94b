#!/usr/bin/env bash
# AV1 is what phones and video sites write now; this is the decoder FFmpeg hands it to.
. "$(dirname "$0")/../lib.sh"

unpack
read_configure
step configure meson setup build --prefix=/opt --libdir=lib "${configure[@]}"
step make ninja -C build
step install ninja -C build install
ship libdav1d.so
pkg-config --modversion dav1d
