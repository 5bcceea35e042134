#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl eval beside torch-fidelity on a GPU: images a second for the features of COUNT images of
# SIDE x SIDE, float32 and half, in turns; before that, rows and recordings.
# usage: bench/eval_gpu.sh [FOLDER]
# COUNT (10000), SIDE (256), ROUNDS (3); PYTHON: with torch and torch-fidelity.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here" || exit 2
work=${1:-/tmp/ffcl-eval}
count=${COUNT:-10000} side=${SIDE:-256} rounds=${ROUNDS:-3} python=${PYTHON:-python3}
mkdir -p "$work"
make -j"$(nproc)" all build/tests/check > "$work/build.log" 2>&1
for rows in '*window*' 'pool*' 'resize*' 'mean_pixels*' 'take_columns*' 'nearest*' 'inside*'; do
    build/tests/check --op "$rows" | tail -n 1
done
net=$work/net.safetensors
[ -e "$net" ] || build/ffcl eval --make-network "$net"
for precision in float32 half; do
    build/ffcl verify -q tests/data/inception_zoo.ref.safetensors eval.inception="$net" \
        precision.compute=$precision device.select=gpu | tail -n 1
done
[ -e "$work/a.npz" ] || "$python" - "$work/a.npz" "$count" "$side" << 'PY'
import sys, numpy
n, side = int(sys.argv[2]), int(sys.argv[3])
rng = numpy.random.default_rng(1)
small = rng.integers(0, 256, (n, 16, 16, 3), dtype=numpy.uint8)
numpy.savez(sys.argv[1], small.repeat(side // 16, 1).repeat(side // 16, 2))
PY
for _ in $(seq "$rounds"); do
    for precision in float32 half; do
        build/ffcl eval -q "$work/a.npz" --inception "$net" --like torch-fidelity --json \
            precision.compute=$precision device.select=gpu > "$work/$precision.json"
        echo "ffcl $precision: $("$python" -c "
import json, sys
e = json.load(open(sys.argv[1]))
print('%.0f images/s' % (e['count'] / e['seconds']))" "$work/$precision.json")"
    done
    "$python" - "$work/a.npz" "$net" "$work" << 'PY'
import os, sys, time, numpy, torch
sys.path.insert(0, "tests")
sys.argv, words = ["peers"], sys.argv[1:]
images = numpy.load(words[0])["arr_0"]
import json, struct
f = open(words[1], "rb")
size = struct.unpack("<Q", f.read(8))[0]
names = json.loads(f.read(size))
state = {}
for name, t in names.items():
    if name != "__metadata__":
        begin, end = t["data_offsets"]
        f.seek(8 + size + begin)
        data = numpy.frombuffer(f.read(end - begin), dtype=numpy.float32).reshape(t["shape"])
        state[name] = torch.from_numpy(data.copy())
path = os.path.join(words[2], "net.pth")
torch.save(state, path)
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
net = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"],
                                  feature_extractor_weights_path=path).cuda().eval()
with torch.no_grad():
    for warm in (1, 0):
        n = 256 if warm else len(images)
        torch.cuda.synchronize()
        began = time.time()
        for i in range(0, n, 64):
            x = torch.from_numpy(images[i:i + 64]).permute(0, 3, 1, 2).contiguous().cuda()
            [y.cpu() for y in net(x)]
        torch.cuda.synchronize()
    print("torch-fidelity: %.0f images/s" % (n / (time.time() - began)))
PY
done
