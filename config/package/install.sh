#!/bin/sh
# SPDX-License-Identifier: MIT
# What make install puts in place, and make uninstall takes away again: one list for both.
# usage: install.sh {install|uninstall} BUILD LIBS    in the top folder
#        DESTDIR, PREFIX, LIBDIR, VERSION: of the Makefile
# PREFIX/share/doc/ffcl is laid out as the checkout is, so that links and commands of the README
# work there.
set -eu
what=$1 build=$2 libs=$3
to=${DESTDIR:-}$PREFIX library=${DESTDIR:-}$LIBDIR

# "MODE SOURCE TARGET" of every file; a link has its text for a source.
list() {
    echo "755 $build/ffcl $to/bin/ffcl"
    echo "644 host/ffcl.h $to/include/ffcl.h"
    echo "644 $build/libffcl.a $library/libffcl.a"
    echo "755 $build/libffcl.so $library/libffcl.so.0"
    echo "link libffcl.so.0 $library/libffcl.so"
    echo "pc host/ffcl.pc.in $library/pkgconfig/ffcl.pc"
    echo "644 $build/pages/ffcl.1 $to/share/man/man1/ffcl.1"
    echo "644 $build/pages/ffcl.ini.5 $to/share/man/man5/ffcl.ini.5"
    echo "644 $build/pages/bash $to/share/bash-completion/completions/ffcl"
    echo "644 $build/pages/zsh $to/share/zsh/site-functions/_ffcl"
    echo "644 $build/pages/fish $to/share/fish/vendor_completions.d/ffcl.fish"
    find config docs -type f ! -path 'config/package/*' | LC_ALL=C sort | while read -r file; do
        case $file in
        config/*) echo "644 $file $to/share/ffcl/$file" ;;
        *) echo "644 $file $to/share/doc/ffcl/$file" ;;
        esac
    done
    for file in README.md SECURITY.md LICENSE; do
        echo "644 $file $to/share/doc/ffcl/$file"
    done
    echo "link ../../ffcl/config $to/share/doc/ffcl/config"
}

if [ "$what" = install ]; then
    list | while read -r mode source target; do
        mkdir -p "$(dirname "$target")"
        case $mode in
        link) ln -sfn "$source" "$target" ;;
        pc)
            sed -e "s|@PREFIX@|$PREFIX|" -e "s|@LIBDIR@|$LIBDIR|" -e "s|@VERSION@|$VERSION|" \
                -e "s|@LIBS@|$libs|" "$source" > "$target"
            chmod 644 "$target"
            ;;
        *) install -m "$mode" "$source" "$target" ;;
        esac
    done
    echo "installed ffcl $VERSION: $to/bin/ffcl, its library in $library," \
        "INI files and documents in $to/share"
else
    list | while read -r mode source target; do
        rm -f "$target"
    done
    # Folders of ffcl alone, where nobody else put something into them.
    list | while read -r mode source target; do
        folder=$(dirname "$target")
        while [ "$folder" != "$to/share" ] && [ "$folder" != "$to/share/doc" ]; do
            case $folder in
            "$to/share/ffcl"* | "$to/share/doc/ffcl"*) ;;
            *) break ;;
            esac
            rmdir "$folder" 2> /dev/null || break
            folder=$(dirname "$folder")
        done
    done
fi
