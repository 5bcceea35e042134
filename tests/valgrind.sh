#!/bin/bash
# SPDX-License-Identifier: MIT
# Unit tests that need no device, under valgrind: reads of what was never written, and behind the
# end of what was.  usage: tests/valgrind.sh [BUILD]
set -u
cd "$(dirname "$0")/.." || exit 2
build=${1:-build}
failed=0
for name in config settings input manifest pickle tensorfile image outputs; do
    log=$(mktemp)
    if timeout 900 valgrind -q --error-exitcode=9 --leak-check=full \
        --errors-for-leak-kinds=definite --suppressions=tests/valgrind.supp \
        "$build/tests/unit/$name" > "$log" 2>&1; then
        echo "ok - $name under valgrind"
    else
        failed=1
        echo "not ok - $name under valgrind"
        grep -a '^==\|FAILED' "$log" | head -n 40
    fi
    rm -f "$log"
done
exit $failed
