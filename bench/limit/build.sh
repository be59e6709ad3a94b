#!/usr/bin/env bash
# The limit as a library, linked to the FFmpeg that hwang uses. It is not shipped.
. /build_stages/lib.sh

mkdir -p /ship/bench
read -ra libraries < <(pkg-config --cflags --libs libavcodec libswscale libavutil)
step compile g++ -std=c++20 -O3 -fPIC -shared -Wall -Wextra -Werror -pthread limit/*.cpp -o /ship/bench/limit.so "${libraries[@]}" -Wl,-rpath,/opt/lib
LD_LIBRARY_PATH=/opt/lib python3 -c 'import ctypes; ctypes.CDLL("/ship/bench/limit.so").limit_frames'
