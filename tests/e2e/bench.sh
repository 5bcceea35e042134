#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl bench: its table and files, what it says of changes, wrong kernels and bad input.  No time is
# checked, but that there is one.
. "$(dirname "$0")/lib.sh"
need_device

quick=(--quick --repeats 2)

# ---- the command line ----

refuses "unknown kernel" 2 "no kernel matches nonsense" "bench --list" -- bench nonsense
refuses "unknown option" 2 "unknown option --foo" "ffcl bench --help" -- bench --foo
refuses "two patterns" 2 "not also attn" -- bench gemm attn
refuses "a size that is none" 2 "--sizes" "250" -- bench --sizes 250
refuses "a list of batches that is none" 2 "--batches" "1;2" -- bench --batches '1;2'
refuses "no time at all" 2 "--seconds" -- bench --seconds 0
refuses "no repeats" 2 "--repeats" -- bench --repeats 0
refuses "too many rounds" 2 "--rounds" -- bench --rounds 9
refuses "a seed that is none" 2 "--seed" -- bench --seed x
refuses "a value is missing" 2 "needs a value: --json" -- bench --json
refuses "options of kernels for models" 2 "--plot is for kernels" -- \
    bench model "$demo" --plot x.svg
refuses "an option of another command" 2 "unknown option --profile" -- --profile bench
works "options before the command" --list bench softmax
refuses "another device" 7 "nothing-of-that-name" -- bench --device nothing-of-that-name
refuses "a JSON that cannot be written" 12 "no/a.json" -- bench softmax --json no/a.json
refuses "a CSV that cannot be written" 12 "no/a.csv" -- bench softmax --csv no/a.csv
refuses "a plot that cannot be written" 12 "no/a.svg" -- bench softmax --plot no/a.svg
refuses "an old file that is missing" 4 "old.json" -- bench softmax --compare old.json
echo '{"cases": []}' > other.json
refuses "an old file of another kind" 5 "other.json" "ffcl bench --json" -- \
    bench softmax --compare other.json
echo '{"format": "ffcl-bench", "version": 99}' > later.json
refuses "an old file of a later format" 5 "version 99" -- bench softmax --compare later.json
works "help" bench --help
same "help names every option" "$(lacks "$work/stdout" --list --device --backend --sizes --batches \
    --quick --seconds --repeats --rounds --seed --json --jsonl --csv --markdown --plot --html \
    --compare --variant --all)" ""
same "help fits 80 columns" "$(awk 'length > 79' "$work/stdout")" ""
refuses "a page on stdout" 2 "--plot and --html need the name of a file" -- bench softmax --html -
refuses "a page that cannot be written" 12 "no/a.html" -- bench softmax --html no/a.html

# ---- own shapes: bad ones ----

for shape in 64x 64xx64 64x-4 0x4x4 64x64x64y 64,64,64; do
    refuses "a shape that is none: $shape" 2 "a shape is whole numbers above 0" "$shape" -- \
        bench gemm "$shape"
done
refuses "a shape of nothing" 2 "a shape needs the kernel or operation before it" -- bench 4x4x4
refuses "a word that is no shape" 2 "and not also axb" -- bench gemm axb
refuses "an unknown operation" 2 "no kernel matches nosuch, and no operation" -- \
    bench nosuch 4x4x4
refuses "another number of sizes" 2 "gemm takes" "MxNxK" "not 64x64" -- bench gemm 64x64
refuses "each form of a convolution once" 2 "BxHhxWwxCxCout, BxHhxWwxCxCoutxk, not" -- \
    bench conv 1x64x64x512
refuses "sizes of the models beside it" 2 "for the models' shapes" -- \
    bench gemm 64x64x64 --sizes 256
refuses "an unknown variant" 2 "there is no variant nosuch of gemm" "gemm/blocked" -- \
    bench gemm 64x64x64 --variant nosuch
refuses "an unknown variant of any" 2 "there is no variant nosuch; there are gemm/builtin" -- \
    bench --variant nosuch
