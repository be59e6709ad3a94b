#!/usr/bin/env bash
# Builds the image, the bundle, the layer and the wheel twice, each time from nothing, and compares the results byte by
# byte: the archives as files, the image by its digest. What differs stays in .cache/reproduced.
set -euo pipefail
cd "$(dirname "$0")/.."
docker=$(local/engine.sh client)
results=.cache/reproduced
name=hwang-lambda:reproduced-$$
rm -rf "$results"
mkdir -p "$results"
trap '"$docker" image rm --force "$name-1" "$name-2" >/dev/null 2>&1 || true' EXIT

for build in 1 2; do
    start=$SECONDS
    local/image.sh function "$name-$build" --no-cache --progress quiet
    for target in bundle layer wheel; do
        # The other stages are those of this round's image; the wheel's libraries, on a base of their own, are compiled once.
        local/image.sh "$target" --to "$results/$target-$build" --progress quiet \
            --no-cache-filter bundle-archive,layer-archive,wheel-repaired
    done
    echo "reproduce: build $build took $((SECONDS - start)) s"
done

status=0
for target in bundle layer wheel; do
    cmp "$results/$target-1"/* "$results/$target-2"/* || status=1
done
digests=$("$docker" image inspect --format '{{.Id}}' "$name-1" "$name-2" | sort -u)
if [ "$(wc -l <<<"$digests")" != 1 ]; then
    status=1
    echo "reproduce: the images differ: $digests" >&2
    for build in 1 2; do "$docker" image save --output "$results/image-$build.tar" "$name-$build"; done
fi
if [ "$status" = 0 ]; then
    echo "reproduce: both builds give the image $digests and the same archives:"
    (cd "$results" && sha256sum -- *-1/*)
    rm -r "$results"
else
    echo "reproduce: both results are in $results; diffoscope (Debian, PyPI) shows what differs in them" >&2
fi
exit "$status"
