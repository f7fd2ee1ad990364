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


def convnetjs():
    layers, channels = [], 3
    for filters in (16, 20, 20):
        layers += [nn.Conv2d(channels, filters, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(320, 10))


class WithinChannelNorm(nn.Module):
    """Caffe's LRN with norm_region: WITHIN_CHANNEL, which PyTorch has not."""

    def __init__(self, size, alpha, beta):
        super().__init__()
        self.mean = nn.AvgPool2d(size, 1, size // 2)
        self.alpha, self.beta = alpha, beta

    def forward(self, x):
        return x * (1 + self.alpha * self.mean(x * x)) ** -self.beta


def cifar10_full():
    def norm():
        return WithinChannelNorm(3, 5e-5, 0.75)
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(), norm(),
        nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True), norm(),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Flatten(), nn.Linear(1024, 10))


def classifier():
    return [nn.Flatten(), nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, 1000)]


def alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), *classifier())


def alexnet_2012():
    def norm():
        return nn.LocalResponseNorm(5, 1e-4, 0.75, 2)
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), nn.ReLU(), norm(), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), norm(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), *classifier())


NETWORKS = {
    "lenet": (lenet, (1, 28, 28), 10),
    "convnetjs-cifar10": (convnetjs, (3, 32, 32), 10),
    "cifar10-full": (cifar10_full, (3, 32, 32), 10),
    "alexnet": (alexnet, (3, 224, 224), 1000),
    "alexnet-2012": (alexnet_2012, (3, 227, 227), 1000),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", choices=NETWORKS, default="lenet")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--default-threads", action="store_true", help="leave the number of threads to PyTorch")
    options = parser.parse_args()

    if not options.default_threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    make, shape, classes = NETWORKS[options.net]
    model = make()
    images = torch.rand(options.batch, *shape)
    labels = torch.randint(0, classes, (options.batch,))
    if options.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=0.0005)
    loss_of = nn.CrossEntropyLoss()

    seconds = []
    warm_up = max(2, options.steps // 5)
    for step in range(options.steps + warm_up):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bf16"):
            loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        if step >= warm_up:
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"images_per_second": options.batch / statistics.median(seconds), "torch": torch.__version__}))


if __name__ == "__main__":
    main()
