#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl and PyTorch side by side: the same random weights, seed, classes and host.
#   bench/torch.sh [CASE ...]
# A case is SIZE:BATCH:TORCH:FFCL, e.g. 256:64:bf16c:half: image side, batch, PyTorch's mode
# (fp32, tf32, fp16, bf16, or one of them with c for torch.compile), ffcl's [precision] compute.
# Errors first: F, latent and image against PyTorch's float64.  The last lines are the table.
# DEVICE picks the OpenCL device (device.select), PYTHON the interpreter with torch, FOLDER where
# the weights (3 GB) go.
set -euo pipefail
cases=("$@")
[ ${#cases[@]} -gt 0 ] || cases=(256:1:fp32:float32 256:64:fp32:float32 256:1:tf32:half
    256:8:tf32:half 256:64:tf32:half 256:1:bf16c:half 256:64:bf16c:half 512:16:bf16c:half)
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build} python=${PYTHON:-python3} device=${DEVICE:-auto}
root=${FOLDER:-/tmp/ffcl-xl}
table=$root/table
mkdir -p "$root"
: > "$table"

# The weights and the INI file of an image side.
prepare() {
    local folder=$root/$1
    [ -s "$folder/vae/config.json" ] || "$python" "$here/bench/torch_baseline.py" weights \
        --out "$folder" --size "$1" --guidance
    cat > "$folder/bench.ini" <<EOF
[device]
select = $device
[model]
checkpoint = sit.pt
[vae]
weights = vae/diffusion_pytorch_model.safetensors
[sampler]
seed = 1
guidance = 2.0
EOF
}
torch_run() {
    local folder=$root/$1
    shift
    "$python" "$here/bench/torch_baseline.py" run --ckpt "$folder/sit.pt" \
        --vae "$folder/vae/diffusion_pytorch_model.safetensors" "$@"
}
total_of() { sed -n 's/.*total \([0-9.]*\) ms.*/\1/p' "$1" | tail -1; }

# Errors of both compute modes that the cases use.
check() {
    local folder=$root/$1 compute
    [ -s "$folder/dump.safetensors" ] || torch_run "$1" --mode fp64 --batch 2 --repeat 1 \
        --dump "$folder/dump.safetensors" > "$folder/dump.log"
    for compute in $2; do
        echo "$1 x $1, $compute, against PyTorch float64:"
        "$build/ffcl" verify -q "$folder/dump.safetensors" "$folder/bench.ini" \
            precision.compute="$compute"
    done
}

compare() {
    local size batch mode compute folder repeat flags=() t f
    IFS=: read -r size batch mode compute <<< "$1"
    folder=$root/$size
    repeat=$((batch > 8 ? 5 : 20))
    case $mode in *c) flags=(--compile) ;; esac
    torch_run "$size" --mode "${mode%c}" ${flags[@]+"${flags[@]}"} --batch "$batch" \
        --repeat "$repeat" 2> "$folder/torch.err" | tee "$folder/torch.log"
    "$build/ffcl" bench model "$folder/bench.ini" precision.compute="$compute" \
        --batches "$batch" --repeats "$repeat" --csv "$folder/ffcl.csv" 2> "$folder/ffcl.err"
    t=$(total_of "$folder/torch.log")
    f=$(awk -F, -v b="$batch" 'NR == 2 { print 1e3 * b / $NF }' "$folder/ffcl.csv")
    awk -v s="$size" -v b="$batch" -v m="$mode" -v c="$compute" -v t="$t" -v f="$f" 'BEGIN {
        printf "%d x %d batch %3d | PyTorch %-5s %8.2f ms %7.2f images/s | ffcl %-7s %8.2f ms " \
               "%7.2f images/s | time %.2f, throughput %.2f\n", s, s, b, m, t, 1e3 * b / t, c, f,
               1e3 * b / f, f / t, t / f }' >> "$table"
}

for size in $(printf '%s\n' "${cases[@]}" | cut -d: -f1 | sort -u); do
    prepare "$size"
    check "$size" "$(printf '%s\n' "${cases[@]}" | grep "^$size:" | cut -d: -f4 | sort -u)"
done
for one in "${cases[@]}"; do
    compare "$one" || echo "$one: failed, see $root" >> "$table"
done
echo "---- ffcl against PyTorch; time and throughput are ratios ffcl / PyTorch"
cat "$table"
