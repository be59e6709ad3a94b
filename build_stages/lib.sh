# shellcheck shell=bash
# What every build.sh shares. A build script runs inside the Dockerfile, without network, in one order:
# why, configure, make, install, prove. It finds its source in /source (an add-on's: in SOURCE) and installs below /opt;
# `ship` copies what goes into the image to /ship/lib.
set -euo pipefail

product=$(basename "$(dirname "$(realpath "$0")")")
stages=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=/tmp/build${SOURCE:+/$product}
export PKG_CONFIG_PATH=/opt/lib/pkgconfig
export CFLAGS="-O3 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2"
export CXXFLAGS="$CFLAGS"
export LDFLAGS="-Wl,-z,relro,-z,now,--disable-new-dtags"

recipe() { python3 "$stages/recipe.py" "$product" "$1"; }

# The arguments of its recipe as the array `configure`; ends the build if the recipe refuses.
read_configure() {
    local arguments
    arguments=$(recipe configure)
    # shellcheck disable=SC2034 # used by the caller
    mapfile -t configure <<<"$arguments"
}

unpack() {
    mkdir -p "$work"
    tar --extract --file "${SOURCE:-/source}/source.tar" --directory "$work" --strip-components=1
    cd "$work"
}

# Runs one step quietly and says how long it took; shows the end of its log when it fails.
step() { # NAME COMMAND…
    local name=$1 start=$SECONDS log
    log=$(mktemp)
    shift
    if "$@" >"$log" 2>&1; then
        echo "$product: $name: $((SECONDS - start)) s"
    else
        echo "$product: $name FAILED after $((SECONDS - start)) s: $*" >&2
        tail -n 60 "$log" >&2
        for more in ffbuild/config.log config.log meson-logs/meson-log.txt build/meson-logs/meson-log.txt; do
            [ -f "$more" ] && { echo "--- end of $more" >&2; tail -n 40 "$more" >&2; }
        done
        exit 1
    fi
}

# Ships libraries under the one name the loader looks for, stripped, and proves that they are what was asked for. Each looks
# for the others beside itself, before LD_LIBRARY_PATH.
ship() { # LIBRARY…
    mkdir -p /ship/lib
    local library soname dynamic
    for library in "$@"; do
        soname=$(readelf --dynamic "/opt/lib/$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
        strip --strip-unneeded -o "/ship/lib/$soname" "/opt/lib/$library"
        # shellcheck disable=SC2016 # the loader's own variable
        patchelf --force-rpath --set-rpath '$ORIGIN' "/ship/lib/$soname"
        dynamic=$(readelf --dynamic --program-headers --wide "/ship/lib/$soname")
        grep -q GNU_RELRO <<<"$dynamic" || { echo "$product: $soname has no RELRO" >&2; exit 1; }
        ! grep -q TEXTREL <<<"$dynamic" || { echo "$product: $soname has text relocations" >&2; exit 1; }
        echo "$product: ships $soname, $(stat --format=%s "/ship/lib/$soname") bytes"
    done
}
