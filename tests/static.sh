#!/bin/bash
# SPDX-License-Identifier: MIT
# cppcheck over host, blas and bench.  What it leaves out stands here with the reason;
# everything else is a failure.
set -u
cd "$(dirname "$0")/.." || exit 2
if ! command -v cppcheck > /dev/null; then
    echo "skip - cppcheck (not installed)"
    exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# invalidPointerCast: bytes of buffers are taken as what they hold.  The uninitialised variables
# are filled by the calls that get their addresses, or, in png.c, where they stand.  variant.c
# returns a pointer, which cppcheck takes for a condition.
cppcheck --quiet --enable=warning,portability --inline-suppr --std=c11 --platform=unix64 \
    -D_GNU_SOURCE -Ihost -Iblas -I. -Itests/kernels --suppress=missingInclude \
    --suppress=normalCheckLevelMaxBranches --suppress=invalidPointerCast \
    --suppress=ctuuninitvar:blas/tuning.c --suppress=legacyUninitvar:host/files/torchfile.c \
    --suppress=legacyUninitvar:host/files/arrays.c --suppress=legacyUninitvar:host/files/png.c \
    --suppress=identicalInnerCondition:host/cl/variant.c \
    --template='{file}:{line}: {severity} {id}: {message}' host blas bench > "$log" 2>&1
if grep -E ": (error|warning|portability) " "$log"; then
    echo "not ok - cppcheck"
    exit 1
fi
echo "ok - cppcheck"
