"""Made-up numbers that Python and C++ draw alike to the last bit: initial weights, images and labels.

tests/golden/values.hpp is the same in C++. All numbers come from one integer hash; images are bytes.
"""

import math

import numpy as np


def words(stream, count, first=0):
    """uint32 number `first`, `first` + 1, ... of a stream."""
    i = np.arange(first, first + count, dtype=np.uint64)
    x = i + np.uint64(stream * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32)


def signed(stream, count):
    """Numbers in [-1, 1), exact in float64."""
    return words(stream, count).astype(np.float64) / 2**31 - 1


def stream_of(name):
    """FNV-1a of a parameter's name, so that each has numbers of its own."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def initial(name, shape):
    """float32; weights as He et al. scale them, norms about 1, biases about 0."""
    u = signed(stream_of(name), math.prod(shape)).reshape(shape)
    if name.endswith("/bias"):
        return (0.1 * u).astype(np.float32)
    if len(shape) == 1:
        return (1 + 0.1 * u).astype(np.float32)
    return (math.sqrt(6 / math.prod(shape[1:])) * u).astype(np.float32)


def images(shape, classes, first, count, seed=0, noisy_labels=0):
    """Samples first .. first + count - 1: uint8 (N,H,W,C), noise with a bright band of rows that tells the class, and
    int32 labels, of which `noisy_labels` in 256 are drawn anew."""
    h, w, c = shape
    each = h * w * c
    draws = words(1 + seed, count * 4, first * 4).reshape(count, 4)
    shown = (draws[:, 0] % classes).astype(np.int64)
    pixels = (words(2**32 + seed, count * each, first * each) >> np.uint32(24)).reshape(count, h, w, c).astype(np.int64)
    pixels = pixels * 3 // 4
    band = (np.arange(h) * classes // h)[None, :] == shown[:, None]
    pixels += 60 * band[:, :, None, None]
    redrawn = (draws[:, 1] % 256) < noisy_labels
    labels = np.where(redrawn, draws[:, 2] % classes, shown)
    return pixels.astype(np.uint8), labels.astype(np.int32)
