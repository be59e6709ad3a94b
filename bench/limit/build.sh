#!/usr/bin/env bash
# The limit program, linked to the FFmpeg that hwang uses. It is not shipped.
. /build_stages/lib.sh

mkdir -p /ship/bin
read -ra libraries < <(pkg-config --cflags --libs libavformat libavcodec libswscale libavutil)
step compile g++ -std=c++20 -O3 -Wall -Wextra -Werror -pthread limit/*.cpp -o /ship/bin/limit "${libraries[@]}" -Wl,-rpath,/opt/lib
! echo '' | LD_LIBRARY_PATH=/opt/lib /ship/bin/limit >/dev/null || { echo "limit: takes an empty request" >&2; exit 1; }
