"""One training step after another in PyTorch on made-up images in memory; prints one JSON line.

The other side of `convoy bench step`: same network, batch, optimizer. The images are float and ready, which PyTorch is spared
converting.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


NETWORKS = {"lenet": (lenet, (1, 28, 28), 10)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", choices=NETWORKS, default="lenet")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    make, shape, classes = NETWORKS[options.net]
    model = make()
    images = torch.rand(options.batch, *shape)
    labels = torch.randint(0, classes, (options.batch,))
    if options.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    loss_of = nn.CrossEntropyLoss()

    seconds = []
    for step in range(options.steps + options.steps // 5):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(images), labels).backward()
        optimizer.step()
        if step >= options.steps // 5:  # the first fifth warms up
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"images_per_second": options.batch / statistics.median(seconds), "torch": torch.__version__}))


if __name__ == "__main__":
    main()
