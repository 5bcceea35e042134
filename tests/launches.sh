#!/bin/bash
# SPDX-License-Identifier: MIT
# Records every launch of planning SiT-XL/2 and the decoder for devices of each kind, and of
# sampling the demo, for a comparison before and after a change that must change none of them.
# usage: tests/launches.sh BUILD OUT        then: diff -r OUT OTHER
set -eu
build=$(readlink -f "$1") out=$2
here=$(cd "$(dirname "$0")" && pwd)
weights=$(mktemp -d)
trap 'rm -rf "$weights"' EXIT
mkdir -p "$out"
out=$(readlink -f "$out")
for side in 256 512; do
    python3 "$here/sparse_weights.py" "$weights/$side" $side
    for profile in cpu cpu-clblast cpu-half gpu gpu-set gpu-builtin gpu-half a100 h100 h100-set \
        h100-float rdna3 cdna arc; do
        for batch in 1 3 8 64; do
            log=$out/$profile-$side-$batch
            rm -f "$log"
            FFCL_TRACE=$log.trace "$build/tests/launches" $profile \
                "$weights/$side/sit.safetensors" "$weights/$side/vae.safetensors" $side $batch \
                > "$log"
            sort "$log.trace" | uniq -c >> "$log"
            sha256sum < "$log.trace" >> "$log"
            rm "$log.trace"
        done
    done
done
# Half is slow without matrix units: few images.
demo() { # NAME COUNT SETTING...
    local log=$out/demo-$1 count=$2
    shift 2
    rm -f "$log"
    FFCL_TRACE=$log "$build/ffcl" "$here/../config/demo.ini" output.grid="$weights/demo.png" \
        sampler.count="$count" "$@" 2> /dev/null
    sha256sum < "$weights/demo.png" >> "$log"
}
for backend in clblast cblas builtin; do
    demo float32-$backend-1 5 precision.compute=float32 blas.backend=$backend sampler.batch=1
    demo float32-$backend-4 40 precision.compute=float32 blas.backend=$backend sampler.batch=4
done
demo half-1 2 precision.compute=half sampler.batch=1
demo half-3 3 precision.compute=half sampler.batch=3
