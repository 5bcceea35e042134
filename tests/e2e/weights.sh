#!/bin/bash
# SPDX-License-Identifier: MIT
# Forms of weight files that are sampled from: shards behind an index, torch's form before 1.6.
# What each number is, tests/unit/weight_forms.c compares.
. "$(dirname "$0")/lib.sh"

# shards IN STEM TOTAL: IN in two files and STEM.index.json.
shards() {
    python3 - "$1" "$2" "$3" << 'PYTHON'
import json, os, struct, subprocess, sys
source, stem, wrong = sys.argv[1], sys.argv[2], int(sys.argv[3])
tool = os.path.join(os.environ["TESTS"], "edit_safetensors.py")
half = "(^blocks\\.[0-2]\\.|^decoder\\.up_blocks)"
places, total = {}, 0
for i, operation in enumerate(("keep", "drop")):
    name = "%s-%05d-of-00002.safetensors" % (stem, i + 1)
    subprocess.run([sys.executable, tool, source, name, operation + "=" + half], check=True)
    with open(name, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    for key, value in header.items():
        if key != "__metadata__":
            places[key] = name
            total += value["data_offsets"][1] - value["data_offsets"][0]
with open(stem + ".index.json", "w") as file:
    json.dump({"metadata": {"total_size": total + wrong}, "weight_map": places}, file)
PYTHON
}

# old IN OUT: the same weights as torch.save wrote them before PyTorch 1.6.
old() {
    python3 - "$1" "$2" << 'PYTHON'
import os, sys
sys.path.insert(0, os.environ["TESTS"])
import edit_safetensors, make_weight_forms as forms, make_weights as make
kinds = {"F32": "FloatStorage", "F16": "HalfStorage"}
state = {}
for name, tensor in edit_safetensors.read(sys.argv[1])[0]:
    state[name] = make.tensor(make.Storage(kinds[tensor.dtype], tensor.data), tensor.shape)
with open(sys.argv[2], "wb") as file:
    file.write(forms.old_file({"epoch": 7, "ema": state}))
PYTHON
}
export TESTS=$root/tests

need_device

run -q "$demo" sampler.count=10 output.grid=whole.png
shards "$demo_sit" sit 0
shards "$demo_vae" vae 0
cp "$(dirname "$demo_vae")/config.json" .
works "a checkpoint in shards" -q "$demo" sampler.count=10 model.checkpoint=sit.index.json \
    output.grid=sit.png
check "gives the same images" images equal whole.png sit.png
works "a VAE in shards" -q "$demo" sampler.count=10 vae.weights=vae.index.json output.grid=vae.png
check "gives the same images" images equal whole.png vae.png
old "$demo_sit" old.pt
works "a checkpoint of before PyTorch 1.6" -q "$demo" sampler.count=10 model.checkpoint=old.pt \
    output.grid=old.png
check "gives the same images" images equal whole.png old.png
works "inspect of an index" inspect sit.index.json
check "says what the model is" grep -q "SiT: 6 blocks of width 144" "$work/stdout"

works "a sample set of shards" -q "$demo" sampler.count=10 model.checkpoint=sit.index.json \
    output.folder=set
rm set/000003.png
works "resumes" -q "$demo" sampler.count=10 model.checkpoint=sit.index.json output.folder=set
edit sit-00002-of-00002.safetensors other.safetensors set=final_layer.linear.bias:0:3
cp other.safetensors sit-00002-of-00002.safetensors
refuses "another shard is another checkpoint" 17 "model.checkpoint was" -- "$demo" \
    sampler.count=10 model.checkpoint=sit.index.json output.folder=set
refuses "a shard by itself" 6 "name their index" -- "$demo" \
    model.checkpoint=sit-00001-of-00002.safetensors output.grid="$out/a.png"
rm sit-00002-of-00002.safetensors
refuses "a shard that is missing" 4 "names 2 files, of which 1 are missing" \
    sit-00002-of-00002.safetensors -- "$demo" model.checkpoint=sit.index.json \
    output.grid="$out/a.png"
shards "$demo_sit" sit 8
refuses "shards of another size than the index says" 5 "not of one checkpoint" -- "$demo" \
    model.checkpoint=sit.index.json output.grid="$out/a.png"

finish
