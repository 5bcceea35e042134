#!/bin/bash
# SPDX-License-Identifier: MIT
# Bad input of every kind: one sentence that names it, its exit code, and nothing left behind.
. "$(dirname "$0")/lib.sh"

grid=output.grid=$out/grid.png
tiny=("$demo" sampler.classes=0-3 sampler.count=4 "$grid")

# ---- the command line ----

refuses "no argument" 2 "no INI file" --
refuses "an unknown option" 2 "unknown option --foo" "ffcl --help" -- "$demo" --foo "$grid"
refuses "an override without a section" 2 "seed=1" "sampler.seed=1" -- "$demo" "$grid" seed=1
refuses "a second INI file" 2 "one INI file a run" other.ini -- "$demo" "$grid" other.ini
refuses "a word after the overrides" 2 section.key=value -- "$demo" "$grid" other
refuses "a key and its value apart" 2 "write sampler.seed=VALUE" -- "$demo" sampler.seed 3
refuses "sample without a file" 2 "sample needs an INI file" -- sample --dry-run
refuses "a tolerance that is no number" 2 --tolerance -- verify x.safetensors --tolerance abc
refuses "verify without a file" 2 "verify needs" -- verify
refuses "--tolerance outside verify" 2 --tolerance -- "${tiny[@]}" --tolerance 1

# ---- the INI file ----

refuses "a missing INI file" 4 gone.ini "No such file" -- gone.ini "$grid"
mkdir folder.ini
refuses "a folder for an INI file" 4 folder.ini -- folder.ini "$grid"
refuses "an INI file that cannot be read" 4 /proc/self/mem -- /proc/self/mem "$grid"

# ini LINE...: bad.ini, two lines before them.
ini() {
    { printf '; a comment\n[model]\n' && printf '%s\n' "$@"; } > bad.ini
}
ini 'heads = 2' '[sampler]' 'sed = 1'
refuses "an unknown key: line and nearest key" 3 "bad.ini:5:" "unknown key [sampler] sed" \
    "did you mean seed?" -- bad.ini "$grid"
ini '[samplr]' 'seed = 1'
refuses "an unknown section: line and nearest one" 3 "bad.ini:4:" "[samplr]" "[sampler]?" -- \
    bad.ini "$grid"
ini '[sampler]' 'heads = 2'
refuses "a key of another section" 3 "bad.ini:4:" "heads" "belongs in [model]" -- bad.ini "$grid"
ini 'heads = two'
refuses "a value that is no number" 3 "bad.ini:3:" "heads = two" "1 to 1024" -- bad.ini "$grid"
ini '[sampler]' 'guidance = 1e9'
refuses "a value out of range" 3 "bad.ini:4:" "guidance = 1e9" "-1000 to 1000" -- bad.ini "$grid"
ini 'update = times'
refuses "a value that is no choice" 3 "bad.ini:3:" "update = times" "plus, minus" -- \
    bad.ini "$grid"
ini '[sampler]' 'classes = 3-1'
refuses "a range that runs backwards" 3 "bad.ini:4:" "3-1" -- bad.ini "$grid"
ini 'heads = 2' 'heads = 3'
refuses "a key given twice" 3 "bad.ini:4:" "already set at line 3" -- bad.ini "$grid"
ini 'heads'
refuses "a line that is no key = value" 3 "bad.ini:3:" -- bad.ini "$grid"
# An option of every command that takes a value, and one that may go without.
for line in "--preview= $demo" "-o $demo" "--profile= $demo" "tune --minutes=" "report --op=" \
    "bench --device= gemm" "bench --compare= gemm" "eval x --reference=" "init --checkpoint=" \
    "convert --dtype= a b.safetensors" "verify --tolerance= a" "classes --names=" "--color= $demo"
do
    words=()
    for word in $line; do
        words+=("$word")
        [ "$word" != -o ] || words+=("")
    done
    refuses "an empty value: ${line% /*}" 2 "= needs a value, and it is empty (a variable" -- \
        "${words[@]}"
done
refuses "an override without a key" 3 "sampler.=1: no key stands before the =" -- "$demo" \
    sampler.=1 output.grid="$out/x.png"
