#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What torch-fidelity and pytorch-fid make of two folders, beside what ffcl eval made of them.

usage: peers.py SAMPLES REFERENCE NETWORK FOLDER     FOLDER/torch-fidelity.json, pytorch-fid.json
Exit code 1 where a number is apart.
"""
import json
import os
import struct
import sys
import time

import numpy
import torch


def weights(path):
    """The state dict of a safetensors or torch file."""
    with open(path, "rb") as f:
        head = f.read(9)
        if head[8:9] != b"{":
            return torch.load(path, map_location="cpu")
        size = struct.unpack("<Q", head[:8])[0]
        f.seek(8)
        names = json.loads(f.read(size))
        state = {}
        for name, t in names.items():
            if name != "__metadata__":
                begin, end = t["data_offsets"]
                f.seek(8 + size + begin)
                data = numpy.frombuffer(f.read(end - begin), dtype=numpy.float32)
                state[name] = torch.from_numpy(data.reshape(t["shape"]).copy())
    return state


def main(samples, reference, network, folder):
    """Runs both and prints a line a number."""
    path = os.path.join(folder, "network.pth")
    torch.save(weights(network), path)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with open(os.path.join(folder, "torch-fidelity.json"), encoding="utf-8") as f:
        fidelity = json.load(f)
    with open(os.path.join(folder, "pytorch-fid.json"), encoding="utf-8") as f:
        pytorch = json.load(f)
    bad = 0

    def line(name, got, want, most):
        nonlocal bad
        apart = abs(got - want)
        bad += not apart <= most
        print("%-32s ffcl %.9g, theirs %.9g, apart %.2g%s"
              % (name, got, want, apart, "" if apart <= most else "  TOO FAR"))

    import torch_fidelity
    began = time.time()
    m = torch_fidelity.calculate_metrics(
        input1=samples, input2=reference, cuda=device == "cuda", fid=True, isc=True, prc=True,
        feature_extractor="inception-v3-compat", feature_layer_prc="2048",
        isc_splits=10, feature_extractor_weights_path=path, verbose=False, cache=False)
    took = time.time() - began
    line("torch-fidelity FID", fidelity["fid"], m["frechet_inception_distance"], 0.01)
    line("torch-fidelity IS", fidelity["inception_score"], m["inception_score_mean"], 1e-4)
    line("torch-fidelity precision", fidelity["precision"], m["precision"], 2e-3)
    line("torch-fidelity recall", fidelity["recall"], m["recall"], 2e-3)
    print("torch-fidelity took %.1f s for both folders; ffcl %.1f s for the samples"
          % (took, fidelity["seconds"]))

    import pytorch_fid.fid_score as fid_score
    import pytorch_fid.inception as inception
    inception.load_state_dict_from_url = lambda *a, **k: weights(network)
    want = fid_score.calculate_fid_given_paths([samples, reference], 50, device, 2048, 0)
    line("pytorch-fid FID", pytorch["fid"], float(want), 0.01)
    sys.exit(bad > 0)


main(*sys.argv[1:])
