#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the smallest shape of every kernel under Oclgrind and fails on any report: accesses out of
# bounds, races, uninitialised reads, divergent barriers, wrong API calls.
# usage: tests/oclgrind.sh [CHECK [PATTERN]]     CHECK: build/tests/check; PATTERN: of rows
#        PARTS=N: so many runs of check one after another, each with its own time (48)
#        FIRST=N, LAST=N: only the parts from FIRST to LAST
#        PASS=marks: only the pass for uninitialised reads, PASS=bounds: that without guard bands
set -u
check=${1:-build/tests/check}
rows=(${2:+--op "$2"})
if ! command -v oclgrind > /dev/null; then
    echo "oclgrind.sh: skipped, oclgrind is not installed"
    exit 0
fi
if [ ! -x "$check" ]; then
    echo "oclgrind.sh: $check is missing; run make $check" >&2
    exit 1
fi
log=$(mktemp)
trap 'rm -f "$log" "$log".*' EXIT
parts=${PARTS:-48}
[ $# -lt 2 ] || parts=${PARTS:-1}
pass=${PASS:-both}
case $pass in
both | marks | bounds) ;;
*)
    echo "oclgrind.sh: no pass $pass: marks, bounds" >&2
    exit 2
    ;;
esac
reports='Invalid (read|write)|data race|ninitialized|divergence|OpenCL runtime error|FATAL'

# Oclgrind 21.10 takes the upper half of a float16 for uninitialised, a constant's, too: this kernel
# reads nothing at all.  So small shapes have vectors of at most 8, and ceiling_fma, which has no
# narrower ones and computes with nothing but its arguments and one input, is left out.
blind_spot() {
    cat > "$log.cl" << 'KERNEL'
__kernel void upper_half(__global float *out)
{
    float16 v = (float16)(1.0f);
    vstore8(v.hi, 0, out);
}
KERNEL
    printf '%s\n' "$log.cl" upper_half '1 1 1' '1 1 1' '<size=32 fill=0 float dump>' > "$log.sim"
    oclgrind-kernel --uninitialized --build-options -cl-opt-disable "$log.sim" 2>&1 |
        grep -q ninitialized
}
blind_spot && blind=1 || blind=0
[ $blind = 0 ] || echo "oclgrind.sh: Oclgrind reports the upper half of a constant float16"

# Oclgrind 21.10 never forgets what it knows of a buffer: one that takes the place of a smaller
# released one has that one's marks, and all behind its end counts as uninitialised, whatever is
# written there.  So no buffer is released, which takes more memory than its 128 MB.
read -ra compiler <<< "${CC:-cc}"
"${compiler[@]}" -shared -fPIC -D_GNU_SOURCE -DCL_TARGET_OPENCL_VERSION=120 -o "$log.so" \
    "$(dirname "$0")/shim_device.c" -ldl -lpthread || exit 1

# under SECONDS OPTION... -- COMMAND...: the command, whose buffers are kept, under Oclgrind.
under() {
    local limit=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    # shellcheck disable=SC2016 # for the other shell
    FFCL_SHIM_KEEP=1 FFCL_CACHE_DIR='' timeout "$limit" oclgrind --check-api --data-races \
        --global-mem-size 1073741824 --build-options -cl-opt-disable --log "$log" \
        "${options[@]}" bash -c 'LD_PRELOAD=$0:${LD_PRELOAD:-} exec "$@"' "$log.so" "$@"
}

# one_part OPTION... -- ARGUMENT...: Oclgrind's options, then check's.  Oclgrind's exit status is
# the program's own, so the log decides, too.
one_part() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    : > "$log"
    under 900 --max-errors 1000 "${options[@]}" -- "$check" --small "${rows[@]}" "$@" \
        > "$log.out" 2> "$log.err"
    local status=$?
    cat "$log.err" >&2
    grep -v '^device \|^[0-9]* passed' "$log.out"
    if [ $blind = 1 ]; then
        awk 'BEGIN { RS = ""; ORS = "\n\n" } !(/ninitialized/ && /Kernel: ceiling_fma\n/)' "$log" \
            > "$log.known" && mv "$log.known" "$log"
    fi
    # Wrong calls are reported on stderr, and not in the log.
    cat "$log.err" >> "$log"
    if grep -qE "$reports" "$log"; then
        echo "oclgrind.sh: $(grep -cE "$reports" "$log") reports; the first:" >&2
        head -n 12 "$log" >&2
        return 1
    fi
    if [ $status = 124 ]; then
        echo "oclgrind.sh: check $* has not ended after 900 s" >&2
    fi
    return $status
}

# All parts, of the same seed, and their sums.
one_pass() {
    local failed=0 passed=0 wrong=0 skipped=0 part sums p f s
    for part in $(seq "${FIRST:-1}" "${LAST:-$parts}"); do
        one_part "$@" --share "$part/$parts" || failed=1
        sums=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
            "$log.out")
        read -r p f s <<< "${sums:-0 0 0}"
        echo "oclgrind.sh: part $part of $parts: $p, $f, $s"
        passed=$((passed + p)) wrong=$((wrong + f)) skipped=$((skipped + s))
    done
    local name=${*//-/}
    echo "oclgrind.sh: ${name// /}: $passed passed, $wrong failed, $skipped skipped"
    return $failed
}

# The check must be able to fail: bugs of each kind, planted in a copy of one kernel.
# planted NAME REPORT FROM TO: FROM becomes TO in latent_update_f32.
planted() {
    local name=$1 report=$2 folder
    folder=$(mktemp -d)
    cp cl/* "$folder"
    python3 - "$folder/latent.cl" "$3" "$4" << 'PYTHON' || { rm -rf "$folder"; return 1; }
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
name = "__kernel void latent_update_f32"
head, kernel = text.split(name, 1)
assert old in kernel, old
open(path, "w").write(head + name + kernel.replace(old, new, 1))
PYTHON
    : > "$log"
    FFCL_CL_DIR=$folder under 300 --uninitialized -- "$check" --small --bare --op latent_update \
        > /dev/null 2> "$log.err"
    rm -rf "$folder"
    if ! grep -qE "$report" "$log" "$log.err"; then
        echo "oclgrind.sh: $name was planted and not reported" >&2
        return 1
    fi
    echo "oclgrind.sh: $name, planted: reported"
}
planted "a read out of bounds" 'Invalid read' 'cx * x[e]' 'cx * x[e + 65536]' || exit 1
planted "a write out of bounds" 'Invalid write' 'out[e] =' 'out[e + 65536] =' || exit 1
planted "a data race" 'data race' 'out[e] =' 'out[e & 1] =' || exit 1
planted "an uninitialised read" 'ninitialized' 'float v = cx * x[e];' \
    'float w[2]; w[e & 1] = cx * x[e]; float v = w[1 - (e & 1)];' || exit 1
planted "a divergent barrier" 'divergence' 'out[e] = v;' \
    'out[e] = v; if (e & 1) barrier(CLK_LOCAL_MEM_FENCE);' || exit 1
planted "an argument of another size" 'OpenCL runtime error|CL_INVALID' 'int terms' 'long terms' ||
    exit 1

# Two passes.  With guard bands buffers are larger than their tensors, which hides a read a little
# outside; the second is for bounds alone, and faster.
[ $pass = bounds ] || one_pass --uninitialized -- || exit 1
[ $pass = marks ] || one_pass -- --bare || exit 1
