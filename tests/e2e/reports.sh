#!/bin/bash
# SPDX-License-Identifier: MIT
# What people report of programs like this one: text that a parser passes over, tensors that nobody
# needs, tables without a null class, homes and paths that are not as usual.
. "$(dirname "$0")/lib.sh"

grid=output.grid=$out/grid.png
tiny=("$demo" sampler.count=1 sampler.classes=1 "$grid")
mkdir vae
cp "$(dirname "$demo_vae")/config.json" vae

# ---- INI files: no key is ignored ----

printf '[sampler]\rseed = 5\r' > cr.ini
refuses "lines that end with a carriage return alone" 3 cr.ini:1 "carriage return" -- cr.ini "$grid"
printf '[sampler]\nseed = 5\r# x\n' > middle.ini
refuses "a carriage return in a line" 3 middle.ini:2 "carriage return" -- middle.ini "$grid"
printf '[sampler] seed = 5\n' > behind.ini
refuses "a key behind the [section]" 3 behind.ini:1 "behind the [section]" -- behind.ini "$grid"

# ---- weights: only what is needed must be readable ----

PYTHONPATH=$root/tests python3 - "$demo_vae" "$demo_sit" << 'PYTHON'
import json, struct, sys, zipfile
from make_weights import Call, Storage, store, floats, simple, tensor, torch_file, typed, utils
import make_weights
data = open(sys.argv[1], "rb").read()
n, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + n])
header.pop("__metadata__", None)
body = data[8 + n:]
def put(path, more, rename=lambda name: name):
    h, at = {rename(k): v for k, v in header.items()}, len(body)
    parts = [body]
    for name, dtype, shape, size in more:
        h[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        parts.append(bytes(size))
        at += size
    text = json.dumps(h).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + b"".join(parts))
ldm = lambda name: "first_stage_model." + name
put("vae/more.st", [("model.diffusion_model.out.0.weight", "F8_E4M3", [4], 4),
                    ("cond_stage_model.ids", "U64", [1, 77], 616), ("x.y", "F6_E2M3", [3], 5)], ldm)
first = next(k for k in header if k.startswith("decoder.") and k.endswith("conv_in.bias"))
header[first]["dtype"] = "F8_E8M0"
put("vae/needed.st", [])
# The demo's checkpoint: some of its tensors in other forms, and its label table without a row.
archive = zipfile.ZipFile(sys.argv[2])
folder = archive.namelist()[0].split("/")[0]
import pickle
class Name:
    def __init__(self, name): self.name = name
    def __call__(self, *args):
        return Call(getattr(utils, self.name), *args) if hasattr(utils, self.name) else {}
class Reader(pickle.Unpickler):
    def find_class(self, module, name): return dict if name == "OrderedDict" else Name(name)
    def persistent_load(self, id):
        return Storage(id[1].name, archive.read(folder + "/data/" + id[2]))
state = Reader(archive.open(folder + "/data.pkl")).load()
state = state.get("ema", state)
def attributes(t):
    return Call(typed._rebuild_from_type_v2, t.function, make_weights.torch.FloatStorage, t.args,
                {"no_weight_decay": True})
open("attributes.pt", "wb").write(torch_file({"ema": {k: attributes(t) for k, t in state.items()}}))
bias = "blocks.0.attn.qkv.bias"
def with_bias(value):
    return torch_file({"ema": {**state, bias: value}})
open("quantized.pt", "wb").write(with_bias(Call(utils._rebuild_qtensor, *state[bias].args)))
open("object.pt", "wb").write(with_bias(Call(make_weights.optim.Schedule)))
open("negated.pt", "wb").write(with_bias(
    Call(utils._rebuild_tensor_v2, *state[bias].args[:4], False, {}, {"neg": True})))
name = "y_embedder.embedding_table.weight"
def rows(t, n):
    return Call(t.function, t.args[0], t.args[1], (n, t.args[2][1]), *t.args[3:])
for n in (1, 10):
    open("rows%d.pt" % n, "wb").write(torch_file({"ema": {**state, name: rows(state[name], n)}}))
open("same.pt", "wb").write(torch_file({"ema": state}))
PYTHON
refuses "a tensor that is needed, of type F8_E8M0" 5 needed.st F8_E8M0 "which is not read" -- \
    "${tiny[@]}" vae.weights=vae/needed.st
refuses "a quantized bias" 5 quantized.pt blocks.0.attn.qkv.bias "is quantized" -- \
    "${tiny[@]}" model.checkpoint=quantized.pt
refuses "a bias that is negated by a flag" 5 negated.pt blocks.0.attn.qkv.bias negated -- \
    "${tiny[@]}" model.checkpoint=negated.pt
refuses "an object in place of a bias" 6 object.pt blocks.0.attn.qkv.bias \
    "an object of somewhere.optim.Schedule" -- "${tiny[@]}" model.checkpoint=object.pt
