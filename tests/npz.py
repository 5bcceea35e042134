#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes small .npz files and PNG files for tests/e2e/eval.sh, by the standard library alone.

usage: npz.py images FILE COUNT HEIGHT WIDTH SEED
       npz.py statistics FILE D [nan | one | skew | negative]       one: no covariance
       npz.py floats FILE COUNT HEIGHT WIDTH        images that are no bytes
       npz.py png FILE HEIGHT WIDTH grey|rgb|rgba
"""
import random
import struct
import sys
import zipfile
import zlib


def array(descr, shape, data):
    """The bytes of an array."""
    text = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (descr, tuple(shape))
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
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("mu.npy", array("<f8", (d,), struct.pack("<%dd" % d, *mean)))
        if what != "one":
            rows = bytearray(b"".join(struct.pack("<%dd" % d, *[float(i == j) for j in range(d)])
                                      for i in range(d)))
            if what == "skew":
                rows[8 * 5:8 * 6] = struct.pack("<d", 0.5)          # (0, 5)
            if what == "negative":
                rows[8 * (d + 1):8 * (d + 2)] = struct.pack("<d", -1.0)     # (1, 1)
            z.writestr("sigma.npy", array("<f8", (d, d), bytes(rows)))


def png(path, height, width, kind):
    """A PNG of one colour."""
    kinds = {"grey": (0, 1), "rgb": (2, 3), "rgba": (6, 4)}
    colour, channels = kinds[kind]

    def chunk(name, data):
        return (struct.pack(">I", len(data)) + name + data +
                struct.pack(">I", zlib.crc32(name + data)))
    rows = (b"\x00" + bytes([90] * (width * channels))) * height
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" +
                chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main(words):
    """As the usage says."""
    if words[0] == "images":
        images(words[1], *map(int, words[2:6]))
    elif words[0] == "statistics":
        statistics(words[1], int(words[2]), words[3] if len(words) > 3 else "")
    elif words[0] == "floats":
        floats(words[1], *map(int, words[2:5]))
    else:
        png(words[1], int(words[2]), int(words[3]), words[4])


main(sys.argv[1:])
