#!/bin/bash
# SPDX-License-Identifier: MIT
# clang-tidy over host, blas and bench, by tests/tidy.yaml: five minutes to half an hour of a core.
# It sees one file at a time; what it is known to be wrong about stands here with the reason,
# everything else is a failure.
# usage: tests/tidy.sh [FILE...]
set -u
cd "$(dirname "$0")/.." || exit 2
if ! command -v clang-tidy > /dev/null; then
    echo "skip - clang-tidy (not installed)"
    exit 0
fi
known() {
    cat << 'LIST'
bench/gemm.c cert-env33-c: popen of itself, with a path that it has made
bench/gemm.c clang-analyzer-unix.Malloc: the process ends
bench/plot.c bugprone-integer-division: every second angle, to either side
host/cl/binary_cache.c clang-analyzer-core.NonNullParamChecker: use->path is set only where entry is
host/cl/device.c clang-analyzer-core.NullDereference: there is one device where nothing failed
host/cl/registers.c bugprone-narrowing-conversions: one bit
host/class_names.c bugprone-narrowing-conversions: a blank is a character
host/config.c clang-analyzer-core.DivideZero: the loop ends before, where there are no entries
host/config.c clang-analyzer-unix.Malloc: of a size that ffcl_mul has given
host/config_classes.c clang-analyzer-core.NullDereference: there is room for one entry at least
host/eval/score.c clang-analyzer-core.uninitialized.ArraySubscript: all are filled
host/files/arrays.c bugprone-misplaced-widening-cast: for its format; the product fits
host/files/arrays.c bugprone-not-null-terminated-result: bytes of a format
host/files/arrays.c clang-analyzer-core.UndefinedBinaryOperatorResult: an item has that many bytes
host/files/arrays.c clang-analyzer-unix.Malloc: libzip frees them
host/files/atomic.c bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp: that is its name
host/files/atomic.c clang-analyzer-core.NonNullParamChecker: without a folder there is a status
host/files/input.c bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp: that is its name
host/files/lock.c misc-redundant-expression: on other systems they are two numbers
host/files/npz.c bugprone-not-null-terminated-result: bytes of a format
host/files/npz.c bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp: that is its name
host/files/shardfile.c clang-analyzer-core.NullDereference: there is a file where the index says so
host/files/shardfile.c clang-analyzer-security.insecureAPI.strcpy: its length was looked at
host/files/shards.c clang-analyzer-core.NonNullParamChecker: of paths there are as many as n says
host/files/shards.c clang-analyzer-core.NullDereference: the same
host/files/statedict.c clang-analyzer-core.NullDereference: a pickle that was read has a root
host/files/tensorfile.c bugprone-narrowing-conversions: a letter
host/files/tensorfile.c bugprone-signed-char-misuse,cert-str34-c: numbers of a type I8
host/model/inception_steps.c bugprone-macro-parentheses: numbers and texts of a table
host/model/sit_form.c clang-analyzer-core.DivideZero: widths of a head are multiples of 4 there
host/model/sit_form.c clang-analyzer-core.UndefinedBinaryOperatorResult: the same
host/model/sit_weights.c bugprone-not-null-terminated-result: the end was moved along
host/model/sit_weights.c clang-analyzer-core.DivideZero: a patch of side 0 has no elements
host/model/sit_weights.c clang-analyzer-core.NonNullParamChecker: all embedders have a prefix
host/model/weights.c clang-analyzer-core.NullDereference: all names are of a tensor
host/ops/groupnorm.c clang-analyzer-core.DivideZero: groups have channels
host/ops/operations.c clang-analyzer-security.insecureAPI.strcpy: its length was looked at
host/program/arguments.c clang-analyzer-core.DivideZero: the loop has no round then
host/program/devices_command.c bugprone-narrowing-conversions: characters
host/program/inspect_command.c bugprone-narrowing-conversions: a letter
host/program/inspect_png.c bugprone-narrowing-conversions: a letter
host/program/keys_command.c clang-analyzer-core.NonNullParamChecker: without a word it ends before
host/program/lines.c bugprone-misplaced-widening-cast: both are of one line
host/program/options.c bugprone-narrowing-conversions: characters
host/program/options.c clang-analyzer-core.NullDereference: letters are those of the list
host/program/preview.c clang-analyzer-core.UndefinedBinaryOperatorResult: pixels are threes of bytes
host/run/check_outputs.c clang-analyzer-core.NonNullParamChecker: made only where there is a folder
host/run/outputs.c clang-analyzer-core.NonNullParamChecker: an npz that is open has a path
host/run/records.c bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp: that is its name
host/sample/generator.c clang-analyzer-core.uninitialized.Assign: both pairs where both are wanted
host/selfcheck/mapped.c bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c: bits count
host/selfcheck/units.c bugprone-narrowing-conversions: one bit
host/tune/search.c clang-analyzer-core.DivideZero: lists have an entry at least
host/verify/host_kinds.c clang-analyzer-core.uninitialized.Assign: of as many as were generated
host/verify/model_kinds.c clang-analyzer-core.DivideZero: none are gone through where there are none
LIST
}
. tests/sources.sh
tidy() { # FILE OPTION...
    local file=$1
    shift
    clang-tidy --quiet --config-file=tests/tidy.yaml "$file" -- "$@" > "$log" 2> /dev/null
    if grep ' error: ' "$log"; then
        failed=1
    fi
}
analyze clang-tidy tidy 's/.* warning: .*\[\(.*\)\]$/\1/p' '['
