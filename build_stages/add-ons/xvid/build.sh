#!/usr/bin/env bash
# MPEG-4 part 2 for players that know nothing newer. GPL: an image with it in is GPL as a whole.
. "$(dirname "$0")/../../lib.sh"

unpack
read_configure
PATH=/opt/bin:$PATH
cd build/generic
step configure ./configure --prefix=/opt --libdir=/opt/lib "${configure[@]}"
step make make -j"$(nproc)"
step install make install
ship libxvidcore.so
grep -F XVID_VERSION /opt/include/xvid.h
