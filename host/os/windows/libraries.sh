#!/bin/bash
# SPDX-License-Identifier: MIT
# The libraries of ffcl for Windows: Debian's sources, cross-compiled by mingw-w64 into
# FOLDER/prefix, once.  Of CLBlast only what ffcl calls: its GEMM and its database.
# FOLDER/sources/PACKAGE, where it is there, is taken instead of apt-get source PACKAGE.
# usage: libraries.sh FOLDER
set -eu
folder=$(mkdir -p "${1:?usage: libraries.sh FOLDER}" && cd "$1" && pwd)
prefix=$folder/prefix sources=$folder/sources log=$folder/libraries.log
host=x86_64-w64-mingw32
cc=$host-gcc-posix cxx=$host-g++-posix
flags=(-O2 -w -ffunction-sections -fdata-sections "-I$prefix/include")

die() {
    echo "libraries.sh: $*" >&2
    exit 1
}
for tool in $cc $cxx $host-dlltool cmake apt-get; do
    command -v "$tool" > /dev/null ||
        die "$tool is missing; Debian: apt-get install gcc-mingw-w64-x86-64-posix" \
            "g++-mingw-w64-x86-64-posix mingw-w64-tools libz-mingw-w64-dev cmake dpkg-dev"
done
[ -f "/usr/$host/include/zlib.h" ] || die "zlib for mingw-w64 is missing: libz-mingw-w64-dev"
[ -f /usr/include/CL/cl.h ] || die "OpenCL's headers are missing: opencl-headers"

# Package lists of sources in $folder/apt/SET; those of the machine are left as they are.  Its SET
# "system" has the suites that it uses, "others" those that Debian has beside them on the same
# mirrors.
apt_of() { # SET WORD...: apt-get or apt-cache with these lists
    local at=$folder/apt/$1 tool=$2
    shift 2
    "$tool" -o "Dir::Etc::sourcelist=$at/one.list" -o "Dir::Etc::sourceparts=$at/d" \
        -o "Dir::State::lists=$at/lists" "$@"
}

prepare_apt() { # SET
    local at=$folder/apt/$1 suites='' f
    [ -f "$at/done" ] && return
    [ "$1" = system ] || suites='stable testing unstable'
    mkdir -p "$at/d" "$at/lists/partial"
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$f" ] && sed -n 's/^deb /deb-src /p' "$f"
    done > "$at/all.list"
    if [ -z "$suites" ]; then
        cp "$at/all.list" "$at/one.list"
    else
        # Of a line: deb-src [options] URI suite components.
        for f in $suites; do
            sed -nE "s#^(deb-src +(\[[^]]*\] +)?[^ ]+/debian/?) +[a-z]+ +#\\1 $f #p" "$at/all.list"
        done | sort -u > "$at/one.list"
    fi
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -f "$f" ] || continue
        [ -z "$suites" ] || grep -q '^URIs:.*/debian/\{0,1\}$' "$f" || continue
        sed -e 's/^Types:.*/Types: deb-src/' -e "${suites:+s/^Suites:.*/Suites: $suites/}" "$f" \
            > "$at/d/${f##*/}"
    done
    # A suite that a mirror does not have must not keep the others from being used.
    apt_of "$1" apt-get update >> "$log" 2>&1 || [ "$1" = others ] || return 1
    touch "$at/done"
}

# The newest source of a package that its mirror has whole; lists may be ahead of it, or of files
# that it has no more.
download() { # SET PACKAGE
    local version
    prepare_apt "$1" || return 1
    for version in $(apt_of "$1" apt-cache showsrc "$2" | sed -n 's/^Version: //p' | sort -Vru); do
        rm -f "$2"_*.dsc
        apt_of "$1" apt-get source --download-only "$2=$version" && return
    done
    return 1
}

# The authors' archive alone, without Debian's patches; apt has compared its checksum.
unpack_original() { # PACKAGE FOLDER
    local archive
    archive=$(find . -maxdepth 1 -name "$1_*.orig.tar.*" ! -name '*.asc' | sort -V | tail -n 1)
    [ -n "$archive" ] || return 1
    mkdir "$2" && tar -xf "$archive" -C "$2" --strip-components=1 &&
        echo "       ${archive#./}, without Debian's patches, which no mirror has" >&3
}