refuses "an unknown key in an override" 3 "sampler.sed=1" "did you mean seed?" -- \
    "${tiny[@]}" sampler.sed=1
refuses "a bad value in an override" 3 "sampler.seed=x" -- "${tiny[@]}" sampler.seed=x

# ---- files in place of weights ----

for key in model.checkpoint vae.weights; do
    refuses "$key: a missing file" 4 gone.pt "No such file" -- "${tiny[@]}" $key=gone.pt
    refuses "$key: a folder" 4 folder.ini "is a folder" -- "${tiny[@]}" $key=folder.ini
    refuses "$key: a file that cannot be read" 4 /proc/self/mem "cannot be read" -- \
        "${tiny[@]}" $key=/proc/self/mem
done
if [ "$(id -u)" = 0 ]; then
    skip "weights without the permission to read" "root reads everything"
else
    cp "$demo_sit" locked.pt && chmod 0 locked.pt
    refuses "weights without the permission to read" 4 locked.pt "Permission denied" -- \
        "${tiny[@]}" model.checkpoint=locked.pt
fi

mkdir cases
python3 "$root/tests/make_weights.py" all cases
# damaged CASE CODE WORD...: both weight files.
damaged() {
    local name=$1 want=$2 key
    shift 2
    for key in model.checkpoint vae.weights; do
        refuses "$key: $name" "$want" "cases/$name" "$@" -- "${tiny[@]}" $key="cases/$name"
    done
}
damaged lfs_pointer 5 LFS
damaged html 5 "HTML page"
damaged json_text 5 JSON
damaged empty 5 empty
damaged short 5 "bytes only"
damaged noise 5 "neither a safetensors file nor one of torch.save"
damaged tar 5
damaged legacy_torch 5
damaged bare_pickle 5
damaged st_header_cut 5 "cut short"
damaged st_data_cut 5 "cut short"
damaged st_data_long 5 "after its last tensor"
damaged st_not_json 5 JSON
damaged pt_truncated 5 "cut short"
damaged pt_no_pickle 5
damaged pt_evil 6
damaged st_duplicate 6 "more than one tensor of the same name"
damaged st_duplicate_prefix 6 "more than one tensor of the same name"
damaged pt_duplicate_prefix 6 "more than one tensor of the same name"
head -c 2000000 "$demo_sit" > cut.pt
refuses "the demo's checkpoint, cut" 5 cut.pt "cut short" -- "${tiny[@]}" model.checkpoint=cut.pt
# One byte of a tensor, first of the largest, then of the last.
for which in largest last; do
    python3 - "$demo_sit" flipped.pt $which << 'EOF'
