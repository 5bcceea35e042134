#!/bin/bash
# SPDX-License-Identifier: MIT
# What decides the bytes of a sample set is in its manifest; what is there and cannot be read is
# never taken for absent; no file waits for anybody, and none names a wrong cause.
. "$(dirname "$0")/lib.sh"

grid=output.grid=$out/grid.png
tiny=("$demo" sampler.count=1 sampler.classes=1 "$grid")
mkdir vae
cp "$demo_vae" vae/vae.safetensors
config=vae/config.json
sound=$(dirname "$demo_vae")/config.json
mine=(vae.weights=vae/vae.safetensors)

# ---- config.json of the VAE ----

unread() { # NAME CODE WORD...: config.json as it lies there is refused
    local name=$1 want=$2
    shift 2
    refuses "config.json: $name" "$want" config.json "$@" -- "${tiny[@]}" "${mine[@]}"
    rm -rf "$config"
}
mkdir "$config"
unread "a folder" 4 "it is a folder"
ln -s nowhere "$config"
unread "a link that leads nowhere" 4 "leads nowhere"
mkfifo "$config"
unread "a FIFO" 4 "not a regular file"
ln -s /dev/zero "$config"
unread "an endless device" 4 "not a regular file"
ln -s /proc/self/mem "$config"
unread "an error while it is read" 4 "cannot read"
head -c 2000000 /dev/zero | tr '\0' ' ' > "$config"
unread "too long" 5 "more than 1048576 bytes"
: > "$config"
unread "empty" 5 "no JSON object"
with() { # SED: config.json, changed
    sed "$1" "$sound" > "$config"
}
with 's/"norm_num_groups": 32/"norm_num_groups": "8"/'
unread "groups as a text" 5 norm_num_groups "positive whole number"
with 's/"norm_num_groups": 32/"norm_num_groups": 8.5/'
unread "groups as a fraction" 5 norm_num_groups "positive whole number"
with 's/"norm_num_groups": 32/"norm_num_groups": null/'
unread "groups as null" 5 norm_num_groups "positive whole number"
with 's/"norm_num_groups": 32/"norm_num_groups": 32, "norm_num_groups": 8/'
unread "groups given twice" 5 norm_num_groups "more than once"
for key in shift_factor latents_mean use_post_quant_conv up_block_types act_fn; do
    with "s/\"sample_size\": 64/\"$key\": null, \"$key\": null/"
    unread "$key given twice" 5 "$key" "more than once"
done
with 's/"use_post_quant_conv": true/"use_post_quant_conv": "false"/'
unread "a text in place of false" 5 use_post_quant_conv "true or false"
with 's/"silu"/"gelu"/'
unread "another activation" 6 "act_fn = gelu" silu
with 's/"AutoencoderKL"/"VQModel"/'
unread "another kind of VAE" 6 "_class_name = VQModel" AutoencoderKL
with 's/"out_channels": 3/"out_channels": 1/'
unread "another number of colours" 6 "out_channels = 1" "make it 3"
with 's/"block_out_channels": \[/"block_out_channels": 4, "was": [/'
unread "widths that are no list" 6 block_out_channels
with '0,/"UpDecoderBlock2D"/s//"AttnUpDecoderBlock2D"/'
unread "attention in a level that has none" 6 AttnUpDecoderBlock2D \
    "no attention in decoder.up_blocks.0"
with '0,/"UpDecoderBlock2D"/s//"UpSkipBlock"/'
unread "a block of an unknown kind" 6 UpSkipBlock "are known"
for std in 0 -1; do
    with "s/\"sample_size\": 64/\"latents_mean\": [0, 0, 0, 0], \"latents_std\": [1, 1, $std, 1]/"
    unread "a deviation of $std" 5 latents_std "positive numbers"
done
with 's/"norm_num_groups": 32/"norm_num_groups\\u0000": 8/'
unread "a zero character in a key" 5 "no JSON object"
with '$s/}/} {/'
unread "something behind the object" 5 "no JSON object"
with 's/"sample_size": 64/"latents_mean": [0.1, 0.2, 0.3, 0.4]/'
unread "means of channels without deviations" 5 latents_mean latents_std
with 's/"use_post_quant_conv": true/"use_post_quant_conv": false/'
unread "a convolution that should not be there" 6 use_post_quant_conv "has its tensors"
with 's/"mid_block_add_attention": true/"mid_block_add_attention": false/'
unread "an attention that should not be there" 6 mid_block_add_attention "has its tensors"

# ---- labels, INI files, kernels: files that nobody may wait for ----

