#!/bin/bash
# SPDX-License-Identifier: MIT
# XL/2 at 256 x 256, one image, on this host's CPU: ffcl on PoCL beside PyTorch, the same random
# weights, in turns; peak memory; a start with empty caches and one after it; GEMMs beside a
# plain loop of cblas_sgemm.
#   make all bench && bench/cpu.sh [ROUNDS]        ROUNDS (2): turns
# PyTorch runs twice a round: as it is, and with OPENBLAS_CORETYPE as ffcl sets it, which matters
# where OpenBLAS is older than the processor.  PYTHON (/usr/bin/python3): with torch and OpenBLAS.
# FOLDER (/tmp/ffcl-xl): where the weights, 2.9 GB, are or go.  DEVICE (portable): device.select.
# LOCK: a command put before each run, such as "flock /tmp/lock".  The last lines are the table.
set -uo pipefail
rounds=${1:-2}
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build} python=${PYTHON:-/usr/bin/python3} folder=${FOLDER:-/tmp/ffcl-xl}/256
table=$folder/cpu.txt
read -ra lock <<< "${LOCK:-}"
mkdir -p "$folder"
[ -s "$folder/vae/config.json" ] || "$python" "$here/bench/torch_baseline.py" weights \
    --out "$folder" --size 256 --guidance || exit 1
cat > "$folder/cpu.ini" << EOF
[device]
select = ${DEVICE:-portable}
[model]
checkpoint = sit.pt
[vae]
weights = vae/diffusion_pytorch_model.safetensors
[sampler]
seed = 1
guidance = 2.0
classes = 207
batch = 1
[output]
grid =
EOF
: > "$table"

# Runs its arguments; the last lines are the time in all and the peak resident memory.
measured='import resource, subprocess, sys, time
start = time.time()
code = subprocess.call(sys.argv[1:])
print("in all %.0f ms" % (1e3 * (time.time() - start)))
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000, "MB", flush=True)
sys.exit(code)'

# row NAME COMMAND...: a line of the table with what the command says of times and memory.
row() {
    local name=$1 log
    shift
    log=$(${lock[@]+"${lock[@]}"} "$python" -c "$measured" "$@" 2>&1) || {
        echo "$name: failed"
        echo "$log"
        return 1
    }
    printf '%-40s %s\n' "$name" "$(grep -E '^(torch|loaded| *1 |peak|in all)' <<< "$log" |
        sed -e 's/^torch [^:]*: //' -e 's/^ *1 /a batch, ms and spread, of SiT, VAE and in all: /' |
        paste -sd ';' | sed 's/;/; /g')" |
        tee -a "$table"
}

torch=("$python" "$here/bench/torch_baseline.py" run --ckpt "$folder/sit.pt"
    --vae "$folder/vae/diffusion_pytorch_model.safetensors" --mode fp32 --batch 1 --repeat 3)
step=("$build/ffcl" bench model "$folder/cpu.ini" --batches 1)
# The core that ffcl has OpenBLAS take where OpenBLAS does not know the processor.
core=$("$build/bench/gemm" --core 2> /dev/null)
for ((i = 0; i < rounds; i++)); do
    row "ffcl" "${step[@]}" --repeats 3
    row "PyTorch" "${torch[@]}"
    [ -z "$core" ] ||
        OPENBLAS_CORETYPE=$core row "PyTorch, OPENBLAS_CORETYPE=$core" "${torch[@]}"
done

# Whole runs: nothing compiled before, then everything.
cold=$(mktemp -d)
trap 'rm -rf "$cold"' EXIT
export FFCL_CACHE_DIR=$cold/ffcl POCL_CACHE_DIR=$cold/pocl
mkdir "$POCL_CACHE_DIR"
for name in "ffcl, a run with empty caches" "ffcl, a run after it"; do
    row "$name" "$build/ffcl" -q "$folder/cpu.ini" output.grid="$cold/a.png"
done
row "ffcl, models loaded by a third start" "${step[@]}" --repeats 3
${lock[@]+"${lock[@]}"} "$build/bench/gemm" | tee -a "$table"
echo "---- table"
cat "$table"
