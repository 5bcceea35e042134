#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes odd and broken weight files for the tests; needs Python's standard library only.

    make_weights.py CASE OUT     writes one case to the file OUT
    make_weights.py all FOLDER   writes every case to FOLDER/CASE
    make_weights.py list         prints the names of the cases

A case is a function below, its name without "case_"; the docstring says what is odd.  Element i
of a tensor made by floats(n, k) has the value k + i / 4.  Torch files are written as torch
does it: classes of the same names are pickled here in place of torch's own.
"""
import argparse
import collections
import io
import json
import os
import pickle
import struct
import sys
import types
import zipfile
import zlib


# --- pickles that look like torch's ---------------------------------------------------------

def _module(name, **members):
    module = types.ModuleType(name)
    for key, value in members.items():
        value.__module__, value.__qualname__, value.__name__ = name, key, key
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def _function():
    def stand_in(*args):
        return None
    return stand_in


STORAGES = {"FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "DoubleStorage": 8,
            "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1,
            "ByteStorage": 1, "BoolStorage": 1, "UntypedStorage": 1, "ComplexFloatStorage": 8}
FORMATS = {"FloatStorage": "f", "HalfStorage": "e", "DoubleStorage": "d", "LongStorage": "q",
           "IntStorage": "i", "ShortStorage": "h", "CharStorage": "b", "ByteStorage": "B",
           "BoolStorage": "?"}

torch = _module("torch", **{name: type(name, (), {}) for name in STORAGES})
for _name in ("float32", "bfloat16", "float8_e4m3fn", "float8_e5m2"):
    setattr(torch, _name, None)
utils = _module("torch._utils", **{name: _function() for name in (
    "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter", "_rebuild_from_type_v2",
    "_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_meta_tensor_no_storage",
    "_rebuild_wrapper_subclass")})
torch._utils = utils
typed = _module("torch._tensor", _rebuild_from_type_v2=_function())
torch._tensor = typed
_module("somewhere")
optim = _module("somewhere.optim", Schedule=type("Schedule", (), {}))


class Storage:
    """A run of raw bytes under data/<key>."""

    def __init__(self, kind, data, key=None, numel=None):
        self.kind, self.data, self.key = kind, data, key
        self.numel = len(data) // STORAGES[kind] if numel is None else numel


class Call:
    """Pickled as function(*args)."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


class Dtype:
    """Pickled as the name torch.<name>."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return self.name

    __module__ = "torch"


def store(kind, values):
    if kind == "BFloat16Storage":       # cut, not rounded: the tests use exact values
        return Storage(kind, b"".join(struct.pack("<f", v)[2:] for v in values))
    return Storage(kind, struct.pack("<%d%s" % (len(values), FORMATS[kind]), *values))


def floats(n, k=0):
    return [k + i / 4 for i in range(n)]


def tensor(storage, shape, stride=None, offset=0):
    if stride is None:
        stride, step = [], 1
        for n in reversed(shape):
            stride.insert(0, step)
            step *= n
    return Call(utils._rebuild_tensor_v2, storage, offset, tuple(shape), tuple(stride), False,
                collections.OrderedDict())


def simple(n=6, k=0, shape=None):
    return tensor(store("FloatStorage", floats(n, k)), shape or (n,))


class Pickler(pickle._Pickler):
    """Python's own pickler in Python: its save_global takes the stand-ins for dtypes."""

    def __init__(self, out, protocol):
        super().__init__(out, protocol)
        self.storages = []

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        if obj not in self.storages:
            self.storages.append(obj)
            if obj.key is None:
                obj.key = str(len(self.storages) - 1)
        return "storage", getattr(torch, obj.kind), obj.key, "cpu", obj.numel

    def save_global(self, obj, name=None):
        if isinstance(obj, Dtype):
            self.write(pickle.GLOBAL + b"torch\n" + obj.name.encode() + b"\n")
            self.memoize(obj)
        else:
            super().save_global(obj, name)


