#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian packages of a tarball of make dist, for the release that this runs on: ffcl, libffcl0,
# libffcl-dev.  config/package/debian is what Debian calls debian/.
# usage: deb.sh TARBALL FOLDER       FOLDER: where the packages go
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tarball=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
name=$(basename "$tarball" .tar.gz)
version=${name#ffcl-}
for tool in dpkg-buildpackage dh; do
    if ! command -v "$tool" > /dev/null; then
        echo "deb.sh: $tool is missing: apt-get install debhelper dpkg-dev" >&2
        exit 1
    fi
done
rm -rf "$folder/build"
mkdir "$folder/build"
cp "$tarball" "$folder/build/ffcl_$version.orig.tar.gz"
tar -xzf "$tarball" -C "$folder/build"
cp -r "$here/debian" "$folder/build/$name/debian"
# Debian's changelog: the version and its date are those of docs/changelog.md.
date=$(sed -n "s/^## $version (\(.*\))\$/\1/p" "$folder/build/$name/docs/changelog.md")
{
    echo "ffcl ($version-1) unstable; urgency=medium"
    echo
    echo "  * See changelog.md."
    echo
    echo " -- The ffcl authors <ffcl@users.noreply.github.com>  $(LC_ALL=C date -Ru -d "$date")"
} > "$folder/build/$name/debian/changelog"
cd "$folder/build/$name"
dpkg-buildpackage -us -uc -b
cd ..
mv ./*.deb ./*.changes ./*.buildinfo "$folder"
cd "$folder"
rm -rf build
ls -1 ./*.deb
