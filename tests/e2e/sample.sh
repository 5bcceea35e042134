#!/bin/bash
# SPDX-License-Identifier: MIT
# The demo's pictures: what the keys of the INI file change, and what nothing may change.
. "$(dirname "$0")/lib.sh"
need_device

# Six pictures, classes 0 to 5, unless overridden again.
draw() { # GRID OVERRIDE...
    local grid=$1
    shift
    run -q "$demo" sampler.classes=0-5 sampler.count=auto output.columns=3 output.grid="$grid" "$@"
    if [ "$code" != 0 ]; then
        not_ok "drawing $grid"
    fi
}

differ() { # A B: the largest difference of two bytes
    pictures differ "$1" "$2" 2>&1
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

draw base.png output.folder=base output.npz=base.npz
same "grid: 3 columns, 2 rows of 64 pixels and the padding" "$(pictures size base.png)" 200x134
same "--quiet prints nothing" "$(cat "$work/stdout" "$work/stderr")" ""
same "folder: its files" "$(ls base | tr '\n' ' ')" \
    "000000.png 000001.png 000002.png 000003.png 000004.png 000005.png manifest.json "
pictures cells base.png 3 6 cells
pictures npz base.npz 6 arrays || not_ok "npz is a zip with a good arr_0"
for i in 0 1 2 3 4 5; do
    p=00000$i.png
    same "picture $i: grid, folder and npz agree" \
        "$(differ cells/$p base/$p) $(differ arrays/$p base/$p)" "0 0"
    same "picture $i is no plain colour" "$(pictures plain base/00000$i.png)" no
done
unlike "pictures of one run are not equal" base/000000.png base/000001.png
draw again.png
check "the same again: the same bytes" cmp base.png again.png
same "no temporary files" "$(find . -name '.*' -type f)" ""

# ---- what must not matter ----

for batch in 1 3 8; do
    draw batch.png sampler.batch=$batch
    close "batch = $batch: the same pictures" base.png batch.png
done
draw fewer.png sampler.classes=0-3 output.folder=fewer
close "count: the first pictures stay" fewer/000003.png base/000003.png
draw named.png sampler.classes=0,1,2-4,5
check "classes: a list and a range mean the same" cmp base.png named.png
mkdir elsewhere
# The weights lie relative to the INI file, outputs relative to the current folder.
relative=$(realpath --relative-to="$work/elsewhere" "$demo")
(cd elsewhere && draw base.png)
(cd elsewhere && timeout 300 "$ffcl" -q "$relative" sampler.classes=0-5 sampler.count=auto \
    output.columns=3 output.grid=../relative.png)
check "a relative INI path from another folder" cmp base.png relative.png
check "outputs go to the current folder" cmp base.png elsewhere/base.png
cp "$demo_sit" elsewhere/mine.pt
draw own.png model.checkpoint=elsewhere/mine.pt
check "a checkpoint on the command line is looked up from here" cmp base.png own.png
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
works "an INI file with defaults and a list that goes on" -q plain.ini
check "it draws the same" cmp base.png plain.png

# ---- what must matter ----

draw seed.png sampler.seed=2
unlike "seed" base.png seed.png
draw guidance.png sampler.guidance=1
unlike "guidance" base.png guidance.png
draw classes.png sampler.classes=5,4,3,2,1,0
unlike "classes" base.png classes.png
draw update.png model.update=minus
unlike "update = minus" base.png update.png
draw repa.png output.bytes=repa
same "bytes = repa: at most one step away" "$(differ base.png repa.png)" 1
draw cuda.png sampler.rng=torch-cuda
unlike "rng = torch-cuda" base.png cuda.png
draw scale.png vae.scale=0.3
unlike "vae.scale" base.png scale.png
draw delta.png condition.t_embedder=0.5
unlike "condition" base.png delta.png

# ---- layout ----

draw repeat.png sampler.classes=3,7 sampler.count=5 output.folder=repeat output.columns=8
same "count above classes: one row of five" "$(pictures size repeat.png)" 332x68
draw listed.png sampler.classes=3,7,3,7,3 output.columns=8
check "count above classes: the list repeats" cmp repeat.png listed.png
draw columns.png output.columns=2
same "columns = 2" "$(pictures size columns.png)" 134x200
draw single.png sampler.classes=4
same "one picture has no padding" "$(pictures size single.png)" 64x64
draw '' output.npz=only.npz
check "npz alone" pictures npz only.npz 6 only
check "npz alone: the same pictures" cmp only/000005.png arrays/000005.png

# ---- a generator for each picture: picture i of seed s is picture 0 of seed s + i ----

draw each.png sampler.rng=per-image sampler.classes=3 sampler.count=3 output.folder=each
for i in 1 2; do
    draw one.png sampler.rng=per-image sampler.classes=3 sampler.seed=$((1 + i))
    close "rng = per-image: picture $i" one.png each/00000$i.png
done
unlike "rng = per-image: pictures differ" each/000000.png each/000001.png

# ---- what is printed ----

works "a run that talks" "$demo" sampler.classes=0-3 sampler.count=auto output.grid=talk.png
same "stdout stays empty" "$(cat "$work/stdout")" ""
same "the device in one line" "$(grep -c '^device [0-9]*: .*float32' "$work/stderr")" 1
same "the plan in one line" "$(grep -c '^plan: batch 4 .*weights.*activations' "$work/stderr")" 1
same "the end of loading is shown once" "$(grep -c '^loading \(.*\)/\1 ' "$work/stderr")" 1
same "sampling ends with all pictures" \
    "$(tail -n 1 "$work/stderr" | grep -c '^sampling 4/4\(, .* images/s\)\?$')" 1
same "no carriage returns off a terminal" "$(grep -c $'\r' "$work/stderr")" 0

# ---- the demo as it is, and the other commands ----

works "the demo, unchanged" "$demo" output.grid=demo.png
same "the demo's grid" "$(pictures size demo.png)" 662x266
check "the demo's grid is a sound PNG" pictures crc demo.png
works "devices" devices
same "devices: the first one" "$(head -c 4 "$work/stdout")" "[0] "
run keys
check "keys prints docs/ini.md" cmp "$work/stdout" "$root/docs/ini.md"
works "--version" --version
works "--help" --help

finish
