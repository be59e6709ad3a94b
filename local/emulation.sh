#!/usr/bin/env bash
# Lets this machine run programs of another architecture, in containers too: QEMU, registered with the kernel.
#
#   emulation.sh arm64|amd64    do nothing if that is this machine's own architecture, or if its programs run already
#
# Only Linux needs it: Docker Desktop, OrbStack and Colima bring their own.
set -euo pipefail

die() { echo "emulation: $*" >&2; exit 1; }

# The head of an ELF file of that machine, whose 18th byte is the machine's number, and a mask of the bits that count: for
# any system, programs and libraries.
elf() { printf '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x%s\\x00' "$1"; }
mask='\xff\xff\xff\xff\xff\xfe\xfe\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'

case ${1:-} in
    arm64) machine=aarch64 magic=$(elf b7) ;;
    amd64) machine=x86_64 magic=$(elf 3e) ;;
    *) die "usage: emulation.sh arm64|amd64" ;;
esac
[ "$(uname -s)" = Linux ] && [ "$(uname -m)" != "$machine" ] || exit 0

handlers=/proc/sys/fs/binfmt_misc
# F: the kernel keeps the emulator open, so that a container can use it without having the file.
runs() { grep -qs '^enabled' "$handlers/qemu-$machine" && grep -qs '^flags:.*F' "$handlers/qemu-$machine"; }
! runs || exit 0

# Prints an emulator that needs no library: a container has only the other architecture's.
emulator() {
    local found
    for found in "$(command -v "qemu-$machine-static" || true)" "$(command -v "qemu-$machine" || true)"; do
        if [ -n "$found" ] && ! ldd "$found" 2>/dev/null | grep -q '=>'; then
            printf '%s\n' "$found"
            return
        fi
    done
    return 1
}

[ "$(id -u)" = 0 ] || die "run this once as root, until the next restart of this machine: sudo $(realpath "$0") $1"
if ! emulator >/dev/null; then
    command -v apt-get >/dev/null || die "install QEMU's user emulation, linked statically (qemu-user-static), then run this again"
    echo "emulation: installing qemu-user-static" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends qemu-user-static; } >/dev/null
fi
program=$(emulator) || die "qemu-user-static has no emulator of $machine that is linked statically"

[ -e "$handlers/register" ] || mount -t binfmt_misc binfmt_misc "$handlers" \
    || die "this kernel has no binfmt_misc, or this container may not mount it: build on an $1 machine"
if ! runs; then # the package may have registered it
    [ ! -e "$handlers/qemu-$machine" ] || echo -1 >"$handlers/qemu-$machine"
    # P: programs see the name by which they were called.
    printf ':qemu-%s:M::%s:%s:%s:PF' "$machine" "$magic" "$mask" "$program" >"$handlers/register" \
        || die "the kernel does not take $program as an emulator of $machine"
fi
echo "emulation: $("$program" --version | sed -n '1s/ (.*//p') runs $machine programs" >&2
