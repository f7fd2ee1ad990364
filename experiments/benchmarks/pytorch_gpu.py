"""Training steps of PyTorch on a GPU, as fast as it goes: the other side of `convoy bench step --backend cuda`.

    pytorch_gpu.py --net alexnet --batch 256 --precisions fp32 tf32 bf16

Networks and optimizer are those of torch_step.py; tensors are channels_last, bf16 is autocast. Every network is made ready in
several ways, and what one of them cannot do is left out with its reason: "eager"; "graph", the whole step in one CUDA graph;
"compiled" by torch.compile; "compiled graph", both. Prints one JSON line: {precision: {way: images a second}}.

With --serve it first prints what it has made ready, then reads lines with a precision and answers each with one measurement,
so that another program can take turns with it (tests/gpu/speed.py).
"""

import argparse
import json
import sys
import time

import torch
from torch import nn

from torch_step import NETWORKS

WAYS = ("eager", "graph", "compiled", "compiled graph")


class Steps:
    """One network that takes training steps on made-up images, in one precision and one way."""

    def __init__(self, net, batch, precision, way, device):
        self.precision, self.batch, self.device = precision, batch, device
        self.use_precision()
        torch.manual_seed(1)
        make, shape, classes = NETWORKS[net]
        self.model = make().to(device).to(memory_format=torch.channels_last)
        self.images = torch.rand(batch, *shape, device=device).contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(0, classes, (batch,), device=device)
        self.loss_of = nn.CrossEntropyLoss()
        keys = {"fused": True} if device == "cuda" else {}
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-6, momentum=0.9, weight_decay=0.0005, **keys)
        if "compiled" in way:
            self.model = torch.compile(self.model)
        self.step = self.eager
        if "graph" in way:
            self.capture()
        for _ in range(5):
            self.step()
        self.synchronize()

    def use_precision(self):
        torch.backends.cuda.matmul.allow_tf32 = self.precision != "fp32"
        torch.backends.cudnn.allow_tf32 = self.precision != "fp32"

    def synchronize(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def eager(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.forward_backward()

    def forward_backward(self):
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            loss = self.loss_of(self.model(self.images), self.labels)
        loss.backward()
        self.optimizer.step()

    def capture(self):
        """The whole step as one graph, as PyTorch's notes on CUDA graphs do it."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(5):
                self.eager()
        torch.cuda.current_stream().wait_stream(stream)
        self.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.forward_backward()
        self.step = self.graph.replay

    def measure(self, seconds):
        """Images a second over so many steps as take about `seconds`."""
        self.use_precision()
        count, took = 4, 0.0
        while True:
            self.synchronize()
            start = time.perf_counter()
            for _ in range(count):
                self.step()
            self.synchronize()
            took = time.perf_counter() - start
            if took >= 0.7 * seconds:
                return self.batch * count / took
            count = max(count + 1, min(100 * count, int(count * seconds / max(took, 1e-6))))


def make_ready(options):
    """{precision: {way: Steps}}, and {"precision way": why it cannot}."""
    ready, failed = {}, {}
    for precision in options.precisions:
        ready[precision] = {}
        for way in options.ways:
            if "compiled" in way and not hasattr(torch, "compile"):
                failed[f"{precision} {way}"] = "this PyTorch has no torch.compile"
                continue
            try:
                ready[precision][way] = Steps(options.net, options.batch, precision, way, options.device)
            except Exception as error:  # whatever it is, the other ways are still to be measured
                failed[f"{precision} {way}"] = f"{type(error).__name__}: {error}".split("\n")[0][:300]
    return ready, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", choices=NETWORKS, default="lenet")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "tf32", "bf16"), default=["fp32", "tf32", "bf16"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--seconds", type=float, default=0.4, help="of one measurement (default %(default)s)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()

    torch.backends.cudnn.benchmark = True
    started = time.perf_counter()
    ready, failed = make_ready(options)
    told = {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "failed": failed,
            "seconds_to_make_ready": round(time.perf_counter() - started, 1)}

    def measure(precision):
        return {way: steps.measure(options.seconds) for way, steps in ready[precision].items()}

    if not options.serve:
        print(json.dumps({**told, **{precision: measure(precision) for precision in options.precisions}}))
        return
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(line.strip())), flush=True)


if __name__ == "__main__":
    main()
