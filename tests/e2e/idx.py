"""Writes IDX files, whole and damaged ones."""

import gzip
import struct

import numpy


def idx(array, kind=0x08, dimensions=None):
    dimensions = array.shape if dimensions is None else dimensions
    head = struct.pack(">HBB", 0, kind, len(dimensions)) + struct.pack(f">{len(dimensions)}I", *dimensions)
    return head + array.astype(numpy.uint8).tobytes()


def write_pair(folder, images, labels, packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"images-idx3-ubyte{'.gz' if packed else ''}", folder / f"labels-idx1-ubyte{'.gz' if packed else ''}"
    for path, array in zip(paths, (images, labels)):
        path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return paths


def made_up(count, seed, size=12, classes=4):
    """Noise with a bright corner that tells the class: easy to learn, so that losses move."""
    random = numpy.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    labels[:classes] = numpy.arange(classes)  # every class occurs
    images = random.integers(0, 120, (count, size, size))
    half = size // 2
    for image, label in zip(images, labels):
        row, column = divmod(label % 4, 2)
        image[row * half:(row + 1) * half, column * half:(column + 1) * half] += 100
    return images, labels
