#!/bin/bash
# SPDX-License-Identifier: MIT
# Weights that are used where they lie in the file (large float32 matrices, on CPU devices): a file
# that is overwritten, cut or replaced while it is sampled from gives no image of other weights, and
# its checksums are looked at.
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
if ! grep -q 'libopenblas\|libblis\|libmkl\|libcblas' <(
    "$ffcl" "${args[@]}" model.checkpoint=old.pt output.folder=want 2>&1); then
    skip "mapped weights" "no CBLAS library, so that nothing is mapped"
    finish
fi
refuses "a changed byte in a matrix that is mapped" 5 flipped.pt "the checksum of" "is wrong" -- \
    "${args[@]}" model.checkpoint=flipped.pt output.folder=f
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

finish