refuses "a variant of another operation" 2 "there is no variant blocked of softmax" -- \
    bench softmax 4x64 --variant blocked
refuses "a window that no kernel has" 2 "other sizes of a window" -- bench conv 1x8x8x16:16:4
refuses "groups that do not divide" 2 "the groups do not divide the channels" -- \
    bench groupnorm 1x64x30x32
refuses "more memory than can be counted" 9 "more memory than any device has" -- \
    bench gemm 99999999999999999999x4x4
refuses "as much of several sizes" 9 "more memory than any device has" -- \
    bench gemm 1000000000x4096x1000000000
run bench gemm 1000000x1000000x64 --variant cblas
[ "$(grep -c 'libopenblas\|libblis\|libmkl' stdout)" = 0 ] ||
    same "more memory than there is: exit code and sentence" "$code $(grep -c \
        '^ffcl: gemm 1000000x1000000x64: needs .* GB' stderr)" "9 1"

# ---- every row of the registry ----

works "the list" bench --list
n_used=$(tail -n 1 stdout | cut -d' ' -f1)
works "the whole list" bench --list --all
same "the list fits 80 columns" "$(awk 'length > 79' stdout)" ""
check "what this device does not use is left out without --all" \
    [ "$n_used" -lt "$(tail -n 1 stdout | cut -d' ' -f1)" ]
same "every row of the registry is in the list" "$("$build/tests/check" --list | grep -v '^ ' |
    grep -v '^ceiling_' | while read -r row; do
        grep -q "^$row$" "$work/stdout" || echo "lacks $row"
    done)" ""
for what in 256/1\ {modulations,qkv,proj,fc1,fc2,'conv mid','conv up3','upsample 1','conv out'} \
    512/1\ {qkv,proj,fc1,fc2,'conv up3','upsample 3','conv out','VAE attention'}; do
    grep -q " $what$" "$work/stdout" || echo "lacks $what"
done > lacking
same "the models' GEMMs and convolutions are in the list" "$(cat lacking)" ""

# ---- the files ----

works "kernels" bench 'latent_[uf]*' "${quick[@]}" --json a.json --csv a.csv --plot a.svg \
    --jsonl a.jsonl --markdown a.md
same "the table fits 80 columns" "$(awk 'length > 79' stdout)" ""
same "the table has kernels, ceilings and a count" "$(lacks "$work/stdout" \
    "peak memory bandwidth " "peak float32 " "(copy)" "% roof" \
    latent_update latent_finite GFLOP/s GB/s "0 failed")" ""
cat > look.py << 'PYTHON'
import csv, json, sys, xml.etree.ElementTree as xml

a = json.load(open("a.json"))
assert a["format"] == "ffcl-bench" and a["version"] == 2, a["format"]
for key in "date", "ffcl", "commit", "libraries", "blas", "matrix_unit", "ceilings", "other_load":
    assert key in a, key
for key in "name", "type", "platform", "driver", "opencl", "units":
    assert a["device"][key], key
assert a["ceilings"]["memory"]["gb_s"] > 0 and a["ceilings"]["float32"]["gflop_s"] > 0
assert {c["kernel"] for c in a["cases"]} == {"latent_update", "latent_finite"}
for c in a["cases"]:
    assert c["status"] == "ok" and c["repeats"] == 2, c
    assert 0 < c["min_ms"] <= c["median_ms"] and c["spread"] >= 0, c
    assert c["gflop"] > 0 and c["mb"] > 0 and 0 < c["share"], c
    assert abs(c["gb_s"] - c["mb"] / c["median_ms"]) < 1e-3 * c["gb_s"], c
    assert c["ceiling"] in ("memory", "float32") and c["variant"] == "", c
    assert c["share"] <= 1 and c["checked"] is True and c["precision"] == "float32", c
    assert all(isinstance(n, int) for n in c["shape"].values()) and c["shape"], c
