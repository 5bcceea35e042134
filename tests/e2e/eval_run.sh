#!/bin/bash
# SPDX-License-Identifier: MIT
# Evaluation while sampling: however the work was shared, stopped and resumed, the numbers are those
# of one device, bit for bit, and those of ffcl eval on the images.
. "$(dirname "$0")/lib.sh"

# numbers FILE: those of an evaluation's JSON, which have all 17 digits.
numbers() {
    python3 - "$1" << 'PY'
import json, sys
e = json.load(open(sys.argv[1]))
e = e.get("evaluation", e)
print(*(repr(e[k]) for k in ("fid", "sfid", "inception_score", "inception_score_deviation",
                             "precision", "recall", "count", "reference_count", "network")))
PY
}

# schema FILE MISSING...: an evaluation's JSON has these keys in this order and nothing else, each
# of its type and range; what is MISSING, and nothing else, is null.
schema() {
    python3 - "$@" << 'PY'
import json, re, sys
def stop(constant):
    raise SystemExit("%s is no JSON" % constant)
with open(sys.argv[1], encoding="utf-8") as f:
    e = json.load(f, parse_constant=stop)
e = e.get("evaluation", e)
missing = sys.argv[2:]
share, number, whole = (0, 1), (float("-inf"), float("inf")), (1, float("inf"))
ranges = {"fid": number, "sfid": number, "inception_score": whole,
          "inception_score_deviation": (0, float("inf")), "precision": share, "recall": share,
          "count": whole, "reference_count": whole, "seconds": (0, float("inf"))}
texts = {"samples": r".+", "reference": r".*", "like": r"adm|torch-fidelity|pytorch-fid",
         "network": r"|.+ \(crc32 [0-9a-f]{8}, [0-9]+ bytes\)",
         "computed": r"|(float32|half) on .+"}
keys = ["fid", "sfid", "inception_score", "inception_score_deviation", "precision", "recall",
        "count", "reference_count", "samples", "reference", "like", "network", "computed",
        "seconds"]
wrong = []
if [k for k in e if k != "curve"] != keys:
    wrong.append("keys: %s" % list(e))
for key, (least, most) in ranges.items():
    value = e.get(key)
    if (value is None) != (key in missing):
        wrong.append("%s is %r" % (key, value))
    elif value is not None and not (type(value) in (int, float) and least <= value <= most):
        wrong.append("%s is %r" % (key, value))
    elif key.endswith("count") and value is not None and type(value) is not int:
        wrong.append("%s is %r" % (key, value))
for key, pattern in texts.items():
    if not isinstance(e.get(key), str) or not re.fullmatch(pattern, e[key]):
        wrong.append("%s is %r" % (key, e.get(key)))
if "curve" in e:
    counts = [point.get("count") for point in e["curve"]]
    if any(list(p) != ["count", "fid"] or type(p["count"]) is not int or
           type(p["fid"]) not in (int, float) for p in e["curve"]) or counts != sorted(counts):
        wrong.append("curve is %r" % e["curve"])
elif "curve" not in missing:
    wrong.append("no curve")
sys.exit("; ".join(wrong) or 0)
PY
}

"$ffcl" eval --make-network net.safetensors
python3 "$root/tests/npz.py" images ref.npz 5 16 16 2
judge=(eval.reference=ref.npz eval.inception=net.safetensors)
run=("$demo" sampler.count=9 output.grid= "${judge[@]}")
quiet=(-q "${run[@]}")

refuses "a share without a folder" 3 "makes a share of them" -- "${run[@]}" sampler.world=2 \
    sampler.rank=0
mkdir own
python3 "$root/tests/npz.py" png own/0.png 64 64 rgb
python3 "$root/tests/npz.py" png own/1.png 64 64 rgb
refuses "its own folder as the reference" 12 "compared with themselves" -- "${run[@]}" \
    eval.reference=own output.folder=own --overwrite
