#!/usr/bin/env bash
# The decoder: one extension module for the stable ABI, linked to the FFmpeg libraries that ship beside it.
. "$(dirname "$0")/../lib.sh"

cd /hwang
export LD_LIBRARY_PATH=/opt/lib:${LD_LIBRARY_PATH:-}
step make pip3 wheel --no-build-isolation --no-deps --no-index --wheel-dir /ship/wheel .
step install pip3 install --no-deps --no-index --no-compile --target /ship/task /ship/wheel/*.whl
# numpy is not here, so the extension is loaded without its package.
(cd /ship/task/hwang && python3 -c 'import _core; print("hwang: decodes with FFmpeg", _core.codec_version)')
