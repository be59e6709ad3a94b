#!/usr/bin/env bash
# torchcodec brings neither FFmpeg nor libpython. The distribution's go into /ffmpeg, not into the system: no other contender may find them.
set -euo pipefail
mkdir /ffmpeg
if ! command -v apt-get >/dev/null; then
    echo "ffmpeg: this distribution has none; torchcodec will not load" >&2
    exit 0
fi
cd "/usr/lib/$(uname -m)-linux-gnu"
find . -name '*.so*' | sort >/tmp/before
python3 /build/system_packages.py torchcodec
libraries=(libav*.so.[0-9][0-9] libsw*.so.[0-9] libpython3.*.so.1.0)
# The libraries and what they are linked to, under the names that the loader looks for.
{ printf '%s\n' "${libraries[@]/#/$PWD/}" && ldd "${libraries[@]}" | sed -n 's/.* => \(\/.*\) (.*/\1/p'; } | sort -u |
    while read -r file; do
        grep -qx "./$(basename "$file")" /tmp/before || cp --dereference "$file" /ffmpeg
    done
echo "ffmpeg: $(find /ffmpeg -type f | wc -l) libraries"