cp ref.npz own.npz
refuses "its own npz as the reference" 12 "compared with themselves" -- "${run[@]}" \
    eval.reference=own.npz output.npz=./own.npz --overwrite
refuses "a grid among the reference" 12 "among the images of own" -- "${run[@]}" \
    eval.reference=own output.grid=own/grid.png
refuses "neither output nor evaluation" 3 "nothing is evaluated" -- "$demo" output.grid=

python3 "$root/tests/npz.py" statistics stats.npz 2048
run -q eval stats.npz -r stats.npz --json
cp "$work/stdout" stats.json
check "JSON of statistics alone" schema stats.json sfid inception_score \
    inception_score_deviation precision recall count reference_count seconds curve

need_device

# ---- one device ----

# kept NAME: the statistics that the last run saved are those of ffcl eval, and are removed.
kept() {
    check "$1: the same statistics" python3 -c '
import sys, zipfile
now, want = (zipfile.ZipFile(name) for name in ("now.npz", "want.npz"))
names = now.namelist()
sys.exit(names != want.namelist() or len(names) != 8 or
         any(now.read(name) != want.read(name) for name in names))'
    rm -f now.npz
}
keep=(eval.save_stats=now.npz)

works "a run that keeps a folder" "${quiet[@]}" output.folder=one "${keep[@]}"
line=$(tail -n 1 "$work/stdout")
tail=": one, 9 images of 64 x 64, against ref.npz, 5 images of 16 x 16 (as adm)"
case $line in
"FID "*", sFID "*", IS "*", precision "*", recall "*"$tail") ok "its last line has the numbers" ;;
*) not_ok "its last line has the numbers" "$line" ;;
esac
want=$(numbers one/evaluation.json)
case $want in
*None* | *nan*) not_ok "all numbers are there" "$want" ;;
*" 9 5 "*) ok "all numbers are there" ;;
*) not_ok "all numbers are there" "$want" ;;
esac
check "JSON of a run" schema one/evaluation.json seconds curve
check "JSON in the manifest" schema one/manifest.json seconds curve
same "the manifest has them" "$(numbers one/manifest.json)" "$want"
works "ffcl eval of its folder" eval -q one -r ref.npz --inception net.safetensors --json \
    --save-stats want.npz
same "ffcl eval of its folder: the same numbers" "$(numbers "$work/stdout")" "$want"
check "JSON of ffcl eval" schema "$work/stdout" curve
kept "a run"
for batch in 1 4; do
    works "batch $batch" "${quiet[@]}" output.folder=batch sampler.batch=$batch
    same "batch $batch: the same numbers" "$(numbers batch/evaluation.json)" "$want"
    rm -rf batch
done

# Inception takes 32 images at once, so that the second part of a batch begins within it.
works "34 images in batches of 8" -q "$demo" output.grid= "${judge[@]}" sampler.count=34 \
    sampler.batch=8 output.folder=few
works "34 images in one batch" -q "$demo" output.grid= "${judge[@]}" sampler.count=34 \
    sampler.batch=34 output.folder=many
same "34 images in one batch: the same numbers" "$(numbers many/evaluation.json)" \
    "$(numbers few/evaluation.json)"
rm -rf few many

# ---- nothing on disk ----

mkdir bare
cd bare || exit 2
run -q "${run[@]}" eval.reference=../ref.npz eval.inception=../net.safetensors \
    eval.save_stats=../now.npz
cd .. || exit 2
same "nothing kept: the line" "$code $(tail -n 1 "$work/stdout" | sed 's/: .*//')" \
    "0 ${line%%: *}"
same "nothing kept: nothing on disk" "$(ls -A bare)" ""
kept "nothing kept"
works "a grid and an npz" "${quiet[@]}" output.grid=grid.png output.npz=a.npz
same "an npz: the same numbers" "$(numbers a.npz.evaluation.json) $(numbers a.npz.manifest.json)" \
    "$want $want"
