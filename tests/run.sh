#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs every test program of a build and adds up what they report: the kernel registry, the unit
# tests, the end-to-end scripts, lint and clcheck.  A line for each program, the whole log of one
# that fails; the last line counts all tests.
# usage: tests/run.sh [BUILD [PATTERN]]      PATTERN: only programs whose name matches
#        FFCL_TEST_LANES=N: so many programs side by side (one a core, up to 4)
#        CI=true: tests that are skipped for want of an OpenCL device count as failed
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 2
build=${1:-build} pattern=${2:-*}
if [ ! -x "$build/ffcl" ]; then
    echo "run.sh: $build/ffcl is missing: make check builds everything and runs this" >&2
    exit 2
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# shellcheck disable=SC2046 # a word a lane
trap 'kill $(jobs -p) 2> /dev/null; wait; exit 130' INT TERM HUP
# A user's cache and tuned parameters must neither help nor suffer.  PoCL's own cache stays, as it
# saves minutes.
export FFCL_CACHE_DIR=$scratch/cache XDG_CONFIG_HOME=$scratch/config
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
chmod 711 "$scratch"            # some tests become another user
export CMOCKA_MESSAGE_OUTPUT=TAP
# These would change what the tests expect, or what a nested make does.
unset FFCL_BINARIES FFCL_CL_DIR FFCL_SYNC FFCL_TRACE FFCL_VARIANTS MAKEFLAGS MFLAGS MAKELEVEL

# Programs run side by side, one a lane; each is a process of its own with files of its own.
lanes=${FFCL_TEST_LANES:-$(nproc 2> /dev/null || echo 1)}
[ "$lanes" -le 4 ] || lanes=4
: > "$scratch/counts"
: > "$scratch/failures"
: > "$scratch/lock"

# count PASSED FAILED SKIPPED: adds to what the run reports.
count() {
    echo "$*" >> "$scratch/counts"
}

# "PASSED FAILED SKIPPED" of a log: its own closing line, else its TAP lines.
count_log() {
    awk '
        /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
            closed = 1; p = $1; f = $3; s = $5
            next
        }
        /^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; next }
        /^(not )?ok .*# *SKIP/ || /^skip - / { skips++; next }
        /^ok / { oks++; next }
        /^not ok / { bads++ }
        END {
            if (closed) { print p, f, s; exit }
            # Announced, but never reported: the program died on the way.
            if (plan > oks + bads + skips)
                bads += plan - oks - bads - skips
            print oks + 0, bads + 0, skips + 0
        }' "$1"
}

# run_program NAME SECONDS COMMAND...: runs, counts, prints a line, and the log on failure.
run_program() {
    local name=$1 limit=$2 log pid started status p f s note=''
    shift 2
    log=$(mktemp "$scratch/log.XXXXXX")
    started=$(date +%s%N)
    timeout -k 10 "$limit" "$@" > "$log" 2>&1 < /dev/null &
    pid=$!
    trap 'kill $pid; wait $pid; exit 130' TERM
    wait $pid
    status=$?
    read -r p f s < <(count_log "$log")
    if [ "$status" = 124 ] || [ "$status" = 137 ]; then
        note=", stopped after $limit s"
    elif [ "$status" -gt 128 ]; then
        note=", died of signal $((status - 128))"
    elif [ "$status" != 0 ] && [ "$f" = 0 ]; then
        note=", exit code $status"
    elif [ $((p + f + s)) = 0 ]; then
        note=', ran no test'
    fi
    if [ -n "$note" ]; then
        f=$((f + 1))
    fi
    local ms=$((($(date +%s%N) - started) / 1000000))
    # One program's lines stay together.
    exec 9> "$scratch/lock"
    flock 9
    printf '%-28s %4d passed, %d failed, %d skipped  %4d.%d s%s\n' "$name" "$p" "$f" "$s" \
        $((ms / 1000)) $((ms % 1000 / 100)) "$note"
    if [ "$f" != 0 ]; then
        echo "---- $name: $*"
        cat "$log"
        echo "----"
        # Once more at the end, where a long log is looked at first.
        {
            echo "$name$note"
            grep -aE '^(not ok |FAIL )' "$log" | grep -avE '# *SKIP' | cut -c 1-200 |
                sed 's/^/    /' | head -n 20
        } >> "$scratch/failures"
    else
        grep -aE '^skip - |^SKIP|# *SKIP' "$log" | sed 's/^/    /'
    fi
    count "$p" "$f" "$s"
    rm -f "$log"
}

# program NAME SECONDS COMMAND...: the same in the next free lane, where NAME is wanted.
program() {
    # shellcheck disable=SC2254 # a pattern is meant
    case ${1%% [0-9]*} in
    $pattern) ;;
    *) return ;;
    esac
    while [ "$(jobs -rp | wc -l)" -ge "$lanes" ]; do
        wait -n
    done
    run_program "$@" &
}

# What needs a device is skipped without one, and failed where a device is promised.
device=1
"$build/ffcl" devices > /dev/null 2>&1 || device=0
if [ $device = 1 ]; then
    for ((share = 1; share <= lanes; share++)); do
        program "kernels $share/$lanes" 1800 "$build/tests/check" --share "$share/$lanes"
    done
    # Where a CPU's library multiplies, CLBlast has rows to itself.
    program "GEMMs, clblast" 300 "$build/tests/check" --backend clblast --op 'gemm*'
    program "convolutions, clblast" 300 "$build/tests/check" --backend clblast \
        --op 'conv_[cu][op][ls]*'
elif [ "${CI:-}" = true ]; then
    echo "not ok - kernels (no OpenCL device)" | tee -a "$scratch/failures"
    count 0 1 0
else
    echo "skip - kernels (no OpenCL device)"
    count 0 0 1
fi
for source in tests/unit/*.c; do
    name=$(basename "$source" .c)
    program "unit/$name" 300 "$build/tests/unit/$name"
done
for source in tests/fuzz/*.c; do
    name=$(basename "$source" .c)
    case $name in
    files | replay | mutate*) continue ;;
    esac
    program "fuzz/$name" 300 "$build/tests/fuzz/$name" "tests/fuzz/corpus/$name"
done
for script in tests/e2e/*.sh; do
    [ "$script" = tests/e2e/lib.sh ] || program "${script#tests/}" 1800 bash "$script" "$build"
done
program lint 300 bash tests/lint.sh
program clcheck 300 bash tests/clcheck.sh

wait

read -r passed failed skipped < <(awk '{ p += $1; f += $2; s += $3 }
    END { print p + 0, f + 0, s + 0 }' "$scratch/counts")
if [ -s "$scratch/failures" ]; then
    echo "Failed:"
    cat "$scratch/failures"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
