#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl --profile: the table, the trace, and that images are the same with it and without.
. "$(dirname "$0")/lib.sh"
need_device

few=("$demo" sampler.count=3 sampler.batch=2)

refuses "a trace that cannot be written" 12 "no/trace.json" -- \
    "${few[@]}" output.grid=out/a.png --profile=no/trace.json
refuses "a trace without a name" 2 "--profile=" -- "${few[@]}" output.grid=out/a.png --profile=
refuses "a profile of something else" 2 "unknown option --profile" -- devices --profile

works "without" -q "${few[@]}" output.grid=plain.png
same "without: neither table nor trace" "$(cat stdout)$(ls ./*.json 2> /dev/null)" ""
works "with a profile" -q "${few[@]}" output.grid=timed.png --profile
check "the image is the same" cmp plain.png timed.png
same "the table has models, kernels, GEMMs, copies and sums" "$(lacks stdout stage GFLOP/s GB/s \
    "SiT   " "VAE   " "load  " "SiT   gemm 32x" "VAE   gemm " write "SiT   total" "      total" \
    "trace: ffcl-trace.json")" ""

same "the table fits 80 columns" "$(awk 'length > 79' stdout)" ""

# Three batch sizes, the last batch short: every choice of a variant is made while planning.
for compute in float32 half; do
    FFCL_TRACE="$PWD/choices.txt" works "$compute: a run with a trace" -q "$demo" \
        "precision.compute=$compute" sampler.count=7 sampler.batch=3 output.grid=out/choices.png
    check "$compute: launches were recorded" grep -q "^gemm\|^attn" choices.txt
    same "$compute: nothing is chosen while it runs" "$(grep '^unplanned' choices.txt)" ""
done

cat > look.py << 'PYTHON'
import json, math, sys

trace = json.load(open(sys.argv[1]))
events = trace["traceEvents"]
processes = [e for e in events if e["ph"] == "M" and e["name"] == "process_name"]
assert len(processes) == int(sys.argv[2]), processes
idle = 0
for process in processes:
    rows = {e["args"]["name"]: e["tid"] for e in events
            if e["ph"] == "M" and e["name"] == "thread_name" and e["pid"] == process["pid"]}
    spans = [e for e in events if e["ph"] == "X" and e["pid"] == process["pid"]]
    for e in spans:
        assert e["dur"] >= 0 and e["ts"] >= 0, e
    names = {row: {e["name"] for e in spans if e["tid"] == tid} for row, tid in rows.items()}
    if names["stages"] == {"load"}:
        idle += 1           # the other device was faster
        continue
    assert names["stages"] == {"load", "SiT", "VAE"}, names["stages"]
    assert {"load weights", "wait for the device"} <= names["host"], names["host"]
    commands = [e for e in spans if e["tid"] == rows["commands"]]
    for word in "embed_condition", "latent_update_f32", "read", "write", "gemm ":
        assert any(e["name"].startswith(word) for e in commands), word
    for e in commands:
        if e["name"].startswith("gemm "):
            # M x N x K, or several of them: number x M x N x K.
            *many, m, n, k = (int(x) for x in e["name"].split()[1].split("x"))
            m *= math.prod(many)
            # Some back ends fuse the epilogue of a GEMM: some operations a result more.
            assert 0.999 * 2 * k <= e["args"]["GFLOP"] / (1e-9 * m * n) <= 2 * k + 16, e
    # One queue: commands follow each other.
    commands.sort(key=lambda e: e["ts"])
    for a, b in zip(commands, commands[1:]):
        assert b["ts"] >= a["ts"] + a["dur"] - 1000, (a, b)
assert idle < len(processes)
PYTHON
check "the trace is one of Chrome's, with kernels, stages and the host" \
    python3 look.py ffcl-trace.json 1

FFCL_VARIANTS="attention=row, gemm=builtin" works "forced variants" \
    "${few[@]}" output.grid=forced.png --profile
# The table ends with the sum of what took less than a share; the trace has every kernel.
same "forced variants: a note, and the profile names them" "$(lacks stderr \
    "FFCL_VARIANTS forces gemm=builtin, attention=row"; lacks stdout "[gemm/builtin]"
    lacks ffcl-trace.json "[attention/row]" "[gemm/builtin]")" ""

FFCL_VARIANTS="convolution=halo" works "a forced variant that cannot run here" \
    "${few[@]}" output.grid=passed.png
same "a forced variant that cannot run here: a warning, and the same image" \
    "$(lacks stderr "convolution: the forced variant halo cannot compute every call here")" ""
check "a forced variant that cannot run here: the same image" cmp plain.png passed.png

# ---- two devices ----

if [ "$("$ffcl" devices | grep -c 'Portable Computing Language')" != 0 ]; then
    POCL_DEVICES='pthread pthread' works "two devices" -q "$demo" sampler.count=4 sampler.batch=1 \
        device.select=all output.grid=both.png --profile=both.json
    check "the trace has a process for each" python3 look.py both.json 2
else
    skip "two devices" "no PoCL here"
fi

# ---- a run that is stopped, and one that fails ----

"$ffcl" -q "$demo" sampler.count=100000 sampler.batch=2 output.grid= output.folder=many \
    --profile=stopped.json > stdout 2> stderr < /dev/null &
pid=$!
for ((i = 0; i < 600; i++)); do
    [ -e many/000001.png ] && break
    sleep 0.1
done
kill -TERM $pid
wait $pid
code=$? last="ffcl ... --profile=stopped.json, stopped"
same "stopped: dies by the signal" $code 143
same "stopped: the table is there" "$(lacks stdout "SiT   " "VAE   total")" ""
check "stopped: the trace is there" python3 look.py stopped.json 1
same "nothing is left behind" "$(find . -name '.*.tmp')" ""

finish
