"""Training on a GPU: by the CUDA sources that a GPU would run, on the CPU (tests/support/cuda_on_cpu).

Of two devices the same steps differ by the order of sums alone: within 20 of them losses stay within 1e-4 of each other,
the room that tests/golden gives another framework.
"""

import re
from pathlib import Path

import pytest

from program import BINARY, OK, USAGE, answer, checkpoints, convoy, losses, parameters, same_bits, succeed

CUDA = BINARY.with_name("convoy_cuda_on_cpu")


@pytest.fixture
def train(tiny_train):
    """A function that trains on a device and returns the run folder."""

    def start(name, backend="cuda", workers=1, more=(), **keys):
        arguments = tiny_train(name, **{"steps": 20, "warmup": 100, "backend": backend, **keys})
        succeed(*arguments, *more, workers=workers, binary=CUDA)
        return Path(arguments[arguments.index("--run") + 1])

    return start


@pytest.mark.parametrize("keys", [
    {},
    {"optimizer": "adam", "learning-rate": 0.001, "clip-norm": 1},
    {"micro-batch": 8},
    {"lanes": 4},
    {"augment": "shift 2, flip", "shuffle": "blocks"},
], ids=["momentum", "adam", "micro-batch", "lanes", "augment"])
def test_a_gpu_takes_the_steps_of_the_cpu(train, keys):
    if "optimizer" in keys:
        keys = {"momentum": 0, **keys}
    gpu, cpu = train("gpu", **keys), train("cpu", backend="cpu", **keys)
    assert len(losses(gpu)) == 20
    assert losses(gpu) == pytest.approx(losses(cpu), rel=1e-4, abs=0)


def test_several_gpus_take_the_steps_of_one(train):
    alone, together = train("alone"), train("together", workers=2, **{"share-gpu": "on"})
    assert losses(together) == pytest.approx(losses(alone), rel=1e-5, abs=0)


def test_the_same_run_twice_gives_the_same_bits(train):
    one, two = train("one"), train("two")
    assert losses(one) == losses(two)
    assert same_bits(checkpoints(one)[-1], checkpoints(two)[-1]) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_recorded_step_gives_the_bits_of_one_queued_op_by_op(train, workers):
    keys = {"lanes": 4, "share-gpu": "on", "workers": workers}
    recorded, by_op = train("recorded", **keys), train("by-op", **{"cuda-graphs": "off"}, **keys)
    assert losses(recorded) == losses(by_op)
    assert same_bits(checkpoints(recorded)[-1], checkpoints(by_op)[-1]) == []


def test_exact_bits_do_not_depend_on_the_workers(train):
    one, two = train("one", exact="on"), train("two", exact="on", workers=2, **{"share-gpu": "on"})
    assert losses(one) == losses(two)
    assert same_bits(checkpoints(one)[-1], checkpoints(two)[-1]) == []


def test_a_run_goes_on_from_its_checkpoint(train):
    whole = train("whole")
    train("parts", steps=7)
    parts = train("parts", more=["--resume"])
    assert losses(parts) == losses(whole)
    assert same_bits(checkpoints(parts)[-1], checkpoints(whole)[-1]) == []


def test_a_gpus_checkpoint_goes_on_on_a_cpu(train):
    whole = train("whole", backend="cpu")
    train("parts", steps=7)
    parts = train("parts", backend="cpu", more=["--resume"])
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-4, abs=0)


def test_evaluation_is_that_of_the_cpu(train, tiny):
    run = train("run", **{"eval-data": tiny / "test", "eval-every": 10})
    checkpoint = checkpoints(run)[-1]
    on_gpu = answer("eval", "--checkpoint", checkpoint, "--data", tiny / "test", "--backend", "cuda", binary=CUDA)
    on_cpu = answer("eval", "--checkpoint", checkpoint, "--data", tiny / "test", "--backend", "cpu")
    assert on_gpu == {**on_cpu, "loss": pytest.approx(on_cpu["loss"], rel=1e-5)}
    assert on_gpu["samples"] == 50


def test_the_plan_names_the_gpus_memory(tiny_train):
    done = succeed(*tiny_train("run", steps=1, backend="cuda"), binary=CUDA)
    line = next(line for line in done.stderr.splitlines() if line.startswith("memory of each GPU"))
    # Pixels, labels and a position: of the step under way, and of the next one.
    assert "momentum" in line and f"images {2 * (32 * (12 * 12 + 4) + 8) / 1024:.1f} KiB" in line
    assert "GPU 0, CUDA on the CPU" in done.stderr


