#!/usr/bin/env bash
# VP8 and VP9 for WebM. Its tables of functions are made by Perl, its x86 code by nasm.
. "$(dirname "$0")/../../lib.sh"

unpack
read_configure
[ "$(uname -m)" != x86_64 ] || configure+=(--as=nasm)
PATH=/opt/bin:$PATH
step configure ./configure --prefix=/opt "${configure[@]}" --extra-cflags="$CFLAGS" --extra-cxxflags="$CXXFLAGS"
step make make -j"$(nproc)"
step install make install
ship libvpx.so
pkg-config --modversion vpx
