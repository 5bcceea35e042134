#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl eval: the network against its recordings, images and statistics in every form, and what it
# refuses.  Numbers by the metrics' own definitions are in tests/unit/metrics.c; those of
# torch-fidelity and pytorch-fid in tests/peers.sh.
. "$(dirname "$0")/lib.sh"

npz() { python3 "$root/tests/npz.py" "$@"; }
# number KEY FILE: a number of an evaluation's JSON.
number() { sed -n "s/^[[:space:]]*\"$1\":[[:space:]]*\([-0-9.e+]*\),*\$/\1/p" "$2" | head -n 1; }
# near A B RELATIVE
near() { awk -v a="$1" -v b="$2" -v r="$3" 'BEGIN { d = a - b; if (d < 0) d = -d;
    m = b < 0 ? -b : b; exit !(a != "" && b != "" && d <= r * m) }'; }

# ---- what needs no device ----

refuses "no samples" 2 "eval needs samples" -- eval
refuses "samples that are not there" 4 gone -- eval gone
refuses "an unknown habit" 3 "torch-fidelity" -- eval gone --like nobody
refuses "--plot without --compare" 2 "--plot" -- eval gone --plot a.svg
refuses "--sandbox where nothing is evaluated" 2 "--sandbox is not for --compare" -- \
    eval --compare a.json b.json --sandbox
refuses "a reference with --compare" 2 "--reference is not for --compare" -- \
    eval --compare a.json b.json --reference r.npz
refuses "--make-network as JSON" 2 "--json is not for --make-network" -- \
    eval --make-network made.safetensors --json
refuses "--curve without a reference" 2 "--reference" -- eval gone --curve 3
mkdir empty
refuses "a folder without images" 4 "no PNG" -- eval empty
echo text > text.npz
refuses "a text for an npz" 5 "no zip archive" -- eval text.npz
npz images a.npz 9 16 16 1
head -c 900 a.npz > cut.npz
refuses "an npz that is cut short" 5 "cut short" -- eval cut.npz
python3 -c 'open("one.npy", "wb").write(b"\x93NUMPY\1\0" + bytes(99))'
refuses "an array that is not in an npz" 5 "numpy.savez makes an .npz of it" -- eval one.npy
: > nothing.npz
refuses "an empty file" 5 "an empty file" -- eval nothing.npz
npz odd twice.npz twice
refuses "two arrays of one name" 5 "holds arr_0 twice" -- eval twice.npz
npz odd packed.npz packed
refuses "an npz by another compression" 5 "cannot undo" "savez_compressed" -- eval packed.npz
npz odd locked.npz locked
refuses "an npz that is encrypted" 5 "is encrypted" -- eval locked.npz
npz odd last.npz last
refuses "images behind a hundred arrays are found" 4 pt_inception -- eval last.npz
npz odd many.npz many
refuses "more arrays than are read" 5 "holds 5001 arrays" -- eval many.npz
npz odd named.npz named
refuses "arrays of other names, of any kind" 5 "its arrays: images, nnnnn" -- eval named.npz
npz statistics logits.npz 1008
refuses "statistics of logits" 5 "1008 are the logits" "another network or layer" -- \
    eval logits.npz -r logits.npz
npz statistics nan.npz 2048 nan
refuses "statistics with a NaN" 5 "not finite" -- eval nan.npz -r nan.npz
npz statistics skew.npz 2048 skew
refuses "a covariance that is not symmetric" 5 "not symmetric" -- eval skew.npz -r skew.npz
npz statistics negative.npz 2048 negative
refuses "a negative variance" 5 "a negative variance" -- eval negative.npz -r negative.npz
npz statistics indefinite.npz 2048 indefinite
npz statistics ok.npz 2048
for pair in "indefinite.npz ok.npz" "ok.npz indefinite.npz"; do
    refuses "a covariance with a negative eigenvalue: $pair" 5 \
        "indefinite.npz holds a covariance with a negative eigenvalue" -- \
        eval "${pair% *}" -r "${pair#* }"
