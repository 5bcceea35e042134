#!/bin/bash
# SPDX-License-Identifier: MIT
# Unit tests, and the end-to-end tests in which threads meet, in a build with the thread sanitizer;
# what it may report is in tests/tsan.supp, with the reason.
# usage: tests/tsan.sh BUILD [PATTERN...]        PATTERN: as of tests/run.sh
set -u
cd "$(dirname "$0")/.." || exit 2
build=${1:?usage: tests/tsan.sh BUILD [PATTERN...]}
shift
[ $# != 0 ] || set -- 'unit/*' e2e/{eval_run,resume,sample,blocks,shares,terminal,eval}.sh
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
trap 'exit 130' INT TERM HUP
chmod 1777 "$reports"           # some tests become another user
# Reports go to files: tests look at what is printed, and at exit codes.
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp print_suppressions=0 exitcode=0
    log_path=$reports/report history_size=4"
export FFCL_TEST_CFLAGS="-g -fsanitize=thread"
failed=0
for pattern in "$@"; do
    bash tests/run.sh "$build" "$pattern" || failed=1
done
if grep -q "^WARNING: ThreadSanitizer" "$reports"/* 2> /dev/null; then
    cat "$reports"/*
    grep -h "^SUMMARY: " "$reports"/* | sort | uniq -c
    echo "not ok - thread sanitizer"
    exit 1
fi
[ $failed = 0 ] && echo "ok - thread sanitizer: no report"
