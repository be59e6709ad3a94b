#!/usr/bin/env bash
# Writes a release's files into dist/VERSION: bundle, layer, wheels, their hashes, and notes from CHANGELOG.md with the
# image's name. $1 is the image, which is built like the others (BASE=real for a release; ARCHITECTURE=arm64 makes
# dist/arm64/VERSION).
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1
docker=$(local/engine.sh client)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
release=dist/${ARCHITECTURE:+$ARCHITECTURE/}$version

rm -rf "$release"
mkdir -p "$release"
local/image.sh function "$image"
for target in bundle layer wheel; do
    local/image.sh "$target" --to "$release"
done
.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation \
    --wheel-dir "$release" ./deploy
(cd "$release" && sha256sum -- *.zip *.whl >SHA256SUMS)
{
    awk -v heading="## [$version]" 'index($0, heading) == 1 { found = 1; next } /^## \[/ { found = 0 } found' CHANGELOG.md
    echo "### Files"
    echo
    echo "    image  $("$docker" image inspect --format '{{.Id}}' "$image")"
    sed 's/^/    /' "$release/SHA256SUMS"
} >"$release/NOTES.md"
if [ "$("$docker" image inspect --format '{{index .Config.Labels "hwang-lambda.base"}}' "$image")" = stand-in ]; then
    echo "release: built on the stand-in: to look at, not to publish (make release-files BASE=real)" >&2
fi
if [ -n "$(git status --porcelain)" ] || [ "$(git describe --tags --exact-match 2>/dev/null)" != "v$version" ]; then
    echo "release: this is not the tag v$version with nothing changed: to look at, not to publish" >&2
fi
ls -l "$release"
