#!/usr/bin/env bash
# MP3, which everything plays.
. "$(dirname "$0")/../../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --libdir=/opt/lib "${configure[@]}"
step make make -j"$(nproc)"
step install make install
ship libmp3lame.so
python3 -c 'import ctypes; version = ctypes.CDLL("/opt/lib/libmp3lame.so").get_lame_version; version.restype = ctypes.c_char_p
print(version().decode())' | grep -Fx "$(recipe version)"
