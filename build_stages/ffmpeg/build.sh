#!/usr/bin/env bash
# The libraries hwang decodes with: shared, allow-listed, without programs or protocols.
. "$(dirname "$0")/../lib.sh"

unpack
read_configure
step configure ./configure --prefix=/opt --enable-shared --disable-static --disable-programs --disable-avfilter \
    "${configure[@]}" --extra-cflags="$CFLAGS" --extra-ldflags="$LDFLAGS"
# shellcheck disable=SC2016 # make's own variable
echo 'LDFLAGS += -Wl,-Map=$$@.map' >>ffbuild/config.mak
step make make -j"$(nproc)"
step install make install
ship libavcodec.so libavformat.so libavutil.so libswscale.so

# What the judge answers CVE records by: the objects that were linked, all that could have been, and what was configured.
mkdir /ship/compiled
sed -n 's/^LOAD \(lib.*\.o\)$/\1/p' lib*/*.map | sort -u >/ship/compiled/objects
grep -roE --include=Makefile '[[:alnum:]_/-]+\.o\b' lib* fftools | sort -u >/ship/compiled/makefiles
sed -nE 's/^#define ((ARCH|CONFIG|HAVE)_\w+) ([01])$/\1 \3/p' config.h config_components.h | sort >/ship/compiled/configured
grep -qx libavutil/mem.o /ship/compiled/objects

grep -q '^#define CONFIG_NETWORK 0' config.h
grep -q "^#define CONFIG_NONFREE ${NONFREE:-0}\$" config.h
! grep -E '^#define CONFIG_[A-Z0-9_]+_PROTOCOL 1' config_components.h
