#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Looks at images for the tests; needs Python's standard library only.

    images.py size PNG                        WIDTHxHEIGHT
    images.py differ A.png B.png              the largest difference of two bytes
    images.py equal A.png B.png               exits with 1 where a pixel differs
    images.py plain PNG                       "yes" if all its pixels are equal
    images.py cells GRID.png COLUMNS N OUT    cuts a grid into OUT/000000.png, ...
    images.py npz FILE N OUT                  the same for N images of arr_0
    images.py crc PNG                         checks every chunk
    images.py recorded FILE REF TENSOR        how many bytes of the npz are not the recording's
"""
import json
import os
import struct
import sys
import zipfile
import zlib

PADDING = 2


def unfilter(kind, line, above):
    for i in range(len(line)):
        left, up = line[i - 3] if i >= 3 else 0, above[i]
        corner = above[i - 3] if i >= 3 else 0
        if kind == 1:
            line[i] = line[i] + left & 255
        elif kind == 2:
            line[i] = line[i] + up & 255
        elif kind == 3:
            line[i] = line[i] + (left + up) // 2 & 255
        elif kind == 4:
            near = min((abs(up - corner), 0, left), (abs(left - corner), 1, up),
                       (abs(left + up - 2 * corner), 2, corner))
            line[i] = line[i] + near[2] & 255


def read(path):
    """Width, height, rows of RGB bytes of an 8-bit RGB PNG."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path + " is no PNG"
    at, packed, width, height, ended = 8, b"", 0, 0, False
    while at < len(data):
        n, = struct.unpack(">I", data[at:at + 4])
        kind, body = data[at + 4:at + 8], data[at + 8:at + 8 + n]
        crc, = struct.unpack(">I", data[at + 8 + n:at + 12 + n])
        assert crc == zlib.crc32(kind + body), path + " has a wrong checksum"
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert (depth, colour, body[12]) == (8, 2, 0), path + " is not plain 8-bit RGB"
        elif kind == b"IDAT":
            packed += body
        ended = kind == b"IEND"
        at += 12 + n
    assert ended, path + " has no end"
    raw, rows, above = zlib.decompress(packed), [], bytes(3 * width)
    for y in range(height):
        begin = y * (3 * width + 1)
        line = bytearray(raw[begin + 1:begin + 1 + 3 * width])
        unfilter(raw[begin], line, above)
        rows.append(bytes(line))
        above = line
    return width, height, rows


def write(path, width, height, rows):
    def chunk(kind, body):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
                chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))) +
                chunk(b"IEND", b""))


def size(path):
    print("%dx%d" % read(path)[:2])


def equal(one, other):
    sys.exit(read(one) != read(other))


def differ(a, b):
    a, b = read(a), read(b)
    if a[:2] != b[:2]:
        print("sizes")
        return
    print(max(abs(p - q) for r, s in zip(a[2], b[2]) for p, q in zip(r, s)))


def plain(path):
    _, _, rows = read(path)
    print("yes" if len({r[i:i + 3] for r in rows for i in range(0, len(r), 3)}) == 1 else "no")


def cells(path, columns, count, folder):
    width, height, rows = read(path)
    columns, count = int(columns), int(count)
    across = min(columns, count)
    down = -(-count // across)
    w, h = (width - PADDING) // across - PADDING, (height - PADDING) // down - PADDING
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        left = 3 * (PADDING + i % across * (w + PADDING))
        top = PADDING + i // across * (h + PADDING)
        write(os.path.join(folder, "%06d.png" % i), w, h,
              [rows[top + y][left:left + 3 * w] for y in range(h)])


def npz(path, count, folder):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None, "a checksum is wrong"
        assert archive.namelist() == ["arr_0.npy"], archive.namelist()
        data = archive.read("arr_0.npy")
    assert data[:6] == b"\x93NUMPY", "no npy member"
    length = struct.unpack("<H", data[8:10])[0]
    header = eval(data[10:10 + length], {"__builtins__": {}})
    n, h, w, c = header["shape"]
    assert header["descr"] in ("|u1", "u1") and not header["fortran_order"], header
    assert (n, c) == (int(count), 3) and len(data) == 10 + length + n * h * w * c, header
    os.makedirs(folder, exist_ok=True)
    body = data[10 + length:]
    for i in range(n):
        one = body[i * h * w * 3:(i + 1) * h * w * 3]
        write(os.path.join(folder, "%06d.png" % i), w, h,
              [one[y * w * 3:(y + 1) * w * 3] for y in range(h)])


def recorded(path, reference, tensor):
    with zipfile.ZipFile(path) as archive:
        data = archive.read("arr_0.npy")
    with open(reference, "rb") as f:
        length = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(length))
        begin, end = header[tensor]["data_offsets"]
        f.seek(8 + length + begin)
        want = f.read(end - begin)
    got = data[10 + struct.unpack("<H", data[8:10])[0]:]
    print(sum(a != b for a, b in zip(got, want)) if len(got) == len(want) else "sizes")


if __name__ == "__main__":
    commands = {"size": size, "differ": differ, "plain": plain, "cells": cells, "npz": npz,
                "crc": read, "recorded": recorded, "equal": equal}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
