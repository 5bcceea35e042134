#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Edits weight files for the tests; needs Python's standard library only.

    edit_safetensors.py IN OUT [OPERATION ...]

IN is a safetensors file, a .pt file of torch (its "ema" if there is one), or "new" for nothing;
OUT is written as safetensors.  Operations, applied in order:

    drop=REGEX              leave tensors out
    keep=REGEX              leave all others out
    sub=REGEX=>TEXT         rename by re.sub
    reverse=REGEX=>N        the first group, a number i, becomes N - 1 - i
    reshape=NAME:2x3        another shape, the data cut or padded with zeros
    add=NAME:2x3            another float32 tensor; zeros, which take no space on the disk
    copy=NAME:OTHER         the same tensor under another name as well
    set=NAME:INDEX:VALUE    one element (float32 and float16)
    twice=NAME              the name stands in the header twice
    ranks=REGEX:2x3x..      * in a shape stands for the dimension there: ranks=q.weight:*x*x1x1
    note=KEY:VALUE          an entry of __metadata__

An operation that matches nothing is an error.
"""
import io
import json
import pickle
import re
import struct
import sys
import zipfile

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
         "BOOL": 1}
TORCH = {"FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
         "DoubleStorage": "F64", "LongStorage": "I64"}
FORMATS = {"F32": "<f", "F16": "<e", "F64": "<d"}


class Tensor:
    """data None: zeros."""

    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, list(shape), data

    def size(self):
        n = SIZES[self.dtype]
        for d in self.shape:
            n *= d
        return n


def read_safetensors(path):
    with open(path, "rb") as f:
        length, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    notes = header.pop("__metadata__", None)
    return [(k, Tensor(v["dtype"], v["shape"], data[slice(*v["data_offsets"])]))
            for k, v in header.items()], notes


class Foreign:
    """An object of any class that is no tensor's."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


class Unpickler(pickle.Unpickler):
    """Knows how tensors are rebuilt, and makes nothing of any other class."""

    def __init__(self, file, archive, folder):
        super().__init__(file)
        self.archive, self.folder = archive, folder

    def find_class(self, module, name):
        if name == "_rebuild_tensor_v2":
            return self.rebuild
        if module == "collections" and name == "OrderedDict":
            return dict
        if module == "torch":
            return name
        return Foreign

    def persistent_load(self, pid):
        return TORCH.get(str(pid[1]), "U8"), self.archive.read("%s/data/%s" % (self.folder, pid[2]))

    @staticmethod
    def rebuild(storage, offset, shape, stride, *rest):
        dtype, data = storage
        tensor, step = Tensor(dtype, shape, None), 1
        for n, s in zip(reversed(shape), reversed(stride)):
            assert n == 1 or s == step, "a strided tensor"
            step *= n
        tensor.data = data[offset * SIZES[dtype]:][:tensor.size()]
        return tensor


def read_torch(path):
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        found = Unpickler(io.BytesIO(archive.read(name)), archive, name[:-len("/data.pkl")]).load()
    found = found.get("ema", found)
    return [(k, v) for k, v in found.items() if isinstance(v, Tensor)], None


def read(path):
    if path == "new":
        return [], None
    return read_torch(path) if path.endswith(".pt") else read_safetensors(path)


def shape_of(text):
    return [int(d) for d in text.split("x") if d]


class Editor:
    def __init__(self, tensors, notes):
        self.tensors, self.notes, self.doubled = tensors, notes, []

    def get(self, name):
        return next(t for n, t in self.tensors if n == name)

    def filtered(self, pattern, wanted):
        before = len(self.tensors)
        self.tensors = [(n, t) for n, t in self.tensors if bool(re.search(pattern, n)) == wanted]
        return len(self.tensors) < before

    def drop(self, text):
        return self.filtered(text, False)

    def keep(self, text):
        return self.filtered(text, True)

    def sub(self, text):
        pattern, to = text.split("=>")
        renamed = [(re.sub(pattern, to, n), t) for n, t in self.tensors]
        changed = [n for n, _ in renamed] != [n for n, _ in self.tensors]
        self.tensors = renamed
        return changed

    def reverse(self, text):
        pattern, count = text.split("=>")
        matched = 0

        def turn(m):
            a, b = m.span(1)
            i = int(count) - 1 - int(m[1])
            return m.string[m.start():a] + str(i) + m.string[b:m.end()]

        for k, (n, t) in enumerate(self.tensors):
            matched += bool(re.search(pattern, n))
            self.tensors[k] = (re.sub(pattern, turn, n), t)
        return matched

    def reshape(self, text):
        name, shape = text.rsplit(":", 1)
        t = self.get(name)
        t.shape = shape_of(shape)
        t.data = t.data[:t.size()].ljust(t.size(), b"\0")
        return True

    def ranks(self, text):
        pattern, shape = text.rsplit(":", 1)
        matched = [t for n, t in self.tensors if re.search(pattern, n)]
        for t in matched:
            before = t.size()
            t.shape = [t.shape[i] if d == "*" else int(d) for i, d in enumerate(shape.split("x"))]
            assert t.size() == before, "ranks must not change the size"
        return matched

    def add(self, text):
        name, shape = text.rsplit(":", 1)
        self.tensors.append((name, Tensor("F32", shape_of(shape), None)))
        return True

    def copy(self, text):
        name, other = text.split(":")
        t = self.get(name)
        self.tensors.append((other, Tensor(t.dtype, t.shape, t.data)))
        return True

    def set(self, text):
        name, index, value = text.rsplit(":", 2)
        t = self.get(name)
        data = bytearray(t.data)
        struct.pack_into(FORMATS[t.dtype], data, int(index) * SIZES[t.dtype], float(value))
        t.data = bytes(data)
        return True

    def twice(self, text):
        self.doubled.append(text)
        return self.get(text)

    def note(self, text):
        key, value = text.split(":", 1)
        self.notes = dict(self.notes or {}, **{key: value})
        return True

    def write(self, path):
        entries, at = [], 0
        if self.notes is not None:
            entries.append(("__metadata__", self.notes))
        # A hole would be an error, so what stands twice is stored twice.
        stored = self.tensors + [(n, self.get(n)) for n in self.doubled]
        for n, t in stored:
            entries.append((n, {"dtype": t.dtype, "shape": t.shape,
                                "data_offsets": [at, at + t.size()]}))
            at += t.size()
        header = "{%s}" % ",".join("%s:%s" % (json.dumps(k), json.dumps(v)) for k, v in entries)
        header = header.encode()
        header += b" " * (-len(header) % 8)
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(header)) + header)
            for _, t in stored:
                if t.data is None:
                    f.seek(t.size(), io.SEEK_CUR)
                else:
                    f.write(t.data)
            f.truncate(8 + len(header) + at)


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    editor = Editor(*read(arguments[0]))
    for operation in arguments[2:]:
        name, _, text = operation.partition("=")
        if name not in ("drop", "keep", "sub", "reverse", "reshape", "add", "copy", "set", "twice",
                        "ranks", "note"):
            sys.exit("edit_safetensors.py: unknown operation " + operation)
        if not getattr(editor, name)(text):
            sys.exit("edit_safetensors.py: nothing matches " + operation)
    editor.write(arguments[1])


if __name__ == "__main__":
    main(sys.argv[1:])
