#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs every test program of a build and adds up what they report: the kernel registry, the unit
# tests, the end-to-end scripts, lint and clcheck.  A line for each program, the whole log of one
# that fails; the last line counts all tests.
# usage: tests/run.sh [BUILD [PATTERN]]      PATTERN: only programs whose name matches
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
trap 'exit 130' INT TERM HUP
# A user's cache and tuned parameters must neither help nor suffer.  PoCL's own cache stays, as it
# saves minutes.
export FFCL_CACHE_DIR=$scratch/cache XDG_CONFIG_HOME=$scratch/config
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
chmod 711 "$scratch"            # some tests become another user
export CMOCKA_MESSAGE_OUTPUT=TAP
# These would change what the tests expect, or what a nested make does.
unset FFCL_CL_DIR FFCL_SYNC FFCL_TRACE FFCL_VARIANTS MAKEFLAGS MFLAGS MAKELEVEL

passed=0 failed=0 skipped=0

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

# program NAME SECONDS COMMAND...: runs, counts, prints a line, and the log on failure.
program() {
    local name=$1 limit=$2 log=$scratch/log started status p f s note=''
    shift 2
    # shellcheck disable=SC2254 # a pattern is meant
    case $name in
    $pattern) ;;
    *) return ;;
    esac
    started=$(date +%s%N)
    timeout -k 10 "$limit" "$@" > "$log" 2>&1 < /dev/null
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
    printf '%-28s %4d passed, %d failed, %d skipped  %4d.%d s%s\n' "$name" "$p" "$f" "$s" \
        $((ms / 1000)) $((ms % 1000 / 100)) "$note"
    if [ "$f" != 0 ]; then
        echo "---- $name: $*"
        cat "$log"
        echo "----"
        # Once more at the end, where a long log is looked at first.
        {
            echo "$name$note"
            grep -aE '^not ok ' "$log" | grep -avE '# *SKIP' | cut -c 1-200 | sed 's/^/    /' |
                head -n 20
        } >> "$scratch/failures"
    else
        grep -aE '^skip - |^SKIP|# *SKIP' "$log" | sed 's/^/    /'
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# What needs a device is skipped without one, and failed where a device is promised.
device=1
"$build/ffcl" devices > /dev/null 2>&1 || device=0
if [ $device = 1 ]; then
    program kernels 1800 "$build/tests/check"
    # Where a CPU's library multiplies, CLBlast has rows to itself.
    program "GEMMs, clblast" 300 "$build/tests/check" --backend clblast --op 'gemm*'
    program "convolutions, clblast" 300 "$build/tests/check" --backend clblast \
        --op 'conv_[cu][op][ls]*'
elif [ "${CI:-}" = true ]; then
    echo "not ok - kernels (no OpenCL device)"
    failed=$((failed + 1))
else
    echo "skip - kernels (no OpenCL device)"
    skipped=$((skipped + 1))
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
    [ "$script" = tests/e2e/lib.sh ] || program "${script#tests/}" 900 bash "$script" "$build"
done
program lint 300 bash tests/lint.sh
program clcheck 300 bash tests/clcheck.sh

if [ -s "$scratch/failures" ]; then
    echo "Failed:"
    cat "$scratch/failures"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed != 0 ]
