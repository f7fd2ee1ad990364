"""A PyTorch DataLoader over h5py, as input reads it: torch_input.py FILE --batch B --workers W --seconds S --order random|file

FILE holds `images` (N,H,W,C) uint8 and `labels`. Prints one line of JSON: images a second into batches of bytes, and into
batches of floats with mean and scale. Needs torch and h5py.
"""

import argparse
import json
import time

import h5py
import torch


class Images(torch.utils.data.Dataset):
    def __init__(self, path, floats):
        self.path, self.floats, self.file = path, floats, None
        with h5py.File(path, "r") as file:
            self.size = len(file["labels"])

    def __len__(self):
        return self.size

    def __getitem__(self, sample):
        if self.file is None:  # once in each worker: handles do not survive a fork
            self.file = h5py.File(self.path, "r")
            self.images, self.labels = self.file["images"], self.file["labels"]
        image = torch.from_numpy(self.images[sample])
        if self.floats:
            image = (image.float() - 120) * (1 / 60)
        return image, int(self.labels[sample])


def rate(options, floats):
    loader = torch.utils.data.DataLoader(Images(options.file, floats), batch_size=options.batch, drop_last=True,
                                         shuffle=options.order == "random", num_workers=options.workers,
                                         persistent_workers=True)
    images, began = 0, None
    while began is None or time.perf_counter() - began < options.seconds:
        for batch, _ in loader:
            if began is None:
                began = time.perf_counter()  # from the first batch on: starting the workers is not counted
                continue
            images += len(batch)
            if time.perf_counter() - began >= options.seconds:
                break
    return images / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--order", choices=("random", "file"), default="random")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps({"bytes": rate(options, False), "floats": rate(options, True)}))


if __name__ == "__main__":
    main()