works "without a reference" -q "$demo" sampler.count=4 output.grid= eval.reference=none \
    eval.inception=net.safetensors
same "without a reference: a score alone" "$(sed 's/ .*//' "$work/stdout")" IS

# ---- resuming ----

rm one/00000[258].png one/evaluation.json
works "three images are missing" "${quiet[@]}" output.folder=one "${keep[@]}"
kept "three were missing"
same "three were missing: the same numbers" "$(numbers one/evaluation.json)" "$want"
works "all images are there" "${quiet[@]}" output.folder=one "${keep[@]}"
kept "all were there"
same "all were there: the same numbers" "$(numbers one/manifest.json)" "$want"
works "more images, not evaluated" -q "$demo" sampler.count=10 output.grid= output.folder=one
same "the manifest drops numbers of fewer, and the file beside it goes" \
    "$(grep -c '"evaluation"' one/manifest.json) $(find one -name '*evaluation*')" "0 "
works "other images in place of them" "${quiet[@]}" output.folder=one --overwrite
same "they are evaluated" "$(numbers one/evaluation.json)" "$want"
works "of another seed, not evaluated" -q "$demo" sampler.count=2 sampler.seed=77 output.grid= \
    output.folder=one --overwrite
same "numbers of the other seed are gone" "$(find one -name '*evaluation*')" ""
works "an npz of another seed, not evaluated" -q "$demo" sampler.count=2 sampler.seed=77 \
    output.grid= output.npz=a.npz --overwrite
same "an npz: numbers of the other seed are gone" "$(find . -maxdepth 1 -name 'a.npz.eval*')" ""
rm -rf one
mkdir part
works "the first four" "${quiet[@]}" output.folder=part sampler.count=4
works "and five more" "${quiet[@]}" output.folder=part
same "four and five more: the same numbers" "$(numbers part/evaluation.json)" "$want"

# ---- several devices ----

if [ "$("$ffcl" devices | grep -c 'Portable Computing Language')" != 0 ]; then
    export POCL_DEVICES="pthread pthread"
    works "two devices" "${quiet[@]}" device.select=all output.folder=two sampler.batch=1 \
        "${keep[@]}"
    kept "two devices"
    same "two devices: the same numbers" "$(numbers two/evaluation.json)" "$want"
    works "two devices, nothing kept" "${quiet[@]}" device.select=all sampler.batch=2
    same "two devices, nothing kept: the line" "$(tail -n 1 "$work/stdout" | sed 's/: .*//')" \
        "${line%%: *}"
    if need_shim "a device that fails"; then
        for victim in 0:12 1:12; do     # the first to answer is often the first of the list
            rm -rf two
            FFCL_SHIM_READS=$victim LD_PRELOAD=$work/shim.so run "${quiet[@]}" \
                device.select=all output.folder=two sampler.batch=1
            same "a device fails, $victim: the run continues" \
                "$code $(grep -c 'is left out' "$work/stderr")" "0 1"
            same "a device failed, $victim: the same numbers" "$(numbers two/evaluation.json)" \
                "$want"
        done
        # What an earlier run left is evaluated by the first device, or by the next.
        for victim in 0:1 0:4; do
            rm -f two/00000[47].png
            FFCL_SHIM_READS=$victim LD_PRELOAD=$work/shim.so run "${quiet[@]}" \
                device.select=all output.folder=two sampler.batch=1
            same "resuming, a device fails, $victim: the run continues" \
                "$code $(grep -c 'is left out' "$work/stderr")" "0 1"
            same "resuming, a device failed, $victim: the same numbers" \
                "$(numbers two/evaluation.json)" "$want"
        done
    fi
    unset POCL_DEVICES
else
    skip "several devices" "no PoCL"
fi

