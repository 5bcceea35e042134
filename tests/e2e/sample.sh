#!/bin/bash
# SPDX-License-Identifier: MIT
# The demo's images: what the keys of the INI file change, and what nothing may change.
. "$(dirname "$0")/lib.sh"
need_device

# Six images, classes 0 to 5, unless overridden again.
generate() { # GRID OVERRIDE...
    local grid=$1
    shift
    run -q "$demo" sampler.classes=0-5 sampler.count=auto output.columns=3 output.grid="$grid" "$@"
    if [ "$code" != 0 ]; then
        not_ok "generating $grid"
    fi
}

differ() { # A B: the largest difference of two bytes
    images differ "$1" "$2" 2>&1
}

# At most one step of a byte: kernels may sum in another order for another batch.
close() { # NAME A B
    local d
    d=$(differ "$2" "$3")
    case $d in
    0 | 1) ok "$1" ;;
    *) not_ok "$1" "largest difference: $d" ;;
    esac
}

unlike() { # NAME A B
    local d
    d=$(differ "$2" "$3")
    case $d in
    sizes) ok "$1" ;;
    *[!0-9]* | '') not_ok "$1" "cannot compare: $d" ;;
    *) if [ "$d" -gt 1 ]; then ok "$1"; else not_ok "$1" "they are equal"; fi ;;
    esac
}

# ---- one run with every output, and the same again ----

generate base.png output.folder=base output.npz=base.npz
same "grid: 3 columns, 2 rows of 64 pixels and the padding" "$(images size base.png)" 200x134
same "--quiet prints nothing" "$(cat "$work/stdout" "$work/stderr")" ""
same "folder: its files" "$(ls base | tr '\n' ' ')" \
    "$(seq -f '%06g.png' 0 5 | tr '\n' ' ')images.crc32 labels.txt manifest.json "
images cells base.png 3 6 cells
images npz base.npz 6 arrays || not_ok "npz is a zip with a good arr_0"
for i in 0 1 2 3 4 5; do
    p=00000$i.png
    same "image $i: grid, folder and npz agree" \
        "$(differ cells/$p base/$p) $(differ arrays/$p base/$p)" "0 0"
    same "image $i is no plain colour" "$(images plain base/00000$i.png)" no
done
unlike "images of one run are not equal" base/000000.png base/000001.png
generate again.png
check "the same again: the same bytes" images equal base.png again.png
same "no temporary files" "$(find . -name '.*' -type f)" ""

# ---- what must not matter ----

for batch in 1 3 8; do
    generate batch.png sampler.batch=$batch
    close "batch = $batch: the same images" base.png batch.png
done
generate fewer.png sampler.classes=0-3 output.folder=fewer
close "count: the first images stay" fewer/000003.png base/000003.png
generate named.png sampler.classes=0,1,2-4,5
check "classes: a list and a range mean the same" images equal base.png named.png
mkdir elsewhere
# The weights lie relative to the INI file, outputs relative to the current folder.
relative=$(realpath --relative-to="$work/elsewhere" "$demo")
(cd elsewhere && generate base.png)
(cd elsewhere && timeout $patience "$ffcl" -q "$relative" sampler.classes=0-5 sampler.count=auto \
    output.columns=3 output.grid=../relative.png)
check "a relative INI path from another folder" images equal base.png relative.png
check "outputs go to the current folder" images equal base.png elsewhere/base.png
cp "$demo_sit" elsewhere/mine.pt
generate own.png model.checkpoint=elsewhere/mine.pt
check "a checkpoint on the command line is looked up from here" images equal base.png own.png
cat > plain.ini << INI
[model]
checkpoint = elsewhere/mine.pt
heads = 2
[vae]
weights = $demo_vae
[sampler]
seed = 1
guidance = 2
classes = 0-3,
    4, 5
[output]
grid = plain.png
columns = 3
INI
works "an INI file with defaults and a list that continues" -q plain.ini
check "it generates the same" images equal base.png plain.png

# ---- what must matter ----

generate seed.png sampler.seed=2
unlike "seed" base.png seed.png
generate guidance.png sampler.guidance=1
unlike "guidance" base.png guidance.png
generate classes.png sampler.classes=5,4,3,2,1,0
unlike "classes" base.png classes.png
generate update.png model.update=minus
unlike "update = minus" base.png update.png
generate repa.png output.bytes=repa
same "bytes = repa: at most one step away" "$(differ base.png repa.png)" 1
generate cuda.png sampler.rng=torch-cuda
unlike "rng = torch-cuda" base.png cuda.png
generate scale.png vae.scale=0.3
unlike "vae.scale" base.png scale.png
generate delta.png condition.t_embedder=0.5
unlike "condition" base.png delta.png

# ---- layout ----

generate repeat.png sampler.classes=3,7 sampler.count=5 output.folder=repeat output.columns=8
same "count above classes: one row of five" "$(images size repeat.png)" 332x68
generate listed.png sampler.classes=3,7,3,7,3 output.columns=8
check "count above classes: the list repeats" images equal repeat.png listed.png
generate columns.png output.columns=2
same "columns = 2" "$(images size columns.png)" 134x200
generate single.png sampler.classes=4
same "one image has no padding" "$(images size single.png)" 64x64
generate '' output.npz=only.npz
check "npz alone" images npz only.npz 6 only
check "npz alone: the same images" cmp only/000005.png arrays/000005.png

# ---- a generator for each image: image i of seed s is image 0 of seed s + i ----

generate each.png sampler.rng=per-image sampler.classes=3 sampler.count=3 output.folder=each
for i in 1 2; do
    generate one.png sampler.rng=per-image sampler.classes=3 sampler.seed=$((1 + i))
    close "rng = per-image: image $i" one.png each/00000$i.png
done
unlike "rng = per-image: images differ" each/000000.png each/000001.png

# ---- what is printed ----

works "a run that talks" "$demo" sampler.classes=0-3 sampler.count=auto output.grid=talk.png
same "stdout stays empty" "$(cat "$work/stdout")" ""
same "the device in one line" "$(grep -c '^device [0-9]*: .*float32' "$work/stderr")" 1
same "the plan in one line" "$(grep -c '^plan: batch 4 .*weights.*activations' "$work/stderr")" 1
same "the end of loading is shown once" "$(grep -c '^loading \(.*\)/\1 ' "$work/stderr")" 1
same "sampling ends with all images" \
    "$(tail -n 2 "$work/stderr" | grep -c '^sampling 4/4\(, .* images/s\)\?$')" 1
same "no carriage returns off a terminal" "$(grep -c $'\r' "$work/stderr")" 0

# ---- the demo as it is, and the other commands ----

works "the demo, unchanged" "$demo" output.grid=demo.png
same "the demo's grid" "$(images size demo.png)" 662x266
check "the demo's grid is a sound PNG" images crc demo.png
works "devices" devices
same "devices: the first one" "$(head -c 4 "$work/stdout")" "[0] "
run keys --markdown
check "keys --markdown prints docs/ini.md" cmp "$work/stdout" "$root/docs/ini.md"
if [ -x "$build/tests/template" ]; then
    "$build/tests/template" > sample.ini
    check "config/sample.ini has all keys" cmp sample.ini "$root/config/sample.ini"
fi
if [ -x "$build/tests/variants" ]; then
    "$build/tests/variants" > variants.md
    check "docs/variants.md has all variants" cmp variants.md "$root/docs/variants.md"
fi
works "--version" --version
works "--help" --help

finish
