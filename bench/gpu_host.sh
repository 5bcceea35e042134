#!/bin/bash
# Everything that wants a GPU host, in one call: build, check every kernel and recording on the
# GPU and on the CPU's OpenCL, sample the demo, compare and time the full-size model.
#   bench/gpu_host.sh [LOG_FOLDER]
# Prints a short table last; logs go to LOG_FOLDER.
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
logs=${1:-/tmp/ffcl-logs}
mkdir -p "$logs"
export FFCL_CACHE_DIR=${FFCL_CACHE_DIR:-/tmp/ffcl-cache}
summary=$logs/summary.txt
: > "$summary"
say() { echo "$*" | tee -a "$summary"; }

make -j"$(nproc)" all build/tests/check > "$logs/build.log" 2>&1 ||
    { tail -30 "$logs/build.log"; exit 1; }
build/ffcl devices | tee "$logs/devices.txt"

verify_all() {
    local d=tests/data m
    for m in sit_h64_p2_sigma sit_h144_p2 sit_h96_p4_bf16; do
        build/ffcl verify -q $d/$m.ref.safetensors model.checkpoint=$d/$m.pt device.select="$1"
    done
    for m in vae_small vae_legacy; do
        build/ffcl verify -q $d/$m.ref.safetensors vae.weights=$d/$m.safetensors device.select="$1"
    done
    for m in 1 2; do
        build/ffcl verify -q $d/demo_seed$m.ref.safetensors config/demo.ini device.select="$1"
    done
}
for kind in gpu cpu; do
    timeout 200 build/tests/check --device $kind > "$logs/check-$kind.txt" 2>&1
    say "$kind kernels: $(tail -1 "$logs/check-$kind.txt")"
    verify_all $kind > "$logs/verify-$kind.txt" 2>&1
    say "$kind recordings: $(grep -c ' ok$' "$logs/verify-$kind.txt") ok," \
        "$(grep -c 'FAILED' "$logs/verify-$kind.txt") failed"
    start=$(date +%s%N)
    build/ffcl config/demo.ini device.select=$kind output.grid="$logs/demo-$kind.png" \
        > "$logs/demo-$kind.txt" 2>&1
    say "$kind demo: exit $?, $((($(date +%s%N) - start) / 1000000)) ms"
done

DEVICE=gpu bash bench/torch.sh ${CASES:-} > "$logs/torch.txt" 2>&1
cat "$logs/torch.txt" >> "$summary"
start=$(date +%s)
build/ffcl /tmp/ffcl-xl/256/bench.ini device.select=cpu sampler.classes=207 \
    output.grid="$logs/xl-cpu.png" > "$logs/xl-cpu.txt" 2>&1
say "XL/2 256, one picture, CPU: exit $?, $(($(date +%s) - start)) s"
tar -C "$logs" -cf "$logs/text.tar" --exclude='*.png' --exclude=text.tar .
echo "---- summary"
cat "$summary"
