#!/usr/bin/env bash
# The decoder once more, for the fuzz runs alone: checks of memory (ASan) and of undefined behaviour (UBSan) compiled in.
# FFmpeg stays as it ships; ASan sees what it does through the C library, and where it misuses our memory.
. "$(dirname "$0")/../lib.sh"

cd /hwang
out=/sanitized
export LD_LIBRARY_PATH=/opt/lib:${LD_LIBRARY_PATH:-}
# Not fortified: that would go past ASan's own checks of the same functions.
export CXXFLAGS="-O1 -g -fPIC -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
step make pip3 wheel --no-build-isolation --no-deps --no-index --config-settings cmake.build-type=Debug --wheel-dir "$out/wheel" .
step install pip3 install --no-deps --no-index --no-compile --target "$out/task" "$out"/wheel/*.whl
# The compiler's runtimes, under names that do not change with its version.
mkdir "$out/lib"
for runtime in $(ldd "$out"/task/hwang/_core*.so | awk '/lib(a|ub)san/ { print $3 }'); do
    cp --dereference "$runtime" "$out/lib/$(basename "${runtime%%.so*}").so"
done
preload="$out/lib/libasan.so $out/lib/libubsan.so libstdc++.so.6"
(cd "$out/task/hwang" && ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$preload python3 -c 'import _core; print("hwang: loads with its sanitizers")')
