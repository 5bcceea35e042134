#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks every kernel source with clang as plain OpenCL C 1.2, no device needed.  A clang that
# knows the built-in functions of OpenCL C takes away all extensions, so that a kernel which needs
# half or double arithmetic is an error.  A file with assembly in it is checked for the machine
# that it is written for.
# Kernels of one family share their arguments, whatever their options use of them.
# usage: scripts/clcheck.sh      CLANG=clang-19 picks a compiler
set -u
cd "$(dirname "$0")/.." || exit 2

clang=${CLANG:-}
for c in clang-15 clang clang-{14,16,17,18,19,20}; do
    if [ -z "$clang" ] && command -v "$c" > /dev/null; then
        clang=$c
    fi
done
if [ -z "$clang" ]; then
    echo "skip - clcheck (clang is not installed)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
flags=(-x cl -cl-std=CL1.2 -Xclang -finclude-default-header -Xclang -cl-ext=-all -fsyntax-only
    -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-parameter)
passed=0 failed=0
for file in cl/*.cl; do
    own=(-include cl/common.cl)
    if [ "$file" = cl/common.cl ]; then
        own=()
    elif grep -q __asm__ "$file"; then
        own+=(-target nvptx64-nvidia-nvcl -Xclang -target-cpu -Xclang sm_80)
    fi
    if "$clang" "${flags[@]}" "${own[@]}" "$file" > "$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not ok - $file"
        sed 's/^/    /' "$log"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
