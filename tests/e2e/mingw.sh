#!/bin/bash
# SPDX-License-Identifier: MIT
# Every file of the program compiles for Windows, by mingw-w64 with the headers of this system's
# libraries.  Nothing is linked or run; make windows-check does that.
. "$(dirname "$0")/lib.sh"

cross=x86_64-w64-mingw32-gcc-posix
if ! command -v $cross > /dev/null; then
    skip "it compiles for Windows" "no mingw-w64 (Debian: gcc-mingw-w64-x86-64-posix)"
    finish
    exit 0
fi
# Of this system's headers these alone; the C library's are mingw-w64's.
mkdir -p include/cjson
read -ra flags <<< "$(pkg-config --cflags-only-I OpenCL clblast libpng inih libzip libcjson zlib)"
folders=("${flags[@]#-I}" /usr/include "/usr/include/$(gcc -print-multiarch 2> /dev/null)"
    /usr/local/include)
for header in png.h pngconf.h pnglibconf.h ini.h zip.h zipconf.h zlib.h zconf.h clblast_c.h \
    cjson/cJSON.h CL; do
    for folder in "${folders[@]}"; do
        [ -e "$folder/$header" ] && cp -rL "$folder/$header" "include/$header" && break
    done
    [ -e "include/$header" ] || echo "no header $header"
done
check "every file compiles for Windows" make -C "$root" --no-print-directory -s -k -j2 \
    SYSTEM=windows CC=$cross BUILD="$work/build" DEPS_CFLAGS="-I$work/include" JPEG_CFLAGS= \
    EXTRA="-fsyntax-only -Werror=implicit-function-declaration" objects
finish