mkfifo fifo
refuses "an INI file that is a FIFO" 4 fifo "it is a pipe" -- fifo "$grid"
refuses "an INI file that is endless" 4 /dev/zero "not a regular file" -- /dev/zero "$grid"
refuses "labels from a FIFO" 4 fifo "not a regular file" -- \
    "${tiny[@]}" sampler.classes=file:"$work"/fifo
refuses "labels from an endless file" 4 /dev/zero "not a regular file" -- \
    "${tiny[@]}" sampler.classes=file:/dev/zero
refuses "parameters from a FIFO" 4 fifo "not a regular file" -- \
    "${tiny[@]}" blas.backend=clblast blas.tuning="$work"/fifo
refuses "a library by a relative path" 3 "blas.library=./libopenblas.so" "relative path" -- \
    "${tiny[@]}" blas.library=./libopenblas.so
refuses "bench: an old JSON that is a FIFO" 4 fifo "not a regular file" -- \
    bench --compare fifo layernorm

# ---- texts from outside ----

controls() { # NAME: neither stream has a byte that a terminal obeys
    local found
    found=$(cat "$work/stdout" "$work/stderr" | tr -d '\n' |
        grep -aP '[\x00-\x1f\x7f]|\xc2[\x80-\x9f]')
    if [ -z "$found" ]; then
        ok "$1"
    else
        not_ok "$1" "$(printf '%s' "$found" | od -c | head)"
    fi
}
esc=$'\033]0;owned\007' csi=$'\302\233''31m'
printf '[sampler]\n%s%s = 1\n' "$esc" "$csi" > esc.ini
run esc.ini "$grid"
controls "control characters in an INI key ($code)"
printf '[sampler]\nseed = %s%s\n' "$esc" "$csi" > esc.ini
run esc.ini "$grid"
controls "control characters in an INI value ($code)"
run "$esc.ini" "$grid"
controls "control characters in a path ($code)"
run "--$esc"
controls "control characters in an option ($code)"
run "${tiny[@]}" "blas.backend=cblas" "blas.library=/x/$esc$csi.so"
controls "control characters in the name of a library ($code)"
printf '{"settings": {"a\\u001b]0;": "b\\u001b[2J\\u009b", "%s": "\\u001b[2J"}, "runs": []}' \
    "a name of more than 25 letters\\u001b" > manifest.json
run inspect manifest.json
controls "control characters in a manifest's settings, inspected ($code)"
printf '{"fid": 1, "like": "\\u001b[2J", "network": "\\u009b31m"}' > "$esc.json"
printf '{"fid": 1, "like": "adm"}' > other.json
run eval --compare "$esc.json" other.json
controls "control characters in evaluations and their names ($code)"
mkdir "$esc.evaluation" && cp "$esc.json" "$esc.evaluation/evaluation.json"
run eval --compare "$esc.evaluation/evaluation.json" "$esc.json"
controls "control characters in the name of an evaluation's folder ($code)"

need_device

with 's/"scaling_factor": 0.18215/"scaling_factor": 0.13025, "shift_factor": 0.1159/'
run "${tiny[@]}" "${mine[@]}"
same "config.json: its scale and shift are used, and named" \
    "$code $(grep -c "^latents: scale 0.13025 (config.json, scaling_factor), shift 0.1159 \
(config.json, shift_factor)$" "$work/stderr")" "0 1"
with 's/"sample_size": 64/"latents_mean": [0.1, 0.2, 0.3, 0.4], "latents_std": [1, 1, 1, 2]/'
run "${tiny[@]}" "${mine[@]}"
same "config.json: its means and deviations are used, and named" \
    "$code $(grep -c 'config.json, latents_mean, latents_std' "$work/stderr")" "0 1"
with 's/"scaling_factor": 0.18215/"scaling_factor": 0.13025/'
run "${tiny[@]}" "${mine[@]}" vae.scale=0.18215
same "config.json: another scale than [vae] scale is a note" \
    "$code $(grep -c 'scaling_factor = 0.13025; used is' "$work/stderr")" "0 1"
with 's/"scaling_factor": 0.18215/"scaling_factor": 0.18215, "shift_factor": 0.1159/'
run "${tiny[@]}" "${mine[@]}" vae.shift=0.5
same "config.json: another shift than [vae] shift is a note, and where each is from is said" \
    "$code $(grep -c 'shift_factor = 0.1159; used is \[vae\] shift = 0.5' "$work/stderr") \
$(grep -c '^latents: scale 0.18215 (config.json, scaling_factor), shift 0.5 (command line)$' \
        "$work/stderr")" "0 1 1"
with 's/"sample_size": 64/"norm_eps": 0.01, "sample_size": 64, "b\\u001bc": 1/'
run "${tiny[@]}" "${mine[@]}"
same "config.json: keys that nobody here knows are named" "$code $(grep -c \
    'gives norm_eps, b?c, which ffcl does not know' "$work/stderr")" "0 1"
