#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything that wants a GPU host, in one call.  Where there are two GPUs: both together first.  Of
# the first GPU: comparison and times against PyTorch, a profile, large sample sets.  Of the last
# GPU, at the same time if it is another: every kernel and recording, ffcl tune, ffcl bench.
#   bench/gpu_host.sh [LOG_FOLDER]
# CASES: of bench/torch.sh.  MINUTES (1): of ffcl tune.  XL_COUNT (10000): images of a set
# of XL/2.
# Prints a short table last, also when `timeout` ends it; logs go to LOG_FOLDER.
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here" || exit 2
logs=${1:-/tmp/ffcl-logs}
cases=${CASES:-256:1:tf32:half 256:64:tf32:half 256:1:bf16c:half 256:64:bf16c:half}
late=${LATE_CASES:-512:16:bf16c:half}
mkdir -p "$logs"
export FFCL_CACHE_DIR=${FFCL_CACHE_DIR:-/tmp/ffcl-cache} XL_COUNT=${XL_COUNT:-10000} LEVELS=6
summary=$logs/summary.txt
: > "$summary"
say() { echo "$*" | tee -a "$summary"; }
took() { say "$1: $((SECONDS - $2)) s"; }

make -j"$(nproc)" all build/tests/check > "$logs/build.log" 2>&1 ||
    { tail -30 "$logs/build.log"; exit 1; }
build/ffcl devices | tee "$logs/devices.txt"
gpus=$(awk '/^\[/ { i = substr($1, 2) + 0 } /type: GPU/ { print i }' "$logs/devices.txt")
first=$(head -n 1 <<< "$gpus") last=$(tail -n 1 <<< "$gpus")
[ -n "$first" ] || { echo "no GPU here" >&2; exit 1; }

verify_all() { # DEVICE
    local d=tests/data m
    for m in sit_h64_p2_sigma sit_h144_p2 sit_h96_p4_bf16; do
        build/ffcl verify -q $d/$m.ref.safetensors model.checkpoint=$d/$m.pt device.select="$1"
    done
    for m in vae_small vae_legacy; do
        build/ffcl verify -q $d/$m.ref.safetensors vae.weights=$d/$m.safetensors device.select="$1"
    done
    local zoo=$d/zoo family
    for m in imf_zoo.pth pmf_zoo.pt lightningdit_zoo.pt lightningdit_zoo_b.pt facm_zoo.pt \
        facm_zoo_r.pt dmf_zoo_qknorm.pt; do
        family=${m%%_*}
        for precision in float32 half; do
            build/ffcl verify -q "$zoo/${m%.pt*}.ref.safetensors" model.checkpoint="$zoo/$m" \
                model.preset="$family" model.latent_size=8 precision.compute=$precision \
                device.select="$1"
        done
    done
    for m in 1 2; do
        build/ffcl verify -q $d/demo_seed$m.ref.safetensors config/demo.ini device.select="$1"
    done
}

kernels() {
    local start=$SECONDS
    build/tests/check --device "$last" > "$logs/check.txt" 2>&1
    say "kernels: $(tail -n 1 "$logs/check.txt")"
    build/tests/check --device "$last" --backend clblast --op 'gemm*' \
        > "$logs/check-clblast.txt" 2>&1
    say "GEMMs, CLBlast: $(tail -n 1 "$logs/check-clblast.txt")"
    verify_all "$last" > "$logs/verify.txt" 2>&1
    say "recordings: $(grep -c ' ok$' "$logs/verify.txt") ok," \
        "$(grep -c 'FAILED' "$logs/verify.txt") failed"
    build/ffcl config/demo.ini device.select="$last" output.grid="$logs/demo.png" \
        > "$logs/demo.txt" 2>&1
    say "demo: exit $?"
    took "kernels, recordings and demo" "$start"
    start=$SECONDS
    build/ffcl selfcheck device.select="$last" > "$logs/selfcheck.txt" 2>&1
    say "selfcheck: exit $?"
    grep 'FAILED\|by trial\|takes\|half arithmetic' "$logs/selfcheck.txt" | tee -a "$summary"
    took "ffcl selfcheck" "$start"
    start=$SECONDS
    XDG_CONFIG_HOME=$logs/config build/ffcl tune --minutes "${MINUTES:-1}" \
        device.select="$last" > "$logs/tune.txt" 2>&1
    say "tune: exit $?, $(tail -n 1 "$logs/tune.txt")"
    took "ffcl tune" "$start"
    start=$SECONDS
    build/ffcl bench --device "$last" --sizes 256 --batches 1,64 --seconds 0.05 \
        --json "$logs/bench.json" --csv "$logs/bench.csv" --plot "$logs/bench.svg" \
        --html "$logs/bench.html" > "$logs/bench.txt" 2>&1
    say "bench: exit $?, $(tail -n 1 "$logs/bench.txt")"
    # All variants side by side, at shapes that no model has.
    build/ffcl bench --device "$last" gemm 4096x4096x4096 > "$logs/bench-gemm.txt" 2>&1
    say "bench gemm: exit $?, $(tail -n 1 "$logs/bench-gemm.txt")"
    build/ffcl bench --device "$last" conv 1x64x64x512:512:3 > "$logs/bench-conv.txt" 2>&1
    say "bench conv: exit $?, $(tail -n 1 "$logs/bench-conv.txt")"
    build/ffcl bench --device "$last" attention 8x256x16x72 > "$logs/bench-attention.txt" 2>&1
    say "bench attention: exit $?, $(tail -n 1 "$logs/bench-attention.txt")"
    took "ffcl bench" "$start"
}

torch_cases() { # LOG CASE...
    local log=$1 start=$SECONDS
    shift
    DEVICE=$first bash bench/torch.sh "$@" > "$logs/$log" 2>&1
    sed -n '/^---- /,$p' "$logs/$log" >> "$summary"
    grep -E '^(out|latent|image|F) ' "$logs/$log" >> "$summary"
    took "against PyTorch" "$start"
}

profile() { # of one image of XL/2
    build/ffcl "${FOLDER:-/tmp/ffcl-xl}/256/bench.ini" device.select="$first" \
        sampler.count=1 --profile="$logs/trace.json" output.grid="$logs/profile.png" \
        > "$logs/profile.txt" 2>&1
    say "profile: exit $?"
}

sets() { # PART...
    local start=$SECONDS
    DEVICE=$first bash bench/mass.sh "$@" > "$logs/mass-$1.txt" 2>&1
    sed -n '/^---- table/,$p' "$logs/mass-$1.txt" | tail -n +2 >> "$summary"
    took "sets: $*" "$start"
}

# Also where a time limit ends this.
finish() {
    tar -C "$logs" -cf "$logs/text.tar" --exclude='*.png' --exclude=text.tar .
    echo "---- summary"
    cat "$summary"
}
trap finish EXIT
trap 'exit 143' TERM

sets gpus
[ "$first" = "$last" ] || kernels &
# shellcheck disable=SC2086 # lists of cases are split on purpose
torch_cases torch.txt $cases
profile
sets xl
# shellcheck disable=SC2086
torch_cases torch-late.txt $late
sets demo
sets batches
[ "$first" != "$last" ] || kernels
wait
