#!/bin/bash
# SPDX-License-Identifier: MIT
# What a driver prints: not in the middle of progress, but where it may explain a failure.
. "$(dirname "$0")/lib.sh"
need_device
need_shim "what drivers print" || finish
export FFCL_CACHE_DIR=                  # so that each run builds

one=("$demo" sampler.classes=1 sampler.count=1 output.grid=one.png)
chatter() { # HOW ARGUMENT...: a run whose driver prints
    local how=$1
    shift
    FFCL_SHIM_BUILD=$how LD_PRELOAD=$shim run "$@"
}
heading="ffcl: the driver or a library printed:"

chatter print -q "${one[@]}"
same "a run says nothing of warnings" "$code $(cat stderr)" "0 "
chatter print "${one[@]}"
same "progress has none between its lines" "$code $(grep -c warnings stderr) \
$(grep -c '^sampling 1/1' stderr)" "0 0 1"
FFCL_DRIVER_OUTPUT=1 chatter print -q "${one[@]}"
same "FFCL_DRIVER_OUTPUT=1: all is seen" "$code $(sort -u stderr)" "0 9 warnings generated."

cp -r "$root/cl" broken
echo 'nonsense' >> broken/embed.cl
FFCL_CL_DIR=$work/broken chatter print -q "${one[@]}"
same "a kernel that does not build: it is shown" "$code $(grep -c '^ffcl: kernel source embed.cl' \
    stderr) $(grep -A1 "^$heading" stderr | tail -n 1)" "8 1 9 warnings generated."
chatter print -q "${one[@]}" device.select=nothing-of-that-name
same "a mistake of the user's: it is not" "$code $(wc -l < stderr)" "7 1"
chatter abort -q "${one[@]}"
same "a driver that aborts: it is shown, after a sentence" "$code $(head -n 1 stderr |
    grep -c '^ffcl: .*gave up (abort)') $(grep -A1 "^$heading" stderr | tail -n 1)" \
    "134 1 9 warnings generated."
chatter exit -q "${one[@]}"
same "a driver that ends the process: it is shown" \
    "$code $(grep -c '^ffcl: the driver, or a library, ended the process' stderr) \
$(grep -A1 "^$heading" stderr | tail -n 1)" "10 1 9 warnings generated."
rm -f one.png
chatter exit0 -q "${one[@]}"
same "a driver that ends the process as if all were right" "$code $(ls one.png 2> /dev/null)" "10 "

finish