rows = list(csv.DictReader(open("a.csv")))
assert len(rows) == len(a["cases"])
for row, c in zip(rows, a["cases"]):
    assert row["format"] == "2" and row["device"] == a["device"]["name"]
    assert row["kernel"] == c["kernel"]
    assert row["shape"] == " ".join("%s=%d" % pair for pair in c["shape"].items())
    assert float(row["median_ms"]) == c["median_ms"] and row["status"] == "ok"
    assert row["variant"] == c["variant"]
lines = [json.loads(line) for line in open("a.jsonl")]
assert len(lines) == len(a["cases"])
for line, c in zip(lines, a["cases"]):
    assert all(line[key] == c[key] for key in c) and line["device"] == a["device"], line
table = [line for line in open("a.md") if line.startswith("| latent_")]
assert len(table) == len(a["cases"]) and all(line.count("|") == 11 for line in table), table
svg = xml.parse("a.svg").getroot()
texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
for word in ("latent_update", "latent_finite", "memory, ", "float32, ", "intensity: ",
             "rate of arithmetic"):
    assert any(word in t for t in texts), word
assert {"1", "2"} <= set(texts)
PYTHON
check "JSON, CSV and SVG hold the same results" python3 look.py
works "JSON on stdout" bench latent_update "${quick[@]}" --json -
check "nothing else is there" python3 -c '
import json; assert json.load(open("stdout"))["cases"][0]["status"] == "ok"'

works "a row of a variant" bench softmax_in_place "${quick[@]}" --json row.json
same "table and JSON name the variant as the profile does" \
    "$(grep -c '^softmax_in_place *softmax/row ' stdout) \
$(grep -c '"variant":.*"softmax/row"' row.json)" "2 2"
works "a row of the back end" bench gemm_silu --backend builtin "${quick[@]}" --json -
same "it names what computed it" "$(grep -o '"variant":.*"' stdout | sort -u)" \
    $'"variant":\t"gemm/builtin"'

# ---- own shapes ----

works "an operation at a shape of one's own" bench gemm 48x40x56 "${quick[@]}" --json own.json
check "its variants are side by side, each once, and checked" python3 -c '
import json
cases = json.load(open("own.json"))["cases"]
names = [c["variant"] for c in cases]
assert len(set(names)) >= 3 and {"gemm/blocked", "gemm/builtin", "gemm/skinny"} <= set(names), names
assert len([n for n in names if n == "gemm/blocked"]) == 1, names
for c in cases:
    assert c["status"] == "ok" and c["checked"], c
    assert [c["shape"][letter] for letter in "MNK"] == [48, 40, 56], c
    # 2 M N K, and what follows of a row that has more than the product
    assert 2 * 48 * 40 * 56 <= 1e9 * c["gflop"] < 1.2 * 2 * 48 * 40 * 56, c'
same "the shape stands above the table" "$(grep -c '^shape 48x40x56$' stdout)" 1
works "a convolution" bench conv 1x8x8x16:24:3 "${quick[@]}" --json own.json
check "it has the shape and only kernels of 3 x 3" python3 -c '
import json
cases = json.load(open("own.json"))["cases"]
assert {"conv_columns"} <= {c["kernel"] for c in cases}
for c in cases:
    assert [c["shape"][l] for l in ("B", "Hh", "Ww", "C", "Cout")] == [1, 8, 8, 16, 24], c
    assert c["shape"].get("k", 3) == 3 and c["status"] == "ok", c'
