#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl convert: what is written samples to the same bytes, and nothing is replaced or half-written.
. "$(dirname "$0")/lib.sh"

# tensors FILE: "NAME DTYPE SHAPE CRC" of each tensor, and the metadata, of a safetensors file.
tensors() {
    python3 - "$1" << 'PYTHON'
import json, struct, sys, zlib
with open(sys.argv[1], "rb") as f:
    length, = struct.unpack("<Q", f.read(8))
    header = json.loads(f.read(length))
    data = f.read()
print("aligned", length % 8, header.pop("__metadata__", {}))
for k, v in sorted(header.items()):
    begin, end = v["data_offsets"]
    print(k, v["dtype"], v["shape"], zlib.crc32(data[begin:end]))
PYTHON
}

# ---- round trips ----

works "convert a .pt" convert "$demo_sit" sit.safetensors
same "it says what was taken and what it is" "$(lacks "$work/stdout" "ema (of ema)" \
    "SiT: 6 blocks of width 144" "wrote sit.safetensors: 76 tensors")" ""
works "convert a VAE" convert "$demo_vae" vae.safetensors
check "the VAE's config.json goes with it" cmp vae.config.json \
    "$(dirname "$demo_vae")/config.json"
edit "$demo_sit" edited.safetensors
same "the tensors are those of the .pt" "$(tensors sit.safetensors | tail -n +2)" \
    "$(tensors edited.safetensors | tail -n +2)"
same "the header is aligned and says whose arrays they are" \
    "$(tensors sit.safetensors | sed -n 1p)" "aligned 0 {'format': 'pt'}"
works "convert what was converted" convert sit.safetensors again.safetensors
check "nothing changes" cmp sit.safetensors again.safetensors

for kind in vae_legacy vae_small; do
    works "convert $kind" convert "$data/$kind.safetensors" "$kind.safetensors"
    same "$kind: every tensor, its type and bytes" \
        "$(tensors "$kind.safetensors" | tail -n +2)" \
        "$(tensors "$data/$kind.safetensors" | tail -n +2)"
done
for kind in sit_h64_p2_sigma sit_h96_p4_bf16; do
    works "convert $kind" convert "$data/$kind.pt" "$kind.safetensors"
    edit "$data/$kind.pt" edited.safetensors
    same "$kind: every tensor, its type and bytes" \
        "$(tensors "$kind.safetensors" | tail -n +2)" "$(tensors edited.safetensors | tail -n +2)"
done
works "convert a file of torch before 1.6" convert "$data/old_torch.pt" old.safetensors

edit "$demo_vae" noted.safetensors note=author:somebody "note=quote:a \"b\" \\ c"
works "convert a file with metadata" convert noted.safetensors kept.safetensors
same "metadata is kept" "$(tensors kept.safetensors | sed -n 1p)" \
    "$(tensors noted.safetensors | sed -n '1s/^aligned [0-9]/aligned 0/p')"

