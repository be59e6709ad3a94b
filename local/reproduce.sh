#!/usr/bin/env bash
# Builds the image, the bundle, the layer and the wheel twice, each time from nothing, and compares the results: the
# trees byte by byte, the archives as files, and the images' own digests.
set -euo pipefail
cd "$(dirname "$0")/.."
docker=$(local/engine.sh client)
work=$(mktemp -d)
name=hwang-lambda:reproduced-$$
trap 'rm -rf "$work"; "$docker" image rm --force "$name-1" "$name-2" >/dev/null 2>&1 || true' EXIT
status=0

tree() { # IMAGE ARCHIVE
    local container
    container=$("$docker" create "$1")
    "$docker" export --output "$2" "$container"
    "$docker" rm "$container" >/dev/null
}

for build in 1 2; do
    start=$SECONDS
    local/image.sh function "$name-$build" --no-cache --progress quiet
    tree "$name-$build" "$work/image-$build.tar"
    for target in bundle layer wheel; do
        # The other stages are those of this round's image.
        local/image.sh "$target" --to "$work/$target-$build" --progress quiet \
            --no-cache-filter bundle-archive,layer-archive,wheel-repaired
    done
    echo "reproduce: build $build took $((SECONDS - start)) s"
done

echo "reproduce: the image's tree: $(python3 build_stages/maintain/treehash.py "$work/image-1.tar" | cut -d ' ' -f 1)"
python3 build_stages/maintain/treehash.py --diff "$work/image-1.tar" "$work/image-2.tar" || status=1
for target in bundle layer wheel; do
    if cmp "$work/$target-1"/* "$work/$target-2"/*; then
        (cd "$work/$target-1" && sha256sum -- *)
    else
        status=1
        python3 build_stages/maintain/treehash.py --diff "$work/$target-1"/* "$work/$target-2"/* || true
    fi
done
digests=$("$docker" image inspect --format '{{.Id}}' "$name-1" "$name-2" | sort -u)
if [ "$(wc -l <<<"$digests")" = 1 ]; then
    echo "reproduce: the images' digests are equal too: $digests"
else
    status=1
    echo "reproduce: the images' digests are not equal, though their trees may be: the times of files count there" >&2
fi
exit "$status"
