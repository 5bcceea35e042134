#!/bin/bash
# SPDX-License-Identifier: MIT
# Other images in silence: which weights a file's names lead to, what the environment has compilers
# do, versions of libraries, keys that change nothing, seeds that are the same.
. "$(dirname "$0")/lib.sh"

grid=output.grid=$out/grid.png
tiny=("$demo" sampler.count=1 sampler.classes=1 "$grid")

works "the demo's weights as safetensors" convert "$demo_sit" demo.safetensors
# two.pt: other weights beside the averaged ones; pre.pt: the same under prefixes; vae.pt: two VAEs.
PYTHONPATH=$root/tests python3 - "$demo_vae" << 'PYTHON'
import json, struct, sys
from make_weights import Storage, store, tensor, torch_file
def state(path, factor=1.0, only=None):
    data = open(path, "rb").read()
    n, = struct.unpack("<Q", data[:8])
    out = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        raw = data[8 + n + begin:8 + n + end]
        if factor != 1 and name == only:
            values = struct.unpack("<%de" % (len(raw) // 2), raw)
            raw = struct.pack("<%de" % len(values), *[factor * v for v in values])
        assert t["dtype"] == "F16"
        out[name] = tensor(Storage("HalfStorage", raw), t["shape"])
    return out
ema = state("demo.safetensors")
raw = state("demo.safetensors", 0.5, "blocks.0.mlp.fc1.weight")
open("two.pt", "wb").write(torch_file({"model": raw, "ema": ema}))
open("pre.pt", "wb").write(torch_file({**{"a." + k: t for k, t in ema.items()},
                                       **{"b." + k: t for k, t in raw.items()}}))
vae, bias = state(sys.argv[1]), "decoder.conv_out.bias"
open("vae.pt", "wb").write(torch_file({"vae": vae, "other": state(sys.argv[1], 2.0, bias)}))
PYTHON
cp "$(dirname "$demo_vae")/config.json" .

refuses "a dictionary of a file that has none" 5 demo.safetensors "wrapper = ema" prefix -- \
    "${tiny[@]}" model.checkpoint=demo.safetensors model.wrapper=ema
refuses "the same of the VAE's" 5 "wrapper = ema" -- "${tiny[@]}" vae.wrapper=ema
refuses "statistics of images that are not evaluated" 3 "[eval] save_stats" "[eval] reference" -- \
    "${tiny[@]}" eval.save_stats="$out/x.npz"

need_device

# ---- 8-bit weights with scales ----

# Matrices as float8_e4m3fn, divided by 2^-9, and what says so, as different tools name it: beside
# them, outside of what a model is made of, as a mark, or in a dictionary beside the weights.
python3 - demo.safetensors "$demo_vae" << 'PYTHON'
import json, struct, sys
def read(path):
    data = open(path, "rb").read()
    n, = struct.unpack("<Q", data[:8])
    return {name: (t["dtype"], t["shape"], data[8 + n:][slice(*t["data_offsets"])])
            for name, t in json.loads(data[8:8 + n]).items() if name != "__metadata__"}
def write(path, tensors):
    at, header = 0, {}
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(t[2] for t in tensors.values()))
def eight(raw):                         # its sign, and an exponent below the type's largest
    return bytes(raw[1::2])
def scaled(tensors, rename):
    out = {}
    for name, (dtype, shape, raw) in tensors.items():
        is_matrix = name.endswith("weight") and len(shape) > 1
        out[name] = ("F8_E5M2", shape, eight(raw)) if is_matrix else (dtype, shape, raw)
        if is_matrix and rename(name):
            out[rename(name)] = ("F32", [], struct.pack("<f", 2 ** -9))
    return out
sit, vae = read(sys.argv[1]), read(sys.argv[2])
plain = scaled(sit, lambda name: None)
write("none.safetensors", plain)
write("beside.safetensors", scaled(sit, lambda name: name + "_scale"))
write("inverse.safetensors", scaled(sit, lambda name: name + "_scale_inv"))
write("marked.safetensors", {**plain, "scaled_fp8": ("F8_E4M3", [2], b"\0\0")})
write("outside.safetensors", {("m." if t[1] else "of.") + name: t for name, t in
                              scaled(sit, lambda name: name + ".amax").items()})
write("vae.safetensors", scaled(vae, lambda name: "scales." + name))
PYTHON
PYTHONPATH=$root/tests python3 - none.safetensors << 'PYTHON'
import collections, json, struct, sys
from make_weights import Call, Dtype, Storage, tensor, torch_file, utils
data = open(sys.argv[1], "rb").read()
n, = struct.unpack("<Q", data[:8])
state = {}
for name, t in json.loads(data[8:8 + n]).items():
    raw, shape = data[8 + n:][slice(*t["data_offsets"])], tuple(t["shape"])
    steps = [1]
    for side in shape[:0:-1]:
        steps.insert(0, steps[0] * side)
    state[name] = tensor(Storage("HalfStorage", raw), shape) if t["dtype"] == "F16" else Call(
        utils._rebuild_tensor_v3, Storage("UntypedStorage", raw), 0, shape, tuple(steps), False,
        collections.OrderedDict(), Dtype("float8_e5m2"))
scale = tensor(Storage("HalfStorage", b"\0\x18"), (1,))
open("eight.pt", "wb").write(torch_file({"model": state, "weight_scales": {"a": scale}}))
open("training.pt", "wb").write(torch_file({"model": state, "grad_scaler": {"scale": 65536.0}}))
PYTHON
for kind in beside inverse marked outside; do
    for more in none "*scale*"; do
        refuses "8-bit weights with scales, $kind, ignore = $more" 6 "$kind.safetensors has 8-bit" \
            "with scales beside them" "does not apply" -- "${tiny[@]}" \
            model.checkpoint=$kind.safetensors "model.ignore=$more"
    done
    refuses "8-bit weights with scales, $kind: convert" 6 "$kind.safetensors has 8-bit" -- \
        convert $kind.safetensors "$out/x.safetensors"
done
refuses "8-bit weights of a VAE, scales where its encoder would be" 6 "vae.safetensors has 8-bit" \
    scales.decoder -- "${tiny[@]}" vae.weights=vae.safetensors
run convert none.safetensors half.safetensors
same "8-bit weights without scales are read" "$code" 0
refuses "scales in a dictionary of a torch file" 6 "eight.pt has 8-bit" "(weight_scales)" -- \
    "${tiny[@]}" model.checkpoint=eight.pt
works "the state of a training's gradient scaler is none" -q "${tiny[@]}" \
    model.checkpoint=training.pt

# ---- which tensors of the file ----

set_of=("$demo" sampler.count=4 sampler.batch=2 output.grid=)
# other_weights NAME FIRST SECOND ARGUMENT...: a sample set begun with FIRST is not completed with
# SECOND, and nothing of it is changed; with FIRST it is.
other_weights() {
    local name=$1 first=$2 second=$3
    shift 3
    rm -rf f whole
    run "${set_of[@]}" "$@" "$first" output.folder=f
    same "$name: the first" "$code" 0
    cp -r f whole
    rm f/000001.png f/000002.png
    run "${set_of[@]}" "$@" "$second" output.folder=other
    check "$name: the second gives other images" test "$code" = 0 -a \
        "$(cmp -s other/000001.png whole/000001.png; echo $?)" = 1
    run "${set_of[@]}" "$@" "$second" output.folder=f
    same "$name: the second does not complete the first" \
        "$code $(grep -c 'tensors was .* and is ' "$work/stderr") $(ls f | grep -c png)" "17 1 2"
    run "${set_of[@]}" "$@" "$first" output.folder=f
    same "$name: the first does" "$code $(diff -r -x manifest.json f whole)" "0 "
    rm -rf other
}
other_weights "[model] wrapper" model.wrapper=ema model.wrapper=model model.checkpoint=two.pt
other_weights "[model] prefix" model.prefix=a. model.prefix=b. model.checkpoint=pre.pt
other_weights "[vae] wrapper" vae.wrapper=vae vae.wrapper=other vae.weights=vae.pt
run "${set_of[@]}" model.checkpoint=two.pt output.folder=auto
run "${set_of[@]}" model.checkpoint=two.pt model.wrapper=ema output.folder=auto
same "auto and the name of what it takes are one" "$code" 0

# ---- what the environment has compilers do ----

if [ "$("$ffcl" devices | grep -c 'Portable Computing Language')" = 0 ]; then
    skip "options of PoCL's compiler" "no PoCL"
else
    # A define that one of our kernels looks at.
    flags=-DFACTOR=100.0f
    cp -r "$root/cl" cl
    sed -i 's/v = 127\.5f/v = FACTOR/' cl/image.cl
    sed -i '0,/^$/s//\n#ifndef FACTOR\n#define FACTOR 127.5f\n#endif\n/' cl/image.cl
    export FFCL_CL_DIR=$work/cl
    run "${set_of[@]}" output.folder=plain
    same "kernels from a folder" "$code" 0
    FFCL_CACHE_DIR=$work/flags POCL_EXTRA_BUILD_FLAGS=$flags run "${set_of[@]}" \
        output.folder=flagged
    check "an option of the compiler gives other images" test "$code" = 0 -a \
        "$(cmp -s plain/000001.png flagged/000001.png; echo $?)" = 1
    FFCL_CACHE_DIR=$work/flags run "${set_of[@]}" output.folder=after
    check "without it, programs that were compiled with it are not used" \
        diff -r -x manifest.json plain after
    rm plain/000002.png
    FFCL_CACHE_DIR=$work/flags POCL_EXTRA_BUILD_FLAGS=$flags run "${set_of[@]}" \
        output.folder=plain
    same "with it, a sample set that was begun without is not completed" \
        "$code $(grep -c 'environment was none and is POCL_EXTRA_BUILD_FLAGS=-DFACTOR' \
            "$work/stderr") $(ls plain | grep -c png)" "17 1 3"
    unset FFCL_CL_DIR
fi

# CLBlast and OpenBLAS read variables of their own.
run "${set_of[@]}" output.folder=plain
for variable in CLBLAST_BUILD_OPTIONS=-DFFCL_NOTHING OPENBLAS_BLOCK_FACTOR=25 \
    POCL_FULL_REPLICATION_THRESHOLD=3; do
    rm -f plain/000002.png
    export "${variable?}"
    run "${set_of[@]}" output.folder=plain
    same "with $variable a sample set is not completed" \
        "$code $(grep -c "environment was none and is $variable" "$work/stderr")" "17 1"
    unset "${variable%%=*}"
done

# ---- versions of libraries ----

run "${set_of[@]}" output.folder=version
python3 - version/manifest.json << 'PYTHON'
import json, sys
m = json.load(open(sys.argv[1]))
for key in m["settings"]:
    if key.startswith("blas.library of "):
        m["settings"][key] = "OpenBLAS 0.0.1"
json.dump(m, open(sys.argv[1], "w"))
PYTHON
if grep -q 'OpenBLAS 0.0.1' version/manifest.json; then
    rm version/000003.png
    run "${set_of[@]}" output.folder=version
    same "another version of the library that multiplies" \
        "$code $(grep -c 'blas.library of .* was OpenBLAS 0.0.1 and is ' "$work/stderr")" "17 1"
else
    skip "another version of the library that multiplies" "ffcl multiplies"
fi

# ---- a manifest of a later version ----

run "${set_of[@]}" output.folder=later
sed -i 's/"settings":[[:space:]]*{/&"sampler.new": "5", /' later/manifest.json
rm later/000003.png
run "${set_of[@]}" output.folder=later
same "a setting that this version does not know" \
    "$code $(grep -c "sampler.new was 5 and is not known" "$work/stderr") \
$(ls later | grep -c png)" \
    "17 1 3"

# ---- keys that change nothing ----

run "${tiny[@]}"
same "the demo: every key has an effect" "$code $(grep -c 'without effect' "$work/stderr")" "0 0"
cp "$out/grid.png" want.png
while read -r key why; do
    run "${tiny[@]}" "$key"
    name=${key%=*}
    same "$key: a note that it changes nothing" \
        "$code $(grep -c "^without effect here: \[${name%.*}\] ${name#*.} ($why" "$work/stderr")" \
        "0 1"
    check "$key: and it does not" images equal want.png "$out/grid.png"
done << 'KEYS'
sampler.sde_last=0.3 the solver has none
sampler.correct_last=no the solver has none
sampler.guidance_gate=evaluation the solver has none
sampler.guidance_low=0.5 nothing is guided
sampler.guidance_high=0.5 nothing is guided
sampler.noise_rows=2 the solver adds no noise
sampler.draw_batch=7 rng makes the same
sampler.world=3 neither rank
sampler.cuda_threads=512 rng is not
sampler.time_shift=2 one step
model.latent_size=16 the checkpoint
model.split=3 no embedder
output.npz_labels=yes there is no npz
output.png_level=1 there is no folder
eval.like=torch-fidelity .eval. reference is off
KEYS
for kind in all none; do
    run "${tiny[@]}" output.metadata=$kind
    same "metadata=$kind counts for a grid without a folder" \
        "$code $(grep -c 'without effect' "$work/stderr")" "0 0"
done
rm "$out/grid.png"              # which does not say whose it is
run "${tiny[@]}" sampler.cfg=all sampler.guidance=1
same "guidance of strength 1" "$(grep -c 'without effect here: .sampler. cfg' "$work/stderr")" 1
run "${tiny[@]}" condition.w_embedder=1.5 sampler.guidance=3
same "a strength that nothing is fed with" \
    "$(grep -c 'without effect here: .sampler. guidance (' "$work/stderr")" 1

# ---- more values than kernels count ----

rm -f "$out"/*
refuses "an image with a layer of more than 2^31 values" 9 "kernels count 2147483647" \
    "smaller images" -- "${tiny[@]}" model.ignore=pos_embed model.latent_size=1024

# ---- seeds ----

run "${tiny[@]}" sampler.seed=4294967297
same "a seed of more than 32 bits: PyTorch's generator takes 32, and a note says so" \
    "$code $(grep -c 'seed 4294967297 .* that of seed 1$' "$work/stderr")" "0 1"
check "its images are those of seed 1" images equal want.png "$out/grid.png"
run "${tiny[@]}" sampler.rng=torch-cuda sampler.seed=4294967297
same "that of CUDA takes 64" "$code $(grep -c 'seed 4294967297' "$work/stderr")" "0 0"
cp "$out/grid.png" cuda.png
run "${tiny[@]}" sampler.rng=torch-cuda sampler.seed=1
check "and its images are others" \
    test "$(images equal cuda.png "$out/grid.png" > same.txt; echo $?)" = 1

# ---- devices of two kinds ----

# What a device computes with is in the manifest from its first image on, though its run was killed
# or is one of several.
pocl=$("$ffcl" devices | grep -c 'Portable Computing Language')
if [ "$pocl" = 0 ] || ! build_shim || ! build_device_shim; then
    skip "devices of two kinds" "no PoCL, or no library can be preloaded here"
else
    basic=$(basic_device)
    kinds=("$demo" sampler.count=8 sampler.batch=1 output.grid= output.folder=f device.select=all)
    rm -rf f
    POCL_DEVICES="pthread basic" run "${kinds[@]}"
    same "two kinds of devices in one run: the warning" \
        "$code $(grep -c "warning: devices or drivers of several kinds" "$work/stderr")" "0 1"
    rm f/000003.png
    POCL_DEVICES="pthread basic" run "${kinds[@]}"
    same "and again on resuming" "$code $(grep -c "several kinds" "$work/stderr")" "0 1"
    rm -rf f
    POCL_DEVICES=pthread run "${kinds[@]}" sampler.count=2
    POCL_DEVICES=basic FFCL_SHIM_KILL=rename:6 LD_PRELOAD=$shim run "${kinds[@]}"
    check "a run on another device is killed behind its first images" \
        test "$code" = 137 -a "$(ls f | grep -c png)" -gt 2
    POCL_DEVICES=basic run "${kinds[@]}" blas.backend=builtin
    same "after which that device multiplies as it did" \
        "$code $(grep -c "blas.products of $basic was .* and is builtin" "$work/stderr")" "17 1"
    POCL_DEVICES=pthread run "${kinds[@]}" blas.backend=builtin
    same "and so does the first" "$code" 17
    POCL_DEVICES=basic run "${kinds[@]}"
    same "with what it had it resumes" "$code $(grep -c 'kind of device' "$work/stderr")" "0 0"
    rm -rf f
    works "a sample set of this version" "${kinds[@]}" sampler.count=2
    sed -i 's/"ffcl":.*"/"ffcl": "0.0.9"/' f/manifest.json
    run "${kinds[@]}"
    same "of another version of ffcl: a warning" \
        "$code $(grep -c 'warning: .* another version of ffcl than' "$work/stderr")" "0 1"
    # another_kind NAME OPTION: a set begun on one device and completed on the other.
    another_kind() {
        local option
        rm -rf f
        for option in "${@:2}"; do
            FFCL_SHIM_DEVICE=$option LD_PRELOAD=$shim_device POCL_DEVICES=pthread \
                run "${kinds[@]}" sampler.count=4
            rm f/000003.png
        done
        same "$1: a warning" \
            "$code $(grep -c 'warning: earlier images .* another kind of device or driver' \
                "$work/stderr")" "0 1"
    }
    # Kernels are chosen by limits; another release may have another compiler.
    another_kind "less local memory" local=1048576 local=524288
    another_kind "another release of the platform" release=A release=B
    # Two devices of one name, of which the second has a library of its own.
    rm -rf f
    FFCL_SHIM_DEVICE=gpu,unified=0,nth=1 LD_PRELOAD=$shim_device POCL_DEVICES="pthread pthread" \
        run "${kinds[@]}"
    same "two devices of one name that compute differently" \
        "$code $(grep -c 'two devices of this run have one name' "$work/stderr")" "17 1"
fi

finish