done
npz statistics huge.npz 2048 huge
refuses "a distance that no double holds" 11 "above 1e150" -- eval huge.npz -r ok.npz
npz statistics spatial.npz 2023
refuses "statistics of sFID's features" 5 "2023 are sFID's" -- eval spatial.npz -r spatial.npz
npz floats floats.npz 2 8 8
refuses "images that are no bytes" 5 "numbers of type f4" "bytes, 0 to 255" -- eval floats.npz
npz shape shape.npz '|u1' 4 3 8 8
refuses "images by channels" 5 "arr_0 is (4, 3, 8, 8)" -- eval shape.npz
npz shape shape.npz '|u1' 0 8 8 3
refuses "no images" 5 "holds no image" -- eval shape.npz
npz shape shape.npz '|O' 4
refuses "objects for images" 5 "'|O'" "numpy.uint8" -- eval shape.npz
npz statistics one.npz 2048 one
refuses "a mean without a covariance" 5 "only one of" -- eval one.npz -r one.npz
npz statistics ok.npz 2048
refuses "statistics alone" 2 "--reference" -- eval ok.npz
works "statistics against themselves, by the key" \
    eval ok.npz eval.reference=ok.npz sampler.steps=4
same "its distance is there, and what does not count is named" \
    "$(grep -c '^FID  *0' "$work/stdout") $(grep -c 'steps=4 has no effect' "$work/stderr")" "1 1"
works "statistics against themselves" eval ok.npz -r ok.npz --json
near "$(awk -v x="$(number fid "$work/stdout")" 'BEGIN { print 1 + x }')" 1 1e-9 &&
    ok "their distance is 0" || not_ok "their distance is 0"
npz statistics big.npz 2048 big
works "statistics of big-endian numbers by columns" eval ok.npz -r big.npz --json
near "$(awk -v x="$(number fid "$work/stdout")" 'BEGIN { print 1 + x }')" 1 1e-9 &&
    ok "they are the same" || not_ok "they are the same"
npz statistics complex.npz 2048 complex
refuses "complex numbers" 5 "'<c16'" "real numbers" -- eval ok.npz -r complex.npz
mkdir classes classes/a classes/b
refuses "a folder of folders" 4 "the 2 folders in it" -- eval classes
refuses "statistics of statistics" 2 "no images to save" -- eval ok.npz -r ok.npz --save-stats x.npz
refuses "two references" 2 "are the same: give one" -- eval ok.npz -r ok.npz eval.reference=a.npz
refuses "a curve of statistics" 2 "no images for a curve" -- eval ok.npz -r ok.npz --curve 3
refuses "a sheet of statistics" 2 "needs the images" -- eval ok.npz -r ok.npz --sheet x.png
mkdir grey alpha sizes
npz png grey/0.png 8 8 grey
npz png alpha/0.png 8 8 rgba
npz png sizes/0.png 8 8 rgb
npz png sizes/1.png 8 9 rgb
refuses "a file of the folder" 5 "name its folder" -- eval sizes/0.png
refuses "a grey PNG" 5 grey/0.png "convert it to RGB" -- eval grey
refuses "a PNG with alpha" 5 alpha/0.png "has alpha" -- eval alpha
npz png alpha/0.png 8 8 key
refuses "a PNG with a transparent colour" 5 "has alpha" -- eval alpha
printf '\377\330\377\340%040d' 0 > alpha/0.png
refuses "a JPEG by the name of a PNG" 5 "a JPEG" -- eval alpha
mkdir webp deep
npz png webp/0.png 8 8 rgb
: > webp/1.webp
refuses "images of a kind that is not read" 5 "webp holds 1.webp" "convert it to PNG" -- eval webp
mkdir named
npz png named/0.jpg 8 8 rgb
refuses "a PNG by the name of a JPEG" 5 "0.jpg" "PNG" -- eval named
mkdir huge
python3 - << 'PYTHON'
import struct, zlib
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
with open("huge/0.png", "wb") as f:
    head = struct.pack(">IIBBBBB", 999999, 1000000, 8, 2, 0, 0, 0)
    f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b""))