@pytest.mark.parametrize("what", ["step", "ops"])
def test_layers_are_timed_against_the_gpus_own_peak(tiny, what):
    flags = ["bench", what, "--net", tiny / "tiny.net", "--batch", 8, "--steps", 2, "--warm-up", 1, "--precision", "tf32", "--backend",
             "cuda"]
    timing = answer(*flags, binary=CUDA)
    peak = timing["peak"]
    assert (peak["of"], peak["products"]) == ("GPU", "tf32 products")
    cpu = answer("bench", "ops", "--net", tiny / "tiny.net", "--batch", 1, "--steps", 1, "--backend", "cpu")["peak"]
    assert (cpu["of"], cpu["products"]) == ("machine", "FMA")
    for rate in ("flops_per_second", "bytes_copied_per_second"):
        assert peak[rate] > 0
    layers = timing["layers" if what == "step" else "ops"]
    for layer in layers:
        assert layer["share_of_peak"] == pytest.approx(layer["floor"] / layer["seconds"])
        if layer["kind"] in ("conv", "fc", "maxpool"):
            assert layer["seconds"] > 0 and layer["floor"] > 0
    if what == "step":
        assert timing["images_per_second"] > 0
        # Its neighbours do all its work, so nothing bounds it.
        assert [layer["floor"] for layer in layers if layer["name"] == "relu1"] == [0]
    text = succeed(*flags, binary=CUDA).stdout
    assert re.search(r"^peak of this GPU: tf32 products \d+ GFLOP/s, copy \d+\.\d GB/s$", text, re.MULTILINE)
    assert "floor ms" in text and "times floor" in text


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
def test_layers_of_every_kind_are_timed_alone(tmp_path, backend):
    lines = ["input 12x12x2", "conv K=4 F=3", "batchnorm", "relu", "lrn", "maxpool F=2 S=2", "a: conv K=4 F=1",
             "b: add from=a,maxpool1", "c: concat from=a,b", "avgpool F=5", "dropout", "fc K=4", "loss softmax"]
    (tmp_path / "every.net").write_text("\n".join(lines) + "\n")
    ops = answer("bench", "ops", "--net", tmp_path / "every.net", "--batch", 4, "--steps", 2, "--threads", 1, "--backend", backend,
                 binary=CUDA)["ops"]
    assert {"conv", "batchnorm", "relu", "lrn", "maxpool", "add", "concat", "avgpool", "dropout", "fc"} <= {op["kind"] for op in ops}
    assert all(op["forward"] > 0 for op in ops)


def test_auto_takes_the_gpu_where_there_is_one(tiny_train):
    assert "CUDA on the CPU" in succeed(*tiny_train("run", steps=1), binary=CUDA).stderr


def test_two_workers_on_one_gpu_are_asked_whether_they_mean_it(tiny_train):
    done = convoy(*tiny_train("run", steps=1, backend="cuda"), workers=2, binary=CUDA)
    assert done.returncode == USAGE
    assert "--share-gpu on" in done.stderr


def test_more_lanes_than_a_gpu_sums(tiny_train):
    done = convoy(*tiny_train("run", steps=1, backend="cuda", exact="on", lanes=128, batch=128), binary=CUDA)
    assert done.returncode == USAGE
    assert "lanes 128" in done.stderr and "--lanes 64" in done.stderr


def test_without_a_gpu_cuda_is_an_error_and_auto_takes_the_cpu(tiny_train):
    done = convoy(*tiny_train("run", steps=1, backend="cuda"))
    if done.returncode == OK:
        pytest.skip("there is a GPU here")
    assert done.returncode == USAGE
    assert done.stderr.count("\n") == 1 and "--backend cpu" in done.stderr
    assert "each CPU" in succeed(*tiny_train("auto", steps=1)).stderr


def test_weights_of_both_are_near(train):
    gpu, cpu = (parameters(checkpoints(train(backend, backend=backend))[-1]) for backend in ("cuda", "cpu"))
    for name, weights in gpu.items():
        assert weights == pytest.approx(cpu[name], abs=1e-4), name