works "attention" bench attention 2x20x3x24 "${quick[@]}" --json own.json
check "by row and by tiles" python3 -c '
import json
cases = json.load(open("own.json"))["cases"]
assert {"attention/row", "attention/tiled"} <= {c["variant"] for c in cases}
assert all(c["shape"] == {"B": 2, "T": 20, "H": 3, "Dh": 24} for c in cases), cases'
works "one variant" bench gemm 48x40x56 --variant blocked "${quick[@]}"
same "nothing else is timed" "$(tail -n 1 stdout)" "1 timed, 0 failed, 0 skipped"
works "two shapes" bench softmax 3x40 5x64 "${quick[@]}" --json own.json
same "each has its rows" "$(grep -c '"rows":.*3,' own.json) $(grep -c '"rows":.*5,' own.json)" "3 3"
# Every row at the sizes that it is tested with is what it is at a shape of its own.
"$build/tests/check" --list > rows
for kernel in layernorm_modulate swiglu transpose embed_condition tokens_join pool_max \
    patch_embed window_columns resize_torch take_columns cast_to_half latent_conv nearest; do
    grep -q "^$kernel" rows || echo "no row $kernel"
    case $kernel in
    layernorm_modulate | swiglu | tokens_join) shape=2x5x12 ;;
    transpose) shape=7x9 ;;
    embed_condition) shape=3x16 ;;
    pool_max) shape=1x9x11x5 ;;
    patch_embed) shape=2x4x4x8x2x24 ;;
    window_columns) shape=1x9x9x5x7 ;;
    resize_torch) shape=1x9x7x11 ;;
    take_columns) shape=9x20 ;;
    cast_to_half) shape=1000 ;;
    latent_conv) shape=1x4x6x16x3 ;;
    nearest) shape=5x9 ;;
    esac
    run bench "$kernel" "$shape" "${quick[@]}"
    [ "$code" = 0 ] && grep -q ' 0 failed, 0 skipped' stdout || {
        echo "$kernel $shape: $code"
        cat stderr
    }
done > wrong
same "other kernels take a shape, and are right there" "$(cat wrong)" ""
works "one whose reference would take minutes" bench gemm_batch_blocked 1200x128x128x128 \
    --repeats 1 --rounds 1 --json own.json
same "it is not checked, and says so" "$(grep -c 'not checked: its reference' stdout) \
$(grep -c '"checked":.*false' own.json)" "1 1"

# ---- Ctrl-C ----

"$ffcl" bench 'latent_*' --seconds 2 --rounds 2 --json part.json --csv part.csv > stdout 2> stderr &
pid=$!
for ((i = 0; i < 100; i++)); do
    sleep 0.2
    grep -q '^kernel' stdout && break
done
sleep 3
kill -TERM $pid
wait $pid
code=$?
same "a stopped run dies by the signal" "$code" 143
stopped='^ffcl: stopped: [0-9]* of [0-9]* cases were timed and are in part.json, part.csv$'
same "it says so in one line" "$(grep -c "$stopped" stderr) $(grep -c '^ffcl: ' stderr)" "1 1"
check "its files hold what was timed" python3 -c '
import csv, json
a = json.load(open("part.json"))
assert 0 < len(a["cases"]) < a["stopped_before"], a
assert all(c["status"] == "ok" and c["median_ms"] > 0 for c in a["cases"])
assert len(list(csv.DictReader(open("part.csv")))) == len(a["cases"])'

# ---- changes ----

# What was: latent_update a thousand times as slow, latent_finite a thousand times as fast, with
# little spread; a row that is no more.
python3 - << 'PYTHON'
import copy, json
a = json.load(open("a.json"))
cases = a["cases"]
gone = copy.deepcopy(cases[0])
gone["kernel"] = "latent_former"
for c in cases:
    c["median_ms"] *= 1000 if c["kernel"] == "latent_update" else 0.001
    c["spread"] = 0.01
cases.append(gone)
json.dump(a, open("doctored.json", "w"))
for c in cases:
    c["spread"] = 1e6
json.dump(a, open("wide.json", "w"))
a["cases"] = [c for c in cases if c["kernel"] == "latent_former"]
a["device"]["name"] = "another"
json.dump(a, open("empty.json", "w"))
PYTHON
n_update=$(grep -c '"latent_update"' a.json) n_pixels=$(grep -c '"latent_finite"' a.json)
works "against a doctored result" bench 'latent_[uf]*' "${quick[@]}" --compare doctored.json \
    --json b.json
same "what is faster, slower and gone" "$(tail -n 1 "$work/stdout")" \
    "against doctored.json: $n_update faster, $n_pixels slower, 0 the same, 0 new, 1 gone"
same "lines say so, too" "$(grep -c ' faster$' stdout) $(grep -c ' slower$' stdout)" \
    "$n_update $n_pixels"