PYTHON
refuses "a PNG of a million pixels a side in 69 bytes" 5 \
    "bytes cannot hold the 999999 x 1000000 pixels of its header" -- eval huge
npz png deep/0.png 8 8 deep
refuses "16 bits a channel" 5 "deep/0.png has 16 bits a channel" -- eval deep
refuses "no network" 4 "pt_inception-2015-12-05-6726825d.pth" "--make-network" -- eval a.npz
refuses "another network" 6 "is no Inception network of FID" -- eval a.npz --inception "$demo_sit"

works "a network by the rule" eval --make-network net.safetensors
same "its size" "$(wc -c < net.safetensors)" 95589480
net=(--inception net.safetensors)

for number in Mixed_5b.branch1x1.conv.weight:7:nan Mixed_5b.branch1x1.bn.running_var:3:inf; do
    edit net.safetensors wild.safetensors "set=$number"
    refuses "a network with a number that is not finite: $number" 6 \
        "wild.safetensors: ${number%%:*} holds a number that is not finite" -- \
        eval a.npz --inception wild.safetensors
done
rm wild.safetensors

refuses "a network where one is" 12 "net.safetensors is there" -- \
    eval --make-network net.safetensors

# Nothing that is read, and no images, are replaced by what is written.
npz images other.npz 4 8 8 1
cksum a.npz other.npz net.safetensors > before
refuses "statistics over the samples" 12 "is read here" -- eval a.npz "${net[@]}" \
    --save-stats a.npz
ln -s net.safetensors link.npz
ln -s other.npz link.png
refuses "statistics over the network, by a link" 12 "is read here" -- eval a.npz "${net[@]}" \
    --save-stats link.npz
refuses "statistics over other images" 12 "holds images" -- eval a.npz "${net[@]}" \
    --save-stats other.npz
refuses "statistics in a folder that is not there" 12 "gone does not exist" -- \
    eval a.npz "${net[@]}" --save-stats gone/a.npz
npz images three.npz 3 8 8 4
refuses "a sheet of three images, before the device is asked" 2 "three.npz has 3" -- \
    eval a.npz -r three.npz --inception other.npz --sheet x.png
refuses "a sheet over the reference" 12 "is read here" -- eval a.npz -r other.npz "${net[@]}" \
    --sheet link.png
refuses "a sheet among the images" 12 "among the images of sizes" -- eval sizes -r other.npz \
    "${net[@]}" --sheet sizes/sheet.png
npz images single.npz 1 8 8 3
refuses "a reference of one image" 5 "has one image, and a covariance needs two" -- \
    eval a.npz -r single.npz "${net[@]}"
refuses "before a run, too" 12 "holds images" -- "$demo" output.grid= eval.reference=none \
    eval.inception=net.safetensors eval.save_stats=other.npz
cksum a.npz other.npz net.safetensors > after
check "all is as it was" cmp before after

need_device

refuses "PNG files of two sizes" 5 "sizes/1.png has 9 x 8 pixels, and sizes/0.png has 8 x 8" -- \
    eval sizes "${net[@]}"

# ---- the recordings of the network ----

run verify -q "$data/inception_zoo.ref.safetensors" eval.inception=net.safetensors
same "features of both sizes are as recorded" "$code $(tail -n 1 "$work/stdout")" \
    "0 16 tensors ok, 0 failed"
edit "$data/inception_zoo.ref.safetensors" small.safetensors 'drop=^img256'
run verify -q small.safetensors eval.inception=net.safetensors precision.compute=half
same "in half, too" "$code $(tail -n 1 "$work/stdout")" "0 8 tensors ok, 0 failed"
edit small.safetensors wrong.safetensors set=img64.spatial:5:99
run verify -q wrong.safetensors eval.inception=net.safetensors
same "a wrong value is found" "$code $(tail -n 1 "$work/stdout")" "13 7 tensors ok, 1 failed"

