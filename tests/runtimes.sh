#!/bin/bash
# SPDX-License-Identifier: MIT
# Kernel rows, recordings and the demo on other OpenCL runtimes than the one that is used here:
#   intel      Intel's for CPUs, from PyPI by pip, unpacked under RUNTIMES=FOLDER
#   rusticl    Mesa's, on llvmpipe: Debian's mesa-opencl-icd; RUSTICL_ICD=FILE: its file elsewhere
#   oclgrind   every row at a small shape, and no report: Debian's oclgrind, tests/oclgrind.sh
# usage: tests/runtimes.sh [BUILD [RUNTIME ...]]       all of them by default
#        tests/runtimes.sh --fetch                     Intel's alone, into its folder
#        SHARE=small: each row's smallest shape, and no recordings; SHARE=few: a few rows
# One that is not there is skipped.  Exit code 1 where something fails.
set -u
cd "$(dirname "$0")/.." || exit 2
share=${SHARE:-all}
folder=${RUNTIMES:-${XDG_CACHE_HOME:-$HOME/.cache}/ffcl-runtimes}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
wheels=(intel-opencl-rt==2026.2.0 intel-cmplr-lib-rt==2026.2.0 tbb==2023.2.0 tcmlib==1.6.0
    umf==1.2.0)
failed=0

# Fetches and unpacks Intel's wheels, without their loader, which would take the place of the
# system's.
fetch_intel() {
    local lib=$folder/intel wheel
    if [ ! -e "$lib/libintelocl.so" ]; then
        python3 -m pip --version > /dev/null 2>&1 || return 1
        mkdir -p "$lib"
        python3 -m pip download -q --no-deps -d "$work/wheels" "${wheels[@]}" || return 1
        for wheel in "$work"/wheels/*.whl; do
            python3 -m zipfile -e "$wheel" "$work/wheel" || return 1
        done
        rm -f "$work"/wheel/*.data/data/lib/libOpenCL*
        cp -r "$work"/wheel/*.data/data/lib/. "$lib" || return 1
        rm -rf "$work/wheels" "$work/wheel"
    fi
}

find_intel() {
    local lib=$folder/intel
    [ -e "$lib/libintelocl.so" ] || { [ "$share" != few ] && fetch_intel; } || return 1
    mkdir -p "$work/intel"
    echo "$lib/libintelocl.so" > "$work/intel/intel.icd"
    settings=(OCL_ICD_VENDORS="$work/intel" LD_LIBRARY_PATH="$lib")
}

find_rusticl() {
    local icd=${RUSTICL_ICD:-/etc/OpenCL/vendors/rusticl.icd}
    [ -e "$icd" ] && settings=(OCL_ICD_VENDORS="$icd" RUSTICL_ENABLE="llvmpipe")
}

absent() { # RUNTIME
    echo "skip - $1 (it is not installed)"
}

# part RUNTIME NAME COMMAND...: a line, and the end of the log of what fails.
part() {
    local name="$1: $2" began=$SECONDS said
    shift 2
    if (export "${settings[@]}" FFCL_CACHE_DIR="$work/cache-$runtime" && "$@") > "$work/log" \
        2>&1; then
        said=$(grep -E '^[0-9]+ passed, |tensors ok' "$work/log" | tail -n 1)
        echo "ok - $name${said:+: $said} ($((SECONDS - began)) s)"
    else
        echo "not ok - $name: $* ($((SECONDS - began)) s)"
        tail -n 30 "$work/log" | sed 's/^/    /'
        failed=1
    fi
}

# shellcheck disable=SC2317 # part calls it
# The same images as the usual device makes: to 1 of 255, as sums have another order.
demo() { # OVERRIDE...
    "$build/ffcl" -q config/demo.ini output.grid="$work/got.png" "$@" &&
        python3 tests/images.py differ "$work/got.png" "$work/want.png" | tee "$work/differ" &&
        awk '$1 > 1 { exit 1 }' "$work/differ"
}

on_device() { # RUNTIME
    local few=()
    [ "$share" = all ] || few=(sampler.count=4)
    "$build/ffcl" -q config/demo.ini output.grid="$work/want.png" "${few[@]}" || failed=1
    part "$1" device "$build/ffcl" devices
    sed -n 's/^    driver: /    driver /p' "$work/log" | head -n 1
    part "$1" demo demo "${few[@]}"
    if [ "$share" = few ]; then
        part "$1" "rows of half group norms" "$build/tests/check" --op 'groupnorm_silu_group_half*'
    elif [ "$share" = small ]; then
        part "$1" "kernel rows, small" "$build/tests/check" --small
    else
        part "$1" "kernel rows" "$build/tests/check"
        part "$1" recordings bash tests/e2e/recordings.sh "$build"
    fi
}

if [ "${1:-}" = --fetch ]; then
    fetch_intel
    exit
fi
build=$(cd "${1:-build}" && pwd) || exit 2
shift $(($# > 0 ? 1 : 0))
[ $# != 0 ] || set -- intel rusticl oclgrind
for runtime; do
    settings=()
    case $runtime in
    intel) if find_intel; then on_device intel; else absent intel; fi ;;
    rusticl) if find_rusticl; then on_device rusticl; else absent rusticl; fi ;;
    oclgrind)
        if command -v oclgrind > /dev/null; then
            rows=() name="every row at a small shape"
            [ "$share" != few ] || rows=('layernorm_modulate*') name="rows of layer norms"
            part oclgrind "$name" bash tests/oclgrind.sh "$build/tests/check" "${rows[@]}"
        else
            absent oclgrind
        fi
        ;;
    *)
        echo "runtimes.sh: no runtime $runtime: intel, rusticl, oclgrind" >&2
        exit 2
        ;;
    esac
done
exit $failed
