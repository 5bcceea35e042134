#!/bin/bash
# SPDX-License-Identifier: MIT
# Large sample sets: time, peak memory and images a second of whole jobs (npz, PNG), against what
# the device alone can do; one GPU against two; the same bytes from any batch.
#   make all && bench/mass.sh [PART ...]      PART: batches demo xl gpus; default: all
# COUNT (50000): images of the demo's sample set; XL_COUNT (10000): of XL/2's.  DEVICE (auto): which
# device computes.  BATCH (64): images at a time.  FOLDER (/tmp/ffcl-xl): where XL/2's random
# weights are or go (needs python3 with torch then).  SETS (/tmp/ffcl-mass): where sets go; it is
# emptied.  LEVELS (6 1): of compression.  The last lines are the table, also in SETS.txt.
set -uo pipefail
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(batches demo xl gpus)
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build} device=${DEVICE:-auto} python=${PYTHON:-python3}
root=${FOLDER:-/tmp/ffcl-xl} out=${SETS:-/tmp/ffcl-mass} batch=${BATCH:-64}
count=${COUNT:-50000} xl_count=${XL_COUNT:-10000}
read -ra levels <<< "${LEVELS:-6 1}"
table=$out.txt
: > "$table"

say() {
    echo "$*" | tee -a "$table"
}

fresh() {
    rm -rf "$out"
    mkdir -p "$out"
}

# job ARGUMENT...: runs ffcl to its end; sets seconds (all of it), peak (MB), and from the manifest
# sampling (seconds after the models were loaded).
job() {
    local pid start status
    start=$(date +%s%N)
    "$build/ffcl" "$@" > "$out/log" 2>&1 < /dev/null &
    pid=$!
    peak=0
    while status=$(grep VmHWM "/proc/$pid/status" 2> /dev/null); do
        peak=$(awk '{ printf "%d", $2 / 1000 }' <<< "$status")
        sleep 0.2
    done
    wait $pid || { say "failed: ffcl $*"; cat "$out/log"; return 1; }
    seconds=$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { printf "%.2f", ns / 1e9 }')
    sampling=$("$python" -c 'import json, sys
print(json.load(open(sys.argv[1]))["runs"][-1]["seconds"])' "$out/set/manifest.json")
}

rate() { # IMAGES SECONDS
    awk -v n="$1" -v s="$2" 'BEGIN { printf "%.1f", n / s }'
}

ratio() { # A B
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'
}

weights() { # the INI file of XL/2 with random weights
    [ -s "$root/256/vae/config.json" ] || "$python" "$here/bench/torch_baseline.py" weights \
        --out "$root/256" --size 256 --guidance || return 1
    printf '[model]\ncheckpoint = sit.pt\n[vae]\nweights = vae/%s\n[sampler]\nseed = 1\n' \
        diffusion_pytorch_model.safetensors > "$root/256/mass.ini"
}

set_args=(output.grid= output.folder="$out/set" output.npz="$out/set.npz")

# equal NAME COUNT SMALL MIDDLE ARGUMENT...: the same images from batches of SMALL, of MIDDLE and
# of COUNT.
equal() {
    local name=$1 n=$2 b batches=("$3" "$4" "$2")
    shift 4
    fresh
    for b in "${batches[@]}"; do
        "$build/ffcl" -q "$@" device.select="$device" sampler.count="$n" output.grid= \
            output.npz="$out/$b.npz" sampler.batch="$b" || say "batches, $name, $b: failed"
    done
    if cmp "$out/$n.npz" "$out/${batches[0]}.npz" &&
        cmp "$out/$n.npz" "$out/${batches[1]}.npz"; then
        say "batches, $name: ${batches[*]} give the same bytes"
    else
        say "batches, $name: THE BYTES DIFFER"
    fi
}

batches() {
    local compute
    for compute in float32 half; do
        equal "demo, $compute" 64 1 8 "$here/config/demo.ini" precision.compute=$compute
    done
    weights || return
    equal "XL/2 256, float32" 8 1 3 "$root/256/mass.ini" sampler.classes=random \
        precision.compute=float32
    equal "XL/2 256, half" 64 1 6 "$root/256/mass.ini" sampler.classes=random \
        precision.compute=half
}

demo() {
    local level
    for level in "${levels[@]}"; do
        fresh
        job "$here/config/demo.ini" device.select="$device" sampler.count="$count" \
            sampler.classes=random output.png_level="$level" "${set_args[@]}" || continue
        say "demo, $count images, png_level $level: $seconds s in all, $(rate "$count" \
            "$seconds") images/s, while sampling $(rate "$count" "$sampling"); peak $peak MB"
    done
}

# Images a second of the device DEVICES alone: no files, one batch after another, for as long as
# the job takes, as a device that gets warm or draws too much power slows down within seconds.
alone() { # DEVICES
    "$build/ffcl" bench model "$root/256/mass.ini" --repeats $((xl_count / batch)) --device "$1" \
        --batches "$batch" output.grid= --csv - 2> "$out/step.err" |
        awk -F, 'NR == 2 { printf "%.1f\n", $NF }'
}

xl() {
    local level got want
    fresh
    weights || return
    want=$(alone "$device")
    [ -n "$want" ] || { say "xl: ffcl bench model failed"; cat "$out/step.err"; return; }
    for level in "${levels[@]}"; do
        fresh
        job "$root/256/mass.ini" device.select="$device" sampler.count="$xl_count" \
            sampler.classes=random sampler.batch="$batch" output.png_level="$level" \
            "${set_args[@]}" || continue
        got=$(rate "$xl_count" "$sampling")
        say "XL/2 256, $xl_count images, batch $batch, png_level $level: $got images/s with npz" \
            "and PNG, $want of the device alone: $(ratio "$got" "$want") (goal 0.95);" \
            "$seconds s in all, peak $peak MB"
    done
}

# The first GPU, then the first two.
gpus() {
    local list one two
    list=$("$build/ffcl" devices | awk '/^\[/ { i = substr($1, 2) + 0 } /type: GPU/ { print i }')
    one=$(sed -n 1p <<< "$list") two=$(sed -n 2p <<< "$list")
    [ -n "$two" ] || { say "gpus: fewer than two GPUs here"; return; }
    weights || return
    local -A got=()
    for select in "$one" "$one,$two"; do
        fresh
        job "$root/256/mass.ini" device.select="$select" sampler.count="$xl_count" \
            sampler.classes=random sampler.batch="$batch" output.png_level="${levels[-1]}" \
            "${set_args[@]}" || return
        got[$select]=$(rate "$xl_count" "$sampling")
        sha256sum "$out/set.npz" | cut -c 1-16 > "$out.$select.sum"
    done
    say "XL/2 256, $xl_count images, devices $one: ${got[$one]} images/s, devices $one,$two:" \
        "${got[$one,$two]}, $(ratio "${got[$one,$two]}" "${got[$one]}") times (goal 1.9);" \
        "$(cmp -s "$out.$one.sum" "$out.$one,$two.sum" && echo "the same npz" ||
        echo "THE NPZ DIFFERS")"
}

for part in "${parts[@]}"; do
    case $part in
    batches | demo | xl | gpus) "$part" ;;
    *) echo "mass.sh: unknown part $part" >&2; exit 2 ;;
    esac
done
echo "---- table"
cat "$table"