# ---- images and statistics ----

npz images b.npz 7 16 16 2
works "npz against npz" eval a.npz -r b.npz "${net[@]}" --json --save-stats a.stats.npz \
    --sheet sheet.png --curve 3
same "statistics: the same numbers are the same file, whenever they are computed" \
    "$(python3 -c 'import sys, zipfile
print({i.date_time for i in zipfile.ZipFile(sys.argv[1]).infolist()})' a.stats.npz)" \
    "{(1980, 1, 1, 0, 0, 0)}"
cp "$work/stdout" a.json
same "images are counted" "$(number count a.json) $(number reference_count a.json)" "9 7"
lacks "$work/stderr" "singular" | grep -q . && not_ok "few images are warned of" ||
    ok "few images are warned of"
[ "$(head -c 4 sheet.png | tail -c 3)" = PNG ] && ok "a sheet" || not_ok "a sheet"
same "the curve" "$(grep -c '"count":' a.json)" 4

npz images pair.npz 2 16 16 4
works "two images" eval pair.npz -r b.npz "${net[@]}" --like torch-fidelity
same "the end of loading is said once" "$(grep -c '^loading ' "$work/stderr")" 1
same "fewer than four: precision and recall are left out, which is said" \
    "$(grep -c '^precision' "$work/stdout") $(grep -c \
        'pair.npz has 2 images, and precision and recall go by the third neighbour' \
        "$work/stderr")" "0 1"
same "fewer than ten splits: those that are empty, too" \
    "$(grep -c 'pair.npz has 2 images, which leave 8 splits' "$work/stderr")" 1
works "a reference of two" eval b.npz -r pair.npz "${net[@]}"
same "the same of the reference" "$(grep -c 'pair.npz has 2 images, and precision' \
    "$work/stderr") $(grep -c splits "$work/stderr")" "1 0"

works "statistics that were saved" eval a.stats.npz -r b.npz "${net[@]}" --json
near "$(number fid "$work/stdout")" "$(number fid a.json)" 1e-6 &&
    near "$(number sfid "$work/stdout")" "$(number sfid a.json)" 1e-6 &&
    ok "they give the same distances" || not_ok "they give the same distances"

refuses "statistics by another resize" 5 "resizes images in another way than pytorch-fid" -- \
    eval a.npz -r a.stats.npz "${net[@]}" --like pytorch-fid
refuses "samples' statistics by another resize" 5 "choose by --like" -- \
    eval a.stats.npz -r b.npz "${net[@]}" --like pytorch-fid
works "statistics by the same resize" eval a.stats.npz -r a.stats.npz --like torch-fidelity --json
same "are named as what they are" \
    "$(sed -n 's/.*"like":[[:space:]]*"\(.*\)".*/\1/p' "$work/stdout")" adm

# The same images as files, in another order of the disk.
python3 - a.npz <<'PY'
import struct, sys, zipfile, zlib
data = zipfile.ZipFile(sys.argv[1]).read("arr_0.npy")[-9 * 16 * 16 * 3:]
import os
os.mkdir("files")
def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
for i in reversed(range(9)):
    image = data[i * 768:(i + 1) * 768]
    rows = b"".join(b"\0" + image[y * 48:(y + 1) * 48] for y in range(16))
    with open("files/%06d.png" % i, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n")
        f.write(chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)))
        f.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
PY
echo note > files/notes.txt
mkdir files/others
echo '{"settings": {"sampler.count": "12"}, "bad": [{"index": 1}]}' > files/manifest.json
works "a folder of the same images" eval files -r a.stats.npz "${net[@]}" --json
lacks "$work/stderr" "files has 9 images, and its run makes 12: the same command once more" |
    grep -q . && not_ok "a run that was stopped is named" || ok "a run that was stopped is named"
