#!/bin/bash
# SPDX-License-Identifier: MIT
# make deb in a minimal root of a Debian release, lintian, then the packages in a fresh root: they
# install, run the demo and are removed without a trace.  Needs mmdebstrap, and root or sudo.
# usage: tests/package.sh RELEASE        RELEASE: bookworm, trixie
set -eu
cd "$(dirname "$0")/.."
release=${1:?usage: tests/package.sh RELEASE}
if ! command -v mmdebstrap > /dev/null; then
    echo "package.sh: mmdebstrap is missing: apt-get install mmdebstrap" >&2
    exit 1
fi
[ "$(id -u)" = 0 ] || exec sudo bash "$0" "$release"
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

make_root() { # FOLDER [PACKAGES]
    # Nobody needs the root after a power cut.
    mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io ${2:+--include="$2"} \
        "$release" "$1"
    cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# In namespaces of its own, as tests/debian.sh does it.
inside() { # FOLDER SCRIPT
    # shellcheck disable=SC2016 # for the other shell
    unshare --mount --pid --fork --kill-child bash -euc '
    mount --make-rprivate /
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --rbind /dev "$1/dev"
    exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive bash -euc "$2"' inside "$@"
}

needed=$(sed -n '/^Build-Depends:/,/^[A-Z]/p' config/package/debian/control |
    sed '/^Standards/d; s/^Build-Depends: *//; s/([^)]*)//g; s/debhelper-compat/debhelper/' |
    tr -d ' \n')
make_root "$work/build" "$needed,build-essential,dpkg-dev,lintian,fakeroot"
mkdir "$work/build/ffcl"
make -s dist BUILD="$work/build/ffcl"
cp -r config/package "$work/build/ffcl/package"
inside "$work/build" 'cd /ffcl
    sh package/deb.sh ffcl-*.tar.gz /ffcl/deb > build.log 2>&1 || { tail -n 40 build.log; exit 1; }
    lintian --allow-root --fail-on error deb/*.changes'
echo "ok - it builds on $release and lintian finds no error"

make_root "$work/run"
mkdir "$work/run/deb"
cp "$work"/build/ffcl/deb/*.deb "$work/run/deb"
rm "$work"/run/deb/*dbgsym*
inside "$work/run" 'apt-get update > /dev/null
    cd /deb
    dpkg-query -W -f "\${Package}\n" | sort > before
    apt-get install -y ./*.deb > install.log 2>&1 || { tail -n 20 install.log; exit 1; }
    cd /tmp
    ffcl /usr/share/ffcl/config/demo.ini output.grid=demo.png
    test -s demo.png
    test -s /usr/share/man/man1/ffcl.1.gz || [ -e /etc/dpkg/dpkg.cfg.d/excludes ]
    apt-get purge -y ffcl libffcl0 libffcl-dev > /deb/remove.log 2>&1
    left=$(find / -xdev -iname "*ffcl*" ! -path "/deb*" ! -path "/proc/*" ! -path "/root/.cache*" \
        ! -path "/sys/*" ! -path "/dev/*" ! -path "/var/log/*")
    [ -z "$left" ] || { echo "left behind: $left"; exit 1; }'
echo "ok - on $release the packages install, run the demo and are removed"
