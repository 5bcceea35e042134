#!/bin/bash
# SPDX-License-Identifier: MIT
# [output] metadata: what PNGs say of themselves, and that ffcl inspect prints the INI file that
# makes them again.
. "$(dirname "$0")/lib.sh"
need_device

# Where the INI files of images find the weights: by their names.
mkdir again
ln -s "$demo_sit" "$demo_vae" again/

# again PNG NAME OVERRIDE...: makes the image again by what inspect prints, and compares.
again() {
    local png=$1 name=$2
    shift 2
    "$ffcl" inspect "$png" > again/again.ini
    works "$name: its INI runs" -q again/again.ini "$@"
    check "$name: the same pixels" images equal "$png" again.png
    check "$name: the same bytes" cmp "$png" again.png
    rm -f again.png
}

text() { # PNG NAME: of ffcl inspect --json
    "$ffcl" inspect --json "$1" | python3 -c 'import json, sys
print(json.load(sys.stdin).get(sys.argv[1], "nothing"))' "$2"
}

# ---- grids ----

works "a grid" -q "$demo" output.grid=grid.png
same "it fits 80 columns" "$("$ffcl" inspect grid.png | awk 'length > 79')" ""
same "it says seed, guidance, version, checksums" "$("$ffcl" inspect grid.png |
    sed -n 's/^; \(made by\|seed\|guidance\|checkpoint\|vae\) .*  *\(.*\)/\1/p' | tr '\n' ' ')" \
    "made by seed guidance checkpoint vae "
same "where the weights are to lie" "$("$ffcl" inspect grid.png |
    grep -c '^; weights go by their names alone\|^; model.checkpoint=PATH')" 2
same "the seed, the version" "$(text grid.png seed) $(text grid.png made_by)" \
    "1 ffcl $("$ffcl" --version | sed -n 's/^ffcl \([0-9.]*\) .*/\1/p')"
same "the checkpoint's name and checksum" "$(text grid.png checkpoint)" \
    "$(basename "$demo_sit"), $(python3 -c 'import sys, zlib
data = open(sys.argv[1], "rb").read()
print("crc32 %08x, %d bytes" % (zlib.crc32(data), len(data)))' "$demo_sit")"
again grid.png "a grid"
works "no folder is named in it" -q "$demo" output.grid="$out/grid.png"
check "the same file elsewhere" cmp grid.png "$out/grid.png"
same "nobody reads where the weights were" "$(grep -c "$root" "$out/grid.png")" 0
rm "$out/grid.png"
works "metadata = none" -q "$demo" output.grid=none.png output.metadata=none
same "no text" "$(text none.png ini) $(grep -c ffcl none.png)" "nothing 0"
check "the same pixels" images equal grid.png none.png
check "every checksum of a chunk" images crc grid.png

works "other settings" -q "$demo" sampler.seed=7 sampler.classes=5,2-4,9,9 sampler.count=9 \
    sampler.guidance=1.25 output.columns=4 sampler.batch=2 output.grid=other.png
again other.png "other settings"
works "random classes" -q "$demo" sampler.seed=3 sampler.classes=random sampler.count=7 \
    output.grid=random.png
again random.png "random classes"
long=$(seq -s , 0 2 8),$(seq -s , 1 2 9)
long=$long,$long,$long,$long,$long,$long
works "a long list" -q "$demo" sampler.classes="$long" sampler.count=60 output.grid=long.png
again long.png "a long list, in several lines"

# ---- images of a folder ----

works "a folder" -q "$demo" sampler.count=12 output.grid=all.png output.folder=plain
same "its files have no texts" "$(cat plain/*.png | grep -c 'ffcl')" 0
again all.png "the grid beside a folder"
works "metadata = all" -q "$demo" sampler.count=12 output.grid= output.folder=texts \
    output.metadata=all
same "the index and the class of each" "$(for i in 0 7 11; do
    echo "$(text "$(printf 'texts/%06d.png' $i)" index)"
    done | tr '\n' ' ')$(text texts/000007.png class)" "0 7 11 7"
check "the same pixels" images equal plain/000007.png texts/000007.png
again texts/000007.png "an image of a folder"
again texts/000000.png "the first"
works "a folder of random classes" -q "$demo" sampler.count=6 sampler.classes=random output.grid= \
    output.folder=chance output.metadata=all sampler.seed=11