# One device alone, of images that are there: more than a batch of them, read by several threads.
if need_shim "the only device fails"; then
    few=(-q "$demo" output.grid= sampler.count=20 output.folder=lots eval.reference=none
        eval.inception=net.safetensors)
    works "twenty images" "${few[@]}"
    score=$(cat "$work/stdout")
    for fault in READS=0:1 READS=0:4 ASYNC=40:-5 ASYNC=300:-5; do
        export "FFCL_SHIM_${fault?}"
        LD_PRELOAD=$work/shim.so run "${few[@]}" output.threads=4
        unset "FFCL_SHIM_${fault%%=*}"
        same "all are there, the only device fails, $fault: exit code and sentence" \
            "$code $(grep -c '^ffcl: .*CL_OUT_OF_RES' "$work/stderr") $(wc -l < "$work/stderr")" \
            "10 1 1"
        same "all are there, the only device failed, $fault: nothing is lost" \
            "$(ls lots/*.png | wc -l)" 20
    done
    works "the same command afterwards" "${few[@]}"
    same "the same score" "$(cat "$work/stdout")" "$score"
    rm -rf lots
fi

# ---- a job array, processes of mpirun ----

for rank in 2 0; do
    works "job $rank of 3" "${run[@]}" sampler.world=3 sampler.rank=$rank output.folder=jobs
    same "job $rank of 3 does not evaluate" "$(grep -c '^not evaluated' "$work/stderr")" 1
done
works "job 1 of 3" "${quiet[@]}" sampler.world=3 sampler.rank=1 output.folder=jobs "${keep[@]}"
kept "the last job"
same "the last job: the same numbers" \
    "$(numbers jobs/evaluation.json) $(numbers jobs/manifest.json)" "$want $want"
if [ -x "$build/ffcl-mpi" ] && command -v mpirun > /dev/null; then
    for n in 2 3; do
        rm -rf ranks
        mpi $n "${quiet[@]}" output.folder=ranks sampler.batch=1 "${keep[@]}"
        same "mpirun -np $n" "$code $(numbers ranks/evaluation.json)" "0 $want"
        kept "mpirun -np $n"
    done
    mpi 2 "${quiet[@]}" sampler.batch=1
    same "mpirun, nothing kept" "$code $(tail -n 1 "$work/stdout" | sed 's/: .*//')" \
        "0 ${line%%: *}"
    rm ranks/00000[04].png
    mpi 2 "${quiet[@]}" output.folder=ranks
    same "mpirun resumes" "$code $(numbers ranks/evaluation.json)" "0 $want"
else
    skip "processes of mpirun" "no build/ffcl-mpi, or no mpirun"
fi

# ---- half ----

# Columns of several images may be one GEMM there, which must not be cut by the batch.
for batch in 4 5; do
    works "half in batches of $batch" "${quiet[@]}" precision.compute=half sampler.batch=$batch \
        eval.save_stats=half-$batch.npz
done
check "half: the same statistics by any batch" cmp half-4.npz half-5.npz

# ---- what goes wrong ----

edit "$demo_sit" sit.st set=y_embedder.embedding_table.weight:432:nan       # class 3
works "a bad image that is left out" "${quiet[@]}" model.checkpoint=sit.st output.folder=bad \
    output.on_bad=skip
bad=$(numbers bad/evaluation.json)
works "ffcl eval of what is left" eval -q bad -r ref.npz --inception net.safetensors --json
same "the numbers of eight images" "$(numbers "$work/stdout")" "$bad"
edit net.safetensors wild.safetensors set=Conv2d_1a_3x3.conv.weight:0:1e38
run "${quiet[@]}" eval.inception=wild.safetensors output.folder=kept
same "features that are not finite" "$code $(grep -c 'not finite of image' "$work/stderr")" "11 1"
same "no image is lost by that" "$(ls kept/*.png | wc -l)" 9
works "the same with another network" "${quiet[@]}" output.folder=kept
same "and the same numbers" "$(numbers kept/evaluation.json)" "$want"

finish
