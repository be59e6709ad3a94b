#!/usr/bin/env bash
# The program behind docs/decisions/rgb-conversion.md, linked to the FFmpeg that hwang uses. It is not shipped.
. /build_stages/lib.sh

mkdir -p /ship/bin
read -ra libraries < <(pkg-config --cflags --libs libavformat libavcodec libswscale libavutil)
[ ! -e /usr/include/libyuv.h ] || libraries+=(-l:libyuv.a)
step compile g++ -std=c++20 -O3 -Wall -Wextra -Werror -pthread conversion/*.cpp limit/movie.cpp -o /ship/bin/conversion "${libraries[@]}" -Wl,-rpath,/opt/lib
test -x /ship/bin/conversion