rm "$config"
run "${tiny[@]}" "${mine[@]}"
same "config.json: its absence is a note that says what is assumed" \
    "$code $(grep -c 'no config.json beside it: group norms of 32 groups' "$work/stderr")" "0 1"

# ---- what Python would call ----

python3 - "$demo_sit" calls.pt << 'PYTHON'
import sys, zipfile
source, target = zipfile.ZipFile(sys.argv[1]), zipfile.ZipFile(sys.argv[2], "w")
for item in source.infolist():
    data = source.read(item)
    if item.filename.endswith("data.pkl"):
        calls = b"".join(b"c%s\nX\2\0\0\0ls\x85R0" % name
                         for name in (b"os\nsystem", b"os\nsystem", b"a\x1b]0\nb\xc2\x9b"))
        data = data[:2] + calls + data[2:]
    target.writestr(item.filename, data)
target.close()
PYTHON
run "${tiny[@]}" model.checkpoint=calls.pt
same "a pickle that calls os.system: a note names it" \
    "$code $(grep -c 'calls.pt would have Python call os.system, a?\]0.b?; ffcl calls nothing' \
        "$work/stderr")" "0 1"
controls "the note has no control character"

# ---- names of files that are printed where all went well ----

run "${tiny[@]}" output.grid= output.folder="set$esc"
controls "control characters in the name of a folder that was made ($code)"
run eval --make-network "net$esc.safetensors"
controls "control characters in the name of a network ($code)"
run eval "set$esc" --inception "net$esc.safetensors"
controls "control characters in what was evaluated ($code)"
run inspect "set$esc"
controls "control characters in the name of a folder, inspected ($code)"
run convert "$demo_sit" "$out/$esc.safetensors"
controls "control characters in the name of a file that was converted ($code)"
run "${tiny[@]}" output.grid= output.folder="set$esc" --dry-run
controls "control characters in a dry run ($code)"
run "${tiny[@]}" output.grid="$out/$esc.png"
controls "control characters in the name of a grid ($code)"
rm -f "$out"/*
refuses "the same under [model] strict" 5 calls.pt os.system "[model] strict" -- \
    "${tiny[@]}" model.checkpoint=calls.pt model.strict=yes
run -q "${tiny[@]}" model.strict=yes
same "[model] strict: a plain checkpoint is fine" "$code $(cat "$work/stderr")" "0 "

# ---- what decides bytes is a setting of the sample set ----

set_of=("$demo" sampler.count=4 sampler.batch=2 output.grid= output.folder=f "${mine[@]}")
with 's/"norm_num_groups": 32/"norm_num_groups": 8/'
works "a sample set of four, eight groups" "${set_of[@]}"
cp -r f eight
refused() { # NAME WORDS: the sample set is begun with other settings, and nothing is changed
    rm -f f/000002.png
    run -q "${set_of[@]}"
    same "$1" "$code $(grep -cF "$2" "$work/stderr")" "17 1"
    same "$1: nothing is generated" "$(ls f | tr '\n' ' ')" \
        "000000.png 000001.png 000003.png images.crc32 labels.txt manifest.json "
}
with ''
refused "other groups" "vae.norm_num_groups was 8 and is 32"
rm "$config"
refused "no config.json any more" "vae.norm_num_groups was 8 and is 32"
with 's/"norm_num_groups": 32/"norm_num_groups": 8/'
cp -r "$root/cl" cl
FFCL_CL_DIR=$work/cl run -q "${set_of[@]}"
same "the same kernels from a folder: no other setting" "$code" 0
check "and the same images" diff -r -x manifest.json f eight
echo '/* another */' >> cl/image.cl
FFCL_CL_DIR=$work/cl refused "other kernels" "kernels was crc32"
works "the sample set as it was begun" "${set_of[@]}"
check "it is whole again" diff -r -x manifest.json f eight

# A manifest of an earlier version has no such entries.
strip() {
    python3 - f/manifest.json << 'PYTHON'
import json, sys
m = json.load(open(sys.argv[1]))
for key in list(m["settings"]):
    if key == "kernels" or key == "vae.norm_num_groups" or key.startswith("blas.unit of"):
        del m["settings"][key]
json.dump(m, open(sys.argv[1], "w"))
PYTHON
}
strip
rm f/000001.png
run -q "${set_of[@]}"
same "a manifest of an earlier version: resumed, with a warning of what it does not say" \
    "$code $(grep -c '^ffcl: warning: f/manifest.json .*does not say vae.norm_num_groups = 8' \
        "$work/stderr")" "0 1"
