#!/usr/bin/env bash
# AAC as Android has it. Nobody may be given FFmpeg with it in.
. "$(dirname "$0")/../../lib.sh"

unpack
read_configure
step configure cmake -S . -B build --install-prefix /opt -DCMAKE_INSTALL_LIBDIR=lib "${configure[@]}"
step make cmake --build build --parallel "$(nproc)"
step install cmake --install build
ship libfdk-aac.so
pkg-config --modversion fdk-aac
