#!/bin/bash
# SPDX-License-Identifier: MIT
# gcc's -fanalyzer over host, blas and bench: minutes of a core.  It sees one file at a time; what
# it is known to be wrong about stands here with the reason, everything else is a failure.
# usage: tests/analyze.sh [FILE...]
set -u
cd "$(dirname "$0")/.." || exit 2
known() {
    cat << 'LIST'
host/config_classes.c null-dereference: there is room for one entry at least
host/config_value.c null-dereference: the member of a row that is of a string
host/cl/binary_cache.c null-argument: use->path is set only where entry is there
host/cl/choices.c malloc-leak: in the table
host/cl/profile.c malloc-leak: in the profile, which is at hand where commands are timed
host/cl/profile.c null-dereference: the same
host/cl/program.c malloc-leak: in the list of programs, also where the program's own memory lacks
host/eval/moments.c use-of-uninitialized-value: a callee in another file fills it
host/files/arrays.c use-of-uninitialized-value: zip_fread fills it, or its result is less
host/files/arrays.c malloc-leak: zip_source_buffer frees it
host/files/shards.c null-dereference: of paths there are as many as n says
host/files/tensorfile.c null-dereference: out is NULL where data are passed over, and n is 0
host/files/tensorfile.c null-argument: the same
host/program/arguments.c malloc-leak: the process ends
host/program/convert_command.c null-argument: an output has been asked for
host/run/hashes.c malloc-leak: in the list of files
host/verify/inception_kind.c possible-null-dereference: the loop asks for it
bench/gemm.c malloc-leak: the process ends
blas/blocked.c null-dereference: the caller has chosen a tile
blas/half.c null-dereference: the same
LIST
}
. tests/sources.sh
compile() { # FILE OPTION...
    local file=$1
    shift
    gcc "$@" -O1 -fanalyzer -Wno-analyzer-too-complex -c -o /dev/null "$file" 2> "$log" ||
        { failed=1; head -n 5 "$log"; }
}
analyze 'gcc -fanalyzer' compile 's/.*warning: .*\[-Wanalyzer-\(.*\)\]$/\1/p' '[-Wanalyzer-'
