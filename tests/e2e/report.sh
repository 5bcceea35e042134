#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl report: what is in it, what is not, and that a driver that dies leaves the beginning.
. "$(dirname "$0")/lib.sh"
need_device

few=(--op 'latent_[uf]*')
works "a report" report "${few[@]}" --device cpu -o r.txt
same "it has all parts" "$(lacks r.txt "ffcl report 1" "driver: " "extensions: " "  self-check" \
    "rounding to half" "kernel rows, small shapes" " 0 failed" "  times" "GB/s" "GFLOP/s" \
    latent_update "  memory plans" "XL/2 256, float32, batch 1: batch 1" \
    "XL/2 512, half, batch 8: batch")" ""
same "and is done" "$(grep -c 'ends here' r.txt)" 0
same "nothing is left of the plans" "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'ffcl-xl2-*' \
    2> /dev/null)" ""
personal() { # FILE: what must not be in it
    grep -nE "(^|[ \"'=(])[/~][A-Za-z.]" "$1"
    grep -nwF -e "$(hostname)" -e "${SUDO_USER:-$(id -un)}" -e "$work" "$1" | grep -v '^1:' |
        grep -vw root
}
same "nothing personal is in it" "$(personal r.txt)" ""
refuses "a pattern that no kernel has" 2 "no kernel matches nosuch" -- report --op nosuch \
    -o "$out/r.txt"
works "as JSON" report "${few[@]}" --device cpu --json -o r.json
check "its parts" python3 -c '
import json
r = json.load(open("r.json"))
assert r["format"] == "ffcl-report" and r["version"] == 1 and r["commit"] and r["date"], r
d, = r["devices"]
assert d["name"] and d["lines"] and d["extensions"] and d["selfcheck"], d
k = d["kernels"]
assert k["passed"] > 1 and k["failed"] == 0 and k["failures"] == [], k
assert d["bench"]["memory_gb_s"] > 0 and d["bench"]["float32_gflop_s"] > 0
assert {c["kernel"] for c in d["bench"]["cases"]} <= {"latent_update", "latent_finite"}
assert len(d["plans"]) == 8 and "now" not in d'

cp -r "$root/cl" broken
sed -i 's/e, silu(c))/e, silu(c) + 1.0f)/' broken/embed.cl
FFCL_CL_DIR=$work/broken works "kernels that compute wrong are part of it" \
    report --op embed_condition --device cpu -o wrong.txt
same "they are named" "$(grep -c '^    embed_condition.* wrong, the first is' wrong.txt)" \
    "$(sed -n 's/.* passed, \([1-9][0-9]*\) failed.*/\1/p' wrong.txt)"

refuses "a folder that is not there" 12 "no/r.txt" -- report "${few[@]}" -o no/r.txt
refuses "a word" 2 "report" -- report all
if need_shim "a driver that dies"; then
    FFCL_CACHE_DIR='' FFCL_SHIM_BUILD=abort LD_PRELOAD=$shim run report --device cpu -o died.txt
    same "a driver that dies: what there was" "$code $(grep -c 'driver: ' died.txt) \
$(grep -c 'the report ends here, in: self-check' died.txt)" "134 1 1"
fi

finish
