"""`convoy train` follows another framework's figures: 20 steps of every kind of layer (tests/golden)."""

import json
import sys

import h5py
import pytest

from program import REPOSITORY, answer, checkpoints, losses, succeed

GOLDEN = REPOSITORY / "tests/golden"
sys.path.insert(0, str(GOLDEN))

import values  # noqa: E402

FIGURES = json.loads((GOLDEN / "golden.json").read_text())
STEPS = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The samples of the 20 steps, and those of the evaluation after them, as HDF5 files that h5py wrote."""
    folder = tmp_path_factory.mktemp("golden")
    batch = FIGURES["batch"]
    for name, first, count in (("train", 0, STEPS * batch), ("after", STEPS * batch, batch)):
        images, labels = values.images(tuple(FIGURES["shape"]), FIGURES["classes"], first, count)
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["images"], file["labels"] = images, labels
    return folder


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_training_follows_the_golden_trajectory(optimizer, data, tmp_path):
    run = next(run for run in FIGURES["runs"] if run["net"] == "all-layers" and run["optimizer"] == optimizer)
    with h5py.File(tmp_path / "init.h5", "w") as file:
        for name, shape in FIGURES["parameters"]["all-layers"].items():
            file[f"params/{name}"] = values.initial(name, tuple(shape))
    keys = {key: value for key, value in run.items() if key not in ("net", "losses", "evaluation")}
    pixels = ["--mean", FIGURES["mean"], "--scale", FIGURES["scale"]]
    succeed("train", "--net", GOLDEN / "all-layers.net", "--init", tmp_path / "init.h5", "--data", data / "train.h5",
            "--run", tmp_path / "run", "--batch", FIGURES["batch"], "--steps", STEPS, "--shuffle", "off", "--log-every", 1,
            "--lanes", 1, "--threads", 1, *pixels, *(word for key, value in keys.items() for word in (f"--{key}", value)))
    # fp32 against float64; see tests/golden/trajectory_test.cpp.
    assert losses(tmp_path / "run") == pytest.approx(run["losses"], rel=1e-4)
    found = answer("eval", "--checkpoint", checkpoints(tmp_path / "run")[-1], "--data", data / "after.h5")
    assert found["samples"] == FIGURES["batch"]
    assert found["loss"] == pytest.approx(run["evaluation"], rel=1e-4)
