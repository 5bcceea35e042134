#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl as a newcomer has it: in a minimal root of a Debian release, with nothing but apt in it,
# make demo and make check on a copy of this tree.  Needs mmdebstrap, and root or sudo.
# usage: tests/debian.sh RELEASE [demo | PATTERN ...]     RELEASE: bookworm, trixie
#        demo: make demo alone, to its image
#        PATTERN: only the test programs that tests/run.sh knows by it, after make demo
#        ROOT=FOLDER: the root is made there, or used again, and stays, with what was built in it
set -eu
cd "$(dirname "$0")/.."
release=${1:?usage: tests/debian.sh RELEASE [PATTERN ...]}
shift
if ! command -v mmdebstrap > /dev/null; then
    echo "debian.sh: mmdebstrap is missing: apt-get install mmdebstrap" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    exec sudo ROOT="${ROOT:-}" bash "$0" "$release" "$@"
fi

root=${ROOT:-}
if [ -z "$root" ]; then
    root=$(mktemp -d)
    trap 'rm -rf --one-file-system "$root"' EXIT
fi
if [ ! -e "$root/etc/debian_version" ]; then
    mkdir -p "$root"
    # Nobody needs the root after a power cut.
    mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io "$release" "$root"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir -p "$root/ffcl"
find "$root/ffcl" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - |
    tar -x -C "$root/ffcl" --no-same-owner

# In namespaces of its own, so that no mount and no process is left behind.  PoCL looks at /sys.
# shellcheck disable=SC2016 # these are for the other shells
inside='
set -eu
cd /ffcl
echo "Debian $(cat /etc/debian_version)"
sh tests/install.sh build
make --no-print-directory demo
test -s demo.png
if [ "${1:-}" = demo ]; then
    exit 0
elif [ $# = 0 ]; then
    make --no-print-directory check
else
    sh tests/install.sh test
    make --no-print-directory -j2 all build/tests/check build/tests/variants unit fuzz-replay \
        build/ffcl-mpi > /dev/null
    failed=0
    for pattern; do
        bash tests/run.sh build "$pattern" || failed=1
    done
    exit $failed
fi'
# shellcheck disable=SC2016
unshare --mount --pid --fork --kill-child bash -euc '
root=$1
shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 bash -c "$@"' \
    unshare "$root" "$inside" inside "$@"
