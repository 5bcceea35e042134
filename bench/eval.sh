#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl eval beside PyTorch on the same device, images and network, in turns: images a second for the
# features, bytes on the host to features on the host.  On a GPU also: rows and recordings before,
# and what evaluation takes of sampling XL/2 (random weights).
# usage: bench/eval.sh [FOLDER]          within LIMIT seconds (200), without network
# COUNT: images (GPU 6000, CPU 24); SIDE (256); ROUNDS (2); DEVICE (gpu): of device.select, cpu for
# the comparison on a CPU; PYTHON: with torch and numpy, and torch-fidelity, or that line is left
# out; XL_COUNT (1500): images of XL/2, 0: none.
# The last lines are the table, also in FOLDER/eval.txt.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here" || exit 2
work=${1:-/tmp/ffcl-eval}
device=${DEVICE:-gpu} side=${SIDE:-256} rounds=${ROUNDS:-2} python=${PYTHON:-python3}
limit=${LIMIT:-200}
[ "$device" = cpu ] && count=${COUNT:-24} || count=${COUNT:-6000}
mkdir -p "$work"
table=$work/eval.txt
: > "$table"
export FFCL_CACHE_DIR=${FFCL_CACHE_DIR:-/tmp/ffcl-cache}
say() { echo "$*" | tee -a "$table"; }
left() { echo $((limit - SECONDS)); }

make -j"$(nproc)" all build/tests/check > "$work/build.log" 2>&1 ||
    { tail -n 30 "$work/build.log"; exit 1; }
net=$work/net.safetensors
[ -e "$net" ] || build/ffcl eval --make-network "$net"
[ -e "$work/$count.$side.npz" ] ||
    "$python" bench/inception_torch.py images "$work/$count.$side.npz" "$count" "$side"
say "device: $(build/ffcl devices | sed -n 's/^\[[0-9]*\] //p' | tr '\n' ' ')"
say "images: $count of $side x $side; built by $SECONDS s"

# ours PRECISION
ours() {
    build/ffcl eval -q "$work/$count.$side.npz" --inception "$net" --like torch-fidelity --json \
        precision.compute="$1" device.select="$device" > "$work/$1.json"
    say "ffcl $1: $("$python" -c "
import json, sys
e = json.load(open(sys.argv[1]))
print('%.1f images/s, IS %.9g, %s' % (e['count'] / e['seconds'], e['inception_score'],
                                     e['computed']))" "$work/$1.json")"
}

theirs() {
    "$python" bench/inception_torch.py time "$net" "$work/$count.$side.npz" "$@" | tee -a "$table"
}

if [ "$device" = cpu ]; then
    for _ in $(seq "$rounds"); do
        ours float32
        theirs torch-fidelity float32 float32-folded
    done
    exit
fi
for precision in float32 half; do
    say "recordings, $precision: $(build/ffcl verify -q tests/data/inception_zoo.ref.safetensors \
        eval.inception="$net" precision.compute=$precision device.select="$device" |
        tail -n 1)"
done
for _ in $(seq "$rounds"); do
    ours float32
    ours half
    theirs torch-fidelity float32 float32-folded half-folded
done
for rows in '*window*' 'pool*' 'resize*' 'mean_pixels*' 'take_columns*' 'nearest*' 'inside*' \
    'conv*'; do
    [ "$(left)" -gt 60 ] || break
    say "rows $rows: $(timeout 40 build/tests/check --op "$rows" | tail -n 1)"
done

# ---- XL/2: sampling alone, and with the evaluation ----

xl=${XL_COUNT:-1500} weights=$work/xl
[ "$xl" -gt 0 ] && [ "$(left)" -gt 70 ] || { say "XL/2: no time left"; exit; }
[ -s "$weights/vae/config.json" ] ||
    timeout "$(($(left) - 40))" "$python" bench/torch_baseline.py weights --out "$weights" \
        --size 256 --guidance > "$work/weights.log" 2>&1 ||
    { say "XL/2: no weights"; exit; }
printf '[model]\ncheckpoint = sit.pt\n[vae]\nweights = vae/%s\n[sampler]\nseed = 1\n' \
    diffusion_pytorch_model.safetensors > "$weights/eval.ini"
# xl NAME ARGUMENT...: seconds of sampling, from the manifest, after the models were loaded.
xl() {
    local name=$1
    shift
    rm -rf "$work/set"
    mkdir "$work/set"
    timeout "$(($(left) - 5))" build/ffcl -q "$weights/eval.ini" sampler.count="$xl" \
        sampler.batch=64 output.grid= output.npz="$work/set/a.npz" device.select="$device" \
        precision.compute=half "$@" > "$work/xl.log" 2>&1 ||
        { say "XL/2 $name: $(tail -n 1 "$work/xl.log")"; return; }
    say "XL/2 in half, $name: $("$python" -c "
import json, sys
r = json.load(open(sys.argv[1]))['runs'][-1]
print('%.1f images/s' % (r['generated'] / r['seconds']))" "$work/set/a.npz.manifest.json")"
}
for _ in 1 2; do
    [ "$(left)" -gt 30 ] || break
    xl "sampling alone"
    xl "and evaluated" eval.reference=none eval.inception="$net"
done
say "took $SECONDS s"
