#!/bin/bash
# SPDX-License-Identifier: MIT
# Weights that are used where they lie in the file (large float32 matrices, on CPUs and on GPUs that
# share the host's memory): a file that is overwritten, cut or replaced while it is sampled from
# gives no image of other weights, and its checksums are looked at.  On a GPU that shares memory:
# the same bytes with less memory, whatever its driver does with memory of the host.
. "$(dirname "$0")/lib.sh"
need_device

# A SiT 512 wide, twice.
PYTHONPATH=$root/tests python3 - << 'PYTHON'
import array, random
from make_weights import store, tensor, torch_file
def make(path, seed):
    source = random.Random(seed)
    def noise(*shape):
        n = 1
        for side in shape:
            n *= side
        some = array.array("f", (source.gauss(0, 0.5) / shape[-1] ** 0.5 for _ in range(4099)))
        return tensor(store("FloatStorage", (some * (n // 4099 + 1))[:n]), shape)
    def zeros(n):
        return tensor(store("FloatStorage", [0.0] * n), (n,))
    D, state = 512, {}
    def linear(name, out, into):
        state[name + ".weight"], state[name + ".bias"] = noise(out, into), zeros(out)
    state["pos_embed"] = noise(1, 16, D)
    state["x_embedder.proj.weight"] = noise(D, 4, 2, 2)
    state["x_embedder.proj.bias"] = zeros(D)
    state["y_embedder.embedding_table.weight"] = noise(11, D)
    linear("t_embedder.mlp.0", D, 256)
    linear("t_embedder.mlp.2", D, D)
    for i in range(2):
        linear("blocks.%d.attn.qkv" % i, 3 * D, D)
        linear("blocks.%d.attn.proj" % i, D, D)
        linear("blocks.%d.mlp.fc1" % i, 4 * D, D)
        linear("blocks.%d.mlp.fc2" % i, D, 4 * D)
        linear("blocks.%d.adaLN_modulation.1" % i, 6 * D, D)
    linear("final_layer.adaLN_modulation.1", 2 * D, D)
    linear("final_layer.linear", 16, D)
    with open(path, "wb") as f:
        f.write(torch_file({"ema": state}))
make("old.pt", 1)
make("new.pt", 2)
data = bytearray(open("old.pt", "rb").read())
data[len(data) // 2] ^= 1           # within one of the largest
open("flipped.pt", "wb").write(data)
PYTHON
n=200
args=("$demo" sampler.count=$n sampler.batch=2 output.grid= model.heads=8
    precision.compute=float32)
run -q "${args[@]}" model.checkpoint=old.pt output.folder=want
same "an undisturbed run" "$code" 0
mapped=
if ! grep -q 'libopenblas\|libblis\|libmkl\|libcblas' <(
    "$ffcl" "${args[@]}" model.checkpoint=old.pt output.folder=want 2>&1); then
    skip "mapped weights of a CPU" "no CBLAS library, so that nothing is mapped"
else
    mapped=1
fi
[ -z "$mapped" ] || refuses "a changed byte in a matrix that is mapped" 5 flipped.pt \
    "the checksum of" "is wrong" -- "${args[@]}" model.checkpoint=flipped.pt output.folder=f
rm -rf f

# try NAME COMMAND CODES: what happens to live.pt while it is sampled from.
try() {
    local pid strange='' png
    rm -rf got
    cp old.pt live.pt
    "$ffcl" -q "${args[@]}" model.checkpoint=live.pt output.folder=got > stdout 2> stderr \
        < /dev/null &
    pid=$!
    for _ in $(seq 600); do
        [ "$(ls got 2> /dev/null | grep -c '\.png$')" -lt 20 ] || break
        sleep 0.02
    done
    eval "$2"
    wait $pid
    code=$? last="ffcl ${args[*]} model.checkpoint=live.pt output.folder=got"
    for png in got/*.png; do
        cmp -s "$png" "want/${png#got/}" || strange="$strange $png"
    done
    same "$1: no image of other weights" "$strange" ""
    # It may have ended before the change.
    [ "$code" != 0 ] || [ "$(ls got | grep -c '\.png$')" != $n ] || code=$3
    same "$1: exit code, one sentence" "$code $(wc -l < stderr)" "$3 $4"
}
changes() {
    try "written by the next torch.save" 'cat new.pt > live.pt' 4 1
    try "written in place" 'dd if=new.pt of=live.pt conv=notrunc bs=4M status=none' 4 1
    try "cut to nothing" ': > live.pt' 4 1
    try "times set back" 'touch -r live.pt stamp
        dd if=new.pt of=live.pt conv=notrunc bs=4M status=none; touch -r stamp live.pt' 4 1
    try "another file renamed over it" 'cp new.pt next.pt; mv next.pt live.pt' 0 0
    cp old.pt live.pt
    run -q "${args[@]}" model.checkpoint=live.pt output.folder=got
    same "the same command afterwards" "$code" 0
    check "it is the whole sample set" diff -r -x manifest.json got want
}
[ -z "$mapped" ] || changes

# ---- a GPU that shares the host's memory ----

build_device_shim || {
    skip "a GPU that shares memory" "not with a sanitizer, or no compiler"
    finish
}
small=("$demo" sampler.count=2 sampler.batch=2 model.heads=8 model.checkpoint=old.pt blas.tuning=off
    device.select=0 precision.compute=float32)
on() { # DEVICE GRID OVERRIDE...: samples on such a GPU; the plan's line is $plan, its peak $peak
    local device=$1 grid=$2
    shift 2
    last="ffcl on $device: $*"
    on_gpu "units=4,$device" "${small[@]}" output.grid="$grid" "$@"
    plan=$(grep '^plan' "$work/stderr") peak=$(cat "$work/peak")
}
# How it is: "in place" and "shared" as the plan says, nothing where it does not.
says() {
    case $plan in *"where they lie in the file"*) printf 'in place ' ;; esac
    case $plan in *"that host and device share") printf shared ;; esac
}
on unified=0 own.png
same "memory of its own: weights are copied" "$code $(says)" "0 "
copied=$peak
on unified=1,maps=2 shared.png
same "shared memory: weights stay in the file, which the plan says" "$code $(says)" \
    "0 in place shared"
check "the same bytes" images equal own.png shared.png
# Both blocks and the modulations: 10.2 million numbers.
check "buffers take less by as much (of $copied, $peak)" test $((copied - peak)) -gt 40000000
on unified=1,maps=0 refused.png
same "a driver that refuses memory of the host: copied" "$code $(says) $peak" "0 shared $copied"
check "refused: the same bytes" images equal own.png refused.png
on unified=1,maps=1 silent.png
same "a driver that copies it: copied once" "$code $(says) $peak" "0 shared $copied"
check "copied: the same bytes" images equal own.png silent.png
FFCL_MAPPED=off on unified=1,maps=2 off.png
same "FFCL_MAPPED=off: copied" "$code $(says) $peak" "0 shared $copied"
on unified=1,maps=2,alloc=9 pieces.png
same "buffers of 9 MB" "$code $(says)" "0 in place shared"
check "buffers of 9 MB: the same bytes" images equal own.png pieces.png
on unified=1,maps=2 half.png precision.compute=half
same "half weights are converted, so none stays in the file" "$code $(says)" "0 shared"
on unified=1,maps=2,ram=4000,global=3990 dry.png --dry-run
same "4 GB of memory: 1.07 GB are the host's" "$code $(tr -s ' \n' ' ' < "$work/stdout" | grep -c \
    'memory .*where they lie in the file.*, of 3.1 GB that host and device share')" "0 1"
FFCL_SHIM_DEVICE=gpu,unified=1,ram=4000,global=3990 LD_PRELOAD=$shim_device run devices
same "ffcl devices says the same" "$code $(grep -c \
    'memory: 3.1 GB, .*shared with the host' "$work/stdout")" "0 1"
FFCL_SHIM_DEVICE=gpu,unified=1 LD_PRELOAD=$shim_device run devices -l
same "ffcl devices -l, too" "$code $(grep -c "^0 GPU .*, shares the host's memory$" \
    "$work/stdout")" "0 1"
export FFCL_SHIM_DEVICE=gpu,units=4,unified=1,maps=2
LD_PRELOAD=$shim_device refuses "shared: a changed byte in a matrix" 5 flipped.pt \
    "the checksum of" "is wrong" -- "${args[@]}" model.checkpoint=flipped.pt output.folder=f
rm -rf f want
export LD_PRELOAD=$shim_device
n=60
args=("${args[@]}" sampler.count=$n device.select=0 blas.tuning=off)
run -q "${args[@]}" model.checkpoint=old.pt output.folder=want
same "shared: an undisturbed run" "$code" 0
changes
unset LD_PRELOAD FFCL_SHIM_DEVICE

finish