lacks "$work/stderr" "1 file passed over, which holds no image" | grep -q . &&
    not_ok "what is passed over is named" || ok "what is passed over is named"
lacks "$work/stderr" "files: 1 folder in it is not looked into" | grep -q . &&
    not_ok "a folder in it is named" || ok "a folder in it is named"
lacks "$work/stderr" "are in half and those of" | grep -q . &&
    ok "features of one precision: no note" || not_ok "features of one precision: no note"
# Roots of what rounding leaves of two thousand eigenvalues.
awk -v x="$(number fid "$work/stdout")" 'BEGIN { exit !(x < 1e-2 && x > -1e-2) }' &&
    ok "is at distance 0 from them" || not_ok "is at distance 0 from them"
same "the score does not depend on the form" "$(number inception_score "$work/stdout")" \
    "$(number inception_score a.json)"
run eval files -r a.stats.npz "${net[@]}" precision.compute=half
same "statistics in float32, samples in half: a note" "$code $(grep -c \
    '^features of files are in half and those of a.stats.npz in float32: half is off' \
    "$work/stderr")" "0 1"

# ---- the network as TensorFlow's graph ----

graph() { python3 "$root/tests/make_graph.py" net.safetensors "$@"; }
graph net.pb
run verify -q "$data/inception_zoo.ref.safetensors" eval.inception=net.pb
same "TensorFlow's graph: features as recorded" "$code $(tail -n 1 "$work/stdout")" \
    "0 16 tensors ok, 0 failed"
graph net.pb floats
run verify -q small.safetensors eval.inception=net.pb
same "its numbers as float_val" "$code $(tail -n 1 "$work/stdout")" "0 8 tensors ok, 0 failed"
graph net.pb ones
works "a graph with gammas of 1" eval a.npz --inception net.pb --json
ones=$(number inception_score "$work/stdout")
graph net.pb unscaled
works "a graph without gammas" eval a.npz --inception net.pb --json
same "gammas that do not count are passed over" "$(number inception_score "$work/stdout")" "$ones"
[ "$ones" != "$(number inception_score a.json)" ] && ok "others do" || not_ok "others do"
graph net.pb epsilon
refuses "a graph with another epsilon" 6 "0.00999999978 to the variance" -- eval a.npz \
    --inception net.pb
graph net.pb missing
refuses "a graph without a tensor" 6 "Mixed_6d.branch1x1.bn.bias (192,) is missing" -- eval a.npz \
    --inception net.pb
graph net.pb cut
refuses "a graph that is cut" 5 "does not end within its message" -- eval a.npz --inception net.pb
rm net.pb

# ---- another network ----

cp net.safetensors whole.safetensors
printf x >> net.safetensors
refuses "statistics of another network" 5 "another network" -- \
    eval a.npz -r a.stats.npz --inception net.safetensors
refuses "samples' statistics of another network" 5 "another network" -- \
    eval a.stats.npz -r b.npz --inception net.safetensors

mv whole.safetensors net.safetensors

# ---- before a run (tests/e2e/eval_run.sh has the rest) ----

refuses "a reference that is not there, before the run" 4 gone.npz -- \
    "$demo" output.grid= output.folder="$out/a" eval.reference=gone.npz \
    eval.inception=net.safetensors

# ---- comparing evaluations ----

sed 's/"fid":[^,]*,/"fid": 3.25,/' a.json > b.json
works "two evaluations" eval --compare a.json b.json --plot two.svg
grep -q '^FID .* 3.25 ' "$work/stdout" && ok "their numbers are shown" ||
    not_ok "their numbers are shown"
grep -q '</svg>' two.svg && ok "and plotted" || not_ok "and plotted"
sed 's/"fid":[^,]*,/"fid": 3.250001,/' a.json > c.json
works "two that are almost equal" eval --compare b.json c.json --plot near.svg
same "no two ticks have one label" "$(sed -n 's/.*text-anchor="end">\(.*\)<.*/\1/p' near.svg |
    sort | uniq -d)" ""
