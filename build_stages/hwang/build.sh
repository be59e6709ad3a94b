#!/usr/bin/env bash
# The decoder: one extension module for the stable ABI, linked to the FFmpeg libraries that ship beside it.
. "$(dirname "$0")/../lib.sh"

cd /hwang
export LD_LIBRARY_PATH=/opt/lib:${LD_LIBRARY_PATH:-}
# Its libraries lie in /opt/lib of an image or a layer; in a Zip bundle beside its folder.
# shellcheck disable=SC2016 # the loader's own variable
step make pip3 wheel --no-build-isolation --no-deps --no-index --wheel-dir /ship/wheel \
    --config-settings 'cmake.define.CMAKE_INSTALL_RPATH=$ORIGIN/../lib;/opt/lib' .
step install pip3 install --no-deps --no-index --no-compile --no-warn-script-location --ignore-installed --root /ship/installed /ship/wheel/*.whl
# numpy is not here, so the extension is loaded without its package.
(cd "/ship/installed$(<"$stages/site-packages")/hwang" && python3 -c 'import _core; print("hwang: decodes with FFmpeg", _core.codec_version)')
