#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl eval against torch-fidelity and pytorch-fid, on the same images and the same network, made by
# a rule where INCEPTION names none.  SAMPLES and REFERENCE are folders of PNG files of one size;
# without them, COUNT images of the demo are made, half of them the reference.
# usage: tests/peers.sh [SAMPLES REFERENCE]
# BUILD (build); PYTHON: a Python with torch, torch-fidelity and pytorch-fid; COUNT (2000);
# WHOSE (torch-fidelity pytorch-fid): one of them alone; INCEPTION: weights; KEEP: a folder for what
# took long, from which a later call continues.
# No part of make check, which installs nothing from PyPI.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build} python=${PYTHON:-python3} count=${COUNT:-2000}
work=${KEEP:-$(mktemp -d)}
[ -n "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
samples=${1:-$work/samples} reference=${2:-$work/reference}
network=${INCEPTION:-$work/net.safetensors}
[ -e "$network" ] || "$build/ffcl" eval --make-network "$network"
if [ $# -eq 0 ]; then
    "$build/ffcl" -q "$here/config/demo.ini" output.grid= output.folder="$samples" \
        sampler.count=$((count / 2))
    "$build/ffcl" -q "$here/config/demo.ini" output.grid= output.folder="$reference" \
        sampler.count=$((count / 2)) sampler.seed=2
fi
export WHOSE=${WHOSE:-torch-fidelity pytorch-fid}
for like in $WHOSE; do
    [ -s "$work/$like.json" ] ||
        "$build/ffcl" eval -q "$samples" --reference "$reference" --inception "$network" \
            --like $like --json precision.compute=float32 > "$work/$like.json"
done
"$python" "$here/tests/peers.py" features "$samples" "$reference" "$network" "$work"
"$python" "$here/tests/peers.py" compare "$build/ffcl" "$work"