# fetch PACKAGE: its source, checked and with Debian's patches, in $sources/PACKAGE.
fetch() {
    [ -d "$sources/$1" ] && return
    rm -rf "$sources/$1.new"
    mkdir -p "$sources/download"
    (
        cd "$sources/download"
        if download system "$1" || download others "$1"; then
            dpkg-source --extract "$1"_*.dsc "$sources/$1.new"
        else
            unpack_original "$1" "$sources/$1.new"
        fi
    ) >> "$log" 2>&1 ||
        die "the source of Debian's $1 cannot be had ($log says why); put it into $sources/$1"
    mv "$sources/$1.new" "$sources/$1"
}

# archive NAME SOURCE...: compiled as C, from the folder where one is, into $prefix/lib/libNAME.a.
archive() {
    local name=$1 objects=() object
    shift
    mkdir -p "$folder/objects/$name"
    for source in "$@"; do
        object=$folder/objects/$name/$(basename "$source" .c).o
        $cc "${flags[@]}" -c -o "$object" "$source"
        objects+=("$object")
    done
    rm -f "$prefix/lib/lib$name.a"
    $host-ar rcs "$prefix/lib/lib$name.a" "${objects[@]}"
}

# package NAME VERSION LIBS
package() {
    printf 'Name: %s\nDescription: %s for ffcl\nVersion: %s\nLibs: -L%s/lib %s\nCflags: -I%s\n' \
        "$1" "$1" "$2" "$prefix" "$3" "$prefix/include" > "$prefix/lib/pkgconfig/$1.pc"
}

build_opencl() {
    cp -rL /usr/include/CL "$prefix/include/"
    { echo "LIBRARY OpenCL.dll" && echo EXPORTS &&
        grep -ohE '^cl[A-Z][A-Za-z0-9]*\(' /usr/include/CL/cl.h | tr -d '(' | sort -u; } \
        > "$folder/OpenCL.def"
    # Loaded at the first call, so that ffcl can say that it is missing.
    $host-dlltool -d "$folder/OpenCL.def" -y "$prefix/lib/libOpenCL.a"
    package OpenCL 1.2 -lOpenCL
}

build_zlib() {
    cp "/usr/$host/include/zlib.h" "/usr/$host/include/zconf.h" "$prefix/include/"
    cp "/usr/$host/lib/libz.a" "$prefix/lib/"
    package zlib "$(sed -n 's/^#define ZLIB_VERSION "\(.*\)"/\1/p' "$prefix/include/zlib.h")" -lz
}

build_libpng() {
    fetch libpng1.6
    cd "$sources/libpng1.6"
    cp scripts/pnglibconf.h.prebuilt "$prefix/include/pnglibconf.h"
    cp png.h pngconf.h "$prefix/include/"
    archive png png.c pngerror.c pngget.c pngmem.c pngpread.c pngread.c pngrio.c pngrtran.c \
        pngrutil.c pngset.c pngtrans.c pngwio.c pngwrite.c pngwtran.c pngwutil.c
    package libpng "$(sed -n 's/^#define PNG_LIBPNG_VER_STRING "\(.*\)"/\1/p' png.h)" "-lpng -lz"
}

build_inih() {
    fetch libinih
    cd "$sources/libinih"
    cp ini.h "$prefix/include/"
    archive inih ini.c
    package inih 55 -linih
}

build_cjson() {
    fetch cjson
    cd "$sources/cjson"
    mkdir -p "$prefix/include/cjson"
    cp cJSON.h "$prefix/include/cjson/"
    flags+=(-DCJSON_HIDE_SYMBOLS)
    archive cjson cJSON.c
    package libcjson 1.7 -lcjson
}

