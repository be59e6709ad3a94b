#!/usr/bin/env bash
# Writes docs/scale.md and docs/scale.png, in the image that has matplotlib. $1 is that image.
set -euo pipefail
cd "$(dirname "$0")/../.."
docker=$(local/engine.sh client)
"$docker" run --rm --init --network none --user "$(id -u):$(id -g)" --cap-drop ALL --tmpfs /tmp:exec,mode=1777 \
    --volume "$PWD:/tree:ro" --volume "$PWD/docs:/docs" --workdir /tree \
    --env HOME=/tmp --env PYTHONDONTWRITEBYTECODE=1 \
    "$1" /bench/harness/bin/python -m bench.scale --output /docs
