#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes weight files of every form that is read, and what must be read of them.

    make_weight_forms.py FOLDER

A case is a file FOLDER/NAME beside NAME.want, the same tensors as float32 in a plain safetensors
file, or NAME.error, a code and a part of the sentence with which it is refused.  Needs Python's
standard library only; make_torch_files.py writes more where PyTorch is installed.
"""
import argparse
import collections
import json
import os
import pickle
import struct
import sys

import make_weights as make

WRAPPERS = ("ema", "ema_model", "model_ema", "emas", "ema_state_dict", "state_dict_ema",
            "params_ema", "state_dict", "model", "net", "network", "module", "model_state_dict",
            "params", "weights")


def safetensors(tensors, kind="F32", code="f", notes=None):
    """{name: (shape, values)} as a file of one type."""
    header, data = {}, b""
    if notes:
        header["__metadata__"] = notes
    for name, (shape, values) in tensors.items():
        raw = struct.pack("<%d%s" % (len(values), code), *values)
        header[name] = make.entry(list(shape), len(data), len(data) + len(raw), kind)
        data += raw
    return make.safetensors(header, data)


def e4m3(bits):
    sign, exponent, fraction = -1.0 if bits & 128 else 1.0, bits >> 3 & 15, bits & 7
    if bits & 127 == 127:
        return float("nan")
    return sign * ((1 + fraction / 8) * 2.0 ** (exponent - 7) if exponent else
                   fraction / 8 * 2.0 ** -6)


def e5m2(bits):
    sign, exponent, fraction = -1.0 if bits & 128 else 1.0, bits >> 2 & 31, bits & 3
    if exponent == 31:
        return float("nan") if fraction else sign * float("inf")
    return sign * ((1 + fraction / 4) * 2.0 ** (exponent - 15) if exponent else
                   fraction / 4 * 2.0 ** -14)


FP8 = {"F8_E4M3": e4m3, "F8_E5M2": e5m2}


def old_file(obj, protocol=2, little=True, order=None):
    """As torch.save wrote it before PyTorch 1.6."""
    data, storages = make.pickled(obj, protocol)
    head = [pickle.dumps(part, protocol) for part in (
        0x1950a86a20f9469cfc6c, 1001, {"protocol_version": 1001, "little_endian": little,
                                       "type_sizes": {"short": 2, "int": 4, "long": 4}})]
    storages = [storages[i] for i in order] if order else storages
    parts = head + [data, pickle.dumps([s.key for s in storages], protocol)]
    for s in storages:
        parts.append(struct.pack("<q", len(s.data) // make.STORAGES[s.kind]) + s.data)
    return b"".join(parts)


def checkpoint():
    """A training checkpoint: averaged weights, raw ones, an optimizer's state in lists."""
    state = collections.OrderedDict()
    shared = make.store("FloatStorage", make.floats(24))
    state["module.all"] = make.tensor(shared, (4, 6))
    state["column"] = make.tensor(shared, (4,), (6,), 2)
    state["transposed"] = make.tensor(shared, (6, 4), (1, 6))
    state["expanded"] = make.tensor(shared, (3, 4), (0, 1), 5)
    state["half"] = make.tensor(make.store("HalfStorage", make.floats(6, -1)), (3, 2), (1, 3))
    state["bf16"] = make.tensor(make.store("BFloat16Storage", [1.5, -2, 0.25]), (3,))
    state["double"] = make.tensor(make.store("DoubleStorage", [1.5, 1 / 3]), (2,))
    state["counter"] = make.tensor(make.store("LongStorage", [7]), ())
    state["parameter"] = make.Call(make.utils._rebuild_parameter, make.simple(4, 4), True,
                                   collections.OrderedDict())
    hidden = [make.simple(5, 50), make.tensor(make.store("DoubleStorage", make.floats(3)), (3,))]
    complex_one = make.tensor(make.Storage("ComplexFloatStorage", b"x" * 16), (2,))
    return {"opt": {"state": {0: {"list": hidden, "exp": make.simple(3, 60)}}, "z": complex_one},
            "args": argparse.Namespace(lr=1e-4, inner=make.simple(2, 70)),
            "model": {"w": make.simple(4, 100)}, "ema": state}


def wanted_of_checkpoint():
    grid = make.floats(24)
    half = make.floats(6, -1)
    return {"all": ((4, 6), grid), "column": ((4,), [grid[2 + 6 * i] for i in range(4)]),
            "transposed": ((6, 4), [grid[i + 6 * j] for i in range(6) for j in range(4)]),
            "expanded": ((3, 4), grid[5:9] * 3),
            "half": ((3, 2), [half[i + 3 * j] for i in range(3) for j in range(2)]),
            "bf16": ((3,), [1.5, -2, 0.25]), "double": ((2,), [1.5, 1 / 3]),
            "counter": ((), [7]), "parameter": ((4,), make.floats(4, 4))}


def index(weight_map, total=None, **more):
    notes = {} if total is None else {"metadata": {"total_size": total}}
    return json.dumps({**notes, "weight_map": weight_map, **more}, indent=1).encode()


