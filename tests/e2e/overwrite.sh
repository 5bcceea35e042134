#!/bin/bash
# SPDX-License-Identifier: MIT
# After a run the folder holds what the manifest says and nothing else: images of another run, or of
# somebody else, are never replaced, deleted or left among the new ones in silence.  A sample set
# that is enlarged continues.
. "$(dirname "$0")/lib.sh"
need_device

set_of() { # COUNT SEED ARGUMENT...: the folder f
    local count=$1 seed=$2
    shift 2
    run -q "$demo" output.grid= output.folder=f sampler.count="$count" sampler.seed="$seed" "$@"
}
pngs() {
    ls "${1:-f}" | grep -c '\.png$'
}
state() { # of all but the manifest, which names the runs that failed, too
    (cd f && cat ./*.png images.crc32 labels.txt | cksum)
}
refused() { # NAME WORDS COUNT SEED ARGUMENT...
    local name=$1 words=$2 before
    shift 2
    before=$(state)
    set_of "$@"
    same "$name: refused" "$code $(grep -cF "$words" "$work/stderr") $(wc -l < "$work/stderr")" \
        "17 1 1"
    same "$name: nothing was changed" "$(state)" "$before"
}
manifest() { # EXPRESSION over m
    python3 -c "import json; m = json.load(open('f/manifest.json')); print($1)"
}

# ---- images of an earlier run ----

set_of 6 1
same "six images" "$code $(pngs)" "0 6"
refused "four of another seed with resume = no" "f holds 6 images that are not of this run" \
    4 2 output.resume=no
refused "four of another seed" "sampler.seed was 1 and is 2" 4 2
refused "four of the same" "f holds 2 images more than the 4 that are asked for (000004.png" 4 1
set_of 4 2 --overwrite
same "with --overwrite: as many as the manifest says" \
    "$code $(pngs) $(manifest 'm["settings"]["sampler.count"]')" "0 4 4"
cp -r f second
set_of 4 2 --overwrite
same "--overwrite of the same: kept" "$code $(manifest 'm["runs"][-1]["kept"]')" "0 4"
check "--overwrite of the same: the same" diff -r -x manifest.json f second
set_of 3 2 --overwrite
same "fewer, with --overwrite: the others are gone" "$code $(pngs)" "0 3"
same "fewer: checksums and labels, too" "$(wc -l < f/images.crc32) $(wc -l < f/labels.txt)" "4 3"
run -q "$demo" output.grid= output.folder=f sampler.count=3 sampler.seed=2 output.resume=no \
    output.overwrite=yes
same "resume = no with output.overwrite: generated anew" \
    "$code $(manifest 'm["runs"][-1]["generated"]')" "0 3"

# ---- images of somebody else ----

mkdir photos
cp second/000000.png photos/000002.png
run -q "$demo" output.grid= output.folder=photos sampler.count=4
same "a numbered image without a manifest" \
    "$code $(grep -cF 'photos holds 1 image that is not of this run (000002' "$work/stderr")" \
    "17 1"
same "it is left, and nothing beside it" "$(ls -A photos)" 000002.png
if need_shim "a folder that cannot be listed"; then
    for n in 1 2 3 4; do
        LD_PRELOAD=$shim FFCL_SHIM_FAIL=opendir:$n:5 run -q "$demo" output.grid= \
            output.folder=photos sampler.count=1
        case "$code $(cat "$work/stderr")" in
        "12 ffcl: the folder photos cannot be read, and may hold other images: Input/"*) ;;
        "17 ffcl: photos holds 1 image that is not of this run"*) ;;
        *) not_ok "listing $n of a folder fails: nothing is said to be alone in it" ;;
        esac
    done
    same "a folder that cannot be listed: it is left, and nothing beside it" \
        "$(ls -A photos)" 000002.png
fi
cp f/000000.png f/000001.png
refused "an image that is not the one that ffcl wrote" "f/000001.png is not the image that ffcl" \
    3 2
set_of 3 2 --overwrite
same "with --overwrite it is replaced" "$code $(cmp f/000001.png second/000001.png)" "0 "
set_of 5 2
cp f/000000.png f/000007.png
refused "one more than the set has" "f holds 1 image more than the 5" 5 2
rm f/000007.png
cp second/000000.png f/holiday.jpg
set_of 5 2
same "an image of another name: a warning" \
    "$code $(grep -c 'warning: f also holds 1 image not of .*(holiday.jpg)' "$work/stderr")" "0 1"
rm f/holiday.jpg
run -q "$demo" output.grid=f/all.png output.folder=f sampler.count=5 sampler.seed=2
same "the grid beside the images is none" "$code $(cat "$work/stderr")" "0 "
rm f/all.png
head -c 300 f/000002.png > cut.png
cp cut.png f/000002.png
set_of 5 2
same "a damaged one is repaired" "$code $(images crc f/000002.png && echo sound)" "0 sound"
cp f/images.crc32 kept.crc32
rm f/images.crc32
set_of 5 2
same "a folder of an earlier version, without checksums, is adopted" \
    "$code $(manifest 'm["runs"][-1]["kept"]')" "0 5"
same "which a warning says" \
    "$(grep -c 'warning: f had no images.crc32: 5 images of it are taken' "$work/stderr")" 1
same "and has them from then on" "$(tail -n +2 f/images.crc32)" "$(tail -n +2 kept.crc32)"
echo other > f/images.crc32
refused "checksums that are none" "is not a file of ffcl's" 5 2
rm f/images.crc32
echo precious > a.npz
run -q "$demo" output.grid= output.npz=a.npz sampler.count=2
same "an npz of somebody else" "$code $(cat a.npz) $(grep -c 'a.npz is there and not of' \
    "$work/stderr")" "17 precious 1"
run -q "$demo" output.grid= output.npz=a.npz sampler.count=2 --overwrite
same "with --overwrite" "$code $(head -c 2 a.npz)" "0 PK"

# An image where the grid is to be.
python3 - photo.png << 'PYTHON'
import struct, sys, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
with open(sys.argv[1], "wb") as f:
    f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"\0abc")) + chunk(b"IEND", b""))
PYTHON
cp photo.png holiday.png
echo '# a text' > text
for name in holiday.png text; do
    cp $name kept
    for how in "" --dry-run; do
        # shellcheck disable=SC2086 # none or one
        run -q "$demo" sampler.count=1 output.grid=$name $how
        same "a grid replaces no $name of others $how" "$code $(cmp $name kept) $(grep -c \
            "^ffcl: $name is there, and nothing in it says that ffcl made it: .*--overwrite" \
            "$work/stderr")" "17  1"
    done
done
run -q "$demo" sampler.count=1 output.grid=text output.metadata=none
same "without texts, no file that is no PNG" "$code $(cmp text kept)" "17 "
run -q "$demo" sampler.count=1 output.grid=holiday.png --overwrite
same "under --overwrite it does" "$code $(cmp -s holiday.png photo.png; echo $?)" "0 1"
works "its own grid it replaces" -q "$demo" sampler.count=2 output.grid=holiday.png
: > empty.png
works "and an empty file, as mktemp makes it" -q "$demo" sampler.count=1 output.grid=empty.png
works "grids without texts" -q "$demo" sampler.count=1 output.grid=bare.png output.metadata=none
works "replace each other" -q "$demo" sampler.count=2 output.grid=bare.png output.metadata=none
works "a comparison" -q "$demo" sampler.count=1 output.grid=two.png \
    "output.compare=sampler.seed: 1, 2"
works "is replaced by another" -q "$demo" sampler.count=2 output.grid=two.png \
    "output.compare=sampler.seed: 1, 2"
works "and by a grid" -q "$demo" sampler.count=2 output.grid=two.png

# ---- enlarging ----

set_of 5 2
cp -r f five
set_of 9 2
same "five become nine: five are kept" \
    "$code $(manifest '[(r["kept"], r["generated"]) for r in m["runs"][-1:]]')" "0 [(5, 4)]"
run -q "$demo" output.grid= output.folder=nine output.npz=nine.npz sampler.count=9 sampler.seed=2
check "they are those of nine at once" diff -r -x manifest.json -x images.crc32 f nine
run -q "$demo" output.grid= output.npz=grown.npz sampler.count=5 sampler.seed=2
run -q "$demo" output.grid= output.npz=grown.npz sampler.count=9 sampler.seed=2
same "an npz alone is enlarged" "$code $(cmp grown.npz nine.npz)" "0 "
same "and its images kept" "$(python3 -c '
import json
runs = json.load(open("grown.npz.manifest.json"))["runs"]
print([(r["kept"], r["generated"]) for r in runs])')" \
    "[(0, 5), (5, 4)]"
for classes in random balanced; do
    for rng in torch-cpu per-image; do
        how=(sampler.classes=$classes sampler.rng=$rng output.grid= sampler.seed=5)
        run -q "$demo" "${how[@]}" output.folder=$classes-$rng sampler.count=3
        run -q "$demo" "${how[@]}" output.folder=$classes-$rng sampler.count=6
        run -q "$demo" "${how[@]}" output.folder=whole-$classes-$rng sampler.count=6
        check "$classes, $rng: enlarged is as at once" \
            diff -r -x manifest.json -x images.crc32 $classes-$rng whole-$classes-$rng
    done
done
run -q "$demo" output.grid= output.folder=cuda sampler.count=4 sampler.rng=torch-cuda
run -q "$demo" output.grid= output.folder=cuda sampler.count=6 sampler.rng=torch-cuda
same "where the noise depends on the count it is refused" \
    "$code $(grep -c 'sampler.draw_batch was 4 and is 6' "$work/stderr")" "17 1"

# ---- labels ----

same "labels of a list" "$(tr '\n' ' ' < nine/labels.txt)" \
    "0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 "
run -q "$demo" output.grid= output.folder=r output.npz=r.npz output.npz_labels=yes \
    sampler.classes=random sampler.count=7 sampler.rng=torch-cpu sampler.seed=3
same "random labels are within the classes" \
    "$(awk '$1 != NR - 1 || $2 < 0 || $2 > 9' r/labels.txt; wc -l < r/labels.txt)" 7
same "arr_1 has them, as int64" "$(python3 - << 'PYTHON'
import struct, zipfile
data = zipfile.ZipFile("r.npz").read("arr_1.npy")
head, body = data[:128], data[128:]
print(b"'descr': '<i8'" in head, b"'shape': (7,)" in head, *struct.unpack("<7q", body))
PYTHON
)" "True True $(cut -d' ' -f2 r/labels.txt | tr '\n' ' ' | sed 's/ $//')"
cp r.npz with.npz
run -q "$demo" output.grid= output.folder=r output.npz=r.npz output.npz_labels=yes \
    sampler.classes=random sampler.count=7 sampler.rng=torch-cpu sampler.seed=3
same "once more: nothing changes" "$code $(cmp r.npz with.npz)" "0 "
same "a wrong label in it is repaired" "$(python3 - << 'PYTHON'
data = bytearray(open("r.npz", "rb").read())
at = data.index(b"arr_1.npy") + 9 + 20 + 128
data[at] ^= 1
open("r.npz", "wb").write(data)
PYTHON
run -q "$demo" output.grid= output.folder=r output.npz=r.npz output.npz_labels=yes \
    sampler.classes=random sampler.count=7 sampler.rng=torch-cpu sampler.seed=3
echo $code; cmp r.npz with.npz)" 0

# ---- nothing is left by what fails before the first image ----

run -q "$demo" output.grid= output.folder=gone model.checkpoint=gone.pt
same "no folder of a run that found no weights" "$code $(ls -d gone 2>&1 | grep -c 'No such')" \
    "4 1"

finish