build_libzip() {
    fetch libzip
    cmake -S "$sources/libzip" -B "$folder/objects/libzip" -DCMAKE_SYSTEM_NAME=Windows \
        -DCMAKE_C_COMPILER=$cc -DCMAKE_RC_COMPILER=$host-windres -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_FIND_ROOT_PATH="$prefix" -DZLIB_INCLUDE_DIR="$prefix/include" \
        -DZLIB_LIBRARY="$prefix/lib/libz.a" -DBUILD_SHARED_LIBS=OFF -DENABLE_COMMONCRYPTO=OFF \
        -DENABLE_GNUTLS=OFF -DENABLE_MBEDTLS=OFF -DENABLE_OPENSSL=OFF \
        -DENABLE_WINDOWS_CRYPTO=OFF -DENABLE_BZIP2=OFF -DENABLE_LZMA=OFF
    cmake --build "$folder/objects/libzip" --target zip
    cp "$sources/libzip/lib/zip.h" "$folder/objects/libzip/zipconf.h" "$prefix/include/"
    cp "$folder/objects/libzip/lib/libzip.a" "$prefix/lib/"
    package libzip 1.7 "-lzip -lz"
}

# Its C interface and its dispatch name every routine, of which ffcl calls the GEMM alone.  The rest
# is not compiled, which would take many minutes: an instruction that ends the program stands for
# each, and the linker leaves those out with all that names them (-Wl,--gc-sections).
build_clblast() {
    fetch clblast
    cd "$sources/clblast"
    {
        printf 'SRC := '
        echo src/clblast_c.cpp src/clblast.cpp src/api_common.cpp src/cache.cpp src/routine.cpp \
            src/kernel_preprocessor.cpp src/utilities/*.cpp src/routines/common.cpp \
            src/database/database.cpp src/database/kernels/*/*.cpp src/routines/level3/xgemm.cpp
        echo "OBJ := \$(SRC:%.cpp=$folder/objects/clblast/%.o)"
        echo "$prefix/lib/libclblast.a: \$(OBJ)"
        printf '\trm -f $@ && %s-ar rcs $@ $^\n' $host
        echo "$folder/objects/clblast/%.o: %.cpp"
        printf '\t@mkdir -p $(@D)\n\t%s -std=c++11 -O2 -w -ffunction-sections -fdata-sections' $cxx
        printf ' -DOPENCL_API -DCL_TARGET_OPENCL_VERSION=120 -I%s -Iinclude -Isrc -c -o $@ $<\n' \
            "$prefix/include"
    } > "$folder/clblast.mk"
    cp include/clblast_c.h include/clblast_half.h "$prefix/include/"
    nice make -j"$(nproc)" -f "$folder/clblast.mk"
    $host-nm "$prefix/lib/libclblast.a" | awk '
        NF == 2 && $1 == "U" && $2 ~ /^_ZN7clblast/ { wanted[$2] = 1 }
        NF == 3 && $2 != "U" { there[$3] = 1 }
        END {
            for (name in wanted)
                if (!(name in there))
                    printf ".section .text$%s,\"x\"\n.globl %s\n%s:\n\tud2\n", name, name, name
        }' > "$folder/left_out.s"
    $cc -c -o "$folder/objects/left_out.o" "$folder/left_out.s"
    $host-ar rcs "$prefix/lib/libclblast.a" "$folder/objects/left_out.o"
    package clblast "$(sed -n 's/^#define CLBLAST_VERSION_[A-Z]* //p' include/clblast_c.h |
        paste -sd.)" "-lclblast -lOpenCL -lstdc++"
}

mkdir -p "$prefix/include" "$prefix/lib/pkgconfig" "$sources"
: > "$log"
exec 3>&1                       # what the log does not swallow
for library in opencl zlib libpng inih cjson libzip clblast; do
    stamp=$prefix/.$library
    if [ ! -f "$stamp" ]; then
        echo "  LIB  $library"
        set +e                  # a shell of its own, as || would take its -e away
        (set -e; "build_$library") >> "$log" 2>&1
        status=$?
        set -e
        [ $status = 0 ] || die "$library does not build: see $log"
        touch "$stamp"
    fi
done