def good_cases():
    """(name, bytes, wanted tensors or None: a part of another case)"""
    for kind, convert in FP8.items():
        yield ("st_" + kind.lower(), safetensors({"all": ((16, 16), range(256))}, kind, "B"),
               {"all": ((16, 16), [convert(i) for i in range(256)])})
        names = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
        storage = make.Storage("UntypedStorage", bytes(range(256)))
        tensor = make.Call(make.utils._rebuild_tensor_v3, storage, 16, (16, 15), (1, 16), False,
                           collections.OrderedDict(), make.Dtype(names[kind]))
        yield ("pt_" + kind.lower(), make.torch_file({"t": tensor}),
               {"t": ((16, 15), [convert(16 + i + 16 * j) for i in range(16) for j in range(15)])})
    three = {"a": ((2, 3), make.floats(6)), "b": ((2,), [1.5, -2])}
    for kind, code in (("F16", "e"), ("F64", "d")):
        yield "st_" + kind.lower(), safetensors(three, kind, code), three
    for protocol in (2, 3, 4, 5):
        yield ("pt_p%d" % protocol, make.torch_file(checkpoint(), protocol=protocol),
               wanted_of_checkpoint())
        yield "old_p%d" % protocol, old_file(checkpoint(), protocol), wanted_of_checkpoint()
    count = len(make.pickled(checkpoint())[1])
    yield ("old_reversed", old_file(checkpoint(), order=list(range(count))[::-1]),
           wanted_of_checkpoint())
    one = {"w": ((2, 2), make.floats(4, 3))}
    for key in WRAPPERS:
        for prefix in ("", "module.", "_orig_mod.module."):
            inner = {prefix + "w": make.simple(4, 3, (2, 2))}
            name = "%s_%d" % (key, len(prefix))
            yield "pt_wrap_" + name, make.torch_file({"step": 3, key: inner}), one
            yield "old_wrap_" + name, old_file({"step": 3, key: inner}), one
    a, b = {"module.a": ((2, 3), make.floats(6))}, {"b": ((2,), [1.5, -2])}
    yield "part-00001-of-00002", safetensors(a), {"a": a["module.a"]}
    yield "part-00002-of-00002", safetensors(b), b
    places = {"module.a": "part-00001-of-00002", "b": "part-00002-of-00002"}
    yield "sharded.index.json", index(places, 32), {"a": a["module.a"], **b}
    yield ("part.bin", make.torch_file({"c": make.simple(4, 7, (2, 2)),
                                        "d": make.tensor(make.store("FloatStorage", make.floats(6)),
                                                         (3, 2), (1, 3))}), None)
    yield ("mixed.index.json", index({**places, "c": "part.bin", "d": "part.bin"}, 1),
           {"a": a["module.a"], **b, "c": ((2, 2), make.floats(4, 7)),
            "d": ((3, 2), [make.floats(6)[i + 3 * j] for i in range(3) for j in range(2)])})


def bad_cases():
    """(name, bytes, code, a part of the sentence)"""
    one, two = "part-00001-of-00002", "part-00002-of-00002"
    form = -5
    yield ("index_missing", index({"a": one, "c": "gone-1", "d": "gone-2"}), -4,
           "of which 2 are missing")
    yield ("index_lacks", index({"a": one, "b": two, "c": two}), form, "does not have it")
    yield "index_other", index({"a": two, "b": one}), form, "does not have it"
    yield "index_extra", index({"a": one, "x": "st_f16"}), form, "does not have it"
    yield "index_unnamed", index({"a": "st_f16"}), form, "does not put tensor b into"
    yield "index_total", index({"a": one, "b": two}, 36), form, "say"
    yield "index_total_text", index({"a": one, "b": two}, "36"), form, "no number of bytes"
    yield "index_path", index({"a": "../" + one}), form, "a file of its own folder"
    yield "index_dots", index({"a": ".."}), form, "a file of its own folder"
    yield "index_number", index({"a": 7}), form, "a file of its own folder"
    yield "index_none", index({}), form, "names 0 files"
    yield "index_many", index({str(i): "f%d" % i for i in range(200)}), form, "names 200 files"
    yield "index_twice", index({"a": one, "module.a": one, "b": two}), form, "names tensor a twice"
    yield "index_nested", index({"a": "sharded.index.json"}), form, "is a JSON text"
    yield "index_itself", index({"a": "index_itself"}), form, "is a JSON text"
    yield "other_json", b'{"weights": 1}', form, "is a JSON text"
    yield "broken_json", b'{"weight_map": {"a": "x"}', form, "is a JSON text"
    whole = old_file(checkpoint())
    yield "old_cut", whole[:-4], form, "is cut short"
    yield "old_cut_count", whole[:-30], form, "is cut short"
    yield "old_big_endian", old_file(checkpoint(), little=False), form, "big-endian machine"
    make.STORAGES["FooStorage"] = 4
    make.torch.FooStorage = type("FooStorage", (), {"__module__": "torch"})
    strange = make.tensor(make.Storage("FooStorage", b"x" * 8), (2,))
    yield ("old_strange", old_file({"a": strange, "b": make.simple()}), form,
           "has a storage of type FooStorage")
    outside = make.tensor(make.store("FloatStorage", make.floats(4)), (2, 3))
    yield "old_outside", old_file({"a": outside}), form, "reaches outside its storage"
    lost = old_file({"a": make.simple(2), "b": make.simple(2, 9)}, order=[0])
    yield "old_lost", lost, form, "lacks the data of tensor b"


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = arguments[0]
    for name, data, wanted in good_cases():
        write(os.path.join(folder, name), data)
        if wanted:
            write(os.path.join(folder, name + ".want"), safetensors(wanted))
    for name, data, code, text in bad_cases():
        write(os.path.join(folder, name), data)
        write(os.path.join(folder, name + ".error"), ("%d\n%s" % (code, text)).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
