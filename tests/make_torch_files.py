#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lets PyTorch save weight files in every form that it has, for tests/unit/weight_forms.c.

    make_torch_files.py FOLDER

Writes FOLDER/NAME and FOLDER/NAME.want as make_weight_forms.py does; 3: PyTorch is not installed.
"""
import argparse
import collections
import json
import os
import struct
import sys

try:
    import torch
except ImportError:
    sys.exit(3)


def write_wanted(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        values = tensor.detach().double().reshape(-1).tolist()
        raw = struct.pack("<%df" % len(values), *values)
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def checkpoint():
    torch.manual_seed(5)
    base = torch.randn(6, 8)
    state = collections.OrderedDict({
        "base": base, "transposed": base.t(), "row": base[3], "column": base[:, 2],
        "stepped": base[1::2, ::3], "expanded": torch.randn(1, 4).expand(3, 4),
        "last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "half": torch.randn(5, 3).half().t(), "bf16": torch.randn(7).bfloat16(),
        "double": torch.randn(3, 2, dtype=torch.float64), "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3), "parameter": torch.nn.Parameter(torch.randn(4)),
        "steps": torch.tensor([1, 1 << 20])})
    for kind in ("float8_e4m3fn", "float8_e5m2"):
        if hasattr(torch, kind):
            state[kind] = torch.randn(9).to(getattr(torch, kind))
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(3)).sum().backward()
    optimizer.step()
    return state, {"model": net.state_dict(), "opt": optimizer.state_dict(),
                   "args": argparse.Namespace(lr=1e-4, tensors=[torch.ones(2)])}


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    state, rest = checkpoint()
    for protocol in (2, 3, 4, 5):
        for zipped in (True, False):
            for key in ("ema", "ema_model", "state_dict", None):
                name = "torch_%s%d_%s" % ("zip" if zipped else "old", protocol, key)
                path = os.path.join(arguments[0], name)
                torch.save({**rest, key: state} if key else state, path, pickle_protocol=protocol,
                           _use_new_zipfile_serialization=zipped)
                write_wanted(path + ".want", state)
    print("made by torch", torch.__version__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
