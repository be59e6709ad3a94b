#!/usr/bin/env bash
# The libraries hwang decodes with: shared, allow-listed, without programs or protocols.
. "$(dirname "$0")/../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --enable-shared --disable-static --disable-programs --disable-avfilter \
    "${configure[@]}" --extra-cflags="$CFLAGS" --extra-ldflags="$LDFLAGS"
step make make -j"$(nproc)"
step install make install
ship libavcodec.so libavformat.so libavutil.so libswscale.so
grep -q '^#define CONFIG_NETWORK 0' config.h
grep -q "^#define CONFIG_NONFREE ${NONFREE:-0}\$" config.h
! grep -E '^#define CONFIG_[A-Z0-9_]+_PROTOCOL 1' config_components.h
