"""Datasets for tests/gpu/run, made by `convoy import` from files that are written here with Python's own library.

Noise, in which one quarter of the picture is brighter: which one, and by how much, tells the class. Easy to learn, so that
losses move.
"""

import random
import struct

CLASSES = 10
# What a byte of noise becomes where it is dark, and in a quarter of each brightness.
DARK, *BRIGHT = [bytes(value * 120 // 256 + more for value in range(256)) for more in (0, 45, 90, 135)]


def plane(source, label, side):
    half = side // 2
    row, column = (part * half for part in divmod(label % 4, 2))
    noise = source.randbytes(side * side)
    rows = []
    for y in range(side):
        line = noise[y * side:(y + 1) * side]
        shaded = line.translate(DARK)
        if row <= y < row + half:
            middle = line[column:column + half].translate(BRIGHT[label // 4])
            shaded = shaded[:column] + middle + shaded[column + half:]
        rows.append(shaded)
    return b"".join(rows)


def samples(count, seed, side, channels, wrong=0.0):
    """Pictures with their labels; the share `wrong` of the labels says nothing, so that the loss stays away from 0."""
    source = random.Random(seed)
    for index in range(count):
        label = index if index < CLASSES else source.randrange(CLASSES)  # every class occurs
        pixels = b"".join(plane(source, label, side) for _ in range(channels))
        yield pixels, source.randrange(CLASSES) if source.random() < wrong and index >= CLASSES else label


def write_idx(folder, count, seed, wrong=0.0, side=28):
    """MNIST's format; returns the words of `convoy import`."""
    folder.mkdir(parents=True)
    pixels, labels = zip(*samples(count, seed, side, 1, wrong))
    images, names = folder / "images-idx3-ubyte", folder / "labels-idx1-ubyte"
    images.write_bytes(struct.pack(">4I", 0x803, count, side, side) + b"".join(pixels))
    names.write_bytes(struct.pack(">2I", 0x801, count) + bytes(labels))
    return ["idx", images, names]


def write_cifar(folder, count, seed):
    """CIFAR-10's binary format."""
    folder.mkdir(parents=True)
    (folder / "data_batch_1.bin").write_bytes(
        b"".join(bytes([label]) + pixels for pixels, label in samples(count, seed, 32, 3)))
    return ["cifar", folder / "data_batch_1.bin"]
