#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl and PyTorch side by side on a model of several steps and on one of iMF's form, of XL/2's
# size with random weights: SiT-XL/2 in 50 Euler steps with guidance, iMF in one, VAE included.
#   bench/families.sh [MODEL:BATCH:STEPS:TORCH:FFCL ...]
# as sit:8:50:tf32:half; TORCH is fp32, tf32, fp16 or bf16, with c for torch.compile; FFCL is
# [precision] compute.  Errors against PyTorch's float64 come first, the table last.
# DEVICE picks the OpenCL device, PYTHON the interpreter with torch, FOLDER where the weights (6 GB)
# go; SHAPE="--hidden 64 --depth 4 --heads 4 --size 64" another size.
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build} python=${PYTHON:-python3} device=${DEVICE:-auto}
root=${FOLDER:-/tmp/ffcl-families}
read -r -a shape <<< "${SHAPE:-}"
cases=("$@")
[ ${#cases[@]} -gt 0 ] || cases=(sit:8:50:tf32:half imf:8:1:tf32:half sit:8:50:bf16c:half
    imf:8:1:bf16c:half)
mkdir -p "$root"
: > "$root/table"

torch_do() { # COMMAND MODEL ARGUMENT...
    local command=$1 model=$2
    shift 2
    "$python" "$here/bench/families_torch.py" "$command" --model "$model" --out "$root/$model" \
        ${shape[@]+"${shape[@]}"} "$@"
}

heads=16 size=256
for ((i = 0; i < ${#shape[@]}; i += 2)); do
    case ${shape[i]} in --heads) heads=${shape[i + 1]} ;; --size) size=${shape[i + 1]} ;; esac
done

# The INI file of a model, with as many steps.
ini() { # MODEL STEPS
    cat << EOF
[device]
select = $device
[model]
checkpoint = $1.pt
preset = $1
heads = $heads
latent_size = $((size / 8))
[vae]
weights = vae/diffusion_pytorch_model.safetensors
stats = none
[sampler]
seed = 1
steps = $2
guidance = $([ "$1" = sit ] && echo 4 || echo 8)
guidance_low = $([ "$1" = sit ] && echo 0 || echo 0.42)
guidance_high = $([ "$1" = sit ] && echo 1 || echo 0.62)
EOF
}

for model in $(printf '%s\n' "${cases[@]}" | cut -d: -f1 | sort -u); do
    torch_do weights "$model" || exit 1
    torch_do run "$model" --batch 2 --dump "$root/$model/dump.safetensors" || exit 1
    ini "$model" 1 > "$root/$model/verify.ini"
    own=$(printf '%s\n' "${cases[@]}" | grep "^$model:" | cut -d: -f5)
    for compute in $(printf '%s\n' float32 "$own" | sort -u); do
        echo "$model, $compute, against PyTorch's float64:"
        "$build/ffcl" verify -q "$root/$model/dump.safetensors" "$root/$model/verify.ini" \
            precision.compute="$compute"
    done
done
for one in "${cases[@]}"; do
    IFS=: read -r model batch steps mode compute <<< "$one"
    flags=()
    [ "$mode" = "${mode%c}" ] || flags=(--compile)
    ini "$model" "$steps" > "$root/$model/bench.ini"
    torch_do run "$model" --batch "$batch" --steps "$steps" --mode "${mode%c}" \
        ${flags[@]+"${flags[@]}"} 2> "$root/torch.err" | tee "$root/torch.log"
    "$build/ffcl" bench model "$root/$model/bench.ini" precision.compute="$compute" \
        --batches "$batch" --repeats 3 --csv "$root/ffcl.csv" 2> "$root/ffcl.err"
    t=$(sed -n 's/.*total \([0-9.]*\) ms.*/\1/p' "$root/torch.log" | tail -n 1)
    f=$(awk -F, -v b="$batch" 'NR == 2 { print 1e3 * b / $NF }' "$root/ffcl.csv")
    if [ -z "$t" ] || [ -z "$f" ]; then
        echo "$one: failed, see $root/torch.err and ffcl.err" >> "$root/table"
        continue
    fi
    awk -v one="$one" -v b="$batch" -v t="$t" -v f="$f" 'BEGIN {
        printf "%-22s | PyTorch %9.2f ms %8.3f images/s | ffcl %9.2f ms %8.3f images/s | " \
               "time %.2f\n", one, t, 1e3 * b / t, f, 1e3 * b / f, f / t }' >> "$root/table"
done
echo
cat "$root/table"