def pickled(obj, protocol=2):
    out = io.BytesIO()
    pickler = Pickler(out, protocol)
    pickler.dump(obj)
    return out.getvalue(), pickler.storages


# --- zip as torch writes it -------------------------------------------------------------------

def zipped(members, zip64=False, no_crc=False):
    """Local headers without CRC and sizes, data descriptors, data at multiples of 64."""
    out, directory = io.BytesIO(), io.BytesIO()
    for name, data in members:
        name, at = name.encode(), out.tell()
        crc, size = 0 if no_crc else zlib.crc32(data), len(data)
        pad = -(at + 30 + len(name) + 4) % 64
        extra = b"FB" + struct.pack("<H", pad) + b"Z" * pad
        out.write(struct.pack("<IHHHHHIIIHH", 0x04034b50, 0, 0x808, 0, 0, 0, 0, 0, 0, len(name),
                              len(extra)) + name + extra + data)
        out.write(struct.pack("<IIQQ" if zip64 else "<IIII", 0x08074b50, crc, size, size))
        shown, place, extra = size, at, b""
        if zip64:
            shown = place = 0xffffffff
            extra = struct.pack("<HHQQQ", 1, 24, size, size, at)
        directory.write(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 0, 0, 0x808, 0, 0, 0, crc,
                                    shown, shown, len(name), len(extra), 0, 0, 0, 0, place))
        directory.write(name + extra)
    at, size, count = out.tell(), directory.tell(), len(members)
    out.write(directory.getvalue())
    if zip64:
        end = out.tell()
        out.write(struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0, 0, count, count, size, at))
        out.write(struct.pack("<IIQI", 0x07064b50, 0, end, 1))
        at = size = 0xffffffff
        count = 0xffff
    out.write(struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, count, count, size, at, 0))
    return out.getvalue()


def members(obj, folder="archive", protocol=2, byteorder="little", raw=None):
    data, storages = (raw, []) if raw is not None else pickled(obj, protocol)
    result = [(folder + "/data.pkl", data)]
    if byteorder:
        result.append((folder + "/byteorder", byteorder.encode()))
    result += [("%s/data/%s" % (folder, s.key), s.data) for s in storages]
    return result + [(folder + "/version", b"3\n")]


def torch_file(obj, zip64=False, no_crc=False, **options):
    return zipped(members(obj, **options), zip64, no_crc)


# --- safetensors ------------------------------------------------------------------------------

