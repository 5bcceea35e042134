#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes small .npz files and PNG files for tests/e2e/eval.sh, by the standard library alone.

usage: npz.py images FILE COUNT HEIGHT WIDTH SEED
       npz.py statistics FILE D [KIND]      nan, skew, negative; one: no covariance;
                     indefinite: an eigenvalue of -0.5; huge: a mean whose square no double holds;
                     big: big-endian, by columns; complex: of numbers that are not real
       npz.py floats FILE COUNT HEIGHT WIDTH        images that are no bytes
       npz.py shape FILE DESCR SIZE...      arr_0 of zeros, of that type and shape
       npz.py odd FILE twice|packed|locked|last|many|named    images by another zip archive: two of
                     one name, compressed in a way that few undo, said to be encrypted, behind a
                     hundred arrays, behind five thousand; arrays of other names, one of objects
       npz.py png FILE HEIGHT WIDTH grey|rgb|rgba|key|deep    key: one colour is transparent;
                     deep: 16 bits a channel
"""
import random
import struct
import sys
import warnings
import zipfile
import zlib


def array(descr, shape, data, by_columns=False):
    """The bytes of an array."""
    text = "{'descr': '%s', 'fortran_order': %s, 'shape': %r, }" % (descr, by_columns, tuple(shape))
    text += " " * (-(11 + len(text)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def images(path, count, height, width, seed):
    """Images of smooth colours, so that they differ by more than noise."""
    rng = random.Random(seed)
    data = bytearray()
    for _ in range(count):
        base, step = rng.randrange(256), rng.randrange(1, 7)
        data += bytes((base + step * y + 3 * x + 85 * c + rng.randrange(9)) % 256
                      for y in range(height) for x in range(width) for c in range(3))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("arr_0.npy", array("|u1", (count, height, width, 3), bytes(data)))


def floats(path, count, height, width):
    """Images of zeros as float32."""
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("arr_0.npy", array("<f4", (count, height, width, 3),
                                      bytes(4 * count * height * width * 3)))


def statistics(path, d, what):
    """A mean of d features and a unit covariance."""
    mean = [0.5] * d
    if what == "nan":
        mean[d // 2] = float("nan")
    if what == "huge":
        mean[d // 2] = 1e200
    with zipfile.ZipFile(path, "w") as z:
        order, kind = (">", "f8") if what == "big" else ("<", "c16" if what == "complex" else "f8")
        mean = [x for x in mean for _ in range(1 + (kind == "c16"))]
        z.writestr("mu.npy", array(order + kind, (d,), struct.pack("%s%dd" % (order, len(mean)),
                                                                   *mean)))
        if what != "one":
            rows = bytearray(b"".join(struct.pack("%s%dd" % (order, d),
                                                  *[float(i == j) for j in range(d)])
                                      for i in range(d)))
            if what == "skew":
                rows[8 * 5:8 * 6] = struct.pack("<d", 0.5)          # (0, 5)
            if what == "indefinite":
                rows[8 * 5:8 * 6] = rows[8 * 5 * d:8 * (5 * d + 1)] = struct.pack("<d", 1.5)
            if what == "negative":
                rows[8 * (d + 1):8 * (d + 2)] = struct.pack("<d", -1.0)     # (1, 1)
            z.writestr("sigma.npy", array(order + "f8", (d, d), bytes(rows), what == "big"))


def shape(path, descr, sizes):
    """Zeros of a type and shape."""
    n = int(descr[2:]) if descr[2:].isdigit() else 8
    for size in sizes:
        n *= size
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("arr_0.npy", array(descr, sizes, bytes(n)))


def odd(path, kind):
    """Two small images in an archive that numpy does not write."""
    data = array("|u1", (2, 4, 4, 3), bytes(range(96)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # of the name that is there
        with zipfile.ZipFile(path, "w") as z:
            for i in range({"last": 100, "many": 5000}.get(kind, 0)):
                z.writestr("other_%d.npy" % i, array("|u1", (1,), b"x"))
            if kind == "named":
                z.writestr("images.npy", array("|O", (2,), bytes(16)))
                z.writestr("n" * 50 + ".npy", data)
            for _ in range((kind != "named") + (kind == "twice")):
                z.writestr("arr_0.npy", data)
    with open(path, "rb") as f:
        whole = bytearray(f.read())
    entry = whole.index(b"PK\x01\x02")
    if kind == "locked":
        whole[6] |= 1                           # flags of the member, and in the directory
        whole[entry + 8] |= 1
    if kind == "packed":
        whole[8] = whole[entry + 10] = 97       # its method, which is for sound
    with open(path, "wb") as f:
        f.write(whole)


def png(path, height, width, kind):
    """A PNG of one colour."""
    kinds = {"grey": (0, 1), "rgb": (2, 3), "rgba": (6, 4), "key": (2, 3), "deep": (2, 6)}
    colour, channels = kinds[kind]

    def chunk(name, data):
        return (struct.pack(">I", len(data)) + name + data +
                struct.pack(">I", zlib.crc32(name + data)))
    key = chunk(b"tRNS", struct.pack(">HHH", 90, 90, 90)) if kind == "key" else b""
    rows = (b"\x00" + bytes([90] * (width * channels))) * height
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" +
                chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16 if kind == "deep" else 8,
                                           colour, 0, 0, 0)) + key +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main(words):
    """As the usage says."""
    if words[0] == "images":
        images(words[1], *map(int, words[2:6]))
    elif words[0] == "statistics":
        statistics(words[1], int(words[2]), words[3] if len(words) > 3 else "")
    elif words[0] == "floats":
        floats(words[1], *map(int, words[2:5]))
    elif words[0] == "odd":
        odd(words[1], words[2])
    elif words[0] == "shape":
        shape(words[1], words[2], tuple(map(int, words[3:])))
    else:
        png(words[1], int(words[2]), int(words[3]), words[4])


main(sys.argv[1:])
