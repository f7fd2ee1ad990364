"""The benchmarks of tests/gpu/run: `convoy bench step` against PyTorch (experiments/benchmarks/pytorch_gpu.py), in turn."""

import json
import statistics
import subprocess
import sys
import threading

from tools import Failed, Tools

# Network: images in a batch, steps of one measurement of Convoy's.
CASES = {"lenet": (64, 2000), "convnetjs-cifar10": (128, 1000), "alexnet-2012": (128, 100), "alexnet": (256, 100)}
PRECISIONS = ("fp32", "tf32", "bf16")
ROUNDS = 3


class Torch:
    """PyTorch's side: one process that has the network ready in all its ways, and measures whenever it is asked."""

    def __init__(self, tools, net, batch):
        self.process, self.told = None, {}
        probe = "import sys, torch\nsys.exit(not torch.cuda.is_available())"
        if tools.small:
            self.missing = "a rehearsal"
        elif subprocess.run([sys.executable, "-c", probe], stdin=subprocess.DEVNULL, capture_output=True).returncode:
            self.missing = f"{sys.executable} has no PyTorch with CUDA"
        else:
            self.missing = ""
            command = [sys.executable, "experiments/benchmarks/pytorch_gpu.py", "--serve", "--net", net, "--batch", str(batch),
                       "--precisions", *PRECISIONS]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                            text=True, cwd=tools.root, start_new_session=True)
            self.clock = threading.Timer(max(1, tools.left()), Tools.end, [self.process])
            self.clock.start()
            self.told = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed("PyTorch's side ended, or was not done in time")
        return json.loads(line)

    def measure(self, precision):
        """{way: images a second} of one round."""
        if not self.process:
            return {}
        self.process.stdin.write(precision + "\n")
        self.process.stdin.flush()
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.clock.cancel()
            Tools.end(self.process)


def convoy_speed(tools, net, batch, steps, precision, *more):
    answer = tools.convoy("bench", "step", "--backend", tools.backend, "--net", f"experiments/nets/{net}.net", "--batch", batch,
                          "--steps", steps, "--precision", precision, *more, "--json")
    told = json.loads([line for line in answer.splitlines() if line.startswith("{")][-1])
    if told.get("notice"):
        raise Failed(told["notice"])
    return told


def row(precision, convoy, torch):
    """Medians over the rounds; against PyTorch the median of the ratios within a round, to its fastest way."""
    made = {"precision": precision, "images_per_second": statistics.median(convoy), "rounds": convoy}
    if torch[0]:
        medians = {way: statistics.median(one[way] for one in torch) for way in torch[0]}
        best = max(medians, key=medians.get)
        made.update(pytorch=medians, pytorch_best=best, pytorch_rounds=torch,
                    ratio=statistics.median(ours / one[best] for ours, one in zip(convoy, torch)))
    return made


def of(net, tools):
    batch, steps = (4, 2) if tools.small else CASES[net]
    precisions, rounds = (PRECISIONS[:1], 1) if tools.small else (PRECISIONS, ROUNDS)
    convoy, theirs = ({precision: [] for precision in precisions} for _ in range(2))
    layers, by_op = {}, []
    with Torch(tools, net, batch) as torch:
        for _ in range(rounds):
            for precision in precisions:
                answer = convoy_speed(tools, net, batch, steps, precision)
                convoy[precision].append(answer["images_per_second"])
                layers[precision] = answer.get("layers", [])
                theirs[precision].append(torch.measure(precision))
            by_op.append(convoy_speed(tools, net, batch, steps, "fp32", "--cuda-graphs", "off")["images_per_second"])
        rows = [row(precision, convoy[precision], theirs[precision]) for precision in precisions]
        text = ", ".join(f"{one['precision']} {one['images_per_second']:,.0f}/s"
                         + (f" ({one['ratio']:.2f} x PyTorch {one['pytorch_best']})" if "ratio" in one else "") for one in rows)
        gain = statistics.median(whole / one for whole, one in zip(convoy["fp32"], by_op))
        text += f"; replayed {gain:.2f} x op by op"
        return {"detail": text + (f"; no PyTorch: {torch.missing}" if torch.missing else ""), "net": net, "batch": batch,
                "rows": rows, "torch": torch.told, "by_op": by_op, "replay_ratio": gain, "layers": layers}