def safetensors(header, data, length=None):
    """header: a dict, a list of (name, value) pairs for repeated names, or the raw text."""
    if isinstance(header, list):
        header = "{%s}" % ", ".join("%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in header)
    if isinstance(header, dict):
        header = json.dumps(header)
    text = header.encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def pack(values):
    return struct.pack("<%df" % len(values), *values)


def two():
    return {"a": entry([2, 3], 0, 24), "b": entry([4], 24, 40)}, pack(floats(6) + floats(4, 10))


# --- cases: no weights at all -----------------------------------------------------------------

def case_lfs_pointer():
    """a git-LFS pointer"""
    return (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 +
            b"\nsize 2703341056\n")


def case_html():
    """an HTML page"""
    return b"\n<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n"


def case_empty():
    """no bytes"""
    return b""


def case_short():
    """five bytes"""
    return b"\x10\x00\x00\x00\x00"


def case_json_text():
    """a JSON error message"""
    return b'{"type":{"error": "not found"}, "status": 404}\n'


def case_noise():
    """bytes of no format"""
    return bytes((i * 37 + 11) % 251 for i in range(4096))


def case_tar():
    """a tar checkpoint"""
    return b"sys_info".ljust(257, b"\0") + b"ustar\x0000".ljust(767, b"\0")


def case_legacy_torch():
    """a checkpoint from before PyTorch 1.6"""
    parts = [0x1950a86a20f9469cfc6c, 1001, {"little_endian": True}, {}, []]
    return b"".join(pickle.dumps(part, 2) for part in parts)


def case_bare_pickle():
    """a pickle without zip"""
    return pickle.dumps({"a": 1}, 2)


# --- cases: safetensors -----------------------------------------------------------------------

def case_st_good():
    """a good file: a (2, 3), b (4), notes"""
    header, data = two()
    return safetensors({"__metadata__": {"format": "pt", "note": "caf\u00e9"}, **header}, data)


def case_st_types():
    """one tensor of each type; values 1 0 or 1.5 -2; a scalar; no elements; JSON order reversed"""
    kinds = [("f64", "F64", "d", (1.5, -2)), ("i64", "I64", "q", (1 << 40, -1)),
             ("f32", "F32", "f", (1.5, -2)), ("i32", "I32", "i", (1 << 30, -1)),
             ("f16", "F16", "e", (1.5, -2)), ("i16", "I16", "h", (1 << 14, -1)),
             ("i8", "I8", "b", (100, -1)), ("u8", "U8", "B", (200, 1)),
             ("bool", "BOOL", "?", (True, False))]
    header, data = [], b""
    for name, dtype, code, values in kinds:
        raw = struct.pack("<2" + code, *values)
        header.append((name, entry([2], len(data), len(data) + len(raw), dtype)))
        data += raw
    raw = pack((1.5, -2))
    raw = raw[2:4] + raw[6:8]
    header.append(("bf16", entry([2], len(data), len(data) + 4, "BF16")))
    data += raw
    header.append(("none", entry([3, 0, 2], len(data), len(data))))
    header.append(("scalar", entry([], len(data), len(data) + 4)))
    return safetensors(header[::-1], data + pack([7.25]))


def case_st_all_halves():
    """every bit pattern of F16 and of BF16"""
    every = struct.pack("<65536H", *range(65536))
    return safetensors({"half": entry([65536], 0, 131072, "F16"),
                        "bf16": entry([256, 256], 131072, 262144, "BF16")}, every * 2)


def case_st_header_cut():
    """the file ends in the header"""
    return case_st_good()[:60]


def case_st_data_cut():
    """the file ends in the data"""
    return case_st_good()[:-5]


def case_st_data_long():
    """bytes after the last tensor"""
    return case_st_good() + b"more"


def case_st_header_absurd():
    """a header length of 2^62"""
    return safetensors(*two(), length=1 << 62)


def case_st_header_big():
    """a header length just over the limit"""
    return safetensors(*two(), length=100000001)


def case_st_duplicate():
    """two names twice"""
    return safetensors([("a", entry([1], 0, 4)), ("b", entry([1], 4, 8)), ("c", entry([1], 8, 12)),
                        ("b", entry([1], 12, 16)), ("a", entry([1], 16, 20))], pack(floats(5)))


def case_st_duplicate_prefix():
    """one name with and without module."""
    return safetensors({"module.a": entry([1], 0, 4), "a": entry([1], 4, 8)}, pack(floats(2)))


def case_st_prefixes():
    """prefixes in any order"""
    return safetensors({"module._orig_mod.a": entry([1], 0, 4), "_orig_mod.module.b":
                        entry([1], 4, 8), "module.module.c": entry([1], 8, 12),
                        "module.": entry([1], 12, 16)}, pack(floats(4)))


def case_st_overlap():
    """two tensors share bytes"""
    return safetensors({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, pack(floats(3)))


def case_st_hole():
    """bytes that belong to no tensor"""
    return safetensors({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, pack(floats(3)))


def case_st_out_of_bounds():
    """offsets far outside the file"""
    return safetensors({"a": entry([1 << 40], 0, 1 << 42)}, pack(floats(3)))


def case_st_offsets_reversed():
    """end before begin"""
    return safetensors({"a": entry([1], 4, 0)}, pack(floats(1)))


def case_st_offsets_fraction():
    """an offset of 0.5"""
    return safetensors({"a": entry([1], 0.5, 4.5)}, pack(floats(1)))


def case_st_size_wrong():
    """data of another size than the shape"""
    return safetensors({"a": entry([3], 0, 8)}, pack(floats(2)))


def case_st_shape_overflow():
    """a product of the shape beyond 64 bits"""
    return safetensors({"a": entry([1 << 40, 1 << 40], 0, 8)}, pack(floats(2)))


def case_st_shape_negative():
    """a negative size"""
    return safetensors({"a": entry([-1], 0, 4)}, pack(floats(1)))


def case_st_rank():
    """nine dimensions"""
    return safetensors({"a": entry([1] * 9, 0, 4)}, pack(floats(1)))


def case_st_dtype():
    """types that are not read, beside one that is"""
    return safetensors({"a": entry([4], 0, 4, "F8_E8M0"), "b": entry([1], 4, 8),
                        "c": entry([2], 8, 9, "F4")}, pack(floats(1)) * 2 + b"x")


def case_st_unknown_key():
    """an entry with a key of its own, which may say how its numbers are meant"""
    return safetensors({"a": {**entry([2], 0, 8), "strides": [1]}, "b": entry([1], 8, 12)},
                       pack(floats(2)) + pack(floats(1)))


def case_st_no_dtype():
    """an entry without dtype"""
    return safetensors({"a": {"shape": [1], "data_offsets": [0, 4]}}, pack(floats(1)))


def case_st_key_twice():
    """shape twice in one entry"""
    return safetensors('{"a": {"dtype": "F32", "shape": [1], "shape": [1], '
                       '"data_offsets": [0, 4]}}', pack(floats(1)))


def case_st_entry_list():
    """an entry that is a list"""
    return safetensors({"a": [1, 2, 3]}, pack(floats(1)))


def case_st_metadata_number():
    """__metadata__ with a number"""
    return safetensors({"__metadata__": {"n": 1}, "a": entry([1], 0, 4)}, pack(floats(1)))


def case_st_not_json():
    """a header that is not JSON"""
    return safetensors("{this is no JSON}", b"")


def case_st_json_tail():
    """text after the JSON"""
    return safetensors("{} {}", b"")


def case_st_deep():
    """brackets nested 2000 deep"""
    return safetensors('{"a": %s%s}' % ("[" * 2000, "]" * 2000), b"")


def case_st_control_name():
    """a name with a terminal's escape"""
    return safetensors({"a\u001b[31m": entry([1], 0, 4)}, pack(floats(1)))


def case_st_no_tensors():
    """no tensors at all: valid"""
    return safetensors({}, b"")


# --- cases: torch -----------------------------------------------------------------------------

def case_pt_good():
    """a good file: a (2, 3), b (4) from 10"""
    return torch_file({"a": simple(6, 0, (2, 3)), "b": simple(4, 10)})


def case_pt_types():
    """one tensor of each type; a scalar; no elements; values that are no tensors"""
    return torch_file(collections.OrderedDict([
        ("f64", tensor(store("DoubleStorage", (1.5, -2)), (2,))),
        ("f32", tensor(store("FloatStorage", (1.5, -2)), (2,))),
        ("f16", tensor(store("HalfStorage", (1.5, -2)), (2,))),
        ("bf16", tensor(store("BFloat16Storage", (1.5, -2)), (2,))),
        ("i64", tensor(store("LongStorage", (1 << 40, -1)), (2,))),
        ("i32", tensor(store("IntStorage", (1 << 30, -1)), (2,))),
        ("i16", tensor(store("ShortStorage", (1 << 14, -1)), (2,))),
        ("i8", tensor(store("CharStorage", (100, -1)), (2,))),
        ("u8", tensor(store("ByteStorage", (200, 1)), (2,))),
        ("bool", tensor(store("BoolStorage", (True, False)), (2,))),
        ("scalar", tensor(store("FloatStorage", [7.25]), ())),
        ("none", tensor(store("FloatStorage", []), (3, 0, 2))),
        ("step", 12), ("name", "text"), ("list", [1, 2.5, None, True]), (3, simple()),
        ("big", 1 << 100), ("minus", -5)]))


def case_pt_protocol4():
    """protocol 4: frames, short strings, STACK_GLOBAL"""
    return torch_file({"a": simple(6, 0, (2, 3)), "b": simple(4, 10)}, protocol=4)


def case_pt_protocol5():
    """protocol 5"""
    return torch_file({"a": simple(6, 0, (2, 3)), "raw": bytearray(b"xyz")}, protocol=5)


def case_pt_shared():
    """three views of one storage"""
    s = store("FloatStorage", floats(24))
    return torch_file({"all": tensor(s, (4, 6)), "tail": tensor(s, (6,), offset=18),
                       "column": tensor(s, (4,), (6,), offset=2)})


def case_pt_strides():
    """permuted, expanded, sliced and channels-last tensors"""
    s = store("FloatStorage", floats(24))
    return torch_file({"transposed": tensor(s, (6, 4), (1, 6)),
                       "expanded": tensor(s, (3, 4), (0, 1)),
                       "sliced": tensor(s, (2, 3), (12, 2), offset=1),
                       "last": tensor(s, (2, 3, 2, 2), (12, 1, 6, 3)),
                       "ones": tensor(s, (1, 24, 1), (99, 1, 77)),
                       "half": tensor(store("HalfStorage", floats(6)), (3, 2), (1, 3))})


def case_pt_offset_outside():
    """an offset past the end"""
    return torch_file({"a": tensor(store("FloatStorage", floats(4)), (2,), offset=3)})


def case_pt_stride_outside():
    """a stride past the end"""
    return torch_file({"a": tensor(store("FloatStorage", floats(4)), (2, 2), (3, 1))})


def case_pt_stride_overflow():
    """strides whose product exceeds 64 bits"""
    return torch_file({"a": tensor(store("FloatStorage", floats(4)), (1 << 40, 2), (1 << 40, 1))})


def case_pt_shape_overflow():
    """a product of the shape beyond 64 bits"""
    return torch_file({"a": tensor(store("FloatStorage", floats(4)), (1 << 40, 1 << 40), (0, 0))})


def case_pt_stride_negative():
    """a negative stride"""
    return torch_file({"a": tensor(store("FloatStorage", floats(4)), (2,), (-1,), offset=1)})


def case_pt_rank():
    """nine dimensions"""
    return torch_file({"a": tensor(store("FloatStorage", floats(1)), (1,) * 9)})


def case_pt_rank_differs():
    """fewer strides than sizes"""
    return torch_file({"a": tensor(store("FloatStorage", floats(4)), (2, 2), (2,))})


def case_pt_numel_lies():
    """a storage that claims more elements than its entry has"""
    s = store("FloatStorage", floats(4))
    s.numel = 400
    return torch_file({"a": tensor(s, (400,))})


def case_pt_storage_missing():
    """a storage without its entry"""
    return zipped([m for m in members({"a": simple(), "b": simple()})
                   if not m[0].endswith("data/1")])


def case_pt_key_path():
    """a storage key that is a path"""
    s = store("FloatStorage", floats(4))
    s.key = "../version"
    return torch_file({"a": tensor(s, (4,))})


def case_pt_complex():
    """a type that is not read, beside one that is"""
    return torch_file({"a": tensor(Storage("ComplexFloatStorage", bytes(16)), (2,)),
                       "b": simple(4, 2)})


def case_pt_attributes():
    """tensors with attributes in Python, as PyTorch 2 writes them"""
    return torch_file({"a": Call(typed._rebuild_from_type_v2, utils._rebuild_tensor_v2,
                                 torch.FloatStorage, simple(4, 1).args, {"no_decay": True})})


def case_pt_forms():
    """tensors of forms that are not read, and an object, beside one that is read"""
    w = simple(4, 1)
    flagged = Call(utils._rebuild_tensor_v2, *w.args, {"neg": True})
    return torch_file({"ema": {
        "quantized": Call(utils._rebuild_qtensor, *w.args), "negated": flagged,
        "sparse": Call(utils._rebuild_sparse_tensor, 1), "plain": simple(4, 3),
        "meta": Call(utils._rebuild_meta_tensor_no_storage, 1, (4,), (1,), False),
        "parted": Call(typed._rebuild_from_type_v2, utils._rebuild_wrapper_subclass,
                       torch.FloatStorage, (1, 2), {"_local_tensor": w}),
        "object": Call(optim.Schedule)}})


def case_pt_all_quantized():
    """an ema of tensors that are not read, before a model of some that are"""
    return torch_file({"ema": {"w": Call(utils._rebuild_qtensor, *simple(4, 1).args)},
                       "model": {"w": simple(4, 2)}})


def case_pt_stray():
    """a single number beside a state dict of a name that is not known"""
    return torch_file({"somewhere": {"w": simple(4, 1)},
                       "step": tensor(store("FloatStorage", [1.0]), ())})


def case_pt_protocol0():
    """a pickle of text"""
    return torch_file({}, raw=pickle.dumps({"a": 1}, 0))


def case_pt_ema():
    """a training checkpoint: ema before model; opt, args, steps aside"""
    args = argparse.Namespace(lr=1e-4, path="x")
    return torch_file({"model": {"w": simple(4, 100)}, "opt": {"state": {0: {"step": 3,
                       "exp_avg": simple(4, 300)}}, "param_groups": [{"lr": 1e-4,
                       "betas": (0.9, 0.999), "params": [0, 1]}]}, "args": args, "steps": 400,
                       "set": {1, 2}, "when": optim.Schedule(),
                       "ema": collections.OrderedDict(w=simple(4, 200))})


def case_pt_state_dict():
    """state_dict before model"""
    return torch_file({"model": {"w": simple(4, 100)}, "epoch": 3,
                       "state_dict": {"w": simple(4, 200)}})


def case_pt_model():
    """model, as ema has no tensors"""
    return torch_file({"ema": {"decay": 0.999}, "model": {"w": simple(4, 100)}})


def case_pt_ema_list():
    """averaged weights as a list, as EMA helpers keep them: the raw ones must not be taken"""
    return torch_file({"model": {"w": simple(4, 100)},
                       "ema": {"decay": 0.999, "shadow_params": [simple(4, 200)]}})


def case_pt_ema_none():
    """no averaged weights"""
    return torch_file({"model": {"w": simple(4, 100)}, "ema": None, "ema_decay": 0.999})


def case_pt_ema_model():
    """averaged weights under another key, before raw ones"""
    return torch_file({"model": {"w": simple(4, 100)}, "optimizer": {"state": {}},
                       "ema_model": {"w": simple(4, 200)}, "step": 3})


def case_pt_nested():
    """wrappers in each other"""
    return torch_file({"state_dict": {"model": {"w": simple(4, 100)}, "step": 1}})


def case_pt_prefixes():
    """module. and _orig_mod."""
    return torch_file({"module.a": simple(4, 1), "module._orig_mod.b": simple(4, 2),
                       "_orig_mod.module.c": simple(4, 3)})


def case_pt_duplicate_prefix():
    """names that are equal without prefix"""
    return torch_file({"module.a": simple(), "a": simple(), "module.b": simple(), "c": simple(),
                       "_orig_mod.b": simple()})


def case_pt_no_state():
    """a dict without tensors"""
    return torch_file({"weights": [simple()], "epoch": 3})


def case_pt_object():
    """a whole model instead of its state"""
    model = optim.Schedule()
    model.w = simple()
    return torch_file(model)


def case_pt_one_tensor():
    """one tensor without a name"""
    return torch_file(simple())


def case_pt_parameter():
    """parameters, tensors of a subclass, untyped storages with a dtype"""
    untyped = Storage("UntypedStorage", pack(floats(4, 5)))
    hooks = collections.OrderedDict()
    inner = tensor(store("FloatStorage", floats(4, 6)), (4,))
    return torch_file({
        "parameter": Call(utils._rebuild_parameter, simple(4, 4), True, hooks),
        "untyped": Call(utils._rebuild_tensor_v3, untyped, 1, (3,), (1,), False, hooks,
                        Dtype("float32")),
        "subclass": Call(utils._rebuild_from_type_v2, utils._rebuild_tensor_v2, optim.Schedule,
                         inner.args, {})})


def case_pt_metadata():
    """a state dict with _metadata set by BUILD"""
    state = collections.OrderedDict(w=simple(4, 1))
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return torch_file(state)


def case_pt_evil():
    """a pickle that would create the file named by FFCL_EVIL if it were run"""
    mark = os.environ.get("FFCL_EVIL", "evil")
    return torch_file({"w": simple(4, 1), "args": Call(os.system, "touch '%s'" % mark),
                       "more": Call(eval, "open(%r, 'w')" % mark)})


def case_pt_truncated():
    """the end of the zip archive is missing"""
    return case_pt_good()[:-100]


def case_pt_half():
    """half of the zip archive"""
    data = case_pt_good()
    return data[:len(data) // 2]


def case_pt_crc():
    """a flipped byte in the data of b"""
    data = bytearray(case_pt_good())
    data[data.index(pack(floats(4, 10))) + 3] ^= 1
    return bytes(data)


def case_pt_no_crc():
    """an archive without checksums"""
    return torch_file({"a": simple(6, 0, (2, 3)), "b": simple(4, 10)}, no_crc=True)


def case_pt_zip64():
    """zip64 throughout"""
    return torch_file({"a": simple(6, 0, (2, 3)), "b": simple(4, 10)}, zip64=True)


def case_pt_deflated():
    """re-packed with compression"""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members({"a": simple(6, 0, (2, 3)), "b": simple(40000, 10)}):
            archive.writestr(name, data)
    return out.getvalue()


def case_pt_folder():
    """another top folder, other entries before data.pkl"""
    return zipped([("x y/.format_version", b"1"), ("x y/.data/serialization_id", b"7")] +
                  members({"a": simple(6, 0, (2, 3))}, folder="x y"))


def case_pt_old():
    """before PyTorch 2.1: no byteorder"""
    return torch_file({"a": simple(6, 0, (2, 3))}, byteorder=None)


def case_pt_big_endian():
    """byteorder big"""
    return torch_file({"a": simple(6, 0, (2, 3))}, byteorder="big")


def case_pt_no_pickle():
    """a zip archive of something else"""
    return zipped([("docs/readme.txt", b"hello")])


def case_pt_zip_empty():
    """a zip archive without entries"""
    return zipped([])


def case_pt_pickle_cut():
    """a pickle that ends early"""
    return torch_file(None, raw=pickled({"a": simple()})[0][:40])


def case_pt_pickle_empty():
    """a pickle without bytes"""
    return torch_file(None, raw=b"")


def case_pt_deep():
    """dicts nested 100000 deep"""
    return torch_file(None, raw=b"\x80\x02" + b"}X\x03\0\0\0ema" * 100000 + b"}" +
                      b"s" * 100000 + b".")


def case_pt_cycle():
    """a dict that holds itself under every wrapper key"""
    keys = b"".join(b"X" + struct.pack("<I", len(k)) + k + b"h\0s"
                    for k in (b"ema", b"state_dict", b"model"))
    return torch_file(None, raw=b"\x80\x02}q\0" + keys + b".")


def rich():
    shared = store("FloatStorage", floats(24))
    hooks = collections.OrderedDict()
    state = collections.OrderedDict({
        "module.all": tensor(shared, (4, 6)), "last": tensor(shared, (2, 3, 2, 2), (12, 1, 6, 3)),
        "half": tensor(store("HalfStorage", floats(6)), (3, 2), (1, 3)),
        "parameter": Call(utils._rebuild_parameter, simple(4, 4), True, hooks),
        "untyped": Call(utils._rebuild_tensor_v3, Storage("UntypedStorage", pack(floats(4))), 1,
                        (3,), (1,), False, hooks, Dtype("float32"))})
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return {"model": {"w": simple(4, 100)}, "opt": {"state": {0: {"step": 3}}, "lr": [1e-4, 1]},
            "args": argparse.Namespace(lr=1e-4, n=1 << 70, m=-3), "set": {1, 2}, "ema": state}


def case_pt_rich():
    """something of everything, without checksums: for mutation tests"""
    return torch_file(rich(), no_crc=True)


def case_pt_rich4():
    """the same in protocol 4"""
    return torch_file(rich(), no_crc=True, protocol=4)


def case_pickle_rich():
    """the pickle of pt_rich alone"""
    return pickled(rich())[0]


def case_pickle_rich4():
    """the pickle of pt_rich4 alone"""
    return pickled(rich(), 4)[0]


# --- cases: graphs of TensorFlow ----------------------------------------------------------------

def varint(n):
    """A whole number as protobuf has it."""
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, value):
    """A field of bytes, text, a float or a whole number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def node(name, op, *attributes):
    """A node of a graph; attributes (key, value's fields)."""
    body = field(1, name) + field(2, op) + field(3, "input")
    return field(1, body + b"".join(field(5, field(1, k) + field(2, v)) for k, v in attributes))


def constant(name, shape, data, where=4, dtype=1):
    """A Const; where: 4 tensor_content, 5 float_val."""
    dims = field(2, b"".join(field(2, field(1, n)) for n in shape))
    return node(name, "Const", ("dtype", field(6, dtype)),
                ("value", field(8, field(1, dtype) + dims + field(where, data))))


def graph(*nodes):
    """A graph with its version."""
    return b"".join(nodes) + field(4, field(1, 8))


def norm(epsilon=0.001, scales=1, name="n"):
    """A batch norm of the old kind."""
    return node(name, "BatchNormWithGlobalNormalization", ("variance_epsilon", field(4, epsilon)),
                ("scale_after_normalization", field(5, scales)))


def case_gd_good():
    """a graph: w (in 2, out 3), k (height 1, width 2, in 2, out 3), v (4), one value of s (5)"""
    return graph(constant("w", [2, 3], pack(floats(6))),
                 constant("k", [1, 2, 2, 3], pack(floats(12, 20))), norm(),
                 constant("v", [4], pack(floats(4, 10)), 5),
                 constant("s", [5], pack([7.0])), constant("i", [2], b"\0" * 8, dtype=3),
                 node("x", "Relu"))


def case_gd_cut():
    """the same, cut within a tensor"""
    return case_gd_good()[:100]


def case_gd_short():
    """a tensor with too few numbers"""
    return graph(constant("w", [2, 3], pack(floats(5))))


def case_gd_varint():
    """a whole number without an end"""
    return graph(node("a", "Const")) + b"\x10" + b"\xff" * 12


def case_gd_huge():
    """a shape beyond any memory"""
    return graph(constant("w", [1 << 39, 1 << 39], pack(floats(1))))


def case_gd_norms():
    """batch norms that differ"""
    return graph(norm(), norm(0.01, name="m"))


CASES = {name[5:]: function for name, function in list(globals().items())
         if name.startswith("case_")}


def main(arguments):
    if arguments == ["list"]:
        print("\n".join(CASES))
        return 0
    if len(arguments) != 2 or arguments[0] not in list(CASES) + ["all"]:
        print(__doc__, file=sys.stderr)
        return 2
    case, out = arguments
    todo = {os.path.join(out, name): name for name in CASES} if case == "all" else {out: case}
    for path, name in todo.items():
        data = CASES[name]()
        with open(path, "wb") as file:
            file.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
