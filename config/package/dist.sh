#!/bin/sh
# SPDX-License-Identifier: MIT
# A tarball of the commit that is checked out, the same bytes whenever and wherever it is made: git
# takes order, times and modes from the commit, and gzip writes neither name nor time.  In an
# unpacked tarball, which has no commit, the tree is packed as it is, with one time for all.
# usage: dist.sh NAME OUT        NAME: its only folder, such as ffcl-0.1.0
set -eu
name=$1 out=$2
if [ "$(git rev-parse --show-toplevel 2> /dev/null)" = "$(pwd -P)" ]; then
    git diff --quiet HEAD -- || echo "dist.sh: changes that are not committed are left out" >&2
    git -c core.autocrlf=false -c tar.umask=0022 archive --format=tar --prefix="$name/" HEAD |
        gzip -9n > "$out.tmp"
else
    find . -path './build*' -prune -o -type f -print | sed 's|^\./||' | LC_ALL=C sort |
        tar -c --format=posix --pax-option=delete=atime,delete=ctime --owner=0 --group=0 \
            --numeric-owner --mode=go-w --mtime="@${SOURCE_DATE_EPOCH:-0}" \
            --transform "s|^|$name/|" -T - | gzip -9n > "$out.tmp"
fi
mv "$out.tmp" "$out"
echo "$out: $(sha256sum < "$out" | cut -d ' ' -f 1)"
