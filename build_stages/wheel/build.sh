#!/usr/bin/env bash
# hwang for machines without these libraries: they go inside, under names that no other copy has, with their licences. One
# wheel for the stable ABI of Python 3.11, whose name says which glibc it needs: this base's or an older one.
. "$(dirname "$0")/../lib.sh"

cd /hwang
licence=$(PYTHONPATH=$stages python3 -c 'import recipe; print(recipe.licence(recipe.options()))')
sed --in-place pyproject.toml \
    --expression="s/^license = .*/license = \"$licence\"/" \
    --expression='s/^license-files = .*/license-files = ["LICENSES\/**"]/' \
    --expression='s/^dependencies = \[/&"nanobind-backend~=1.0", /'
export LD_LIBRARY_PATH=/opt/lib:${LD_LIBRARY_PATH:-}
step make pip3 wheel --no-build-isolation --no-deps --no-index --config-settings wheel.py-api=cp311 --wheel-dir /ship/wheel .
step repair auditwheel repair --wheel-dir /wheels /ship/wheel/*.whl
step abi3 abi3audit --strict --verbose /wheels/*.whl
step install pip3 install --no-deps --no-index --target /proof /wheels/*.whl
(cd /proof/hwang && LD_LIBRARY_PATH=$stages/libpython python3 -c 'import _core; print("wheel: loads", _core.codec_version)')
