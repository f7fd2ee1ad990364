"""The checks of tests/gpu/run, as a table at the end: a name, the seconds it takes and may take, and a function of Tools that
returns {"detail": "one line", figures...}, or raises Failed or Skipped.
"""

import json
import os
import re
import shutil
import signal
import time
from dataclasses import dataclass
from functools import partial
from typing import Callable

import speed
from tools import Failed, Skipped, compare, last_words, same_bits


@dataclass
class Check:
    name: str
    needs: int  # seconds that it takes on an H100 or so; it is not begun with fewer left
    limit: int  # seconds after which it is ended and has failed
    perform: Callable


# ---- unit tests ----

def unit_tests(tools):
    """test_gpu, whole."""
    report = tools.runs / "report.json"
    output = tools.run([tools.program("test_gpu"), f"--gtest_output=json:{report}", "--gtest_brief=1"], codes=(0, 1))
    if not report.exists():
        raise Failed(f"test_gpu wrote no report: {last_words(output)}")
    told = json.loads(report.read_text())
    cases = [(suite["name"] + "." + case["name"], case) for suite in told["testsuites"] for case in suite["testsuite"]]
    failed = [name for name, case in cases if case.get("failures")]
    skipped = sum(case.get("result") == "SKIPPED" for _, case in cases)
    if failed:
        raise Failed(f"{len(failed)} of {len(cases)} failed: {', '.join(failed[:20])}{' ...' if len(failed) > 20 else ''}")
    if not cases or skipped == len(cases):
        raise Failed(f"of {len(cases)} tests none ran")
    return {"detail": f"{len(cases) - skipped} passed, {skipped} skipped", "tests": len(cases), "skipped": skipped}


# ---- the CPU's steps ----

# The two recipes but for data and rate, and the other networks. Rates are low enough for two orders of sums on the CPU, exact on
# and off, to stay well within the bound: at higher ones it is the network that takes rounding apart, not the device (AlexNet on
# these data, at 0.001: 5e-2 after 20 steps).
OPTIMIZER = {"optimizer": "momentum", "momentum": 0.9, "weight_decay": 0.0005}
STEPS = {
    "lenet": ("grey", 64, ["experiments/lenet-fashion.cfg"], {"warmup": 0}),
    "alexnet-2012": ("large", 16, ["experiments/alexnet-imagenet.cfg"], {"learning_rate": 0.00002}),
    "convnetjs-cifar10": ("colour", 64, [], {**OPTIMIZER, "learning_rate": 0.0005}),
    "cifar10-full": ("colour", 64, [], {**OPTIMIZER, "learning_rate": 0.001}),
    "allcnn": ("colour", 32, [], {**OPTIMIZER, "learning_rate": 0.0005}),
    "alexnet": ("large", 16, [], {**OPTIMIZER, "learning_rate": 0.000002}),
    "squeezenet": ("large", 16, [], {**OPTIMIZER, "learning_rate": 0.0001}),
    "googlenet": ("large", 16, [], {**OPTIMIZER, "learning_rate": 0.00002}),
    "vgg16": ("large", 8, [], {**OPTIMIZER, "learning_rate": 0.000001}),
    # The statistics of batch norm are those of a lane, so both must have one.
    "resnet18": ("large", 16, [], {**OPTIMIZER, "learning_rate": 0.00002, "lanes": 1}),
    "resnet50": ("large", 16, [], {**OPTIMIZER, "learning_rate": 0.00002, "lanes": 1}),
}


def steps_of(net, tools):
    """20 steps on the GPU and on the CPU: the room is that of tests/golden for another order of sums."""
    data, batch, recipe, keys = STEPS[net]
    folder = tools.dataset(data)
    keys = {**keys, "data": folder, "batch": batch, "steps": 20}
    if recipe:
        keys["eval_data"] = folder
    else:
        keys["net"] = f"experiments/nets/{net}.net"
    if data == "large" and not recipe:
        keys["augment"] = "random-crop 224, flip"
    if tools.small:
        keys.update(steps=3, batch=8)
    gpu = tools.train("gpu", *recipe, **keys)
    cpu = tools.train("cpu", *recipe, **{**keys, "backend": "cpu"})
    if len(cpu) != keys["steps"]:
        raise Failed(f"{len(cpu)} of {keys['steps']} steps were logged")
    figures = {"losses": compare(gpu, cpu, 1e-4)}
    evaluations = [[row["loss"] for row in tools.rows(name, "eval")] for name in ("gpu", "cpu")]
    if recipe:
        figures["evaluation"] = compare(*evaluations, 1e-4)
    return {"detail": f"losses within {max(figures.values()):.1e} of the CPU's", **figures, "first": cpu[0], "last": cpu[-1]}


