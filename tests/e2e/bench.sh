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
refuses "options of kernels for models" 2 "for kernels" -- bench model "$demo" --plot x.svg
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
    --quick --seconds --repeats --rounds --seed --json --csv --plot --compare)" ""

# ---- every row of the registry ----

works "the list" bench --list
same "every row of the registry is in the list" "$("$build/tests/check" --list | grep -v '^ ' |
    grep -v '^ceiling_' | while read -r row; do
        grep -q "^$row " "$work/stdout" || echo "lacks $row"
    done)" ""
for what in 256/1\ {modulations,qkv,proj,fc1,fc2,'conv mid','conv up3','upsample 1','conv out'} \
    512/1\ {qkv,proj,fc1,fc2,'conv up3','upsample 3','conv out','VAE attention'}; do
    grep -q " $what " "$work/stdout" || echo "lacks $what"
done > lacking
same "the models' GEMMs and convolutions are in the list" "$(cat lacking)" ""

# ---- the files ----

works "kernels" bench 'latent_[uf]*' "${quick[@]}" --json a.json --csv a.csv --plot a.svg
same "the table has kernels, ceilings and a count" "$(lacks "$work/stdout" "ceiling of memory" \
    "ceiling of float32" latent_update latent_finite GFLOP/s GB/s "0 failed")" ""
cat > look.py << 'PYTHON'
import csv, json, sys, xml.etree.ElementTree as xml

a = json.load(open("a.json"))
assert a["format"] == "ffcl-bench" and a["version"] == 1, a["format"]
for key in "date", "ffcl", "commit", "libraries", "blas", "engine", "ceilings", "other_load":
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
rows = list(csv.DictReader(open("a.csv")))
assert len(rows) == len(a["cases"])
for row, c in zip(rows, a["cases"]):
    assert row["format"] == "1" and row["device"] == a["device"]["name"]
    assert row["kernel"] == c["kernel"] and row["shape"] == c["shape"]
    assert float(row["median_ms"]) == c["median_ms"] and row["status"] == "ok"
    assert row["variant"] == c["variant"]
svg = xml.parse("a.svg").getroot()
texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
for word in "latent_update", "latent_finite", "memory, ", "float32, ":
    assert any(word in t for t in texts), word
assert {"1", "2"} <= set(texts)
PYTHON
check "JSON, CSV and SVG hold the same results" python3 look.py
works "JSON on stdout" bench latent_update "${quick[@]}" --json -
check "nothing else is there" python3 -c '
import json; assert json.load(open("stdout"))["cases"][0]["status"] == "ok"'

works "a row of a variant" bench softmax_in_place "${quick[@]}" --json row.json
same "table and JSON name the variant" "$(grep -c '^softmax_in_place *row ' stdout) \
$(grep -c '"variant":.*"row"' row.json)" "2 2"
works "a row of the back end" bench gemm_silu --backend builtin "${quick[@]}" --json -
same "it names what computed it" "$(grep -o '"variant":.*"' stdout | sort -u)" \
    $'"variant":\t"builtin"'

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
same "it is shown as failed" "$(grep -c '^embed_condition .*FAILED: wrong: element 0 is' stdout)" 1
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
assert m["format"] == "ffcl-bench-model" and m["version"] == 1
assert [c["batch"] for c in m["cases"]] == [1, 2]
rows = list(csv.DictReader(open("m.csv")))
for c, row in zip(m["cases"], rows):
    assert c["sit_ms"] > 0 and c["vae_ms"] > 0 and c["step_ms"] > 0 and c["repeats"] == 1, c
    assert abs(c["images_s"] - 1e3 * c["batch"] / c["step_ms"]) < 1e-3 * c["images_s"], c
    assert float(row["step_ms"]) == c["step_ms"] and int(row["batch"]) == c["batch"]
assert len(rows) == 2'
refuses "a model whose weights are missing" 4 "none.pt" -- \
    bench model "$demo" model.checkpoint=none.pt
refuses "a key that is none" 3 "sampler" "sed" -- bench model "$demo" sampler.sed=1
same "nothing is left behind" "$(find . -name '.*.tmp')" ""

finish
