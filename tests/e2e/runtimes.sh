#!/bin/bash
# SPDX-License-Identifier: MIT
# A share of what make runtimes runs: the demo and a few rows on other OpenCL runtimes, where these
# are (tests/runtimes.sh --fetch; Debian's oclgrind).
. "$(dirname "$0")/lib.sh"
need_device

if [ -n "${FFCL_TEST_CFLAGS:-}" ]; then
    skip "other runtimes" "not with a sanitizer"
    finish
fi
SHARE=few bash "$root/tests/runtimes.sh" "$build" intel rusticl oclgrind > lines 2>&1
while read -r line; do
    case $line in
    "ok - "*) ok "${line#ok - }" ;;
    "not ok - "*) not_ok "${line#not ok - }" "$(sed -n '/^not ok/,$p' lines)" ;;
    "skip - "*) skip "$(sed 's/^skip - \(.*\) (.*/\1/' <<< "$line")" "it is not installed" ;;
    esac
done < lines
same "the three were looked at" \
    "$(grep -c '^\(ok - [a-z]*: device\|skip\|ok - oclgrind\)' lines)" 3
finish
