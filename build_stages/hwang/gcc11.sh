#!/usr/bin/env bash
# The decoder once more, with Amazon Linux 2023's compiler, so that what is written on a stand-in builds on Lambda's base.
#
#   gcc11.sh offer    on a Debian base: has GCC 11 among its packages, from the last release with it
#   gcc11.sh build    with it; what comes of it must load
. "$(dirname "$0")/../lib.sh"

case $1 in
    offer)
        command -v apt-get >/dev/null || exit 0 # the compiler is GCC 11 already
        # shellcheck disable=SC2016 # apt's own variable
        mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" >/etc/apt/sources.list.d/gcc11.list
        ;;
    build)
        if command -v g++-11 >/dev/null; then
            export CC=gcc-11 CXX=g++-11
        fi
        [ "$("${CXX:-g++}" -dumpversion)" = 11 ] || { echo "hwang: $(${CXX:-g++} --version | head -n 1) is not GCC 11" >&2; exit 1; }
        cd /hwang
        export LD_LIBRARY_PATH=/opt/lib:${LD_LIBRARY_PATH:-}
        step make pip3 wheel --no-build-isolation --no-deps --no-index --wheel-dir /gcc11/wheel .
        step unpack pip3 install --no-deps --no-index --no-compile --target /gcc11/task /gcc11/wheel/*.whl
        (cd /gcc11/task/hwang && python3 -c 'import _core; print("hwang: loads as GCC 11 made it")')
        ;;
esac
