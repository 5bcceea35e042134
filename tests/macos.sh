#!/bin/bash
# SPDX-License-Identifier: MIT
# Compiles every file of the host as for macOS's OpenCL: its spelling of the header, nothing but
# OpenCL 1.2's declarations, none of Linux's own branches.  The C library is this system's, so this
# says nothing of Darwin's: docs/windows.md lists what is left.
# usage: tests/macos.sh
set -u
cd "$(dirname "$0")/.." || exit 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/OpenCL"
cat > "$scratch/OpenCL/opencl.h" << 'HEADER'
#if CL_TARGET_OPENCL_VERSION != 120
#error "a file asks for another OpenCL than 1.2"
#endif
#pragma push_macro("__APPLE__")
#undef __APPLE__
#include <CL/cl.h>
#ifdef CL_VERSION_2_0
#error "OpenCL 2.0 is declared"
#endif
#pragma pop_macro("__APPLE__")
HEADER
mkdir "$scratch/build"
printf '#define FFCL_BUILD_COMMIT ""\n#define FFCL_BUILD_CLBLAST ""\n#define FFCL_BUILD_INIH ""\n' \
    > "$scratch/build/build_info.h"
passed=0 failed=0
# shellcheck disable=SC2046 # flags without blanks
for file in host/*.c host/*/*.c host/os/posix/*.c blas/*.c; do
    case $file in
    host/run/ranks_mpi.c) continue ;;
    esac
    # CLBlast's own header asks for no version.
    if ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Wno-unused-function -fsyntax-only \
        -D_GNU_SOURCE -D__APPLE__ -U__linux__ -DCL_TARGET_OPENCL_VERSION=120 "-I$scratch" -Ihost \
        -Iblas "-I$scratch/build" $(pkg-config --cflags libpng inih libzip libcjson zlib) \
        "$file" > "$scratch/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not ok - $file"
        head -n 10 "$scratch/log"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ] && [ $passed != 0 ]
