#!/bin/bash
# SPDX-License-Identifier: MIT
# Matrix units that only a trial shows to be right and fast, on a device that pretends to be an AMD
# GPU and emulates its WMMA: right and fast, right and slow, wrong in one element, crashes in the
# build and in the run, a hang, another driver; what is kept of a trial, and who makes none.
. "$(dirname "$0")/lib.sh"
need_device
build_device_shim || {
    skip "trials of matrix units" "not with a sanitizer, or no compiler"
    finish
}

python3 "$root/tests/sparse_weights.py" "$work/tiny" tiny
tiny=("$demo" model.checkpoint="$work/tiny/sit.safetensors" model.heads=2
    vae.weights="$work/tiny/vae.safetensors" sampler.classes=0-3 sampler.count=4 device.select=0
    output.grid= output.folder=)
export FFCL_CACHE_DIR=$work/cache FFCL_TRIAL_SECONDS=280

# as HOW DRIVER NAME OVERRIDE...: samples into the folder NAME on such a device.
as() {
    local how=$1 driver=$2 name=$3
    shift 3
    last="ffcl as HOW=$how DRIVER=$driver $*"
    FFCL_SHIM_DEVICE=gpu,wave=32,unified=0,driver=$driver FFCL_SHIM_UNIT=$how \
        LD_PRELOAD=$shim_device timeout -k 10 400 "$ffcl" "${tiny[@]}" output.folder="$name" "$@" \
        > "$work/stdout" 2> "$work/stderr" < /dev/null
    code=$?
}
# said NAME TEXT..., unsaid NAME TEXT: what the last run printed.
said() {
    local name=$1 missing
    shift
    missing=$(lacks "$work/stderr" "$@")
    if [ "$code" = 0 ] && [ -z "$missing" ]; then
        ok "$name"
    else
        not_ok "$name" "$missing"
    fi
}
unsaid() {
    if grep -qF -- "$2" "$work/stderr"; then
        not_ok "$1" "said: $2"
    else
        ok "$1"
    fi
}
same_images() { # NAME FOLDER FOLDER
    check "$1" diff -r -x manifest.json "$2" "$3"
}

as "" plain plain precision.compute=float32 blas.tuning=off
said "float32 with tuning = off is tried for nothing" ", float32, blocked batches, clblast"
unsaid "float32 with tuning = off: no trial" "trying"

# PoCL's kernels for work-groups of any size, which binaries have, emulate the unit many times
# faster.
export FFCL_BINARIES=all

# ---- right and fast ----

as fast fast fast
said "right and fast: it is tried, and used" "trying " "at most a minute" \
    "the matrix unit wmma is right and takes" "it is used" ", half, clblast and wmma"
check "right and fast: the manifest says so" grep -q '"blas.unit of .*":.*"wmma"' \
    fast/manifest.json
as "" fast again
said "the next start uses it without a trial" ", half, clblast and wmma"
unsaid "the next start makes no trial" "trying"
same_images "the same images" fast again
as late fast late
said "a start whose short check fails leaves it alone" "fails the check of this start" \
    "it is not used" ", float32, "

# ---- right and slow: float32, and who computes it is found in the same trial ----

as slow slow slow
said "right and slow: it is not used" "the matrix unit wmma is right and takes" \
    "it is not used" ", float32, " "ffcl's own float32 GEMM takes"
check "right and slow: the manifest has no unit" sh -c "! grep -q blas.unit slow/manifest.json"
check "right and slow: the manifest says who computes float32" grep -Eq \
    '"blas.products of .*":.*"blocked( batches)?, clblast"' slow/manifest.json
as "" slow slow-again
unsaid "the next start makes no trial and says nothing of it" "matrix unit"
same_images "its images are the same" slow slow-again
as "" other other
said "another driver: it is tried again" "trying "

# ---- wrong, crashes, a hang: float32, a line ----

