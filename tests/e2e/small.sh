#!/bin/bash
# SPDX-License-Identifier: MIT
# Small GPUs: XL/2 plans under every combination of local memory, work-group, largest buffer and
# memory, or says what would fit; no launch is longer than half a second at 0.4 TFLOP/s; small
# models really run on devices that are held to such limits, with the same bytes.
. "$(dirname "$0")/lib.sh"
need_device

# ---- XL/2, planned ----

plans=$build/tests/plans
if [ ! -x "$plans" ]; then
    make -s -C "$root" BUILD="$build" "$plans" > "$work/command" 2>&1
fi
for side in 256 512; do
    python3 "$root/tests/sparse_weights.py" "$work/$side" $side
    for precision in float32 half auto "half 64" "float32 64" auto+8; do
        # shellcheck disable=SC2086 # two words
        "$plans" "$work/$side/sit.safetensors" "$work/$side/vae.safetensors" $precision \
            > "$work/plans-$side-${precision/ /-}" 2> "$work/stderr"
        code=$? last="plans $side $precision"
        cp "$work/plans-$side-${precision/ /-}" "$work/stdout"
        same "XL/2 $side, $precision: all plans keep the rules" \
            "$code $(wc -l < "$work/stdout")" "0 73"
    done
    for kind in auto auto+8; do
        same "XL/2 $side, $kind: every small GPU has a plan" \
            "$(grep -c ': \(half\|float32\)' "$work/plans-$side-$kind")" 72
    done
done
# What tests/launches.sh and make portability record, on three kinds of device.
if [ ! -x "$build/tests/launches" ]; then
    make -s -C "$root" BUILD="$build" "$build/tests/launches" > "$work/command" 2>&1
fi
for kind in gpu-own h100 "gpu-half+8x"; do
    FFCL_TRACE="$work/trace-$kind" "$build/tests/launches" "$kind" "$work/256/sit.safetensors" \
        "$work/256/vae.safetensors" 256 2 > "$work/stdout" 2> "$work/stderr"
    code=$? last="launches $kind"
    same "launches of a $kind are recorded" "$code $(grep -c '^plan [a-z]' "$work/trace-$kind" |
        sed 's/^[1-9][0-9][0-9]*$/many/')" "0 many"
done
same "few lanes are for Intel's kernels of values in registers" "$(grep -c 'FEW_LANES=8' \
    "$work/trace-gpu-half+8x" | sed 's/^[1-9][0-9]*$/some/') $(grep -c FEW_LANES \
    "$work/trace-gpu-own")" "some 0"
FFCL_TRACE="$work/trace-inception" "$build/tests/launches" gpu-own+8 \
    "$work/inception.safetensors" 2 > "$work/stdout" 2> "$work/stderr"
code=$? last="launches of Inception"
rm "$work/inception.safetensors"
same "Inception's convolutions along lines and of 5 x 5 taps are recorded" "$code $(grep -c \
    '^plan winograd_line_before .*TAPS=7' "$work/trace-inception") $(grep -c \
    '^plan winograd_before .*TAPS=5' "$work/trace-inception")" "0 26 3"

same "XL/2 512, float32, buffers of 128 MB: half fits" \
    "$(grep 'buffers  128' plans-512-float32 | grep -c 'precision.compute=half fits')" 24

# most FILE: the most GB of weights and activations of a plan, or that one is said to need.
most() {
    sed -n -e 's/.*, \([0-9.]*\) GB of weights, \([0-9.]*\) of act.*/\1 \2/p' \
        -e 's/.*needs \([0-9.]*\) GB of weights and \([0-9.]*\) GB of act.*/\1 \2/p' "$1" |
        awk '{ if ($1 + $2 > most) most = $1 + $2 } END { print most + 0 }'
}
at_most() { # NAME GB LIMIT
    if awk -v got="$2" -v limit="$3" 'BEGIN { exit !(got > 0 && got <= limit) }'; then
        ok "$1 ($2 GB)"
    else
        not_ok "$1" "$2 GB, not $3"
    fi
}
for side in 256 512; do
    "$plans" "$work/$side/sit.safetensors" "$work/$side/vae.safetensors" half 1 > one-half-$side
done
at_most "XL/2 256 in half takes at most 2.0 GB" "$(most one-half-256)" 2.0
at_most "XL/2 512 in half takes at most 3.0 GB" "$(most one-half-512)" 3.0
grep needs plans-256-float32 > one-float32
at_most "XL/2 256 in float32 takes at most 3.4 GB" "$(most one-float32)" 3.4

# ---- small models, run ----

build_device_shim || {
    skip "runs under limits" "not with a sanitizer, or no compiler"
    finish
}
python3 "$root/tests/sparse_weights.py" "$work/tiny" tiny
tiny=("$demo" model.checkpoint="$work/tiny/sit.safetensors" model.heads=2
    vae.weights="$work/tiny/vae.safetensors" sampler.classes=0-3 sampler.count=4 device.select=0
    blas.tuning=off sampler.batch=1)
within() { # LIMITS GRID OVERRIDE...: samples on a GPU of these limits
    local limits=$1 grid=$2
    shift 2
    last="ffcl within $limits: $*"
    on_gpu "unified=0,$limits" "${tiny[@]}" output.grid="$grid" "$@"
}
for precision in float32 half; do
    within units=4 free-$precision.png precision.compute=$precision
    same "$precision without limits" "$code" 0
    for group in 64 128 256; do
        for local in 16384 32768; do
            within local=$local,group=$group,units=4 a.png precision.compute=$precision
            name="$precision in work-groups of $group with $((local / 1024)) KB"
            if [ "$code" != 0 ]; then
                not_ok "$name"
            elif [ $precision = float32 ]; then
                check "$name: the same bytes" images equal a.png free-$precision.png
            else
                # Other work-groups add in another order, which storing as half shows.
                same "$name: the same image, to 3 of 255" "$(images differ a.png free-half.png |
                    awk '{ print $1 <= 3 }')" 1
            fi
            rm -f a.png
        done
    done
