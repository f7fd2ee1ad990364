"""Layers, precisions and measured choices through the whole program, on a made-up dataset."""

import json

import h5py
import numpy
import pytest

from program import OK, REPOSITORY, USAGE, answer, checkpoints, convoy, losses, rows, same_bits, succeed

# Every kind of layer that is not in the tiny network, with a residual and an inception shape.
EVERYTHING = """input 12x12x1
default init=xavier
c: conv K=8 F=3 P=1 bias=off
batchnorm
a: relu
conv K=8 F=3 P=1
leakyrelu slope=0.1
conv K=8 F=3 P=1
b: lrn n=3 alpha=0.01
s: add from=b,a
relu
avgpool F=3 S=2 fit=ceil
m: lrn region=within n=3
one: conv K=4 F=1 from=m
two: conv K=4 F=3 P=1 G=2 from=m
three: maxpool F=3 S=1 P=1 from=m
concat from=one,two,three
sigmoid
conv K=8 F=3 D=2
tanh
flatten
dropout p=0.3
fc K=4
loss softmax smoothing=0.05
"""


@pytest.fixture
def everything(tiny):
    path = tiny / "everything.net"
    path.write_text(EVERYTHING)
    return path


def test_every_layer_learns(everything, tiny_train, tmp_path, tiny):
    succeed(*tiny_train("run", net=everything, steps=150, optimizer="adam", learning_rate=0.003))
    history = losses(tmp_path / "run")
    assert sum(history[-10:]) < 0.6 * sum(history[:10])
    result = answer("eval", "--checkpoint", checkpoints(tmp_path / "run")[-1], "--data", tiny / "test")
    assert result["top1"] > 0.5  # four classes


def test_running_statistics_are_buffers(everything, tiny_train, tmp_path):
    succeed(*tiny_train("run", net=everything, steps=5, optimizer="adam"))
    with h5py.File(checkpoints(tmp_path / "run")[-1]) as file:
        assert sorted(file["buffers/batchnorm1"]) == ["running_mean", "running_variance"]
        assert sorted(file["params/batchnorm1"]) == ["bias", "weight"]
        slots = list(file["optimizer"])
        assert len(slots) == 2
        for slot in slots:
            assert sorted(file["optimizer"][slot]["batchnorm1"]) == ["bias", "weight"]
        assert numpy.any(file["buffers/batchnorm1/running_mean"][...] != 0)


@pytest.mark.parametrize("optimizer", ["adam", "lars"])
@pytest.mark.parametrize("workers, threads", [(1, 2), (2, 1), (4, 1)])
def test_exact_bits_with_dropout_and_batch_norm(everything, tiny_train, tmp_path, optimizer, workers, threads):
    keys = {"net": everything, "steps": 12, "optimizer": optimizer, "exact": "on", "learning-rate": 0.01,
            "clip-norm": 0.5}
    succeed(*tiny_train("alone", **keys))
    succeed(*tiny_train("other", **{**keys, "threads": threads}), workers=workers)
    assert losses(tmp_path / "other") == losses(tmp_path / "alone")
    one, other = (checkpoints(tmp_path / name)[-1] for name in ("alone", "other"))
    assert same_bits(one, other) == []
    with h5py.File(one) as a, h5py.File(other) as b:
        for name in ("running_mean", "running_variance"):
            path = f"buffers/batchnorm1/{name}"
            assert a[path][...].tobytes() == b[path][...].tobytes()


def test_a_resumed_run_draws_the_same_masks(everything, tiny_train, tmp_path):
    keys = {"net": everything, "optimizer": "adam", "checkpoint-every": 10}
    succeed(*tiny_train("whole", **keys, steps=20))
    succeed(*tiny_train("halves", **keys, steps=10))
    succeed(*tiny_train("halves", **keys, steps=20), "--resume")
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")
    assert same_bits(*(checkpoints(tmp_path / name)[-1] for name in ("whole", "halves"))) == []


def test_the_recipe_may_name_another_loss(tiny_train, tmp_path):
    succeed(*tiny_train("run", loss="hinge margin=1", steps=40))
    history = losses(tmp_path / "run")
    assert history[0] == pytest.approx(3, rel=0.3)  # three wrong classes, each near the margin
    assert history[-1] < 0.5 * history[0]
    with h5py.File(checkpoints(tmp_path / "run")[-1]) as file:
        assert "loss hinge margin=1" in file["network"][()].decode()


def has_bf16():
    with open("/proc/cpuinfo") as file:
        return "avx512_bf16" in file.read()


def test_bf16_trains_like_fp32(tiny_train, tmp_path):
    if not has_bf16():
        pytest.skip("this processor does not multiply bf16 numbers")
    for precision in ("fp32", "bf16"):
        succeed(*tiny_train(precision, precision=precision, steps=40))
    fp32, bf16 = (losses(tmp_path / name) for name in ("fp32", "bf16"))
    assert fp32 != bf16
    # One product is right to 2^-8; a loss averages thousands of them.
    assert bf16[:5] == pytest.approx(fp32[:5], rel=0.02)
    assert bf16[-1] < 0.7 * bf16[0]


