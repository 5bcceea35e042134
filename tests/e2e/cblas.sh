#!/bin/bash
# SPDX-License-Identifier: MIT
# The CBLAS back end of CPU devices: when it is taken, what is said where it cannot be, and that
# either back end gives the recorded results.
. "$(dirname "$0")/lib.sh"
need_device

cpu=(device.select=portable)
if ! "$ffcl" devices | grep -q '^ *platform: Portable'; then
    skip "the CBLAS back end" "PoCL is not installed"
    finish
fi
fake=$work/fake.so hide=$work/hide.so
cc=("${compiler[@]}" -shared -fPIC -D_GNU_SOURCE)
if ! "${cc[@]}" -o "$fake" "$root/tests/fake_cblas.c" > compile.log 2>&1 ||
    ! "${cc[@]}" -DHIDE -o "$hide" "$root/tests/fake_cblas.c" -ldl >> compile.log 2>&1; then
    not_ok "tests/fake_cblas.c compiles" "$(cat compile.log)"
    finish
fi
one=("$demo" "${cpu[@]}" sampler.count=1)

# tells NAME FILE WORD...: FILE of the last run, which worked, has each WORD.
tells() {
    local name=$1 file=$2 missing
    shift 2
    missing=$(lacks "$file" "$@")
    if [ "$code" = 0 ] && [ -z "$missing" ]; then
        ok "$name"
    else
        not_ok "$name" "missing: $missing"
    fi
}

# ---- what is chosen ----

run "${one[@]}" output.grid=auto.png
cat stdout stderr > auto.log
if grep -q 'float32, lib' auto.log; then
    have=1
    tells "auto: a CBLAS library" auto.log "float32, lib"
else
    have=0
    tells "auto: no library, and what would help" auto.log "no fast CBLAS library" "clblast"
fi
run "${one[@]}" output.grid=clblast.png blas.backend=clblast
cat stdout stderr > clblast.log
tells "CLBlast when it is asked for" clblast.log "float32, clblast"

if [ -n "${FFCL_TEST_CFLAGS:-}" ]; then
    skip "no library" "not with a sanitizer"
else
    LD_PRELOAD=$hide run "${one[@]}" output.grid=hidden.png
    cat stdout stderr > hidden.log
    tells "no library: a hint, and CLBlast" hidden.log "no fast CBLAS library is installed" \
        "libopenblas0" "float32, clblast"
    check "no library: CLBlast's image" images equal hidden.png clblast.png
    LD_PRELOAD=$hide refuses "no library where cblas is asked for" 4 "no fast CBLAS library" -- \
        "${one[@]}" blas.backend=cblas output.grid="$out/a.png"
fi

# ---- a library of the user's ----

refuses "a library that is not there" 4 "/nonexistent.so" "cannot be loaded" -- \
    "${one[@]}" blas.library=/nonexistent.so output.grid="$out/a.png"
refuses "a library that is no CBLAS" 4 "libz.so.1" "cblas_sgemm" -- \
    "${one[@]}" blas.library=libz.so.1 output.grid="$out/a.png"
refuses "a library that computes wrongly, asked for" 7 "fake.so" "wrong results" -- \
    "${one[@]}" blas.library="$fake" blas.backend=cblas output.grid="$out/a.png"
run "${one[@]}" blas.library="$fake" output.grid=wrong.png
cat stdout stderr > wrong.log
tells "a library that computes wrongly: a warning, and CLBlast" wrong.log "warning" "fake.so" \
    "wrong results" "float32, clblast"
check "a library that computes wrongly: CLBlast's image" images equal wrong.png clblast.png

# ---- results ----

if [ $have = 0 ]; then
    skip "results by a CBLAS library" "none is installed"
    finish
fi
for backend in cblas clblast; do
    for case in "7 sit_h144_p2 model.checkpoint=$data/sit_h144_p2.pt" \
        "6 vae_legacy vae.weights=$data/vae_legacy.safetensors"; do
        read -r n name weights <<< "$case"
        run verify -q "$data/$name.ref.safetensors" "$weights" "${cpu[@]}" blas.backend=$backend
        same "$name by $backend" "$code $(tail -n 1 stdout)" "0 $n tensors ok, 0 failed"
    done
done
# A set is the same whatever the batch and however many threads compute.
for how in 1 2 3 4 5; do
    rm -rf set
    POCL_MAX_PTHREAD_COUNT=$how run "$demo" "${cpu[@]}" sampler.count=5 sampler.batch=$how \
        output.grid= output.folder=set output.npz=$how.npz
done
check "the same set by batches of 1 and 3" cmp 1.npz 3.npz
check "the same set by batches of 1 and 5" cmp 1.npz 5.npz
check "the same set by batches of 1 and 2" cmp 1.npz 2.npz
check "the same set by batches of 1 and 4" cmp 1.npz 4.npz
# The last batch is smaller and needs other memory, which is made while the one before it computes.
for how in 8 2; do
    works "14 images, $how at a time" "$demo" "${cpu[@]}" sampler.count=14 sampler.batch=$how \
        output.grid= output.folder=of-$how output.npz=of-$how.npz
done
check "the same set by batches of 8 and of 2" cmp of-8.npz of-2.npz

finish
