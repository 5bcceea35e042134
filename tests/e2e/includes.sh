#!/bin/bash
# SPDX-License-Identifier: MIT
# The checks of who includes whom and of the wording, of make lint, find what is planted in a tree
# of a few files.
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

# ---- wording ----

says_of_words() { # NAME FILE LINE WORD: the check of the wording names the file and the word
    tree
    mkdir tree/docs
    echo "a line" > tree/docs/a.md
    echo "$3" >> "tree/$2"
    bash "$root/tests/wording.sh" tree > found 2>&1
    same "$1" "$? $(grep -c "^$2:[0-9]*: \"$4\": " found)" "${5:-1 1}"
}
says_of_words "a message" host/ops/conv.c 'f("6 pictures were there");' pictures
says_of_words "a document" docs/a.md "Ten images are Drawn." Drawn
says_of_words "a table of a message" host/cl/context.h '    "the number of heads is in no tensor"' \
    "number of heads"
says_of_words "not a name in the code" host/ops/conv.c 'int slim = products[0];' slim "0 0"
says_of_words "not a part of a word" docs/a.md "It withdraws what was foretold." told "0 0"

finish