same "and the JSON" "$(grep -c '"change":.*"faster"' b.json)" "$n_update"
works "against one within its spread" bench 'latent_[uf]*' "${quick[@]}" --compare wide.json
same "what is the same" "$(tail -n 1 "$work/stdout")" \
    "against wide.json: 0 faster, 0 slower, $((n_update + n_pixels)) the same, 0 new, 1 gone"
works "against one of another device" bench 'latent_[uf]*' "${quick[@]}" --compare empty.json
same "what is new" "$(tail -n 1 "$work/stdout")" \
    "against empty.json: 0 faster, 0 slower, 0 the same, $((n_update + n_pixels)) new, 1 gone"
same "the other device is reported" "$(grep -c 'another device or driver' stdout)" 1

# ---- a kernel that computes wrong ----

cp -r "$root/cl" broken
sed -i 's/e, silu(c))/e, silu(c) + 1.0f)/' broken/embed.cl
FFCL_CL_DIR=$work/broken run bench '[e]mbed_condition' "${quick[@]}" --json broken.json \
    --csv broken.csv --plot broken.svg
same "a wrong kernel: exit code and sentence" "$code $(grep '^ffcl: ' stderr)" \
    "13 ffcl: 1 of 1 cases failed and were not timed"
same "it is shown as failed" "$(grep -A 2 '^embed_condition .*FAILED:' stdout | tr -s ' \n' ' ' |
    grep -c 'FAILED: wrong: element 0 is')" 1
check "it is not timed, in no file" python3 -c '
import csv, json
c, = json.load(open("broken.json"))["cases"]
assert c["status"] == "failed" and "wrong" in c["reason"] and "median_ms" not in c, c
row, = csv.DictReader(open("broken.csv"))
assert row["status"] == "failed" and row["median_ms"] == "", row'
sed -i 's/out\[i\] = (s4/out[i] = 1.0f + (s4/' broken/ceiling.cl
FFCL_CL_DIR=$work/broken refuses "a ceiling that computes wrong" 13 "ceiling_fma" -- \
    bench add "${quick[@]}"

# ---- models ----

works "a model" bench model "$demo" --batches 1,2 --repeats 1 --json m.json --csv m.csv
check "its JSON and CSV hold SiT, VAE and the whole step" python3 -c '
import csv, json
m = json.load(open("m.json"))
assert m["format"] == "ffcl-bench-model" and m["version"] == 2
assert [c["batch"] for c in m["cases"]] == [1, 2]
rows = list(csv.DictReader(open("m.csv")))
for c, row in zip(m["cases"], rows):
    assert c["sit_ms"] > 0 and c["vae_ms"] > 0 and c["step_ms"] > 0 and c["repeats"] == 1, c
    assert abs(c["images_s"] - 1e3 * c["batch"] / c["step_ms"]) < 1e-3 * c["images_s"], c
    assert float(row["step_ms"]) == c["step_ms"] and int(row["batch"]) == c["batch"]
assert len(rows) == 2'
python3 -c '
import json
m = json.load(open("m.json"))
m["cases"][0]["step_ms"] *= 1000
m["cases"][0]["step_spread"] = 0.01
del m["cases"][1]
json.dump(m, open("slow.json", "w"))'
works "a model against an old run" bench model "$demo" --batches 1,2 --repeats 1 \
    --compare slow.json --json m2.json
same "what is faster and new" "$(grep -c ': faster$' stdout) $(grep -c '^ *new$' stdout) \
$(grep -c '"change":.*"faster"' m2.json)" "1 1 1"
refuses "a model against kernels" 5 "ffcl bench model --json" -- \
    bench model "$demo" --compare a.json
refuses "kernels against a model" 5 "ffcl bench --json" -- bench softmax --compare m.json
refuses "a model whose weights are missing" 4 "none.pt" -- \
    bench model "$demo" model.checkpoint=none.pt
refuses "a key that is none" 3 "sampler" "sed" -- bench model "$demo" sampler.sed=1
same "nothing is left behind" "$(find . -name '.*.tmp')" ""

finish
