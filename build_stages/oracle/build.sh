#!/usr/bin/env bash
# The tests' independent truth: the ffmpeg program of the very release that hwang uses.
. "$(dirname "$0")/../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --bindir=/ship/bin --disable-ffplay "${configure[@]}" --disable-swresample
step make make -j"$(nproc)"
step install make install-progs
LD_LIBRARY_PATH=/opt/lib:$LD_LIBRARY_PATH /ship/bin/ffmpeg -version | head -n 1