done

# What a kernel takes is known when it is built: others take its place, or a sentence says why not.
launched() { # KERNEL: some or none, launches that were only planned left out
    grep -q "^$1 " "$work/trace" && echo some || echo none
}
held() { # KERNEL:ITEMS LIMITS GRID
    rm -f "$work/trace"
    export FFCL_SHIM_KERNEL=$1 FFCL_TRACE=$work/trace
    within "$2" "$3"
    unset FFCL_SHIM_KERNEL FFCL_TRACE
}
held none:0 units=4 free.png
same "a GPU's norms are kept in registers" \
    "$code $(launched layernorm_mod_kept) $(launched layernorm_mod)" "0 some none"
held layernorm_mod_kept:32 units=4 a.png
same "a kernel that takes 32 work-items: another variant" \
    "$code $(launched layernorm_mod_kept) $(launched layernorm_mod) $(grep -c \
    'layernorm does without the variant kept: .* allows it 32$' "$work/stderr")" "0 none some 1"
same "the same image, to 1 of 255" "$(images differ a.png free.png | awk '{ print $1 <= 1 }')" 1
held none:0 units=4,says=32 b.png
same "a driver that says 32 of every kernel and takes more: no variant is left out" \
    "$code $(launched layernorm_mod_kept) $(grep -c 'does without' "$work/stderr")" "0 some 0"
held transpose_f32:32 units=4 c.png
same "a kernel that takes 32 work-items and has no other: exit code and why" "$code $(grep -c \
    '^ffcl: kernel transpose_f32 needs work-groups of 256 work-items, .* allows it 32: ' \
    "$work/stderr") $(ls c.png 2> /dev/null)" "8 1 "

# The bytes of a sample set on a GPU do not depend on the batch, though the kernels do.
tiny=("$demo" sampler.classes=0-3 sampler.count=4 device.select=0 blas.tuning=off)
for precision in float32 half; do
    for batch in 1 4; do
        FFCL_TRACE=$work/trace-$batch within units=4 "" output.folder=batch-$batch \
            precision.compute=$precision sampler.batch=$batch
        same "$precision, batches of $batch" "$code" 0
    done
    check "$precision, batches of 1 and 4: the same bytes" \
        diff -r -x manifest.json batch-1 batch-4
    same "$precision: though attention is by another kernel" \
        "$(grep -c attn_quads trace-1) $(grep -c attn_quads trace-4 |
            sed 's/^[1-9][0-9]*$/some/')" "0 some"
    # Its number alone, as with a driver that lists no extension of Intel's: sub-groups of 8 are
    # counted with, and not asked for.
    FFCL_TRACE=$work/trace-intel within units=4,vendor=32902 "" output.folder=intel \
        precision.compute=$precision sampler.batch=4
    same "$precision, a GPU of Intel: kernels that take few registers" \
        "$code $(grep -c 'attn_quads\|winograd_gpu\|FEW_LANES' trace-intel) $(grep -c \
            attn_tiled trace-intel | sed 's/^[1-9][0-9]*$/some/')" "0 0 some"
    if [ $precision = float32 ]; then
        check "$precision, a GPU of Intel: the same bytes" \
            diff -r -x manifest.json batch-4 intel
    else
        # Convolutions store other intermediate values as half.
        same "$precision, a GPU of Intel: the same images, to 1 of 255" "$(for i in 0 1 2 3; do
            images differ batch-4/00000$i.png intel/00000$i.png; done |
            awk '$1 <= 1 { n++ } END { print n }')" 4
    fi
    rm -rf batch-? intel trace-*
done

# The digits, whose weights are larger in float32 by Winograd than without, and than in half.
tiny=("$demo" sampler.classes=1 sampler.count=1 device.select=0 blas.tuning=off sampler.batch=1)
within units=4 free.png precision.compute=float32
same "the digits without limits" "$code" 0
within alloc=9,units=4 a.png precision.compute=float32
same "buffers of 9 MB" "$code" 0
check "buffers of 9 MB: the same bytes" images equal a.png free.png
within alloc=32,global=50,units=4 a.png precision.compute=float32
same "50 MB: convolutions without Winograd" \
    "$code $(grep -c "convolutions do without Winograd's method" "$work/stderr")" "0 1"
check "50 MB: no more is taken" test "$(cat peak)" -le $((50 << 20))
within alloc=16,global=32,units=4 b.png
same "32 MB: auto is half, and says so" \
    "$code $(grep -c 'half is used' "$work/stderr") $(grep -c ', half, ' "$work/stderr")" "0 1 1"
check "32 MB: no more is taken" test "$(cat peak)" -le $((32 << 20))
within alloc=16,global=32,units=4 c.png precision.compute=float32
same "32 MB in float32: exit code and what fits" \
    "$code $(grep -c '^ffcl: .*one image in float32 needs .*precision.compute=half fits$' \
    "$work/stderr") $(ls c.png 2> /dev/null)" "9 1 "
within alloc=16,global=20,units=4 c.png precision.compute=half
same "20 MB: exit code and what is missing" \
    "$code $(grep -c '^ffcl: .*one image in half needs .*it takes a device of ' "$work/stderr")" \
    "9 1"
finish