again chance/000004.png "one of random classes"
rm texts/000003.png
works "a run that resumes" -q "$demo" sampler.count=12 output.grid= output.folder=texts \
    output.metadata=all
again texts/000003.png "its image"
run -q "$demo" sampler.count=12 output.grid= output.folder=plain output.metadata=all
same "a folder without texts gets none" "$code $(grep -c 'output.metadata was not set' \
    "$work/stderr")" "17 1"
rm texts/000005.png
for how in grid none; do
    run -q "$demo" sampler.count=12 output.grid= output.folder=texts output.metadata=$how
    same "a folder with texts gets none without, by $how" "$code $(grep -c \
        'output.metadata was all and is not set' "$work/stderr") $(ls texts | grep -c 000005)" \
        "17 1 0"
done
works "it is as it was" "$demo" sampler.count=12 output.grid= output.folder=texts \
    output.metadata=all
printf '%s\n' nought one two three four five six seven eight nine > names.txt
works "class names" -q "$demo" sampler.class_names=names.txt sampler.count=3 output.grid= \
    output.folder=named output.metadata=all
same "the name of the class" "$(text named/000002.png class_name)" two

# What texts depend on is a setting; they do not depend on how many images there are, nor on the
# batch, nor on how often a run was stopped.
named=(-q "$demo" sampler.class_names=names.txt output.grid= output.metadata=all)
cp -r named whole
rm named/000001.png
works "the batch is no part of a file" "${named[@]}" sampler.count=3 sampler.batch=1 \
    output.columns=2 output.folder=named
check "the same files" diff -r -x manifest.json named whole
works "more images" "${named[@]}" sampler.count=5 output.folder=named
works "as many at once" "${named[@]}" sampler.count=5 output.folder=five
check "the same files, however many" diff -r -x manifest.json named five
rm named/000001.png
sed 's/^/class /' names.txt > others.txt
cp "$demo_sit" renamed.pt
for key in sampler.class_names=others.txt model.checkpoint=renamed.pt model.wrapper=ema \
    sampler.steps=1; do
    run "${named[@]}" sampler.count=5 output.folder=named "$key"
    same "texts of two kinds in one folder: not with $key" "$code $(grep -c \
        'output.texts was crc32 .* of names of files .* and is ' "$work/stderr") $(ls named |
        grep -c 000001)" "17 1 0"
done
works "with what it was begun with" "${named[@]}" sampler.count=5 output.folder=named
check "it is whole" diff -r -x manifest.json named five
sed -i '/"output.texts"/d' named/manifest.json
run "${named[@]}" sampler.count=5 output.folder=named
same "a manifest that does not say what they are: a warning" \
    "$code $(grep -c 'does not say output.texts = ' "$work/stderr")" "0 1"

# ---- one image of many ----

works "sampler.index" "$demo" sampler.index=7 sampler.count=12 output.grid=seven.png \
    output.metadata=all
check "it is the image of the folder" images equal seven.png plain/000007.png
same "the last line says so" "$(grep -c '^1 image of 64 x 64 in seven.png' "$work/stderr")" 1
refuses "an index that is none" 3 "index = 12 is out of range (0 to 11)" -- "$demo" \
    sampler.count=12 sampler.index=12
refuses "not with a folder" 3 "a grid of one image" -- "$demo" sampler.index=1 output.folder=f

# ---- what others wrote ----

python3 - << 'PYTHON'
import struct, zlib
def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
def png(path, *chunks):
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" +
        chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) + b"".join(chunks) +
        chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b""))
png("evil.png", chunk(b"tEXt", b"ffcl.seed\0" + b"1\x1b[2J\n2"),
    chunk(b"tEXt", b"ffcl.ini\0" + b"[model]\n\x1b[31m\rheads = 2\n"))
png("bomb.png", chunk(b"zTXt", b"ffcl.ini\0\0" + zlib.compress(b"x" * 50000000)))
PYTHON
works "texts of a stranger" inspect evil.png
same "no control character reaches the terminal" \
    "$(LC_ALL=C grep -c "$(printf '[\033\r]')" "$work/stdout")" 0
(ulimit -v 400000; "$ffcl" inspect bomb.png > words 2>&1)
same "a text that unpacks to 50 MB is not printed" \
    "$([ "$(wc -c < words)" -lt 2000 ] && echo ok)" ok

finish
