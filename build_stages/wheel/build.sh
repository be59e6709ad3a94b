#!/usr/bin/env bash
# hwang for machines without these libraries: they go inside, under names that no other copy has. The wheel's name says
# which glibc it needs: this base's.
. "$(dirname "$0")/../lib.sh"

export LD_LIBRARY_PATH=/opt/lib:${LD_LIBRARY_PATH:-}
step repair auditwheel repair --wheel-dir /wheels /ship/wheel/*.whl
step install pip3 install --no-deps --no-index --target /proof /wheels/*.whl
(cd /proof/hwang && LD_LIBRARY_PATH=$stages/libpython python3 -c 'import _core; print("wheel: loads", _core.codec_version)')
