"""Datasets of random images, for measuring."""

import h5py
import numpy


def make_images(folder, image, classes, count):
    """`count` images of shape (H, W, C) in a new folder, every class as often."""
    random = numpy.random.default_rng(1)
    folder.mkdir()
    with h5py.File(folder / "images.h5", "w") as file:
        file["images"] = random.integers(0, 256, (count, *image), dtype=numpy.uint8)
        labels = numpy.arange(count) % classes
        file["labels"] = random.permutation(labels).astype(numpy.int32)
