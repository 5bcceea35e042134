#!/bin/bash
# SPDX-License-Identifier: MIT
# Did a change keep or gain speed?  Builds another tree of ffcl and this one, checks this one's
# kernels and recordings on the first GPU, and times SiT-XL/2 with both in turns.
#   bench/before_after.sh OLD_TREE [LOG_FOLDER]
# CASES: SIZE:PRECISION:BATCHES, e.g. "256:half:1,8,64 256:float32:1,8".  ROUNDS (3), SECONDS_EACH
# (2), BACKEND (auto), PYTHON: with torch, for the weights, which go to FOLDER.
# Prints a short table last: milliseconds of a step, the best round of each, and new / old.
set -uo pipefail
old=$(readlink -f "${1:?the other tree}")
here=$(cd "$(dirname "$0")/.." && pwd)
logs=${2:-/tmp/ffcl-logs}
cases=${CASES:-256:half:1,8,64 256:float32:1,8}
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-2} root=${FOLDER:-/tmp/ffcl-xl}
mkdir -p "$logs"
cd "$here" || exit 2
export FFCL_CACHE_DIR=${FFCL_CACHE_DIR:-/tmp/ffcl-cache}

(make -C "$old" -j"$(nproc)" all > "$logs/build-old.log" 2>&1) &
make -j"$(nproc)" all build/tests/check > "$logs/build.log" 2>&1 ||
    { tail -30 "$logs/build.log"; exit 1; }
wait
[ -x "$old/build/ffcl" ] || { tail -30 "$logs/build-old.log"; exit 1; }
build/ffcl devices > "$logs/devices.txt"
gpu=$(awk '/^\[/ { i = substr($1, 2) + 0 } /type: GPU/ { print i; exit }' "$logs/devices.txt")
[ -n "$gpu" ] || { echo "no GPU here" >&2; exit 1; }

for case in $cases; do
    size=${case%%:*}
    [ -s "$root/$size/vae/config.json" ] || "${PYTHON:-python3}" bench/torch_baseline.py weights \
        --out "$root/$size" --size "$size" --guidance > "$logs/weights.log" 2>&1
    printf '[model]\ncheckpoint = sit.pt\n[vae]\n%s\n[sampler]\nseed = 1\nguidance = 2.0\n' \
        "weights = vae/diffusion_pytorch_model.safetensors" > "$root/$size/bench.ini"
done
if [ -z "${NO_CHECK:-}" ]; then
    timeout 300 build/tests/check --device "$gpu" > "$logs/check.txt" 2>&1
    timeout 300 build/tests/check --device "$gpu" --backend clblast --op 'gemm*' \
        > "$logs/check-clblast.txt" 2>&1
    d=tests/data
    for m in sit_h64_p2_sigma sit_h144_p2 sit_h96_p4_bf16; do
        build/ffcl verify -q $d/$m.ref.safetensors model.checkpoint=$d/$m.pt device.select="$gpu"
    done > "$logs/verify.txt" 2>&1
    for m in vae_small vae_legacy; do
        build/ffcl verify -q $d/$m.ref.safetensors vae.weights=$d/$m.safetensors \
            device.select="$gpu"
    done >> "$logs/verify.txt" 2>&1
fi
for case in $cases; do
    IFS=: read -r size precision batches <<< "$case"
    for ((i = 1; i <= rounds; i++)); do
        for which in old new; do
            tree=$here
            [ "$which" = new ] || tree=$old
            "$tree/build/ffcl" bench model "$root/$size/bench.ini" device.select="$gpu" \
                precision.compute="$precision" blas.backend="${BACKEND:-auto}" \
                --batches "$batches" --seconds "$seconds" \
                --json "$logs/$which-$size-$precision-$i.json" \
                > "$logs/$which-$size-$precision-$i.txt" 2>&1
        done
    done
done
echo "---- $(sed -n 's/^\[[0-9]*\] //p' "$logs/devices.txt" | sed -n "$((gpu + 1))p")"
[ -n "${NO_CHECK:-}" ] || echo "kernels: $(tail -n 1 "$logs/check.txt");" \
    "CLBlast: $(tail -n 1 "$logs/check-clblast.txt"); recordings:" \
    "$(grep -c ' ok$' "$logs/verify.txt") ok, $(grep -c FAILED "$logs/verify.txt") failed"
python3 - "$logs" "$rounds" $cases << 'PYTHON'
import json, sys

logs, rounds = sys.argv[1], int(sys.argv[2])
print(f"{'case':24} {'batch':>5} {'old ms':>9} {'new ms':>9} {'new/old':>8}  of SiT, VAE: old, new")
for case in sys.argv[3:]:
    size, precision, _ = case.split(":")
    best = {}
    for which in "old", "new":
        for i in range(1, rounds + 1):
            try:
                cases = json.load(open(f"{logs}/{which}-{size}-{precision}-{i}.json"))["cases"]
            except (OSError, ValueError):
                print(f"{size} {precision} {which} {i}: no result")
                continue
            for c in cases:
                kept = best.setdefault(c["batch"], {}).get(which)
                if kept is None or c["step_ms"] < kept["step_ms"]:
                    best[c["batch"]][which] = c
    for batch, b in sorted(best.items()):
        if len(b) < 2:
            continue
        o, n = b["old"], b["new"]
        print(f"{size + ' ' + precision:24} {batch:5} {o['step_ms']:9.3f} {n['step_ms']:9.3f} "
              f"{n['step_ms'] / o['step_ms']:8.3f}  {o['sit_ms']:.2f}, {n['sit_ms']:.2f}; "
              f"{o['vae_ms']:.2f}, {n['vae_ms']:.2f}")
PYTHON
