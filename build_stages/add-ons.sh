#!/usr/bin/env bash
# Fetches or compiles the add-ons that are switched on and what they are linked to, in order; none by default.
#
#   add-ons.sh fetch    their sources into /source/PRODUCT
#   add-ons.sh build    them, from there
set -euo pipefail
cd "$(dirname "$0")"

names=$(python3 recipe.py add-ons)
for name in $names; do
    case $1 in
        fetch) python3 fetch.py "$name" "/source/$name" --cache /cache --cache /sources ;;
        build) SOURCE=/source/$name "add-ons/$name/build.sh" ;;
    esac
done