as wrong wrong wrong
said "wrong in one element" "the matrix unit wmma computes wrong: " ", 1 of " \
    "it is not used (ffcl selfcheck tries it again)" ", float32, "
as "" wrong wrong-again
said "what was wrong stays unused, and a line says so" "the matrix unit wmma computes wrong" \
    ", float32, "
unsaid "and is not tried again" "trying "
refuses_named() {
    as "$1" "$1" named blas.backend=wmma
    if [ "$code" = 7 ] && grep -q "^ffcl: \[blas\] backend = wmma: the matrix unit of" \
        "$work/stderr"; then
        ok "$1, asked for by name: refused"
    else
        not_ok "$1, asked for by name: refused"
    fi
}
refuses_named wrong
as build build build
said "a crash in the build" "the matrix unit wmma crashed the driver's compiler" ", float32, "
as run run run
said "a crash in the run" "the matrix unit wmma crashed the driver" ", float32, "
export FFCL_TRIAL_SECONDS=40
as hang hang hang
said "a hang" "the matrix unit wmma took longer than 40 s" ", float32, "
export FFCL_TRIAL_SECONDS=280

# ---- ffcl selfcheck, and programs that make no trial ----

FFCL_SHIM_DEVICE=gpu,wave=32,unified=0,driver=wrong LD_PRELOAD=$shim_device "$ffcl" selfcheck \
    "${tiny[@]}" > "$work/stdout" 2> "$work/stderr"
same "ffcl selfcheck: exit code" "$?" 0
for word in "clblast, float32 GEMM        right" "ffcl's own float32 GEMM      right" \
    "half arithmetic " "matrix unit wmma, by trial   right" "conv 1 x 16 x 16 x 32 > 32, 3 x 3 "; do
    check "ffcl selfcheck: $word" grep -qF "$word" "$work/stdout"
done
as "" wrong mended
unsaid "what it found counts at the next start" "computes wrong"

cat > library.c << 'TEXT'
#include <ffcl.h>
#include <stdio.h>
static void report(void *user, ffcl_phase phase, const char *text, uint64_t done, uint64_t total)
{
    (void)user, (void)done, (void)total;
    if (phase == FFCL_PHASE_NOTE || phase == FFCL_PHASE_WARN)
        puts(text);
}
int main(int argc, char **argv)
{
    ffcl_config *cfg;
    ffcl_sampler *s;
    ffcl_error err = {0, ""};
    ffcl_observer obs = {report, NULL};
    int rc = ffcl_config_open(&cfg, argv[1], &err);
    for (int i = 2; !rc && i < argc; i++)
        rc = ffcl_config_set(cfg, argv[i], &err);
    if (!rc)
        rc = ffcl_sampler_open(&s, cfg, &obs, &err);
    if (!rc)
        ffcl_sampler_close(&s);
    ffcl_config_close(&cfg);
    if (rc)
        puts(err.text);
    return -rc;
}
TEXT
# shellcheck disable=SC2046 # a list of options
if ${CC:-cc} -I"$root/host" library.c -o library -L"$build" -lffcl \
    $(pkg-config --libs OpenCL clblast libpng inih libzip libcjson zlib) -lm 2> compile.log; then
    LD_LIBRARY_PATH=$build ; export LD_LIBRARY_PATH
    ln -sf "$build/libffcl.so" libffcl.so.0 && LD_LIBRARY_PATH=$work
    FFCL_SHIM_DEVICE=gpu,wave=32,unified=0,driver=new LD_PRELOAD=$shim_device ./library \
        "${tiny[@]}" output.grid=a.png > "$work/stdout" 2> "$work/stderr"
    code=$? last="a program with libffcl"
    same "a program with libffcl makes no trial" "$code" 0
    check "and says who does" grep -q "has not been tried for .*: ffcl selfcheck tries" \
        "$work/stdout"
    check "and computes in float32" grep -q ", float32, " "$work/stdout"
else
    skip "a program with libffcl makes no trial" "$(head -c 100 compile.log)"
fi
finish