def test_eval_computes_as_the_run_did(tiny, tiny_train, tmp_path):
    if not has_bf16():
        pytest.skip("this processor does not multiply bf16 numbers")
    succeed(*tiny_train("run", precision="bf16", steps=40, eval_data=tiny / "test", checkpoint_every=40))
    of_run = rows(tmp_path / "run", "eval")[-1]
    alone = answer("eval", "--checkpoint", checkpoints(tmp_path / "run")[-1], "--data", tiny / "test")
    assert alone["loss"] == of_run["loss"]


def test_bf16_where_it_is_missing(tiny_train, tmp_path):
    done = convoy(*tiny_train("bf16", precision="bf16", steps=2))
    assert done.returncode == (OK if has_bf16() else USAGE)
    done = succeed(*tiny_train("auto", precision="auto", steps=2))
    assert ("so this run is in fp32" in done.stdout + done.stderr) == (not has_bf16())


def test_measured_choices_are_kept_and_used_again(tiny_train, tmp_path):
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    succeed(*tiny_train("run", steps=5), environment=cache)
    written = json.loads((tmp_path / "run/tuning.json").read_text())
    assert written["machine"] and all(entry["choice"] for entry in written["choices"].values())
    cached = list((tmp_path / "cache/convoy").glob("tuning-*.json"))
    assert len(cached) == 1
    assert json.loads(cached[0].read_text())["choices"].keys() == written["choices"].keys()

    # A damaged cache is measured anew; a run goes on with its own choices, whatever the cache says.
    cached[0].write_text("not JSON")
    succeed(*tiny_train("run", steps=10), "--resume", environment=cache)
    kept = json.loads((tmp_path / "run/tuning.json").read_text())
    assert {k: v["choice"] for k, v in kept["choices"].items()} == \
        {k: v["choice"] for k, v in written["choices"].items()}

    (tmp_path / "run/tuning.json").write_text("{")
    done = convoy(*tiny_train("run", steps=15), "--resume", environment=cache)
    assert done.returncode != OK
    assert "tuning.json: not a table of measured choices" in done.stderr


def test_nothing_is_measured_under_exact(tiny_train, tmp_path):
    succeed(*tiny_train("run", steps=2, exact="on"))
    assert not (tmp_path / "run/tuning.json").exists()


def test_bench_tells_layers_and_their_share_of_the_peak(tiny):
    step = answer("bench", "step", "--net", tiny / "tiny.net", "--batch", 16, "--steps", 5, "--threads", 1)
    assert step["images_per_second"] > 0
    assert [layer["name"] for layer in step["layers"]][:3] == ["input1", "conv1", "maxpool1"]
    assert all(layer["seconds"] >= 0 for layer in step["layers"])
    ops = answer("bench", "ops", "--net", tiny / "tiny.net", "--batch", 16, "--steps", 5, "--threads", 1)
    names = [op["name"] for op in ops["ops"]]
    assert names[0] == "conv1" and names[-1] == "loss1"
    assert ops["ops"][0]["backward_weights"] > 0 and ops["ops"][0]["backward_data"] == 0  # the first layer's


def test_net_timed_tells_algorithms(tiny):
    timed = answer("net", tiny / "tiny.net", "--batch", 16, "--timed", "--threads", 1)
    conv = timed["layers"][1]
    assert conv["seconds"] > 0 and "forward" in conv["algorithms"]
    assert conv["activation_bytes"] == 16 * 10 * 10 * 8 * 4
    assert conv["receptive_stride"] == [1, 1]


def test_the_planned_memory_is_what_is_held():
    """AlexNet's memory is its parameters and activations; what programs and libraries take besides is small."""
    network = REPOSITORY / "experiments/nets/alexnet.net"
    step = answer("bench", "step", "--net", network, "--batch", 16, "--steps", 2, "--warm-up", 1, "--threads", 1)
    assert step["planned_bytes"] < step["peak_bytes"] < 1.1 * step["planned_bytes"]
    net = answer("net", network, "--batch", 16, "--threads", 1)
    assert net["memory"]["total"] == step["planned_bytes"]


def test_one_output_meets_the_label_itself(tiny, tiny_train, tmp_path):
    (tmp_path / "regression.net").write_text((tiny / "tiny.net").read_text().replace("fc K=4", "fc K=1"))
    succeed(*tiny_train("run", net=tmp_path / "regression.net", loss="mse", steps=60, learning_rate=0.01))
    history = losses(tmp_path / "run")
    assert sum(history[-5:]) / 5 < 0.6 * history[0]
    result = answer("eval", "--checkpoint", checkpoints(tmp_path / "run")[-1], "--data", tiny / "test")
    assert result["loss"] < history[0]


def test_a_loss_that_is_no_number_is_told_as_such(tiny_train, tiny, tmp_path):
    succeed(*tiny_train("run", steps=2))
    with h5py.File(checkpoints(tmp_path / "run")[-1]) as whole, h5py.File(tmp_path / "nan.h5", "w") as copy:
        whole.copy("params", copy)
        copy["params/fc2/bias"][...] = numpy.nan
    result = answer("eval", "--net", tiny / "tiny.net", "--init", tmp_path / "nan.h5", "--data", tiny / "test")
    assert result["loss"] is None
