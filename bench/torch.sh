#!/bin/bash
# ffcl and PyTorch side by side, float32: the same random weights, seed, classes and host.
#   bench/torch.sh [BATCHES] [SIZE] [FOLDER]     default: 1,64 256 /tmp/ffcl-xl
# Checks latent and image against PyTorch's first, then times; the last lines are the table.
# DEVICE picks the OpenCL device (device.select), PYTHON the interpreter with torch.
set -euo pipefail
batches=${1:-1,64} size=${2:-256} folder=${3:-/tmp/ffcl-xl}
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build} python=${PYTHON:-python3} device=${DEVICE:-auto}
mkdir -p "$folder"
[ -s "$folder/vae/config.json" ] ||
    "$python" "$here/bench/torch_baseline.py" weights --out "$folder" --size "$size" --guidance
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
run() { "$python" "$here/bench/torch_baseline.py" run --ckpt "$folder/sit.pt" \
    --vae "$folder/vae/diffusion_pytorch_model.safetensors" --mode fp32 "$@"; }
run --batch 2 --repeat 1 --dump "$folder/dump.safetensors" > "$folder/dump.log"
"$build/ffcl" verify -q "$folder/dump.safetensors" "$folder/bench.ini" --tolerance 1e-4
rm -f "$folder/table"
for b in ${batches//,/ }; do
    repeat=$((b > 16 ? 3 : 10))
    run --batch "$b" --repeat "$repeat" | tee "$folder/torch.log"
    "$build/bench/step" "$folder/bench.ini" "$repeat" sampler.batch="$b" sampler.count="$b" \
        2> "$folder/step.err" | tee "$folder/ffcl.log"
    t=$(sed -n 's/.*total \([0-9.]*\) ms.*/\1/p' "$folder/torch.log" | tail -1)
    f=$(sed -n 's/.*total \([0-9.]*\) ms.*/\1/p' "$folder/ffcl.log" | tail -1)
    awk -v b="$b" -v t="$t" -v f="$f" 'BEGIN {
        printf "batch %3d | PyTorch float32 %9.2f ms %7.2f images/s | ffcl float32 %9.2f ms " \
               "%7.2f images/s | ffcl / PyTorch time %.2f, throughput %.2f\n",
               b, t, 1e3 * b / t, f, 1e3 * b / f, f / t, t / f }' >> "$folder/table"
done
cat "$folder/step.err" "$folder/table"
