#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes an Inception network of FID as TensorFlow's graph, in the layout and with the names of
classify_image_graph_def.pb; protobuf by hand, standard library only.

usage: make_graph.py NETWORK.safetensors GRAPH.pb [WAY]

NETWORK has PyTorch's names and float32.  WAYs: `floats` writes tensors as float_val, not as
tensor_content; `unscaled` says that batch norms do not multiply by gamma, and has gammas of 7;
`ones` has gammas of 1; `epsilon` has another epsilon; `missing` leaves out a tensor; `cut` ends
in the middle.
"""
import array
import json
import struct
import sys

from make_weights import field

STEM = ("Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3").split()
BLOCKS = "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split()
# Branches in the order of the graph's towers: of the block itself, then of its towers.
TOWERS = {
    "5": ["branch1x1", ["branch5x5_1", "branch5x5_2"],
          ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"], ["branch_pool"]],
    "6a": ["branch3x3", ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]],
    "6": ["branch1x1", ["branch7x7_1", "branch7x7_2", "branch7x7_3"],
          ["branch7x7dbl_%d" % i for i in range(1, 6)], ["branch_pool"]],
    "7a": [None, ["branch3x3_1", "branch3x3_2"], ["branch7x7x3_%d" % i for i in range(1, 5)]],
    "7": ["branch1x1", ["branch3x3_1", ("branch3x3_2a", "branch3x3_2b")],
          ["branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")],
          ["branch_pool"]],
}


def counted(name, i):
    """TensorFlow's i-th scope of that name."""
    return name if i == 0 else "%s_%d" % (name, i)


def units():
    """(graph's name, PyTorch's name) of every convolution with its norm."""
    for i, name in enumerate(STEM):
        yield counted("conv", i), name
    for i, block in enumerate(BLOCKS):
        at, of = counted("mixed", i), "Mixed_" + block
        own, *towers = TOWERS.get(block, TOWERS[block[0]])
        if own:
            yield at + "/conv", of + "." + own
        for k, tower in enumerate(towers):
            inside = "%s/%s" % (at, counted("tower", k))
            for j, branch in enumerate(tower):
                if isinstance(branch, tuple):
                    for m, half in enumerate(branch):
                        yield "%s/mixed/%s" % (inside, counted("conv", m)), of + "." + half
                else:
                    yield "%s/%s" % (inside, counted("conv", j)), of + "." + branch


def node(name, op, attributes, inputs=()):
    body = field(1, name) + field(2, op) + b"".join(field(3, i) for i in inputs)
    for key, value in attributes.items():
        body += field(5, field(1, key) + field(2, value))
    return field(1, body)


def constant(name, shape, data, floats=False):
    """data: float32 bytes."""
    dims = field(2, b"".join(field(2, field(1, n)) for n in shape))
    # dtype 1 is float32; as TensorFlow does, dtype before shape before content.
    tensor = field(1, 1) + dims + field(5 if floats else 4, data)
    return node(name, "Const", {"dtype": field(6, 1), "value": field(8, tensor)})


def load(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        names, data = json.loads(f.read(size)), f.read()
    out = {}
    for name, t in names.items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            out[name] = (t["shape"], array.array("f", data[begin:end]))
    return out


def transposed(shape, data):
    """(out, in) or (out, in, height, width) as TensorFlow has it."""
    if len(shape) == 2:
        n, m = shape
        return [m, n], array.array("f", (data[j * m + i] for i in range(m) for j in range(n)))
    o, c, h, w = shape
    out = array.array("f")
    for y in range(h):
        for x in range(w):
            for i in range(c):
                out.extend(data[i * h * w + y * w + x::c * h * w])
    return [h, w, c, o], out


def main(network, path, way=""):
    state = load(network)
    text = field(1, 7) + field(2, b"") + field(8, b"x")
    out = [node("DecodeJpeg/contents", "Const", {"dtype": field(6, 7), "value": field(8, text)})]
    for scope, unit in units():
        shape, data = transposed(*state[unit + ".conv.weight"])
        out.append(constant(scope + "/conv2d_params", shape, data.tobytes(), way == "floats"))
        norm = scope + "/batchnorm"
        for part, name in (("beta", "bias"), ("gamma", "weight"), ("moving_mean", "running_mean"),
                           ("moving_variance", "running_var")):
            shape, data = state["%s.bn.%s" % (unit, name)]
            if way in ("unscaled", "ones") and part == "gamma":
                data = array.array("f", [7.0 if way == "unscaled" else 1.0])    # stands for all
            if way == "missing" and part == "beta" and unit == "Mixed_6d.branch1x1":
                continue
            out.append(constant("%s/%s" % (norm, part), shape, data.tobytes(),
                                way in ("floats", "unscaled", "ones")))
        out.append(node(norm, "BatchNormWithGlobalNormalization", {
            "T": field(6, 1), "scale_after_normalization": field(5, int(way != "unscaled")),
            "variance_epsilon": field(4, 0.01 if way == "epsilon" else 0.001)}, (scope,)))
        out.append(node(scope, "Relu", {"T": field(6, 1)}, (norm,)))
    shape, data = transposed(*state["fc.weight"])
    out.append(constant("softmax/weights", shape, data.tobytes()))
    shape, data = state["fc.bias"]
    out.append(constant("softmax/biases", shape, data.tobytes()))
    pair = field(1, 3) + field(2, field(2, field(1, 2))) + field(4, struct.pack("<ii", -1, 2048))
    out.append(node("pool_3/_reshape/shape", "Const", {"dtype": field(6, 3),
                                                       "value": field(8, pair)}))
    graph = b"".join(out) + field(4, field(1, 8))
    with open(path, "wb") as f:
        f.write(graph[:len(graph) // 2] if way == "cut" else graph)


main(*sys.argv[1:])