mkdir run
cp a.json run/evaluation.json
cp b.json b.npz.evaluation.json
works "what runs left" eval --compare run/evaluation.json b.npz.evaluation.json
same "is named by its folder and npz" "$(head -n 1 "$work/stdout" | xargs)" "run b.npz difference"
sed 's/"reference_count":[^,]*,/"reference_count": 8,/' a.json > c.json
works "references of two counts" eval --compare a.json c.json
check "are named" grep -q 'different numbers of images in the reference' "$work/stdout"
sed 's/"computed":[[:space:]]*"[a-z0-9]* /"computed": "half /' a.json > c.json
sed 's/"computed":[[:space:]]*"[a-z0-9]* /"computed": "float32 /' a.json > d.json
works "two precisions" eval --compare c.json d.json
check "are named, too" grep -q 'c.json was computed in half and d.json in float32' "$work/stdout"
printf '{"evaluation": %s}' "$(cat b.json)" > c.json
works "what a manifest has" eval --compare a.json c.json
check "is read" grep -q '^FID .* 3.25 ' "$work/stdout"
printf '[1]' > c.json
refuses "a list" 5 "no JSON object" -- eval --compare a.json c.json
latin=$(printf 'a \351 name that is longer than there is room for.json')
sed 's/"fid":[^,]*,/"fid": -0.0002,/' a.json > "$latin"
sed 's/"fid":[^,]*,/"fid": 0.0001,/' a.json > c.json
works "a name of another encoding" eval --compare "$latin" c.json --plot latin.svg
check "the plot is XML" python3 -c "import xml.dom.minidom as d; d.parse('latin.svg')"
same "and marks 0 as 0" "$(grep -c '>0<' latin.svg)" 1
lacks latin.svg "is longer" | grep -q . && ok "long names are cut" || not_ok "long names are cut"
for i in $(seq 100); do cp b.json "run$i.json"; done
works "a hundred" eval --compare run*.json --plot many.svg
lacks many.svg "and 83 others" | grep -q . && not_ok "what is not named is counted" ||
    ok "what is not named is counted"
same "a hundred equal ones: apart by nothing, of as many images" \
    "$(sed -n '/^sFID/p;/^images/p' "$work/stdout" | awk '{ print $1, $3 }' | xargs) $(awk \
        '/^images/ { print $2 }' "$work/stdout")" "sFID 0 images 9"
sed 's/"count":[^,]*,/"count": 12,/' b.json > run7.json
works "a hundred of two counts" eval --compare run*.json
check "which are named" grep -qx 'images  *9 to 12' "$work/stdout"
for seed in 1 2; do cp b.json "guidance_of_1.5_and_seed_$seed.json"; done
works "two whose names differ at the end" eval --compare guidance*.json --plot ends.svg
same "are told apart" "$(head -n 1 "$work/stdout" | xargs) $(grep -o 'guidance_of.*[12].json' \
    ends.svg | xargs)" "guidance_of_1.5_and_seed_1.json guidance_of_1.5_and_seed_2.json \
difference guidance_of...eed_1.json guidance_of...eed_2.json"
ln -s b.json link.svg
refuses "a plot over what is compared" 12 "is read here" -- eval --compare a.json b.json \
    --plot link.svg
refuses "one alone" 2 "from 2 to" -- eval --compare a.json
echo '{"fid": "12"}' > kind.json
refuses "a text for a number" 5 "kind.json: fid is neither" -- eval --compare a.json kind.json
echo '{"fid": null, "sfid": 1, "like": 3}' > kind.json
refuses "a number for a text" 5 "kind.json: like is no text" -- eval --compare a.json kind.json
refuses "a file that is no evaluation" 5 "no evaluation" -- eval --compare a.json \
    "$root/config/demo/vae-digits/config.json"

finish
