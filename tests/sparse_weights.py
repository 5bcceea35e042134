#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the weight files of SiT-XL/2 and the Stable Diffusion decoder without any weights.

    sparse_weights.py FOLDER SIDE     SIDE: of the image, 256 or 512
    sparse_weights.py FOLDER tiny     very small models with random weights, images of 16 x 16

The tensors have their names and shapes and are holes in the files, which take no space: enough to
open and plan the models.  The tiny ones can run.
"""
import array
import json
import os
import random
import struct
import sys

WIDTH, BLOCKS, HIDDEN, CLASSES, CHANNELS = 1152, 28, 4608, 1000, (128, 256, 512, 512)


TINY = False


def numbers(name, shape):
    """Random weights that keep the size of what goes through; norms have a weight of 1."""
    count = 1
    for n in shape:
        count *= n
    if "norm" in name and name.endswith("weight"):
        return array.array("f", [1.0] * count)
    scale = 1.7 * (shape[0] / count) ** 0.5 if len(shape) > 1 else 0.1
    return array.array("f", (random.uniform(-scale, scale) for _ in range(count)))


def save(path, tensors):
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 4
        for n in shape:
            size *= n
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors.items() if TINY else ():
            f.write(numbers(name, shape).tobytes())
        f.truncate(8 + len(text) + at)


def layer(tensors, name, *shape):
    tensors[name + ".weight"] = list(shape)
    tensors[name + ".bias"] = [shape[0]]


def sit(tokens):
    tensors = {"pos_embed": [1, tokens, WIDTH],
               "y_embedder.embedding_table.weight": [CLASSES + 1, WIDTH]}
    layer(tensors, "x_embedder.proj", WIDTH, 4, 2, 2)
    for name in ("t_embedder", "w_embedder"):
        layer(tensors, name + ".mlp.0", WIDTH, 256)
        layer(tensors, name + ".mlp.2", WIDTH, WIDTH)
    for i in range(BLOCKS):
        block = f"blocks.{i}."
        layer(tensors, block + "attn.qkv", 3 * WIDTH, WIDTH)
        layer(tensors, block + "attn.proj", WIDTH, WIDTH)
        layer(tensors, block + "mlp.fc1", HIDDEN, WIDTH)
        layer(tensors, block + "mlp.fc2", WIDTH, HIDDEN)
        layer(tensors, block + "adaLN_modulation.1", 6 * WIDTH, WIDTH)
    layer(tensors, "final_layer.adaLN_modulation.1", 2 * WIDTH, WIDTH)
    layer(tensors, "final_layer.linear", 32, WIDTH)
    return tensors


def norm(tensors, name, width):
    tensors[name + ".weight"] = tensors[name + ".bias"] = [width]


def resnet(tensors, name, width_in, width_out):
    norm(tensors, name + ".norm1", width_in)
    layer(tensors, name + ".conv1", width_out, width_in, 3, 3)
    norm(tensors, name + ".norm2", width_out)
    layer(tensors, name + ".conv2", width_out, width_out, 3, 3)
    if width_in != width_out:
        layer(tensors, name + ".conv_shortcut", width_out, width_in, 1, 1)


def vae():
    tensors, width = {}, CHANNELS[-1]
    layer(tensors, "post_quant_conv", 4, 4, 1, 1)
    layer(tensors, "decoder.conv_in", width, 4, 3, 3)
    resnet(tensors, "decoder.mid_block.resnets.0", width, width)
    norm(tensors, "decoder.mid_block.attentions.0.group_norm", width)
    for name in ("to_q", "to_k", "to_v", "to_out.0"):
        layer(tensors, "decoder.mid_block.attentions.0." + name, width, width)
    resnet(tensors, "decoder.mid_block.resnets.1", width, width)
    for i, out in enumerate(reversed(CHANNELS)):
        for j in range(3):
            resnet(tensors, f"decoder.up_blocks.{i}.resnets.{j}", width, out)
            width = out
        if i + 1 < len(CHANNELS):
            layer(tensors, f"decoder.up_blocks.{i}.upsamplers.0.conv", out, out, 3, 3)
    norm(tensors, "decoder.conv_norm_out", width)
    layer(tensors, "decoder.conv_out", 3, width, 3, 3)
    return tensors


def main():
    global WIDTH, BLOCKS, HIDDEN, CLASSES, CHANNELS, TINY
    folder, TINY = sys.argv[1], sys.argv[2] == "tiny"
    tokens = 16
    if TINY:
        random.seed(1)
        WIDTH, BLOCKS, HIDDEN, CLASSES, CHANNELS = 64, 2, 128, 10, (32, 64)
    else:
        tokens = (int(sys.argv[2]) // 16) ** 2
    os.makedirs(folder, exist_ok=True)
    save(os.path.join(folder, "sit.safetensors"), sit(tokens))
    save(os.path.join(folder, "vae.safetensors"), vae())


if __name__ == "__main__":
    main()