import sys, zipfile
data = bytearray(open(sys.argv[1], "rb").read())
members = [i for i in zipfile.ZipFile(sys.argv[1]).infolist() if "/data/" in i.filename]
member = max(members, key=lambda i: i.file_size) if sys.argv[3] == "largest" else members[-1]
at = member.header_offset
at += 30 + data[at + 26] + 256 * data[at + 27] + data[at + 28] + 256 * data[at + 29]
data[at + member.file_size // 2] ^= 1
open(sys.argv[2], "wb").write(data)
EOF
    refuses "the demo's checkpoint, a byte of its $which tensor changed" 5 flipped.pt \
        "the checksum of" "is wrong" -- "${tiny[@]}" model.checkpoint=flipped.pt
done
head -c 2000000 "$demo_vae" > cut.safetensors
refuses "the demo's VAE, cut" 5 cut.safetensors "cut short" -- \
    "${tiny[@]}" vae.weights=cut.safetensors
refuses "the VAE for the checkpoint" 6 "$demo_vae" "no SiT checkpoint" \
    "it has the weights of a VAE, for vae.weights" -- \
    "${tiny[@]}" model.checkpoint="$demo_vae"
refuses "the checkpoint for the VAE" 6 "$demo_sit" "no VAE" \
    "it has the weights of a transformer, for model.checkpoint" -- \
    "${tiny[@]}" vae.weights="$demo_sit"
mkdir two
cp "$root/docs/demo.png" two/1.png
cp "$root/docs/demo.png" two/2.png
refuses "the checkpoint for the Inception network" 6 "; and " \
    "it has the weights of a transformer, for model.checkpoint" -- eval two \
    --reference two --inception "$demo_sit"
rm -r two
refuses "the folder of the VAE for its file" 4 "is a folder, not a weight file" \
    "did you mean $(dirname "$demo_vae")/diffusion_pytorch_model.safetensors?" -- \
    "${tiny[@]}" vae.weights="$(dirname "$demo_vae")"
refuses "an image for the checkpoint" 5 "demo.png is a PNG image" -- \
    "${tiny[@]}" model.checkpoint="$root/docs/demo.png"
refuses "the checkpoint for the INI file" 2 "$demo_sit holds weights" \
    "ffcl init my.ini --checkpoint $demo_sit" -- "$demo_sit"
refuses "the published VAE, not there" 4 "huggingface.co/stabilityai/sd-vae-ft-mse has it" -- \
    "${tiny[@]}" vae.weights=sd-vae-ft-mse/x.safetensors

# ---- tensors ----

# sit OPERATION... edits the demo's checkpoint into sit.st, vae its VAE into vae.st.
sit() {
    edit "$demo_sit" sit.st "$@"
}
vae() {
    edit "$demo_vae" vae.st "$@"
    cp "$(dirname "$demo_vae")/config.json" vae.config.json
}
with_sit=("${tiny[@]}" model.checkpoint=sit.st)
with_vae=("${tiny[@]}" vae.weights=vae.st)

sit 'drop=^blocks\.2\.attn\.proj\.bias$' reshape=blocks.1.mlp.fc1.bias:577 add=blocks.0.gate:2x3 \
    'drop=^pos_embed$' add=pos_embed:1x16x144
refuses "SiT: missing, wrong and extra tensors, all at once" 6 sit.st \
    "blocks.2.attn.proj.bias (144,) is missing" \
    "blocks.1.mlp.fc1.bias is (577,) and should be (576,)" \
    "blocks.0.gate is not part of the model" -- "${with_sit[@]}"
sit 'drop=^blocks\.5\.attn\.qkv\.weight$'
refuses "SiT: the last block's first tensor is missing" 6 \
    "blocks.5.attn.qkv.weight (432, 144) is missing" -- "${with_sit[@]}"
same "it alone is named" "$(grep -c 'not part of the model\|;' "$work/stderr")" 0
sit 'drop=^blocks\.0\.'
refuses "SiT: the first block is missing" 6 sit.st blocks.0 -- "${with_sit[@]}"
sit 'drop=^final_layer\.linear\.weight$'
refuses "SiT: the last layer is missing" 6 sit.st final_layer.linear.weight -- "${with_sit[@]}"
sit reshape=x_embedder.proj.weight:144x4x4
refuses "SiT: an embedder of another rank" 6 sit.st x_embedder.proj.weight -- "${with_sit[@]}"
sit reshape=final_layer.linear.weight:17x144
refuses "SiT: an output of an impossible size" 6 sit.st -- "${with_sit[@]}"
sit reshape=final_layer.linear.weight:8x144 reshape=final_layer.linear.bias:8
refuses "SiT: fewer output than input channels" 6 sit.st "2 output channels" -- "${with_sit[@]}"
sit reshape=pos_embed:1x15x144
refuses "SiT: tokens that are no square" 6 sit.st pos_embed -- "${with_sit[@]}"
sit reshape=y_embedder.embedding_table.weight:0x144
refuses "SiT: no classes" 6 sit.st "impossible size" -- "${with_sit[@]}"
sit copy=blocks.0.attn.qkv.bias:module.blocks.0.attn.qkv.bias
refuses "SiT: a tensor twice, once with a prefix" 6 sit.st blocks.0.attn.qkv.bias \
    "more than one tensor" -- "${with_sit[@]}"
sit twice=blocks.3.mlp.fc1.bias
refuses "SiT: a name twice in the header" 6 sit.st blocks.3.mlp.fc1.bias "more than one tensor" -- \
    "${with_sit[@]}"
operations=()
for i in $(seq 1 60); do
    operations+=("add=blocks.0.a_superfluous_tensor_with_a_long_name.number_$i:2x3")
done
sit "${operations[@]}"
refuses "SiT: a long list is cut with a count" 6 "number_1 is not part" "more" -- "${with_sit[@]}"

vae 'drop=^decoder\.conv_norm_out\.bias$' reshape=decoder.conv_in.bias:95 add=decoder.gate:2x3 \
    copy=decoder.mid_block.attentions.0.to_q.bias:decoder.mid_block.attentions.0.query.bias
refuses "VAE: missing, wrong, extra and double tensors, all at once" 6 vae.st \
    "decoder.conv_norm_out.bias (32,) is missing" \
    "decoder.conv_in.bias is (95,) and should be (96,)" \
    "decoder.gate is not part of the model" \
    "decoder.mid_block.attentions.0.query.bias are the same weight" -- "${with_vae[@]}"
vae 'drop=^decoder\.up_blocks\.1\.resnets\.0\.conv1\.weight$' \
    'drop=^decoder\.mid_block\.attentions\.0\.to_q\.weight$'
refuses "VAE: tensors that tell the widths are missing" 6 vae.st \
    "decoder.up_blocks.1.resnets.0.conv1.weight (96, 96, 3, 3) is missing" \
    "decoder.mid_block.attentions.0.to_q.weight (96, 96) is missing" -- "${with_vae[@]}"
same "they alone are named" "$(grep -c 'not part of the model' "$work/stderr")" 0
vae reshape=decoder.conv_out.weight:4x32x3x3
refuses "VAE: four colours" 6 vae.st "3 colours" -- "${with_vae[@]}"
vae 'drop=^decoder\.conv_in\.weight$'
refuses "VAE: the first layer is missing" 6 vae.st decoder.conv_in.weight -- "${with_vae[@]}"
vae reshape=decoder.conv_in.weight:96x8x3x3 reshape=post_quant_conv.weight:8x8x1x1 \
    reshape=post_quant_conv.bias:8
sed -i 's/"latent_channels": 4/"latent_channels": 8/' vae.config.json
refuses "VAE: latents of other channels than the SiT's" 6 vae.st "4 channels" 8 -- "${with_vae[@]}"

contradicts() { # NAME CODE SED WORD...: config.json after a change
    local name=$1 want=$2
    sed -i "$3" vae.config.json
    shift 3
    refuses "config.json: $name" "$want" "$@" -- "${with_vae[@]}"
    cp "$(dirname "$demo_vae")/config.json" vae.config.json
}
vae
contradicts "other widths" 6 's/^    64,/    128,/' vae.config.json block_out_channels
contradicts "another number of levels" 6 '/^    64,/d' vae.config.json block_out_channels
contradicts "groups that do not divide" 6 's/"norm_num_groups": 32/"norm_num_groups": 7/' \
    norm_num_groups
contradicts "other latent channels" 6 's/"latent_channels": 4/"latent_channels": 16/' \
    vae.config.json latent_channels
contradicts "other layers" 6 's/"layers_per_block": 2/"layers_per_block": 1/' \
    vae.config.json layers_per_block
contradicts "no JSON" 5 '1s/.*/hello/' vae.config.json JSON

# ---- keys against the checkpoint ----

refuses "heads missing" 3 "$demo_sit" \
    "cannot infer the head count for hidden size 144: set model.heads" -- \
    "${tiny[@]}" model.heads=auto
refuses "heads that do not divide" 3 "heads = 7" "144" -- "${tiny[@]}" model.heads=7
refuses "a class out of range" 3 "[sampler] classes" "class 10 is out of range (0 to 9)" -- \
    "${tiny[@]}" sampler.classes=3,10
refuses "a negative class" 3 "sampler.classes=-1" -- "${tiny[@]}" sampler.classes=-1
sit 'sub=^w_embedder=>foo_embedder'
refuses "an unmapped scalar embedder" 3 sit.st "it has foo_embedder" \
    "\"foo_embedder = delta\"" "[condition]" -- "${with_sit[@]}"
sit 'sub=^([wt])_embedder=>\1\1_embedder'
refuses "two unmapped scalar embedders" 3 sit.st "it has tt_embedder" "[condition]" -- \
    "${with_sit[@]}"
refuses "the same, the preset unknown" 3 sit.st "tt_embedder, ww_embedder" "[condition]" -- \
    "${with_sit[@]}" model.preset=auto
refuses "a condition without an embedder" 3 "foo_embedder" "no scalar embedder" \
    "it has t_embedder, w_embedder" -- "${tiny[@]}" condition.foo_embedder=delta
refuses "a condition of an unknown input" 3 "condition.t_embedder=time" -- \
    "${tiny[@]}" condition.t_embedder=time
sit 'drop=^pos_embed$'
refuses "no position embedding and no latent size" 3 sit.st "latent_size" "[model]" -- \
    "${with_sit[@]}"
refuses "a latent size that the patches do not divide" 3 "latent_size" -- \
    "${with_sit[@]}" model.latent_size=9

# ---- devices ----

mkdir vendors
OCL_ICD_VENDORS=/nonexistent refuses "no OpenCL platform" 7 "no OpenCL platform" \
    pocl-opencl-icd -- "${tiny[@]}"
OCL_ICD_VENDORS=$work/vendors refuses "an empty folder of vendors" 7 "no OpenCL platform" -- \
    "${tiny[@]}"
OCL_ICD_VENDORS=/nonexistent refuses "devices: no OpenCL platform" 7 "no OpenCL platform" -- devices
need_device

# ---- what shows once a device is there ----

refuses "no output at all" 3 "[output]" -- "$demo" output.grid= sampler.count=1
refuses "a grid beyond PNG" 3 "output" "folder or npz" -- "${tiny[@]}" sampler.count=10000000
refuses "an unknown back end" 3 "[blas] backend = nonsense" "clblast" "dpas" -- \
    "${tiny[@]}" blas.backend=nonsense
{ head -c 2000000 "$demo_sit" && printf x && tail -c +2000002 "$demo_sit"; } > changed.pt
refuses "the demo's checkpoint, one byte changed" 5 changed.pt checksum -- \
    "${tiny[@]}" model.checkpoint=changed.pt

FFCL_VARIANTS="softmax=fastest" refuses "its operation's variants are listed, and nothing else" 3 \
    'softmax has no variant "fastest"; it has row, group' -- "${tiny[@]}"
FFCL_VARIANTS="attention=fastest" refuses "a variant that does not exist" 3 FFCL_VARIANTS \
    '"fastest"' "row, tiled, quads, gemms, gemms-copied, mma, wgmma, gemms-half" -- "${tiny[@]}"
FFCL_VARIANTS="convolve=row" refuses "an operation that does not exist" 3 '"convolve"' \
    "gemm, attention, softmax, layernorm, qk_norm, groupnorm, convolution" -- "${tiny[@]}"

refuses "an absent device" 7 "device.select = geforce 1" "there is 0 (0:0)" -- \
    "${tiny[@]}" "device.select=geforce 1"
refuses "an index out of range" 7 "device.select = 99" -- "${tiny[@]}" device.select=99
refuses "a platform out of range" 7 "device.select = 9:9" -- "${tiny[@]}" device.select=9:9
"$ffcl" devices > devices
has_pocl=$(grep -c 'Portable Computing Language' devices)
if [ "$has_pocl" != 0 ]; then
    refuses "a matrix unit that the device lacks" 7 "[blas] backend = wgmma" "no such matrix unit" \
        -- "${tiny[@]}" blas.backend=wgmma device.select=portable
    for unit in wmma mfma dpas; do
        refuses "a matrix unit of another vendor: $unit" 7 "[blas] backend = $unit" \
            "no such matrix unit" -- "${tiny[@]}" blas.backend=$unit device.select=portable
    done
fi
if [ "$has_pocl" != 0 ]; then
    basic=$(basic_device)
    POCL_DEVICES='basic basic' refuses "verify: several devices" 7 "device.select = $basic" \
        "means 2 devices" "choose by index" -- \
        verify "$data/demo_seed1.ref.safetensors" "$demo" device.select="$basic"
else
    skip "verify: several devices" "no PoCL"
fi

# ---- device memory ----

# A SiT of 300 GB that takes no space: 64 blocks of width 8192.
huge() { # OUT D L CLASSES
    local D=$2 i operations=()
    operations+=("add=x_embedder.proj.weight:${D}x4x2x2" "add=x_embedder.proj.bias:$D"
        "add=pos_embed:1x16x$D" "add=y_embedder.embedding_table.weight:$4x$D"
        "add=t_embedder.mlp.0.weight:${D}x256" "add=t_embedder.mlp.0.bias:$D"
        "add=t_embedder.mlp.2.weight:${D}x$D" "add=t_embedder.mlp.2.bias:$D"
        "add=final_layer.linear.weight:16x$D" "add=final_layer.linear.bias:16"
        "add=final_layer.adaLN_modulation.1.weight:$((2 * D))x$D"
        "add=final_layer.adaLN_modulation.1.bias:$((2 * D))")
    for ((i = 0; i < $3; i++)); do
        operations+=("add=blocks.$i.attn.qkv.weight:$((3 * D))x$D"
            "add=blocks.$i.attn.qkv.bias:$((3 * D))" "add=blocks.$i.attn.proj.weight:${D}x$D"
            "add=blocks.$i.attn.proj.bias:$D" "add=blocks.$i.mlp.fc1.weight:$((4 * D))x$D"
            "add=blocks.$i.mlp.fc1.bias:$((4 * D))" "add=blocks.$i.mlp.fc2.weight:${D}x$((4 * D))"
            "add=blocks.$i.mlp.fc2.bias:$D" "add=blocks.$i.adaLN_modulation.1.weight:$((6 * D))x$D"
            "add=blocks.$i.adaLN_modulation.1.bias:$((6 * D))")
    done
    edit new "$1" "${operations[@]}"
}
huge huge.st 8192 64 11
if [ -s huge.st ]; then
    refuses "a model larger than the device" 9 "too little memory" "GB of weights" -- \
        "${tiny[@]}" model.checkpoint=huge.st model.heads=64
else
    skip "a model larger than the device" "no sparse file of 300 GB on this file system"
fi
rm -f huge.st
if [ "$has_pocl" != 0 ]; then
    huge wide.st 1152 1 70000
    POCL_MEMORY_LIMIT=1 refuses "a weight larger than one buffer may be" 9 \
        "too little memory" "in one piece" -- \
        "${tiny[@]}" model.checkpoint=wide.st model.heads=16 device.select=portable
    rm -f wide.st
    # It shrinks and says so; the run's share is one image.
    POCL_MEMORY_LIMIT=1 run -q "$demo" sampler.count=20000 sampler.batch=20000 \
        device.select=portable sampler.world=20000 sampler.rank=0 output.grid= \
        output.folder=share
    warning='^ffcl: warning: batch 20000 does not fit .*; using [1-9]'
    same "a batch that does not fit: one warning" "$(grep -c "$warning" "$work/stderr")" 1
    same "and then the work is done" "$code $(ls share/*.png)" "0 share/000000.png"
    rm -rf share
else
    skip "a device of 1 GB" "no PoCL"
fi

# ---- values that are not finite ----

sit set=y_embedder.embedding_table.weight:432:nan       # row 3
refuses "a NaN in the SiT: stage, image, class" 11 "image 2 (class 3)" latent -- \
    "${with_sit[@]}" sampler.classes=1,2,3,4
refuses "the same in a later batch" 11 "image 2 (class 3)" latent -- \
    "${with_sit[@]}" sampler.classes=1,2,3,4 sampler.batch=1
works "other classes are not touched" -q "${with_sit[@]}" sampler.classes=1,2,4 \
    sampler.count=auto output.grid=fine.png
sit set=final_layer.linear.bias:0:inf
refuses "an infinity in the SiT" 11 "image 0 (class 0)" latent -- "${with_sit[@]}"
vae set=decoder.conv_out.bias:1:nan
refuses "a NaN in the VAE: stage, image, class" 11 "image 0 (class 0)" image -- "${with_vae[@]}"
vae set=decoder.up_blocks.1.resnets.0.conv1.weight:0:inf
refuses "an infinity inside the VAE" 11 "image 0 (class 0)" image -- "${with_vae[@]}"

# ---- outputs ----

one=("$demo" sampler.classes=1 sampler.count=1)
refuses "grid: the folder is missing" 12 none/a.png "the folder none does not exist" -- \
    "${one[@]}" output.grid=none/a.png
refuses "grid: no place for files" 12 /proc/a.png -- "${one[@]}" output.grid=/proc/a.png
refuses "grid: it is a folder" 12 "$work/vendors" "it is a folder; name a file" -- \
    "${one[@]}" output.grid="$work/vendors"
refuses "grid: no regular file" 12 /dev/null "not a regular file" -- \
    "${one[@]}" output.grid=/dev/null
refuses "folder: its parent is missing" 12 none/a -- "${one[@]}" "$grid" output.folder=none/a
refuses "folder: it is a file" 12 "the folder bad.ini: a file is called so" -- \
    "${one[@]}" "$grid" output.folder=bad.ini
refuses "folder: its parent is a file" 12 "cannot make the folder bad.ini/a" -- "${one[@]}" \
    "$grid" output.folder=bad.ini/a
refuses "grid: its folder is a file" 12 "bad.ini is a file, not a folder" -- "${one[@]}" \
    output.grid=bad.ini/x.png
refuses "npz: the folder is missing" 12 none/a.npz "the folder none does not exist" -- \
    "${one[@]}" "$grid" output.npz=none/a.npz
if [ "$(id -u)" = 0 ]; then
    skip "grid: a read-only folder" "root writes anywhere"
else
    mkdir -m 500 locked
    refuses "grid: a read-only folder" 12 locked/a.png "Permission denied" -- \
        "${one[@]}" output.grid=locked/a.png
fi
echo old > old.png
run -q "${with_vae[@]}" output.grid=old.png output.overwrite=yes
same "after a failure the old grid is there" "$code $(cat old.png)" "11 old"
same "and no temporary file" "$(find . -name '.*' -type f)" ""

"$ffcl" keys > /dev/full 2> err
same "stdout that is full" "$? $(grep -c '^ffcl: cannot write to stdout: ' err)" "12 1"

# A file system of one page, in a mount namespace of its own.
inside='mount -t tmpfs -o size=4k ffcl "$1" || exit 99
cd "$1" || exit 99
shift
"$@" 2> ../stderr
code=$?
ls -A > ../left
exit $code'
mkdir small
full() { # NAME WORD OVERRIDE...
    local name=$1 word=$2 reasons=()
    shift 2
    last="ffcl -q ${one[*]} $* on a full disk"
    # shellcheck disable=SC2016 # the inner shell expands
    timeout $patience "${namespace[@]}" sh -c "$inside" sh small "$ffcl" -q "${one[@]}" "$@" \
        > stdout 2>> stderr
    code=$?
    [ "$code" = 12 ] || reasons+=("exit code $code, not 12")
    grep -q "^ffcl: cannot write .*$word.*disk full" stderr || reasons+=("no sentence")
    [ "$(wc -l < stderr)" = 1 ] || reasons+=("not exactly one line")
    [ ! -s left ] || reasons+=("left behind: $(cat left)")
    if [ ${#reasons[@]} = 0 ]; then
        ok "$name"
    else
        not_ok "$name" "${reasons[@]}"
    fi
}
namespace=(unshare -m)
[ "$(id -u)" = 0 ] || namespace=(unshare -rm)
if "${namespace[@]}" mount -t tmpfs ffcl small 2> /dev/null; then
    full "disk full: grid" grid.png output.grid=grid.png sampler.classes=0-9 sampler.count=10
    full "disk full: npz" a.npz output.grid= output.npz=a.npz
else
    skip "disk full" "no tmpfs can be mounted here"
fi

finish
