#!/usr/bin/env bash
# Python below /var/lang, without a search path for its own library, beside an older liblzma that breaks the system's xz.
# Not by lib.sh: there is no Python yet that could read the recipe.
set -euo pipefail

mkdir /tmp/build
tar --extract --file /source/source.tar --directory /tmp/build --strip-components=1
cd /tmp/build
{
    # _lzma has its library inside: the one in /var/lang/lib is of no use.
    LIBLZMA_CFLAGS=' ' LIBLZMA_LIBS='-l:liblzma.a -lpthread' ./configure --prefix=/var/lang --enable-shared \
        --with-ensurepip=install --disable-test-modules
    make -j"$(nproc)"
    make install
} >/tmp/log 2>&1 || { tail -n 60 /tmp/log >&2; exit 1; }
echo 'XZ_5.0 { global: lzma_version_number; local: *; };' >/tmp/map
echo 'unsigned lzma_version_number(void) { return 50000000; }' \
    | gcc -shared -fPIC -xc - -o /var/lang/lib/liblzma.so.5 -Wl,-soname,liblzma.so.5 -Wl,--version-script=/tmp/map
LD_LIBRARY_PATH=/var/lang/lib /var/lang/bin/python3 -c 'import bz2, ctypes, lzma, ssl, sys, zlib; print("cpython:", sys.version)'
! LD_LIBRARY_PATH=/var/lang/lib xz --version 2>/dev/null || { echo "cpython: /var/lang/lib was to break xz" >&2; exit 1; }
