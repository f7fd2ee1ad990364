"""Convoy's LeNet is Caffe's: with Caffe's trained weights it scores what Caffe scores on MNIST's test images."""

import h5py
import pytest

from program import REPOSITORY, answer, succeed

NAMES = {"conv1": "conv1", "conv2": "conv2", "ip1": "fc1", "ip2": "fc2"}


def to_convoy(name, weight):
    """Caffe's (out, in, kh, kw) to (K, F, F, C); its fc flattens (C, H, W), Convoy's (H, W, C)."""
    if weight.ndim == 4:
        return weight.transpose(0, 2, 3, 1)
    if name == "ip1":
        return weight.reshape(500, 50, 4, 4).transpose(0, 2, 3, 1).reshape(500, 800)
    return weight


@pytest.fixture(scope="module")
def caffe_weights(test_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("caffe") / "init.h5"
    with h5py.File(test_data("lenet-mnist/lenet-caffe.h5"), "r") as caffe, h5py.File(path, "w") as init:
        for theirs, ours in NAMES.items():
            init[f"params/{ours}/weight"] = to_convoy(theirs, caffe[f"{theirs}/weight"][...])
            init[f"params/{ours}/bias"] = caffe[f"{theirs}/bias"][...]
    return path


@pytest.fixture(scope="module")
def mnist(test_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("mnist") / "test"
    succeed("import", "idx", *(test_data(f"mnist/t10k-{part}-ubyte.gz") for part in ("images-idx3", "labels-idx1")),
            "--out", out)
    return out


def test_accuracy_and_loss_are_caffes(caffe_weights, mnist):
    found = answer("eval", "--net", REPOSITORY / "experiments/nets/lenet.net", "--init", caffe_weights, "--data",
                   mnist, "--mean", 0, "--scale", "1/256")
    assert found["samples"] == 10000
    assert found["top1"] == 0.9914
    # Caffe's figure is given to five decimals; sums of another order stay far below that.
    assert found["loss"] == pytest.approx(0.02727, abs=1e-5)


def test_other_pixels_score_otherwise(caffe_weights, mnist):
    """The comparison above sees a wrong scale."""
    found = answer("eval", "--net", REPOSITORY / "experiments/nets/lenet.net", "--init", caffe_weights, "--data",
                   mnist, "--mean", 0, "--scale", 1)
    assert abs(found["loss"] - 0.02727) > 1e-3
