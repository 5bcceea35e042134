#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Inception network of FID in plain PyTorch, to time ffcl eval against; needs torch and numpy.

usage: inception_torch.py time NETWORK.safetensors IMAGES.npz [WAY ...]
       inception_torch.py check NETWORK.safetensors RECORDING.safetensors
       inception_torch.py images FILE.npz COUNT SIDE

A WAY is PRECISION[-folded][-tf32], such as float32 (convolution, batch norm and ReLU apart, images
by channels, as torch-fidelity computes), half-folded (batch norms folded, channels last, cuDNN's
benchmark: what one would write for speed), float32-folded; or torch-fidelity: its own network,
where it is installed.  TF32 is off but where it is named.
check compares features with a recording and ends with code 1 where they are apart.
"""
import importlib.util
import json
import struct
import sys
import tempfile
import time

import numpy
import torch
import torch.nn.functional as F


def tensors(path):
    """NAME: tensor, of a safetensors file."""
    kinds = {"F32": numpy.float32, "F64": numpy.float64, "U8": numpy.uint8}
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        names = json.loads(f.read(size))
        out = {}
        for name, t in names.items():
            if name != "__metadata__":
                begin, end = t["data_offsets"]
                f.seek(8 + size + begin)
                data = numpy.frombuffer(f.read(end - begin), dtype=kinds[t["dtype"]])
                out[name] = torch.from_numpy(data.reshape(t["shape"]).copy())
    return out


class Inception:
    """Bytes (B, H, W, 3) to features; names of weights are those of pytorch-fid."""

    def __init__(self, state, device, dtype, folded):
        self.dtype, self.folded, self.device = dtype, folded, device
        self.units = {}
        for name in state:
            if not name.endswith(".conv.weight"):
                continue
            unit = name[:-len(".conv.weight")]
            w = state[name].double()
            g, b, m, v = (state["%s.bn.%s" % (unit, part)].double()
                          for part in ("weight", "bias", "running_mean", "running_var"))
            if folded:
                scale = g / (v + 1e-3).sqrt()
                parts = [w * scale[:, None, None, None], b - m * scale]
            else:
                parts = [w, g, b, m, v]
            parts = [p.to(device=device, dtype=dtype) for p in parts]
            if folded:
                parts[0] = parts[0].contiguous(memory_format=torch.channels_last)
            self.units[unit] = parts
        self.fc = state["fc.weight"].to(device=device, dtype=dtype)

    def conv(self, x, name, stride=1, padding=0):
        parts = self.units[name]
        if self.folded:
            return F.relu(F.conv2d(x, parts[0], parts[1], stride, padding), inplace=True)
        x = F.conv2d(x, parts[0], None, stride, padding)
        return F.relu(F.batch_norm(x, parts[3], parts[4], parts[1], parts[2], False, 0.0, 1e-3),
                      inplace=True)

    def resize(self, images):
        """TensorFlow 1's: pixel i reads at i * (n / 299), in float32."""
        x = images.to(self.device).permute(0, 3, 1, 2).float()
        for dim in (3, 2):
            n = x.shape[dim]
            at = torch.arange(299, dtype=torch.float32, device=self.device) * numpy.float32(n / 299)
            low = at.floor().long()
            high = (low + 1).clamp(max=n - 1)
            part = (at - low).reshape([-1] + [1] * (3 - dim))
            a, b = x.index_select(dim, low), x.index_select(dim, high)
            x = a + (b - a) * part
        x = ((x - 128) / 128).to(self.dtype)
        return x.contiguous(memory_format=torch.channels_last) if self.folded else x

    def block_a(self, x, name):
        five = self.conv(self.conv(x, name + ".branch5x5_1"), name + ".branch5x5_2", 1, 2)
        d = self.conv(x, name + ".branch3x3dbl_1")
        d = self.conv(self.conv(d, name + ".branch3x3dbl_2", 1, 1), name + ".branch3x3dbl_3", 1, 1)
        pool = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.cat([self.conv(x, name + ".branch1x1"), five, d,
                          self.conv(pool, name + ".branch_pool")], 1)

    def block_b(self, x, name):
        d = self.conv(self.conv(x, name + ".branch3x3dbl_1"), name + ".branch3x3dbl_2", 1, 1)
        return torch.cat([self.conv(x, name + ".branch3x3", 2),
                          self.conv(d, name + ".branch3x3dbl_3", 2), F.max_pool2d(x, 3, 2)], 1)

    def block_c(self, x, name):
        one = self.conv(x, name + ".branch1x1")
        self.spatial = one[:, :7]
        a, b = (0, 3), (3, 0)
        seven = self.conv(x, name + ".branch7x7_1")
        seven = self.conv(seven, name + ".branch7x7_2", 1, a)
        seven = self.conv(seven, name + ".branch7x7_3", 1, b)
        d = self.conv(x, name + ".branch7x7dbl_1")
        for i, padding in zip("2345", (b, a, b, a)):
            d = self.conv(d, name + ".branch7x7dbl_" + i, 1, padding)
        pool = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.cat([one, seven, d, self.conv(pool, name + ".branch_pool")], 1)

    def block_d(self, x, name):
        three = self.conv(self.conv(x, name + ".branch3x3_1"), name + ".branch3x3_2", 2)
        seven = self.conv(x, name + ".branch7x7x3_1")
        seven = self.conv(seven, name + ".branch7x7x3_2", 1, (0, 3))
        seven = self.conv(seven, name + ".branch7x7x3_3", 1, (3, 0))
        return torch.cat([three, self.conv(seven, name + ".branch7x7x3_4", 2),
                          F.max_pool2d(x, 3, 2)], 1)

    def block_e(self, x, name, with_max):
        three = self.conv(x, name + ".branch3x3_1")
        d = self.conv(self.conv(x, name + ".branch3x3dbl_1"), name + ".branch3x3dbl_2", 1, 1)
        parts = [self.conv(x, name + ".branch1x1")]
        for y, which in ((three, ".branch3x3_2"), (d, ".branch3x3dbl_3")):
            parts += [self.conv(y, name + which + "a", 1, (0, 1)),
                      self.conv(y, name + which + "b", 1, (1, 0))]
        pool = (F.max_pool2d(x, 3, 1, 1) if with_max
                else F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
        return torch.cat(parts + [self.conv(pool, name + ".branch_pool")], 1)

    def __call__(self, images):
        """(B, 2048), (B, 17, 17, 7), (B, 1008)."""
        x = self.resize(images)
        x = self.conv(self.conv(x, "Conv2d_1a_3x3", 2), "Conv2d_2a_3x3")
        x = F.max_pool2d(self.conv(x, "Conv2d_2b_3x3", 1, 1), 3, 2)
        x = F.max_pool2d(self.conv(self.conv(x, "Conv2d_3b_1x1"), "Conv2d_4a_3x3"), 3, 2)
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self.block_a(x, name)
        x = self.block_b(x, "Mixed_6a")
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d"):
            x = self.block_c(x, name)
        spatial = self.spatial.permute(0, 2, 3, 1)
        x = self.block_d(self.block_c(x, "Mixed_6e"), "Mixed_7a")
        x = self.block_e(self.block_e(x, "Mixed_7b", False), "Mixed_7c", True)
        pool = x.mean((2, 3))
        return pool, spatial, pool @ self.fc.T


def check(network, recording):
    """Features of the recorded images."""
    want = tensors(recording)
    net = Inception(tensors(network), "cpu", torch.float32, False)
    bad = 0
    with torch.no_grad():
        for name in ("img64", "img256"):
            got = net(want[name].permute(0, 2, 3, 1))
            for what, y in zip(("2048", "spatial", "logits_unbiased"), got):
                ref = want["%s.%s" % (name, what)].double()
                apart = float((y.double().reshape(ref.shape) - ref).norm() / ref.norm())
                bad += not apart < 1e-5
                print("%s.%s %.2g" % (name, what, apart))
    sys.exit(bad > 0)


class Fidelity:
    """torch-fidelity's network."""

    def __init__(self, state, device):
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        with tempfile.NamedTemporaryFile(suffix=".pth") as f:
            torch.save(state, f.name)
            self.net = FeatureExtractorInceptionV3("inception-v3-compat",
                                                   ["2048", "logits_unbiased"],
                                                   feature_extractor_weights_path=f.name)
        self.net = self.net.to(device).eval()
        self.device = device

    def __call__(self, images):
        return self.net(images.to(self.device).permute(0, 3, 1, 2).contiguous())


def rate(network, images, ways):
    """Prints images a second of each way: from bytes on the host to features on the host."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    state, images = tensors(network), torch.from_numpy(numpy.load(images)["arr_0"])
    for way in ways:
        words = [] if way == "torch-fidelity" else way.split("-")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = "tf32" in words
        torch.backends.cudnn.benchmark = "folded" in words
        dtype = torch.float16 if "half" in words else torch.float32
        if way == "torch-fidelity" and not importlib.util.find_spec("torch_fidelity"):
            print("torch-fidelity: not installed", flush=True)
            continue
        net = (Fidelity(state, device) if way == "torch-fidelity"
               else Inception(state, device, dtype, "folded" in words))
        best, batch = 0.0, 64 if device == "cuda" else 8
        with torch.no_grad():
            for _ in range(3 if device == "cuda" else 2):       # the first warms up
                began, done = time.time(), 0
                for i in range(0, len(images), batch):
                    part = images[i:i + batch]
                    for y in net(part.pin_memory() if device == "cuda" else part):
                        y.float().cpu()
                    done += len(part)
                best = max(best, done / (time.time() - began))
        print("%s: %.1f images/s" % (way, best), flush=True)


def make_images(path, count, side):
    """Images of squares, which no two have alike."""
    small = numpy.random.default_rng(1).integers(0, 256, (count, 16, 16, 3), dtype=numpy.uint8)
    numpy.savez(path, small.repeat(side // 16, 1).repeat(side // 16, 2))


if __name__ == "__main__":
    if sys.argv[1] == "time":
        rate(sys.argv[2], sys.argv[3], sys.argv[4:] or ["float32", "float32-folded", "half-folded"])
    elif sys.argv[1] == "check":
        check(sys.argv[2], sys.argv[3])
    else:
        make_images(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
