#!/bin/bash
# SPDX-License-Identifier: MIT
# The check of who includes whom, of make lint, finds what is planted in a tree of a few files.
. "$(dirname "$0")/lib.sh"

# tree: a sound one, for each test anew.
tree() {
    rm -rf tree
    mkdir -p tree/host/{cl,files,ops,tune,verify} tree/blas tree/bench
    echo '#define ERROR 1' > tree/host/error.h
    echo '#include "error.h"' > tree/host/cl/context.h
    echo '#include "cl/context.h"' > tree/blas/gemm.h
    printf '#include "ops.h"\n#include "gemm.h"\n#include "../error.h"\n' > tree/host/ops/conv.c
    echo '#include "cl/context.h"' > tree/host/ops/ops.h
    echo '#include "ops/ops.h"' > tree/host/verify/verify.h
    echo '#include "ops/ops.h"' > tree/host/tune/tune.h
    printf '#include <stdio.h>\n#include "build_info.h"\n' > tree/bench/output.c
}

# plant FILE LINE: adds a line to a file of a new tree.
plant() {
    tree
    echo "$2" >> "tree/$1"
}

# finds NAME WORD...: the check fails and says these words.
finds() {
    local name=$1 missing
    shift
    if bash "$root/tests/includes.sh" tree > found 2>&1; then
        not_ok "$name" "it passes" "$(cat found)"
        return
    fi
    missing=$(lacks found "$@")
    same "$name" "$missing" ""
}

tree
check "a sound tree passes" bash "$root/tests/includes.sh" tree
same "it counts" "$(bash "$root/tests/includes.sh" tree)" \
    "includes: 8, of which upward: 0; cycles between folders: 0"

plant host/files/png.c '#include "cl/context.h"'
finds "an include that points upward" \
    "host/files/png.c:1: files includes host/cl/context.h, which lies above it, in cl" \
    "includes: 9, of which upward: 1; cycles between folders: 0"

plant host/cl/context.h '  #  include "../../blas/gemm.h"'
finds "a circle of two layers" "folders include each other: blas, cl" "upward: 1; cycles" \
    "cycles between folders: 1"

plant host/tune/tune.h '#include "verify/verify.h"'
check "folders of one layer may include each other" bash "$root/tests/includes.sh" tree
echo '#include "tune/tune.h"' >> tree/host/verify/verify.h
finds "but not in a circle" "folders include each other: tune, verify" \
    "upward: 0; cycles between folders: 1"

plant host/new.c '#include "error.h"'
finds "a file without a place" "host/new.c: is in no layer"

plant host/ops/conv.c '#include "ops/gone.h"'
finds "a file that is not there" "host/ops/conv.c:4: includes ops/gone.h, which is not there"

finish
