#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs fuzz targets, each FUZZ_SECONDS long, two at a time; a line for each: executions, coverage
# and what was found.  usage: BUILD=build-fuzz FUZZ_SECONDS=60 tests/fuzz/run.sh TARGET...
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build-fuzz}
failed=0
one() { # TARGET
    local new=$build/corpus/$1 log=$build/fuzz-$1.log
    mkdir -p "$new" "$build/found/$1"
    "$build/tests/fuzz/$1" -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=2048 -timeout=20 \
        -max_len=65536 -print_final_stats=1 -artifact_prefix="$build/found/$1/" "$new" \
        "tests/fuzz/corpus/$1" > "$log" 2>&1
    local code=$?
    printf '%-12s %10s executions, %6s edges, %5s inputs kept, %s\n' "$1" \
        "$(sed -n 's/^stat::number_of_executed_units: //p' "$log")" \
        "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -c 6-)" "$(ls "$new" | wc -l)" \
        "$([ $code = 0 ] && echo 'nothing found' || echo "FOUND, see $log and $build/found/$1")"
    return $code
}
jobs=()
for name in "$@"; do
    one "$name" &
    jobs+=($!)
    if [ ${#jobs[@]} = 2 ]; then
        wait "${jobs[0]}" || failed=1
        wait "${jobs[1]}" || failed=1
        jobs=()
    fi
done
for job in "${jobs[@]}"; do
    wait "$job" || failed=1
done
exit $failed
