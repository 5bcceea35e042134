#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl eval against torch-fidelity and pytorch-fid, on the same images and the same network, made by
# a rule where INCEPTION names none.  Both folders hold PNG files of one size.
# usage: tests/peers.sh SAMPLES REFERENCE [BUILD]
# PYTHON: a Python with torch, torch-fidelity and pytorch-fid; INCEPTION: weights.  No part of make
# check, which installs nothing from PyPI.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
samples=$1 reference=$2 build=${3:-$here/build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
network=${INCEPTION:-$work/net.safetensors}
[ -n "${INCEPTION:-}" ] || "$build/ffcl" eval --make-network "$network"
for like in torch-fidelity pytorch-fid; do
    "$build/ffcl" eval -q "$samples" --reference "$reference" --inception "$network" \
        --like $like --json precision.compute=float32 > "$work/$like.json"
done
"${PYTHON:-python3}" "$here/tests/peers.py" "$samples" "$reference" "$network" "$work"