# ---- LeNet, in other ways ----

def lenet(tools, name, data="grey", steps=20, **keys):
    usual = {"net": "experiments/nets/lenet.net", "data": tools.dataset(data), "eval_data": tools.dataset(data),
             "batch": 64, "learning_rate": 0.0005, **OPTIMIZER}
    return tools.train(name, steps=steps, **{**usual, **keys})


def bf16_band(tools):
    """Where fp32 goes from six seeds is the band: means of windows may leave it by as much as it is wide, and 2 %."""
    steps, window, seeds = (60, 20, 3) if tools.small else (300, 50, 6)

    def windows(losses):
        return [sum(losses[i:i + window]) / window for i in range(0, steps, window)]

    def train(name, **keys):
        return windows(lenet(tools, name, "noisy", steps, learning_rate=0.01, **keys))

    band = [train(f"cpu-{seed}", seed=seed, backend="cpu") for seed in range(1, seeds + 1)]
    gpu = train("gpu", seed=1, precision="auto" if tools.backend == "cpu" else "bf16")
    rows = []
    for index, (value, fp32) in enumerate(zip(gpu, zip(*band))):
        room = max(fp32) - min(fp32) + 0.02 * max(fp32)
        rows.append({"steps": (index + 1) * window, "bf16": value, "least": min(fp32), "most": max(fp32)})
        if not min(fp32) - room <= value <= max(fp32) + room:
            raise Failed(f"mean loss of the {window} steps up to {(index + 1) * window}: {value:.4f}, fp32 on the CPU "
                         f"{min(fp32):.4f} to {max(fp32):.4f}")
    last = rows[-1]
    return {"detail": f"last {window} of {steps} steps: {last['bf16']:.4f}, fp32 from {seeds} seeds {last['least']:.4f} to "
                      f"{last['most']:.4f}", "windows": rows}


def bits_twice(tools):
    for exact in ("off", "on"):
        one, two = f"{exact}-one", f"{exact}-two"
        lenet(tools, one, exact=exact)
        lenet(tools, two, exact=exact)
        same_bits(tools, one, two)
    return {"detail": "losses and checkpoints are the same, exact off and on"}


def recorded(tools):
    """Steps replayed from CUDA graphs, whole and between exchanged ranges, against steps queued op by op."""
    for workers in (1, 2):
        keys = {"workers": workers, **shared(tools)}
        lenet(tools, f"recorded-{workers}", **keys)
        lenet(tools, f"by-op-{workers}", cuda_graphs="off", **keys)
        same_bits(tools, f"recorded-{workers}", f"by-op-{workers}", files=False)
    return {"detail": "losses and evaluation are the same, by 1 and by 2 workers"}


def shared(tools):
    """Options of workers that share a GPU."""
    if tools.backend == "cpu":
        return {"threads": 1}
    if not tools.has_option(["train"], "--share-gpu"):
        raise Skipped("this program has no --share-gpu")
    return {"share_gpu": "on"}


def ranks(workers, tools):
    """Other sums, but the same steps; with exact=on the same bits. Rates rise slowly: else a kink of relu or maxpool, met by
    luck, would make more of the last digits than is allowed here, also on CPUs (tests/e2e/test_bits.py)."""
    keys = shared(tools)
    one = {"threads": 1} if tools.backend == "cpu" else {}
    alone = lenet(tools, "alone", warmup=500, **one)
    together = lenet(tools, "together", workers=workers, warmup=500, **keys)
    difference = compare(together, alone, 1e-5)
    lenet(tools, "exact-alone", exact="on", **one)
    lenet(tools, "exact-together", exact="on", workers=workers, **keys)
    same_bits(tools, "exact-together", "exact-alone", files=False)
    return {"detail": f"losses within {difference:.1e} of one worker's; exact: the same bits", "losses": difference}


