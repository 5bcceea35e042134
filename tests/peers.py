#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What torch-fidelity and pytorch-fid make of two folders, beside what ffcl eval makes of them.

usage: peers.py features SAMPLES REFERENCE NETWORK FOLDER
           their features, kept in FOLDER/WHOSE.npz, where they are taken from if they are there
       peers.py compare FFCL FOLDER
           their numbers beside those of FOLDER/WHOSE.json, of ffcl eval on the images, and beside
           those of FFCL on statistics of their features; exit code 1 where a number is apart
WHOSE is torch-fidelity or pytorch-fid; the environment's WHOSE names one of them, or both.
"""
import glob
import json
import os
import struct
import subprocess
import sys

import numpy
import torch

WHOSE = os.environ.get("WHOSE", "torch-fidelity pytorch-fid").split()


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


def by_fidelity(folders, state, scratch, device):
    """torch-fidelity's features and logits of each folder."""
    from torch_fidelity import utils
    path = os.path.join(scratch, "network.pth")
    torch.save(state, path)
    options = {"input1": folders[0], "input2": folders[1], "cuda": device == "cuda",
               "feature_extractor_weights_path": path, "cache": False, "verbose": False,
               "save_cpu_ram": device == "cpu", "batch_size": 25}
    network = utils.create_feature_extractor("inception-v3-compat", ["2048", "logits_unbiased"],
                                             **options)
    for i in (1, 2):
        f = utils.extract_featuresdict_from_input_id_cached(i, network, **options)
        yield f["2048"].numpy(), f["logits_unbiased"].numpy()


def by_pytorch(folders, state, _, device):
    """pytorch-fid's features of each folder."""
    from pytorch_fid import fid_score, inception
    inception.load_state_dict_from_url = lambda *a, **k: state
    network = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]]).to(device)
    for folder in folders:
        files = sorted(glob.glob(os.path.join(folder, "*.png")))
        yield fid_score.get_activations(files, network, 25, 2048, device, 0), numpy.zeros(1)


def features(samples, reference, network, folder):
    """Keeps the features of both."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for whose in WHOSE:
        by = by_fidelity if whose == "torch-fidelity" else by_pytorch
        path = os.path.join(folder, whose + ".npz")
        if not os.path.exists(path):
            (a, logits), (b, _) = by((samples, reference), weights(network), folder, device)
            numpy.savez(path, a=a, b=b, logits=logits)


def by_ffcl(ffcl, path, f):
    """ffcl eval's distance of statistics of the same features, as numpy makes them."""
    names = []
    for side in ("a", "b"):
        names.append("%s.%s.npz" % (path, side))
        numpy.savez(names[-1], mu=numpy.mean(f[side], axis=0).astype(float),
                    sigma=numpy.cov(f[side], rowvar=False))
    out = subprocess.run([ffcl, "eval", "-q", names[0], "-r", names[1], "--json"], check=True,
                         stdout=subprocess.PIPE)
    return json.loads(out.stdout)["fid"]


def their_numbers(whose, f):
    """By their functions, from their features: name in ffcl's JSON, number, most apart."""
    if whose == "pytorch-fid":
        from pytorch_fid import fid_score
        mean = [numpy.mean(f[side], axis=0) for side in ("a", "b")]
        sigma = [numpy.cov(f[side], rowvar=False) for side in ("a", "b")]
        distance = fid_score.calculate_frechet_distance(mean[0], sigma[0], mean[1], sigma[1])
        return [("fid", float(distance), 0.01)]
    from torch_fidelity import metric_fid, metric_isc, metric_prc
    a, b, logits = (torch.from_numpy(f[x]) for x in ("a", "b", "logits"))
    fid = metric_fid.fid_statistics_to_metric(metric_fid.fid_features_to_statistics(a),
                                              metric_fid.fid_features_to_statistics(b), False)
    score = metric_isc.isc_features_to_metric(logits)
    precision, recall = metric_prc.calculate_precision_recall_full(a, b)
    return [("fid", fid["frechet_inception_distance"], 0.01),
            ("inception_score", score["inception_score_mean"], 1e-4),
            ("inception_score_deviation", score["inception_score_std"], 1e-4),
            ("precision", precision, 2e-3), ("recall", recall, 2e-3)]


def compare(ffcl, folder):
    """A line a number."""
    bad = 0

    def line(name, got, want, most):
        nonlocal bad
        apart = abs(got - want)
        bad += not apart <= most
        print("%-48s ffcl %.9g, theirs %.9g, apart %.2g%s"
              % (name, got, want, apart, "" if apart <= most else "  TOO FAR"), flush=True)

    for whose in WHOSE:
        path = os.path.join(folder, whose)
        f = numpy.load(path + ".npz")
        with open(path + ".json", encoding="utf-8") as stream:
            ours = json.load(stream)
        print("%s: %d images against %d" % (whose, len(f["a"]), len(f["b"])))
        for name, theirs, most in their_numbers(whose, f):
            if name == "fid":
                line(whose + " FID of its features", by_ffcl(ffcl, path, f), theirs, 1e-3)
            line("%s %s of the images" % (whose, name), ours[name], theirs, most)
    sys.exit(bad > 0)


{"features": features, "compare": compare}[sys.argv[1]](*sys.argv[2:])
