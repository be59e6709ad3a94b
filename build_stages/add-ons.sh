#!/usr/bin/env bash
# Does one step of a build for each add-on that is switched on; for none by default.
#
#   add-ons.sh select      copy its folder to /add-ons
#   add-ons.sh fetch       fetch its source into /source/NAME
#   add-ons.sh packages    install the system packages that its build needs
#   add-ons.sh build       compile it, after what it is linked to
set -euo pipefail
cd "$(dirname "$0")"

names=$(python3 recipe.py "$([ "$1" = select ] && echo add-ons || echo libraries)")
for name in $names; do
    case $1 in
        select) cp -r "add-ons/$name" /add-ons/ ;;
        fetch) python3 fetch.py "$name" "/source/$name" --cache /cache --cache /sources ;;
        packages)
            if [ -e "add-ons/$name/packages.toml" ]; then
                cp "add-ons/$name/packages.toml" .
                python3 system_packages.py "$name"
            fi
            ;;
        build) SOURCE=/source/$name "add-ons/$name/build.sh" ;;
    esac
done