# Every family, and every form that their files have: the same model is recognised.
for from in "$data"/zoo/*.pt "$data"/zoo/*.pth "$data"/zoo/*.ckpt; do
    name=$(basename "$from")
    run convert "$from" "$name.safetensors"
    for file in "$from" "$name.safetensors"; do
        "$ffcl" inspect "$file" | grep '^model\|^images\|^embedder\|^missing\|^not a SiT' |
            sed "s|$file|FILE|g"
    done | sort | uniq -c | grep -v '^ *2 \|^ *4 ' > differences
    same "convert $name: the same model" "$code $(cat differences)" "0 "
done

# ---- other types ----

# rounded TYPE IN OUT: whether OUT's tensors are IN's rounded to the nearest, ties to even.
rounded() {
    python3 - "$@" << 'PYTHON'
import json, struct, sys
def read(path):
    with open(path, "rb") as f:
        length, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    header.pop("__metadata__", None)
    return {k: (v["dtype"], data[slice(*v["data_offsets"])]) for k, v in header.items()}
def bf16(x):
    u, = struct.unpack("<I", struct.pack("<f", x))
    return struct.pack("<H", (u + 0x7fff + (u >> 16 & 1)) >> 16)
kind, a, b = sys.argv[1], read(sys.argv[2]), read(sys.argv[3])
want = {"half": "F16", "bfloat16": "BF16", "float32": "F32"}[kind]
bad = []
for name, (dtype, data) in a.items():
    n, form = {"F32": (4, "f"), "F16": (2, "e")}[dtype]
    x = struct.unpack("<%d%s" % (len(data) // n, form), data)
    put = {"half": lambda v: struct.pack("<e", v), "bfloat16": bf16,
           "float32": lambda v: struct.pack("<f", v)}[kind]
    if b[name] != (want, b"".join(map(put, x))):
        bad.append(name)
print(len(a) == len(b), bad[:3])
PYTHON
}
edit "$data/sit_h64_p2_sigma.pt" f32.safetensors \
    set=x_embedder.proj.bias:0:1e-7 set=x_embedder.proj.bias:1:65519 \
    set=x_embedder.proj.bias:2:2049 set=x_embedder.proj.bias:3:-3e-8
for kind in half bfloat16 float32; do
    works "--dtype $kind" convert f32.safetensors "$kind.safetensors" --dtype $kind
    same "$kind: rounded to the nearest" "$(rounded $kind f32.safetensors $kind.safetensors)" \
        "True []"
done
works "half to float32" convert half.safetensors wide.safetensors --dtype float32
same "that is exact" "$(rounded float32 half.safetensors wide.safetensors)" "True []"
edit f32.safetensors large.safetensors set=x_embedder.proj.bias:1:65520
run convert large.safetensors no.safetensors --dtype half
same "a value that half has no number for" \
    "$code $(grep -c 'tensor x_embedder.proj.bias has a value of 65520' "$work/stderr") $(ls -A |
    grep -c '^no\.\|tmp$')" "11 1 0"
works "bfloat16 has one" convert large.safetensors large16.safetensors --dtype bfloat16

# Small ones lose digits; what is not finite stays so; a float64 may have no float.
python3 - << 'PYTHON'
import json, struct
def put(path, kind, code, values):
    data = struct.pack("<%d%s" % (len(values), code), *values)
    text = json.dumps({"t": {"dtype": kind, "shape": [len(values)],
                             "data_offsets": [0, len(data)]}}).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
put("small.safetensors", "F32", "f", [1e-9, 2 ** -25, 2 ** -15, 3e-6, -3e-6, 0, 1])
put("nan.safetensors", "F32", "f", [float("nan"), 1, float("inf")])
put("wide64.safetensors", "F64", "d", [1, 1e300])
put("inf64.safetensors", "F64", "d", [1, float("inf")])
PYTHON
works "small values" convert small.safetensors small16.safetensors --dtype half
same "those that lose digits are counted" \
    "$(grep -c '^small  *4 values below .* lost digits; 2 of them became 0$' "$work/stdout")" 1
works "small values, to float32" convert small.safetensors small32.safetensors --dtype float32
same "none loses digits" "$(grep -c '^small' "$work/stdout")" 0
for kind in half bfloat16 float32; do
    works "values that are not finite, to $kind" convert nan.safetensors nan16.safetensors \
        --dtype $kind --overwrite -q
    same "they are named" "$(cat "$work/stderr")" "ffcl: warning: nan.safetensors has 2 values \
that are not finite, and so has the new file (tensor t)"
    refuses "a float64 that has no float, to $kind" 11 "tensor t has a value of 1e+300" -- \
        convert wide64.safetensors "$out/x.safetensors" --dtype $kind
done
refuses "a float64 that has no float" 11 "tensor t has a value of 1e+300" -- \
    convert wide64.safetensors "$out/x.safetensors"
works "an infinite float64" convert inf64.safetensors inf32.safetensors -q

# ---- what is refused ----

cp sit.safetensors before
refuses "a file that is there" 12 "sit.safetensors is there" "--overwrite" -- \
    convert "$demo_vae" sit.safetensors
check "it stays" cmp before sit.safetensors
works "--overwrite" convert f32.safetensors sit.safetensors --overwrite
check "it is replaced" cmp sit.safetensors float32.safetensors
cp before self.safetensors
works "a file in place of itself" convert self.safetensors self.safetensors --overwrite
check "it is whole" cmp before self.safetensors
refuses "another ending" 2 "safetensors, so name the file" out.pt -- convert "$demo_sit" out.pt
refuses "an unknown type" 2 "half, bfloat16 or float32" -- convert "$demo_sit" x.safetensors \
    --dtype float64
refuses "one file" 2 "takes two files" -- convert "$demo_sit"
refuses "what is no weights" 5 "$demo" -- convert "$demo" "$out/x.safetensors"
refuses "what is not there" 4 gone.pt -- convert gone.pt "$out/x.safetensors"
refuses "into a folder that is not there" 12 "does not exist" -- convert "$demo_sit" \
    "$out/none/x.safetensors"
refuses "an unknown dictionary" 5 "no dict of tensors under raw" -- convert "$demo_sit" \
    "$out/x.safetensors" --wrapper raw

# What cannot be read is named; here a tensor of a type that is none of ours.
python3 - f32.safetensors odd.safetensors << 'PYTHON'
import json, struct, sys
with open(sys.argv[1], "rb") as f:
    length, = struct.unpack("<Q", f.read(8))
    header = json.loads(f.read(length))
    data = f.read()
header["scales"] = {"dtype": "F8_E8M0", "shape": [3],
                    "data_offsets": [len(data), len(data) + 3]}
text = json.dumps(header).encode()
with open(sys.argv[2], "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data + b"abc")
PYTHON
works "a tensor that cannot be read" convert odd.safetensors even.safetensors
same "it is named" "$(grep -c 'passed over 1 tensor of odd.safetensors: scales (of type F8_E8M0)' \
    "$work/stderr")" 1
check "the others are there" cmp even.safetensors float32.safetensors

# ---- stops and full disks ----

edit new huge.safetensors add=a:30000x30000
if command -v timeout > /dev/null; then
    timeout -s INT 0.5 "$ffcl" convert huge.safetensors stopped.safetensors \
        > "$work/stdout" 2> "$work/stderr"
    status=$?
    same "Ctrl-C: a sentence, the signal, no file" \
        "$status $(grep -c 'stopped: stopped.safetensors was not written' "$work/stderr") $(ls -A |
        grep -c 'stopped')" "124 1 0"
fi
last="ffcl convert huge.safetensors stopped.safetensors, SIGINT three times"
python3 - "$ffcl" convert huge.safetensors stopped.safetensors > result << 'PYTHON'
import os, signal, subprocess, sys, time
p = subprocess.Popen(sys.argv[1:], stderr=open("stderr", "w"))
while not any(name.endswith(".tmp") for name in os.listdir(".")):
    time.sleep(0.01)
for _ in range(3):
    p.send_signal(signal.SIGINT)
    time.sleep(0.0005)
p.wait()
print(p.returncode, open("stderr").read().count("stopped: stopped.safetensors was not written"),
      sum("stopped" in name for name in os.listdir(".")))
PYTHON
same "Ctrl-C passed on by a launcher, too, is one Ctrl-C" "$(cat result)" "-2 1 0"
rm -f huge.safetensors
namespace=(unshare --mount --map-root-user)
mkdir small
if "${namespace[@]}" mount -t tmpfs ffcl small 2> /dev/null; then
    "${namespace[@]}" bash -c 'mount -t tmpfs -o size=1M ffcl small && "$1" convert "$2" \
        small/x.safetensors > stdout 2> stderr; echo "$? $(ls -A small | wc -l)"' - "$ffcl" \
        "$demo_sit" > result
    same "a full disk" "$(cat result) $(grep -c 'cannot write .*disk full' stderr)" "12 0 1"
else
    skip "a full disk" "no tmpfs can be mounted here"
fi

# ---- the same images ----

need_device
works "the demo" -q "$demo" sampler.count=10 output.grid=before.png
mv before before.safetensors
works "the demo by what was converted" -q "$demo" sampler.count=10 output.grid=after.png \
    model.checkpoint=before.safetensors vae.weights=vae.safetensors
check "the same bytes" images equal before.png after.png
finish