mkdir -p dcp/parts
: > dcp/.metadata
cp "$demo_sit" dcp/__0_0.distcp
refuses "a distributed checkpoint" 5 "distributed checkpoint" dcp_to_torch -- \
    "${tiny[@]}" model.checkpoint=dcp
refuses "a part of one" 5 "distributed checkpoint" dcp_to_torch -- \
    "${tiny[@]}" model.checkpoint=dcp/__0_0.distcp

# ---- classes ----

printf '\357\273\2771\n0\n' > marked.txt
printf '\377\3761\0' > wide.txt
refuses "a class that may be the null class: the key that says so" 3 \
    "class 9 is out of range (0 to 8)" "null_class = none" \
    -- "${tiny[@]}" model.checkpoint=rows10.pt sampler.classes=9
refuses "one row, and that the null class" 3 "null_class = last" -- \
    "${tiny[@]}" model.checkpoint=rows1.pt model.null_class=last
refuses "labels in UTF-16" 3 wide.txt "zero byte" -- \
    "${tiny[@]}" sampler.classes=file:"$work"/wide.txt

# ---- homes ----

for home in /proc /etc/passwd; do
    if "$ffcl" devices 2> /dev/null | grep -q 'Portable Computing Language' &&
        [ "$("$ffcl" devices | grep -c platform)" = 1 ]; then
        HOME=$home XDG_CACHE_HOME='' FFCL_CACHE_DIR='' refuses "HOME=$home: what PoCL lacks" 7 \
            POCL_CACHE_DIR "$home/.cache/pocl" -- "${tiny[@]}"
        HOME=$home XDG_CACHE_HOME='' POCL_CACHE_DIR=$work/pocl works \
            "HOME=$home: with POCL_CACHE_DIR" "${tiny[@]}"
        rm -f "$out"/*
    else
        skip "HOME=$home" "PoCL is not the only platform"
    fi
done

need_device

generate() { # FILE ARGUMENT...: four images
    local file=$1
    shift
    run "$demo" sampler.count=4 output.grid="$file" "$@"
}
generate want.png
same "the demo" "$code" 0
generate got.png vae.weights=vae/more.st
same "tensors of types that are not read, beside the VAE's" "$code" 0
check "the same images" images equal want.png got.png
generate got.png model.checkpoint=attributes.pt
same "tensors with attributes" "$code" 0
check "the same images with attributes" images equal want.png got.png
generate labels.png sampler.classes=1,0
generate got.png sampler.classes=file:"$work"/marked.txt
check "a byte order mark in a list of labels" images equal labels.png got.png

set_of=("$demo" sampler.count=20 output.grid=)
run "${set_of[@]}" sampler.classes=balanced model.checkpoint=rows10.pt output.folder=nine
same "a table of ten rows, balanced: what is assumed is said" \
    "$code $(grep -c '0 to 8; the label table has 10 rows, and the last is taken' "$work/stderr")" \
    "0 1"
run "${set_of[@]}" sampler.classes=balanced model.checkpoint=rows10.pt model.null_class=none \
    output.folder=ten
same "all ten are classes" "$code $(grep -c 'the label table has' "$work/stderr")" "0 0"
run "${set_of[@]}" sampler.classes=0-9 output.folder=list
check "balanced has them all" diff -r -x manifest.json ten list
run "${set_of[@]}" sampler.classes=balanced model.checkpoint=rows10.pt output.folder=ten
same "another null class is another sample set" \
    "$code $(grep -c 'model.null_class was none and is last row' "$work/stderr")" "17 1"
run "${set_of[@]}" sampler.classes=0 model.checkpoint=rows1.pt output.folder=one
same "a table of one row" "$code" 0
run "${set_of[@]}" sampler.classes=0 output.folder=zero
check "is class 0" diff -r -x manifest.json one zero

# ---- a name that is no UTF-8, in JSON ----

latin=$work/$(printf 'latin\351')
mkdir "$latin"
cp same.pt "$latin/x.pt"
if need_shim "names that are no UTF-8"; then
    LD_PRELOAD=$shim FFCL_SHIM_FAIL=rename:3:5 run "${set_of[@]}" output.folder="$latin/f"
    same "a failure in a folder that is no UTF-8: exit code" "$code" 12
    same "its manifest is JSON" "$(python3 -c 'import json, sys
print("latin?/f/" in json.load(open(sys.argv[1], encoding="utf-8"))["runs"][-1]["end"])' \
        "$latin/f/manifest.json")" True
fi
run bench model "$demo" model.checkpoint="$latin/x.pt" --seconds 0.1 --batches 1 -q \
    --json b.json
same "bench model of a checkpoint of such a name" "$code $(python3 -c 'import json
print(json.load(open("b.json", encoding="utf-8"))["checkpoint"][-11:])')" "0 latin?/x.pt"

finish