check "it is whole again, too" diff -r -x manifest.json f eight
run -q "${set_of[@]}"
same "from then on the manifest says it" "$code $(cat "$work/stderr")" "0 "
cp f/manifest.json whole.json
sed -i 's/\("kernels":[[:space:]]*\)"crc32 [0-9a-f]*"/\1"built in"/' f/manifest.json
refused "a version that did not say which kernels it had" "kernels was built in and is crc32"
mv whole.json f/manifest.json

# ---- links in folders that others may write ----

echo victim > victim
two=("$demo" sampler.count=2 sampler.batch=2 output.grid=)
# planted NAME LINK...: links to the victim, then a run with an npz alone.
planted() { # NAME FILE
    rm -rf common
    mkdir common
    ln -s "$work/victim" "common/$2"
    run -q "${two[@]}" output.npz=common/x.npz
    same "$1" "$code $(grep -cF "common/$2: it is a link" "$work/stderr") $(cat victim)" \
        "12 1 victim"
    rm "common/$2"
    ln victim "common/$2"
    run -q "${two[@]}" output.npz=common/x.npz
    same "$1, hard" "$code $(grep -cF "common/$2: it is a link" "$work/stderr") $(cat victim)" \
        "12 1 victim"
    mkfifo fifo.$2
    mv -f fifo.$2 "common/$2"
    run -q "${two[@]}" output.npz=common/x.npz
    same "$1: a FIFO" "$code $(cat victim)" "12 victim"
}
planted "a link in place of the part" .x.npz.part
planted "a link in place of the checksums" .x.npz.crc
planted "a link in place of the lock" .x.npz.lock
mkdir links
ln -s "$work/victim" links/000001.png
ln -s "$work/victim" links/.000000.png.1-0.tmp
ln -s "$work/victim" links/manifest.json
run -q "${two[@]}" output.folder=links output.resume=no --overwrite
same "links in place of images and manifest are replaced, not followed" \
    "$code $(cat victim) $(images size links/000001.png)" "0 victim 64x64"
check "the manifest is a file" [ ! -L links/manifest.json ]
ln -s "$work/not-there" to-nothing.png
run -q "$demo" sampler.count=1 output.grid=to-nothing.png
same "an output that is a link to nothing" \
    "$code $(grep -c 'to-nothing.png: the link leads nowhere' "$work/stderr")" "12 1"

# ---- images that say what they are not ----

# Sizes that ask for gigabytes, in 69 bytes; and a text that unpacks to 1 GB.
python3 - << 'PYTHON'
import struct, zlib
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
def png(path, w, h, *more):
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
                + b"".join(more) + chunk(b"IDAT", black) + chunk(b"IEND", b""))
black = zlib.compress(bytes(64 * (64 * 3 + 1)))
png("large.png", 27000, 27000)
pack = zlib.compressobj(9)
bomb = b"".join(pack.compress(bytes(1 << 20)) for _ in range(1024)) + pack.flush()
png("bomb.png", 64, 64, chunk(b"zTXt", b"a\0\0" + bomb))
PYTHON
cp -r f six
# The exit code with FILE in place of an image, and whether it took 500 MB more than WANT kB.
peak() { # FILE WANT
    cp "$1" six/000001.png
    python3 - "$2" "$ffcl" -q "${set_of[@]}" output.folder=six << 'PYTHON'
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(code, used if sys.argv[1] == "0" else used > int(sys.argv[1]) + 500000)
PYTHON
}
usual=$(peak f/000001.png 0)
same "an image that says it has 27000 x 27000 pixels: no memory for them" \
    "$(peak large.png "${usual#* }")" "0 False"
check "and it is generated again" cmp six/000001.png eight/000001.png
same "an image with a text of 1 GB: no memory for it" "$(peak bomb.png "${usual#* }")" "17 False"
cp f/000001.png six/000001.png
mkfifo fifo.png && mv fifo.png six/000002.png
run -q "${set_of[@]}" output.folder=six
same "a FIFO in place of an image" "$code $(grep -c 'six/000002.png: it is not a regular file' \
    "$work/stderr")" "12 1"

# ---- another device of the run ----

if [ "$("$ffcl" devices | grep -c 'Portable Computing Language')" != 0 ]; then
    export POCL_DEVICES='pthread basic'
    two=("$demo" sampler.count=24 sampler.batch=1 output.grid= output.folder=two device.select=all)
    works "two devices" "${two[@]}"
    same "the manifest says what both computed with" "$(python3 - << 'PYTHON'
import json
m = json.load(open("two/manifest.json"))
names = {d["name"] for d in m["runs"][-1]["devices"]}
print(all("blas.products of " + n in m["settings"] for n in names))
PYTHON
)" True
    unset POCL_DEVICES
else
    skip "another device of the run" "no PoCL"
fi

finish