def killed(tools):
    """kill -9 at some step, then --resume: as if nothing had happened."""
    keys = {"net": "experiments/nets/lenet.net", "data": tools.dataset("grey"), "batch": 64, "learning_rate": 0.003,
            "checkpoint_every": 7, "eval_data": tools.dataset("grey"), **OPTIMIZER}
    process = tools.start([tools.build / "convoy", *tools.arguments("run", **keys, steps=10_000_000)])
    try:
        while len(tools.losses("run")) < 16:
            if process.poll() is not None:
                raise Failed(f"the run ended by itself: {last_words(process.stdout.read())}")
            if tools.left() < 1:
                raise Failed("16 steps were not taken in time")
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finally:
        tools.end(process)
    saved = int(tools.checkpoint("run").stem.split("-")[1])
    tools.train("run", **keys, steps=saved + 10, resume=True)
    tools.train("whole", **keys, steps=saved + 10)
    if len(tools.losses("run")) != saved + 10:
        raise Failed(f"{len(tools.losses('run'))} steps were logged, not {saved + 10}")
    same_bits(tools, "run", "whole")
    return {"detail": f"killed after step {saved}, went on to {saved + 10}: the same bits"}


# ---- compute-sanitizer ----

LARGE = "*alexnet*:*lenet*:*large*:*wide*:*cifar*:*several_ranges*:*Large*"


def sanitizer(tool, tools):
    """compute-sanitizer on test_gpu's small cases."""
    program = shutil.which("compute-sanitizer", path=os.environ.get("PATH", "") + ":/usr/local/cuda/bin")
    if not program:
        raise Skipped("there is no compute-sanitizer")
    output = tools.run([program, "--tool", tool, "--target-processes", "all", "--error-exitcode", "99",
                        tools.program("test_gpu"), f"--gtest_filter=-{LARGE}", "--gtest_brief=1"], codes=(0, 1, 99))
    (tools.runs / "output").write_text(output)
    summaries = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: (\d+) (?:errors?|hazards?)", output)
    if not summaries:
        raise Failed(f"no summary: {last_words(output)}")
    passed = re.search(r"\[  PASSED  \] (\d+) tests?", output)
    if "before first instrumented API call" in output:
        raise Failed("compute-sanitizer saw nothing of test_gpu")
    if any(int(count) for count in summaries):
        first = next((line for line in output.splitlines() if re.search(r"=========\s+(Invalid|Error|Uninit|Race|Warning)", line)), "")
        raise Failed(f"{max(map(int, summaries))} findings; first: {first.strip('= ')[:300]}")
    if not passed or "[  FAILED  ]" in output:
        raise Failed(f"no findings, but tests failed: {last_words(output)}")
    return {"detail": f"no findings in {passed.group(1)} tests", "tests": int(passed.group(1))}


# What proves most comes first: what no longer fits into the budget is left out.
CHECKS = [
    Check("unit tests", 30, 150, unit_tests),
    *(Check(f"steps of {net}", 15, 60, partial(steps_of, net)) for net in ("lenet", "alexnet-2012")),
    Check("the same bits twice", 8, 40, bits_twice),
    Check("recorded steps", 8, 40, recorded),
    *(Check(f"{workers} workers on one GPU", 12, 60, partial(ranks, workers)) for workers in (2, 4)),
    Check("killed and resumed", 8, 40, killed),
    Check("bf16 on LeNet", 15, 60, bf16_band),
    *(Check(f"steps of {net}", 15, 90, partial(steps_of, net)) for net in STEPS if net not in ("lenet", "alexnet-2012")),
    *(Check(f"speed of {net}", 60, 150, partial(speed.of, net)) for net in speed.CASES),
    *(Check(f"compute-sanitizer {tool}", 30, 120, partial(sanitizer, tool)) for tool in ("memcheck", "racecheck", "initcheck")),
]
